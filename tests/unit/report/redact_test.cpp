#include "report/redact.hpp"

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace pgcurfew {
namespace {

using namespace std::string_view_literals;

struct Case {
  std::string_view query;
  std::string_view shown;
};

void expect_all(const std::vector<Case>& cases) {
  for (const auto& [query, shown] : cases) EXPECT_EQ(redact(query), shown) << "query: " << query;
}

TEST(Redact, ReplacesStringsOfEveryKind) {
  expect_all({
      {"select 'a'", "select ?"},
      {"select 'a''b' from t", "select ? from t"},
      {"select '', ''''", "select ?, ?"},
      {R"(select E'\'' , e'it\'s', E'\\' from t)", "select ? , ?, ? from t"},
      {R"(select U&'d\0061t' UESCAPE '!')", "select ? UESCAPE ?"},
      {"select u&'x', N'x', n'y', B'101', x'1FF'", "select ?, ?, ?, ?, ?"},
      {"select $$a$$, $a$ $b$ $a$, $_x1$'$_x1$", "select ?, ?, ?"},
      {"select $a$ $$a$", "select ?"},
      {"select date'2020-01-01'", "select date?"},
      {"select 'a'\n  'b'", "select ? ?"},
      {"ALTER ROLE app PASSWORD 's3cret'", "ALTER ROLE app PASSWORD ?"},
      {"CREATE SUBSCRIPTION s CONNECTION 'host=a password=b' PUBLICATION p",
       "CREATE SUBSCRIPTION s CONNECTION ? PUBLICATION p"},
  });
}

TEST(Redact, ReplacesNumbersOfEveryKind) {
  expect_all({
      {"select 1, 1.5, .5, 5., 1e5, 1e-5, 1.5E+10", "select ?, ?, ?, ?, ?, ?, ?"},
      {"select 0x1F, 0o17, 0b11, 1_000, 1_0.0_1", "select ?, ?, ?, ?, ?"},
      {"select -1+2", "select -?+?"},
      {"select 0x1E+5", "select ?+?"},
      {"for i in 1..10", "for i in ?..?"},
      {"select 1e-", "select ?-"},
      {"select 123secret", "select ?"},
      {"limit 10", "limit ?"},
  });
}

TEST(Redact, KeepsNamesOperatorsAndParameters) {
  expect_all({
      {"select abc1, a$b, _x9, t1.c2 from s3.t4", "select abc1, a$b, _x9, t1.c2 from s3.t4"},
      {R"(select "id'with'quote", "a""b", "a  b", U&"id")",
       R"(select "id'with'quote", "a""b", "a  b", U&"id")"},
      {"select $1, $22::int", "select $1, $22::int"},
      {"select $1$$secret$$", "select $1?"},
      {"select a->>'k', b ? 'k', c @> '{}'", "select a->>?, b ? ?, c @> ?"},
      {"select tableE'x'", "select tableE?"},
      {"select a$$b", "select a$$b"},
      {"$", "$"},
      {"$4111111111111111", "$?"},
      {"select \xc3\xbc\x33, \xff'x'", "select \xc3\xbc\x33, \xff?"},
  });
}

TEST(Redact, RemovesCommentsAndFoldsWhiteSpace) {
  expect_all({
      {"", ""},
      {"  \t\n ", ""},
      {" select\t\n\r\f\v 1 ", "select ?"},
      {"/* secret */ select 1 -- secret", "select ?"},
      {"select 1 -- it's secret\n, 2", "select ? , ?"},
      {"select 1 -- secret\r, 2", "select ? , ?"},
      {"select/* a /* b */ c */1", "select ?"},
      {"select /*/*/ 'x' */ */ 1", "select ?"},
      {"select 2*/**/3", "select ?* ?"},
      {"select -/**/-1", "select - -?"},
      {"select 1 /* it's */ + 2", "select ? + ?"},
  });
}

TEST(Redact, FoldsListsOfLiteralsOnly) {
  expect_all({
      {"where a in (1, 2, 3)", "where a in (?, ...)"},
      {"where a in (1,'b')", "where a in (?, ...)"},
      {"where a in ( 1 , -2 , +3 )", "where a in (?, ...)"},
      {"where a in (1)", "where a in (?)"},
      {"where a in (-1)", "where a in (-?)"},
      {"values (1,2),(3,4)", "values (?, ...),(?, ...)"},
      {"array[1,2,3]", "array[?, ...]"},
      {"f(a, 1, 2)", "f(a, ?, ?)"},
      {"f(1, 2, a)", "f(?, ?, a)"},
      {"f(1, $1)", "f(?, $1)"},
      {"in (1, 2, 3, 4", "in (?, ..."},
      {"in (1, 2, 'cut he", "in (?, ..."},
      {"in (1, 2,", "in (?, ..."},
      {"in ('cut he", "in (?..."},
  });
}

TEST(Redact, DropsTheRestBehindWhateverHasNoEnd) {
  expect_all({
      {"select 'secret", "select ?..."},
      {"select 'secret''", "select ?..."},
      {"select E'secret\\", "select ?..."},
      {"select E'secret\\'", "select ?..."},
      {"select $$secret$", "select ?..."},
      {"select $a$secret$A$", "select ?..."},
      {"select \"secret", "select ?..."},
      {"select \"secret\"\"", "select ?..."},
      {"select /* secret", "select ?..."},
      {"select /* /* */ secret", "select ?..."},
      {"/*/ secret", "?..."},
      {"'", "?..."},
      {"\"", "?..."},
      {"$$", "?..."},
      {"/*", "?..."},
      {"$a", "$a"},
      {"--", ""},
      {"E'", "?..."},
      {"U&'", "?..."},
      {"U&", "U&"},
      {"1.", "?"},
      {"1e", "?"},
  });
}

// With standard_conforming_strings off, 'a\' goes on; with it on, it ends there.
TEST(Redact, DropsTheRestWhereASettingDecidesWhereAStringEnds) {
  expect_all({
      {R"(select 'a\' secret ' + 'b')", "select ?..."},
      {R"(select 'a\'' secret ')", "select ?..."},
      {R"(select 'a\\' + b)", "select ? + b"},
      {R"(select 'a\\\' secret)", "select ?..."},
      {R"(select 'C:\dir' + b)", "select ? + b"},
      {"select E'a'\n'b\\' secret'", "select ? ?..."},  // the second part is an E'' too
      {R"(select 1E'a\' secret')", "select ??..."},     // an E'' before version 15
  });
}

TEST(Redact, DropsTheRestWhereTheVersionDecidesWhereAStringBegins) {
  expect_all({
      {"select 1$$a secret$$", "select ??"},
      {"select 1_000$$a secret$$", "select ?..."},
      {"select 0x1F$$a secret$$", "select ?..."},
  });
}

TEST(Redact, DropsTheRestBehindAnApostropheThatWasNotDoubled) {
  EXPECT_EQ(redact("select 'it's secret'"), "select ?...");
  EXPECT_EQ(redact("select 'it'5 secret'"), "select ?...");
}

TEST(Redact, LetsBytesPassThatAreNoText) {
  EXPECT_EQ(redact("select \0, '\0' \xff\xfe"sv), "select \0, ? \xff\xfe"sv);
  EXPECT_EQ(redact("\0"sv), "\0"sv);
}

TEST(Redact, IsLinearOnAMegabyteOfAnything) {
  const std::size_t size = 1 << 20;
  for (const auto part :
       {"'"sv,   "\""sv,    "$"sv, "$a"sv, "$a$"sv, "/*"sv, "/*/"sv, "("sv,    "(1,"sv,   "1,"sv, "\\"sv,
        "'\\"sv, "E'\\'"sv, "a"sv, "1"sv,  "-"sv,   "."sv,  "\0"sv,  "\xff"sv, "$a$$b"sv, " "sv}) {
    std::string query;
    while (query.size() < size) query += part;
    EXPECT_LE(redact(query).size(), 2 * query.size() + 8);
  }
}

/// Every kind of literal and comment with a secret in it (where the @ is), amid a query that goes on behind.
std::vector<std::string> queries_with(const std::string& secret) {
  std::vector<std::string> queries;
  for (const auto* literal : {
           R"('@')",          R"('a''@')",
           R"('@''b')",       R"(E'\'@')",
           R"(E'a\\\'@\'')",  "e'@'\n'@'",
           R"(U&'\0041@')",   R"(u&'@' UESCAPE '!')",
           R"(N'@')",         R"(B'@')",
           R"(X'@')",         "$$@$$",
           "$$ ' @ $a$ $ $$", "$tag$ $$@$tag $ $tag$",
           R"('a\'@')",       R"('a\'' @')",
           R"('a\\\' @')",    "1_0$$ @ $$",
           "0x0$$ @ $$",      "1$$ @ $$",
           "date'@'",         "'it's @'",
           "-- @\n",          "-- ' @\r",
           "/* @ */",         "/* /* */ @ */",
           "/*/* ' */@*/",    "+/*@*/",
       }) {
    std::string with_secret;
    for (const char* c = literal; *c != '\0'; ++c) {
      if (*c == '@') {
        with_secret += secret;
      } else {
        with_secret += *c;
      }
    }
    queries.push_back(
        fmt::format("select a, {}, \"b\" from t where c = $1 and d in (1, {})", with_secret, with_secret));
  }
  return queries;
}

TEST(Redact, NeverShowsASecretHoweverTheServerCutTheQuery) {
  for (const auto& query : queries_with("sEcReT")) {
    for (std::size_t length = 0; length <= query.size(); ++length) {
      const std::vector<char> exact(query.begin(), query.begin() + static_cast<std::ptrdiff_t>(length));
      const auto shown = redact(std::string_view(exact.data(), exact.size()));
      // a cut secret counts as well
      EXPECT_EQ(shown.find("sE"), std::string::npos) << query << "\ncut at " << length << ": " << shown;
    }
  }
}

TEST(Redact, NeverShowsANumberHoweverTheServerCutTheQuery) {
  for (const std::string number :
       {"4711", "-4711.4711", ".4711", "1e4711", "1.e-4711", "0x4711", "4_7_11", "4711abc"}) {
    const auto query = fmt::format("select {0} from t where c={0} and d in ({0},{0}", number);
    for (std::size_t length = 0; length <= query.size(); ++length) {
      const auto shown = redact(std::string_view(query).substr(0, length));
      EXPECT_EQ(shown.find_first_of("47"), std::string::npos)
          << query << "\ncut at " << length << ": " << shown;
    }
  }
}

TEST(Redact, ChangesNothingMoreTheSecondTime) {
  for (const auto& query : queries_with("x")) {
    for (std::size_t length = 0; length <= query.size(); ++length) {
      const auto once = redact(std::string_view(query).substr(0, length));
      EXPECT_EQ(redact(once), once);
    }
  }
}

}  // namespace
}  // namespace pgcurfew
