#include "base/pattern.hpp"

#include <gtest/gtest.h>

namespace pgcurfew {
namespace {

bool fits(std::string_view pattern, std::string_view text) {
  const auto parsed = TextPattern::parse(pattern);
  EXPECT_TRUE(parsed) << pattern;
  return parsed && parsed->matches(text);
}

TEST(TextPattern, ExactTextFitsLetterForLetter) {
  EXPECT_TRUE(fits("app", "app"));
  EXPECT_FALSE(fits("app", "App"));
  EXPECT_FALSE(fits("app", "app2"));
  EXPECT_FALSE(fits("app", ""));
  EXPECT_FALSE(fits("a.p", "axp"));
}

TEST(TextPattern, WildcardsFitTheWholeText) {
  EXPECT_TRUE(fits("app_*", "app_"));
  EXPECT_TRUE(fits("app_*", "app_orders"));
  EXPECT_FALSE(fits("app_*", "my_app_orders"));
  EXPECT_TRUE(fits("*a*b*", "xxaxxbxx"));
  EXPECT_FALSE(fits("*a*b*", "xxbxxaxx"));
  EXPECT_TRUE(fits("db?", "db1"));
  EXPECT_FALSE(fits("db?", "db"));
  EXPECT_FALSE(fits("db?", "db12"));
  EXPECT_TRUE(fits("*", ""));
}

TEST(TextPattern, QuestionMarkIsOneCharacterOfUtf8) {
  EXPECT_TRUE(fits("caf?", "caf\xC3\xA9"));
  EXPECT_FALSE(fits("caf??", "caf\xC3\xA9"));
  EXPECT_TRUE(fits("*?", "\xC3\xA9"));
  EXPECT_FALSE(fits("*??", "\xC3\xA9"));
  EXPECT_TRUE(fits("a?b",
                   "a\xFF"
                   "b"));
}

TEST(TextPattern, ManyStarsStayFast) {
  const std::string text(10'000, 'a');
  EXPECT_FALSE(fits("*a*a*a*a*a*a*a*a*a*a*a*ab", text));
}

TEST(TextPattern, RegularExpressionIsFoundAnywhere) {
  EXPECT_TRUE(fits("/^app_[0-9]+$/", "app_12"));
  EXPECT_FALSE(fits("/^app_[0-9]+$/", "app_x"));
  EXPECT_TRUE(fits("/rder/", "orders"));
  EXPECT_TRUE(fits("/(?i)ORDERS/", "orders"));
}

TEST(TextPattern, RegularExpressionSeesBytes) {
  EXPECT_TRUE(fits("/a.b/",
                   "a\xFF"
                   "b"));
  EXPECT_TRUE(fits("/pg_sleep/", "\xC3 select pg_sleep(1)"));
}

TEST(TextPattern, QueryTakesSlashesOrNone) {
  const auto bare = TextPattern::parse_regular_expression("^select");
  const auto framed = TextPattern::parse_regular_expression("/^select/");
  ASSERT_TRUE(bare && framed);
  EXPECT_TRUE(bare->matches("select 1"));
  EXPECT_TRUE(framed->matches("select 1"));
  EXPECT_FALSE(bare->matches("with x as (select 1)"));
  EXPECT_TRUE(framed->is_regular_expression());
  EXPECT_EQ(framed->written(), "/^select/");
}

TEST(TextPattern, KnowsItsKind) {
  EXPECT_TRUE(TextPattern::parse("app")->is_exact());
  EXPECT_FALSE(TextPattern::parse("app*")->is_exact());
  EXPECT_FALSE(TextPattern::parse("app*")->is_regular_expression());
  EXPECT_TRUE(TextPattern::parse("/app/")->is_regular_expression());
}

TEST(TextPattern, RefusesWhatWouldFitEveryoneOrNoOne) {
  EXPECT_EQ(TextPattern::parse("").error().message, "the pattern is empty");
  EXPECT_EQ(TextPattern::parse("//").error().message, "the regular expression is empty");
  EXPECT_EQ(TextPattern::parse("/app").error().message,
            "pattern \"/app\" has a slash at its front but none at its end");
  EXPECT_TRUE(TextPattern::parse("/usr/bin/*"));
}

TEST(TextPattern, RefusesWhatRe2CannotRunInLinearTime) {
  for (const auto* expression : {"(?=a)", "(a)\\1", "a{1001}", "(", "((a{100}){100}){100}"}) {
    const auto pattern = TextPattern::parse_regular_expression(expression);
    ASSERT_FALSE(pattern) << expression;
    EXPECT_FALSE(pattern.error().detail.empty()) << expression;
    EXPECT_EQ(pattern.error().hint, "Regular expressions are RE2's: no look-around and no back-references.");
  }
}

}  // namespace
}  // namespace pgcurfew
