#include "report/render.hpp"

#include <algorithm>
#include <cctype>
#include <limits>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace pgcurfew {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::ordered_json;

constexpr auto kTime = "2026-11-23 04:05:06.123Z";
constexpr ServerTime kServerTime(std::chrono::days(60) + 1h + 1us);

/// A rendered event need not be in the catalogue.
Event event_of(Kind kind, Level level, std::string message,
               std::vector<std::pair<std::string_view, FieldValue>> fields = {}) {
  Event event(kind, std::move(message));
  event.level = level;
  event.fields = std::move(fields);
  return event;
}

Event event_with(FieldValue value, std::string_view name = "text") {
  return event_of(Kind::kIntent, Level::kNotice, "about to cancel pid 7", {{name, std::move(value)}});
}

std::string line_of(FieldValue value, QueryText query_text = QueryText::kRedacted,
                    std::string_view name = "text") {
  return to_line(event_with(std::move(value), name), kTime, query_text, false);
}

std::string json_text_of(FieldValue value, QueryText query_text = QueryText::kRedacted) {
  return to_json(event_with(std::move(value)), kTime, query_text);
}

/// The line of event_with() with this for its fields.
std::string line_with(std::string_view fields) {
  return fmt::format("2026-11-23 04:05:06.123Z NOTICE  about to cancel pid 7{}", fields);
}

/// What a client might send: each would act on a terminal, split a line, or break a JSON reader.
const std::vector<std::string>& attacks() {
  static const std::vector<std::string> texts = {
      "\x1b[2J\x1b]0;owned\x07",
      "a\nlevel=ERROR forged",
      "a\r\n{\"level\":\"ERROR\"}",
      "\"},{\"x\":\"",
      "\" level=ERROR x=\"",
      "\\\" level=ERROR",
      "\xff\xfe\xc3\x28\xe2\x80",  // not UTF-8
      "\xed\xa0\x80 \xf5\x80\x80\x80",
      "a\u2028b\u2029c\xc2\x85",  // line ends to some
      "\xc2\x9b[31m",             // a C1 control
      "\u202egnp \u200b",
      std::string("a\0b", 3),
      "{} {:d} %s %n",
      "\x7f\x08\x08",
      std::string(100000, '\x1b'),
  };
  return texts;
}

TEST(ToJson, KeepsTheOrderOfTheFields) {
  auto event = event_of(Kind::kOutcome, Level::kWarning, "sent cancel to pid 7",
                        {{"pid", std::int64_t{7}},
                         {"rule", std::string("a")},
                         {"age_s", Duration(12min + 4s + 5us)},
                         {"backend_start", kServerTime},
                         {"share", 0.25},
                         {"first", true},
                         {"query", RawQuery{"select 1"}}});
  event.server = "orders";
  event.id = "1a2b3c4d.7";
  event.server_time = kServerTime + 12min;
  EXPECT_EQ(to_json(event, "2026-11-23T04:05:06.123Z", QueryText::kRedacted),
            R"({"ts":"2026-11-23T04:05:06.123Z","level":"WARNING","event":"outcome",)"
            R"("message":"sent cancel to pid 7","server":"orders","pid":7,"rule":"a","age_s":724.000005,)"
            R"("backend_start":"2000-03-01T01:00:00.000001Z","share":0.25,"first":true,"query":"select ?",)"
            R"("id":"1a2b3c4d.7","server_time":"2000-03-01T01:12:00.000001Z"})");
}

TEST(ToJson, IsOneLineOfAsciiWhateverStrangersSend) {
  for (const auto& text : attacks()) {
    for (const auto& json :
         {json_text_of(text), json_text_of(RawQuery{text}, QueryText::kFull),
          to_json(event_of(Kind::kOutcome, Level::kError, text), kTime, QueryText::kNone)}) {
      for (const char c : json) EXPECT_TRUE(c >= ' ' && c < '\x7f') << json.substr(0, 200);
      EXPECT_TRUE(Json::accept(json)) << json.substr(0, 200);
    }
  }
}

TEST(ToJson, GivesBackTheSameText) {
  for (const std::string text : {"a\nb", "\"},{\"x\":\"", "\x1b[0m", "a\u2028b", "\xf0\x9f\x90\x98 \\ /"}) {
    const auto object = Json::parse(json_text_of(text));
    EXPECT_EQ(object["text"], text);
    EXPECT_EQ(object.size(), 5U);
  }
}

