#include "base/size.hpp"

#include <gtest/gtest.h>

namespace pgcurfew {
namespace {

TEST(Size, IsReadWithPostgresqlsUnits) {
  EXPECT_EQ(parse_size("1kB").value(), 1024);
  EXPECT_EQ(parse_size("100 MB").value(), 100 * 1024 * 1024);
  EXPECT_EQ(parse_size("1GB").value(), 1 << 30);
  EXPECT_EQ(parse_size("2TB").value(), std::int64_t{2} << 40);
}

TEST(Size, NeedsAUnitThatPostgresqlKnows) {
  for (const char* text : {"", "1", "MB", "1mb", "1 KB", "-1MB", "1.5GB", "1  MB", "1MB ", " 1MB", "1MiB",
                           "99999999999999999999kB", "9000000TB"}) {
    const auto size = parse_size(text);
    EXPECT_FALSE(size) << text;
    if (!size) EXPECT_FALSE(size.error().hint.empty());
  }
}

TEST(Size, IsShownInItsLargestUnit) {
  EXPECT_EQ(size_text(std::int64_t{1} << 30U), "1GB");
  EXPECT_EQ(size_text(1536 * 1024), "1536kB");
  EXPECT_EQ(size_text(7), "7 bytes");
  EXPECT_EQ(size_text(0), "0 bytes");
  for (const std::int64_t bytes : {1024, 1 << 20, 5 << 20, 3 * 1024}) {
    EXPECT_EQ(parse_size(size_text(bytes)).value(), bytes);
  }
}

}  // namespace
}  // namespace pgcurfew
