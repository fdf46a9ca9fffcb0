#include "report/journal_sink.hpp"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/record_line.hpp"

namespace pgcurfew::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using ::testing::StartsWith;

constexpr auto kEvent =
    R"({"ts":"2026-11-30T10:00:00.000Z","level":"WARNING","event":"unkillable","message":"pid 7 stays",)"
    R"("server":"main","rule":"short","pid":7,"if_still":true,"age_s":1.5,"hint":"Look at it.",)"
    R"("application_name":"a\nPRIORITY=0\u001b[31m","id":"x-1"})";

TEST(JournalSink, AnEventHasFieldsOfItsOwn) {
  const auto fields = journal_fields(seal(kEvent, 12, "a"));
  EXPECT_THAT(fields, Contains("MESSAGE=pid 7 stays (Look at it.)"));
  EXPECT_THAT(fields, Contains("PRIORITY=4"));
  EXPECT_THAT(fields, Contains("MESSAGE_ID=9a509a837a89ba750423237e400abf95"));
  EXPECT_THAT(fields, Contains("SYSLOG_IDENTIFIER=pgcurfew"));
  for (const auto* field :
       {"PGCURFEW_SEQ=12", "PGCURFEW_RUN=a", "PGCURFEW_TS=2026-11-30T10:00:00.000Z",
        "PGCURFEW_EVENT=unkillable", "PGCURFEW_SERVER=main", "PGCURFEW_RULE=short", "PGCURFEW_PID=7",
        "PGCURFEW_IF_STILL=true", "PGCURFEW_AGE_S=1.5", "PGCURFEW_ID=x-1"}) {
    EXPECT_THAT(fields, Contains(field));
  }
  EXPECT_THAT(fields, Not(Contains(StartsWith("PGCURFEW_CRC"))));
}

TEST(JournalSink, ATextOfAClientStaysInItsField) {
  const auto fields = journal_fields(seal(kEvent, 12, "a"));
  EXPECT_THAT(fields, Contains("PGCURFEW_APPLICATION_NAME=a\nPRIORITY=0\x1b[31m"));
  const auto priorities = std::count_if(fields.begin(), fields.end(),
                                        [](const auto& field) { return field.starts_with("PRIORITY="); });
  EXPECT_EQ(priorities, 1);
}

TEST(JournalSink, AMessageActsOnNoTerminal) {
  const auto fields = journal_fields(R"({"level":"INFO","event":"intent","message":"a\u001b[31mb\nc"})");
  ASSERT_FALSE(fields.empty());
  EXPECT_EQ(fields.front().find_first_of("\x1b\n"), std::string::npos) << fields.front();
}

TEST(JournalSink, WhatWasSentIsNotSentAgainAfterAnError) {
  std::vector<std::string> sent;
  bool fails = false;
  JournalSink sink([&](const std::vector<std::string>& fields) -> Result<void> {
    if (fails) return failure("journald is not there");
    sent.push_back(*std::find_if(fields.begin(), fields.end(),
                                 [](const auto& field) { return field.starts_with("PGCURFEW_SEQ="); }));
    fails = sent.size() == 2;
    return {};
  });
  const std::vector<RecordedEvent> events{
      {1, seal(kEvent, 1, "a")}, {2, seal(kEvent, 2, "a")}, {3, seal(kEvent, 3, "a")}};
  EXPECT_EQ(sink.take(events).error().message, "journald is not there");
  fails = false;
  EXPECT_TRUE(sink.take(events));
  EXPECT_THAT(sent, ElementsAre("PGCURFEW_SEQ=1", "PGCURFEW_SEQ=2", "PGCURFEW_SEQ=3"));
}

}  // namespace
}  // namespace pgcurfew::testing