TEST(ToJson, ReplacesBytesThatAreNoUtf8) {
  EXPECT_EQ(Json::parse(json_text_of(std::string("a\xff"
                                                 "b")))["text"],
            "a\xef\xbf\xbd"
            "b");
}

TEST(ToJson, CutsLongTextsAtACharacter) {
  std::string text(4095, 'x');
  text += "\xc3\xbc and more";
  EXPECT_EQ(Json::parse(json_text_of(text))["text"], std::string(4095, 'x') + "...");
  EXPECT_EQ(Json::parse(json_text_of(std::string(4096, 'x')))["text"], std::string(4096, 'x'));
  // bytes without any character in them
  EXPECT_TRUE(Json::accept(json_text_of(std::string(5000, '\x80'))));
}

TEST(ToJson, ShowsQueriesAsThePolicySays) {
  const RawQuery query{"alter role app password 's3cret'"};
  EXPECT_EQ(Json::parse(json_text_of(query, QueryText::kRedacted))["text"], "alter role app password ?");
  EXPECT_EQ(Json::parse(json_text_of(query, QueryText::kFull))["text"], query.text);
  EXPECT_FALSE(Json::parse(json_text_of(query, QueryText::kNone)).contains("text"));
}

TEST(ToJson, RedactsBeforeItCuts) {
  const auto json = json_text_of(RawQuery{"select '" + std::string(100000, 's') + "', 's3cret'"});
  EXPECT_EQ(Json::parse(json)["text"], "select ?...");
}

TEST(ToJson, DoesNotLetAFieldForgeTheHead) {
  const auto object =
      Json::parse(to_json(event_with(std::string("ERROR"), "level"), kTime, QueryText::kNone));
  EXPECT_EQ(object["level"], "NOTICE");
}

TEST(ToJson, ShowsNumbersThatAreNoneAsNull) {
  EXPECT_TRUE(Json::parse(json_text_of(std::numeric_limits<double>::quiet_NaN()))["text"].is_null());
}

TEST(ToLine, AlignsTheMessagesAndQuotesWhatCouldBeMisread) {
  auto event = event_of(Kind::kOutcome, Level::kInfo, "done",
                        {{"pid", std::int64_t{7}},
                         {"rule", std::string("a")},
                         {"application_name", std::string("my app")},
                         {"empty", std::string()},
                         {"age_s", Duration(12min + 4s + 5us)},
                         {"limit_s", Duration(1500ms)},
                         {"backend_start", kServerTime},
                         {"share", 0.25},
                         {"first", false}});
  event.server = "orders";
  EXPECT_EQ(
      to_line(event, kTime, QueryText::kRedacted, false),
      "2026-11-23 04:05:06.123Z INFO    done  server=orders pid=7 rule=a application_name=\"my app\" "
      "empty=\"\" "
      "age=\"12min 4s\" limit=1.5s backend_start=\"2000-03-01 01:00:00.000001+00\" share=0.25 first=false");
}

