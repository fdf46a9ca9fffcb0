#include "report/html.hpp"

#include <gtest/gtest.h>

namespace pgcurfew {
namespace {

TEST(EscapeHtml, LeavesNothingThatBeginsATagOrEndsAnAttribute) {
  EXPECT_EQ(escape_html("<a href='x' title=\"y\">&amp;"),
            "&lt;a href=&#39;x&#39; title=&quot;y&quot;&gt;&amp;amp;");
}

TEST(EscapeHtml, ShowsWhatWouldNotBeSeen) {
  EXPECT_EQ(escape_html("a\nb\x1b[2J\xff\xe2\x80\xae"), "a\\nb\\x1b[2J\\xff\\xe2\\x80\\xae");
  EXPECT_EQ(escape_html(std::string_view("\0", 1)), "\\x00");
}

TEST(EscapeHtml, LeavesOtherTextAsItIs) {
  EXPECT_EQ(escape_html("Größe 漢字 = 1"), "Größe 漢字 = 1");
}

TEST(EscapeHtml, CutsBeforeItEscapesSoThatNoReferenceIsTorn) {
  EXPECT_EQ(escape_html("<<<<<<", 3), "&lt;&lt;&lt;...");
}

}  // namespace
}  // namespace pgcurfew
