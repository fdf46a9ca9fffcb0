#include "base/nesting.hpp"

#include <string>

#include <gtest/gtest.h>

namespace pgcurfew {
namespace {

TEST(Nesting, IsThatOfArraysAndObjects) {
  EXPECT_EQ(nesting_of(""), 0U);
  EXPECT_EQ(nesting_of("1"), 0U);
  EXPECT_EQ(nesting_of(R"({"a":[],"b":[{}],"c":[]})"), 3U);
  EXPECT_EQ(nesting_of(std::string(100000, '[')), 100000U);
  EXPECT_EQ(nesting_of("]]]][[["), 3U);
}

TEST(Nesting, IsNotThatOfTexts) {
  EXPECT_EQ(nesting_of(R"({"[[[[":"[[[[{{{{"})"), 1U);
  EXPECT_EQ(nesting_of(R"({"a":"\"[[[[\\",  "b":[]})"), 2U);
  EXPECT_EQ(nesting_of("\"[[["), 0U);
  EXPECT_EQ(nesting_of("\"\\"), 0U);
}

}  // namespace
}  // namespace pgcurfew