TEST(ToLine, EscapesQuotesAndBackslashesSoThatNoFieldCanBeForged) {
  EXPECT_EQ(line_of(std::string("a=b")), line_with(R"(  text="a=b")"));
  EXPECT_EQ(line_of(std::string("\" level=ERROR x=\"")), line_with(R"(  text="\" level=ERROR x=\"")"));
  EXPECT_EQ(line_of(std::string("a\\")), line_with(R"(  text="a\\")"));
  EXPECT_EQ(line_of(std::string("\\\" x=1")), line_with(R"(  text="\\\" x=1")"));
  EXPECT_EQ(line_of(std::string("a\nb")), line_with(R"(  text="a\nb")"));
  EXPECT_EQ(line_of(std::string("a\\nb")), line_with(R"(  text="a\\nb")"));
}

TEST(ToLine, IsOneHarmlessLineWhateverStrangersSend) {
  for (const auto& text : attacks()) {
    for (const auto& line :
         {line_of(text), line_of(RawQuery{text}, QueryText::kFull), line_of(RawQuery{text}),
          to_line(event_of(Kind::kOutcome, Level::kError, text), kTime, QueryText::kNone, false)}) {
      for (const char c : line)
        EXPECT_FALSE(std::iscntrl(static_cast<unsigned char>(c))) << line.substr(0, 200);
      for (const auto* treacherous : {"\xe2\x80\xa8", "\xe2\x80\xae", "\xc2\x9b", "\xff", "\xe2\x80\x8b"}) {
        EXPECT_EQ(line.find(treacherous), std::string::npos) << line.substr(0, 200);
      }
      EXPECT_LT(line.size(), 1200U);
    }
  }
}

TEST(ToLine, KeepsLettersOfAllAlphabets) {
  EXPECT_EQ(line_of(std::string("B\xc3\xbcro")), line_with("  text=B\xc3\xbcro"));
}

TEST(ToLine, CutsLongTexts) {
  EXPECT_EQ(line_of(std::string(401, 'x')), line_with("  text=" + std::string(400, 'x') + "..."));
  // in the middle of no escape
  std::string escaped;
  for (int i = 0; i < 200; ++i) escaped += "\\\"";
  EXPECT_EQ(line_of(std::string(401, '"')), line_with("  text=\"" + escaped + "...\""));
}

TEST(ToLine, ShowsQueriesAsThePolicySays) {
  const RawQuery query{"select 's3cret'"};
  EXPECT_EQ(line_of(query, QueryText::kRedacted), line_with("  text=\"select ?\""));
  EXPECT_EQ(line_of(query, QueryText::kFull), line_with("  text=\"select 's3cret'\""));
  EXPECT_EQ(line_of(query, QueryText::kNone), line_with(""));
}

TEST(ToLine, TakesTheUnitFromTheNamesOfDurationsOnly) {
  EXPECT_EQ(line_of(Duration(2s), QueryText::kRedacted, "age_s"), line_with("  age=2.0s"));
  EXPECT_EQ(line_of(Duration(2s), QueryText::kRedacted, "age"), line_with("  age=2.0s"));
  EXPECT_EQ(line_of(std::int64_t{2}, QueryText::kRedacted, "with_s"), line_with("  with_s=2"));
}

TEST(ToLine, ColoursTheLevelIfAskedAndNothingElse) {
  const auto event = event_of(Kind::kOutcome, Level::kError, "message", {{"text", std::string("\x1b[0m")}});
  EXPECT_EQ(to_line(event, "T", QueryText::kNone, true),
            "T \x1b[1;31mERROR  \x1b[0m message  text=\"\\x1b[0m\"");
  EXPECT_EQ(to_line(event_of(Kind::kOutcome, Level::kInfo, "message"), "T", QueryText::kNone, true),
            "T INFO    message");
}

TEST(ToBriefLine, IsTheTimeTheLevelFromNoticeOnAndTheMessage) {
  auto event = event_with(std::string("value"));
  EXPECT_EQ(to_brief_line(event, "04:05:06", false), "04:05:06 NOTICE: about to cancel pid 7");
  event.level = Level::kInfo;
  EXPECT_EQ(to_brief_line(event, "04:05:06", false), "04:05:06 about to cancel pid 7");
  event.level = Level::kError;
  EXPECT_EQ(to_brief_line(event, "04:05:06", true), "04:05:06 \x1b[1;31mERROR:\x1b[0m about to cancel pid 7");
}

TEST(ToBriefLine, KeepsAHintForThereIsNowhereElseToRead) {
  const auto event = event_with(std::string("Run what pgcurfew setup-sql prints."), "hint");
  EXPECT_EQ(to_brief_line(event, "04:05:06", false),
            "04:05:06 NOTICE: about to cancel pid 7\n  hint: Run what pgcurfew setup-sql prints.");
}

TEST(ToBriefLine, LetsNobodySpeakToTheTerminal) {
  for (const auto& attack : attacks()) {
    auto event = event_with(attack, "hint");
    event.message = attack;
    const auto line = to_brief_line(event, "04:05:06", false);
    EXPECT_LT(line.size(), 2000U);
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
    EXPECT_TRUE(std::all_of(line.begin(), line.end(), [](unsigned char c) {
      return c == '\n' || (c >= ' ' && c != 0x7F);
    })) << line;
  }
}

}  // namespace
}  // namespace pgcurfew
