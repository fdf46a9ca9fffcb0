#include "base/words.hpp"

#include <gtest/gtest.h>

namespace pgcurfew {
namespace {

TEST(NearestWord, FindsTheWordThatWasMeant) {
  EXPECT_EQ(nearest_word("databse", {"user", "database"}), "database");
  EXPECT_EQ(nearest_word("idle-in-transaction", {"idle", "idle in transaction"}), "idle in transaction");
  EXPECT_EQ(nearest_word("x", {"s"}), "s");
}

TEST(NearestWord, KeepsQuietWhenNothingIsNear) {
  EXPECT_EQ(nearest_word("frobnicate", {"user", "database"}), std::nullopt);
  EXPECT_EQ(nearest_word("", {"s"}), std::nullopt);
  EXPECT_EQ(nearest_word(std::string(100, 'a'), {"aaa"}), std::nullopt);
  EXPECT_EQ(nearest_word("user", {}), std::nullopt);
}

TEST(NearestWord, TakesTheFirstOfEquallyNearOnes) {
  EXPECT_EQ(nearest_word("cat", {"bat", "rat"}), "bat");
}

TEST(Utf8Length, KnowsWellFormedCharacters) {
  EXPECT_EQ(utf8_length("a"), 1U);
  EXPECT_EQ(utf8_length("\xC3\xA9"), 2U);
  EXPECT_EQ(utf8_length("\xE2\x82\xAC rest"), 3U);
  EXPECT_EQ(utf8_length("\xF0\x9F\x90\x98"), 4U);
}

TEST(Utf8Length, IsZeroForTheIllFormed) {
  EXPECT_EQ(utf8_length(""), 0U);
  EXPECT_EQ(utf8_length("\x80"), 0U);
  EXPECT_EQ(utf8_length("\xC3"), 0U);
  EXPECT_EQ(utf8_length("\xC0\xAF"), 0U);
  EXPECT_EQ(utf8_length("\xED\xA0\x80"), 0U);
  EXPECT_EQ(utf8_length("\xF5\x80\x80\x80"), 0U);
}

TEST(Printable, KeepsWhatIsHarmless) {
  EXPECT_EQ(printable("select 'caf\xC3\xA9'"), "select 'caf\xC3\xA9'");
}

TEST(Printable, EscapesWhatWouldChangeATerminalOrALine) {
  EXPECT_EQ(printable("a\nb\tc\x1B[2J\x7F"), "a\\nb\\tc\\x1b[2J\\x7f");
  EXPECT_EQ(printable("\xFF\xC3"), "\\xff\\xc3");
  EXPECT_EQ(printable("\xE2\x80\xAE"), "\\xe2\\x80\\xae");  // right-to-left override
  EXPECT_EQ(printable("\xC2\x9B"), "\\xc2\\x9b");           // C1
}

TEST(Printable, CutsAtACharacter) {
  EXPECT_EQ(printable("abcdef", 3), "abc...");
  EXPECT_EQ(printable("abc", 3), "abc");
  EXPECT_EQ(printable("ab\xC3\xA9", 3), "ab...");
}

TEST(QuotedIdentifier, LeavesOnlyPlainNamesBare) {
  for (const std::string name : {"pgcurfew", "_watch_2", "a"}) EXPECT_EQ(quoted_identifier(name), name);
  EXPECT_EQ(quoted_identifier("Ops"), "\"Ops\"");
  EXPECT_EQ(quoted_identifier("ops-team"), "\"ops-team\"");
  EXPECT_EQ(quoted_identifier("2nd"), "\"2nd\"");
  EXPECT_EQ(quoted_identifier("a\"; DROP"), "\"a\"\"; DROP\"");
  EXPECT_EQ(quoted_identifier("caf\xC3\xA9"), "\"caf\xC3\xA9\"");
}

}  // namespace
}  // namespace pgcurfew
