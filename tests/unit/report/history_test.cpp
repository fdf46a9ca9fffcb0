#include "report/history.hpp"

#include <gtest/gtest.h>

namespace pgcurfew {
namespace {

using Json = History::Json;

std::string line(const std::string& kind, const std::string& decision, const std::string& rest = {}) {
  return R"({"seq":1,"run":"a","ts":"2026-11-30T14:03:05.123Z","level":"INFO","event":")" + kind +
         R"(","message":"m","server":"main","decision":")" + decision + R"(","rule":"r","pid":7)" +
         (rest.empty() ? "" : "," + rest) + R"(,"id":"x.1","crc":"00000000"})";
}

TEST(History, JoinsTheEventsOfADecision) {
  History history;
  history.take(line("intent", "d-1", R"("episode":"d-1","step":"cancel","age_s":600.5)"));
  history.take(line("intent_late", "d-1"));
  history.take(
      line("outcome", "d-1", R"("episode":"d-1","step":"cancel","outcome":"signalled","query":"select ?")"));
  history.take(line("verified", "d-1", R"("effect":"query_ended")"));
  history.take(line("ended", "d-1", R"("episode":"d-1","end":"by_us")"));
  ASSERT_EQ(history.decisions().size(), 1U);
  EXPECT_EQ(
      history.decisions().front().dump(),
      R"({"ts":"2026-11-30T14:03:05.123Z","server":"main","decision":"d-1","rule":"r","pid":7,"episode":"d-1","step":"cancel","age_s":600.5,"late":true,"outcome":"signalled","query":"select ?","effect":"query_ended","end":"by_us"})");
}

TEST(History, AnEpisodesEndIsThatOfItsLastDecision) {
  History history;
  history.take(line("intent", "d-1", R"("episode":"d-1")"));
  history.take(line("intent", "d-2", R"("episode":"d-2")"));
  history.take(line("intent", "d-3", R"("episode":"d-1")"));
  history.take(line("ended", "d-3", R"("episode":"d-1","end":"by_us")"));
  ASSERT_EQ(history.decisions().size(), 3U);
  EXPECT_EQ(text_in(history.decisions()[0], "end"), "");
  EXPECT_EQ(text_in(history.decisions()[1], "end"), "");
  EXPECT_EQ(text_in(history.decisions()[2], "end"), "by_us");
}

TEST(History, PassesOverWhatIsNoDecision) {
  History history;
  history.take("");
  history.take("[1]");
  history.take(R"({"event":7})");
  history.take(R"({"event":"intent"})");
  history.take(line("outcome", "d-9", R"("outcome":"signalled")"));
  history.take(R"({"event":"started","message":"m"})");
  EXPECT_LE(history.decisions().size(), 1U);
}

/// A gate's event: `KIND DATABASE DECISION`, with more fields.
Json gate_event(const std::string& kind, const std::string& database, const std::string& decision,
                Json more = Json::object()) {
  Json event{{"event", kind}, {"server", "main"}, {"drain", "d"}, {"database", database}};
  if (!decision.empty()) event["decision"] = decision;
  event.update(more);
  return event;
}

/// The decisions and kinds of a story.
std::string told(const std::vector<Json>& events, const Json& of) {
  std::string text;
  for (const auto& event : story_of_gate(events, of))
    text += text_in(event, "event") + " " + text_in(event, "decision") + ", ";
  return text;
}

TEST(GateStory, GoesFromTheClosingToTheOpeningOfOneWindow) {
  const std::vector<Json> events{gate_event("gate_rehearsed", "app", ""),
                                 gate_event("gate_intent", "app", "1"),
                                 gate_event("intent_late", "app", "1"),
                                 gate_event("gate_closed", "app", "1"),
                                 gate_event("gate_closed", "other", "x"),
                                 gate_event("gate_overridden", "app", ""),
                                 gate_event("gate_intent", "app", "2"),
                                 gate_event("gate_closed", "app", "2"),
                                 gate_event("gate_intent", "app", "3"),
                                 gate_event("gate_opened", "app", "4"),
                                 gate_event("gate_opened", "app", "3"),
                                 gate_event("gate_intent", "app", "5"),
                                 gate_event("intent_late", "app", "6", {{"session_id", "s"}})};
  EXPECT_EQ(told(events, events[1]), "gate_intent 1, intent_late 1, gate_closed 1, gate_overridden , ");
  const std::string second = "gate_intent 2, gate_closed 2, gate_intent 3, gate_opened 4, ";
  EXPECT_EQ(told(events, events[7]), second);
  EXPECT_EQ(told(events, events[9]), second);
  EXPECT_EQ(told(events, events[10]), second + "gate_opened 3, ");
  EXPECT_EQ(told(events, events[11]), "gate_intent 5, ");
}

TEST(GateStory, FollowsADatabaseThatIsRenamed) {
  const std::vector<Json> events{
      gate_event("gate_closed", "app", "1"), gate_event("gate_renamed", "new", "", {{"renamed_from", "app"}}),
      gate_event("gate_closed", "elsewhere", "x"), gate_event("gate_opened", "new", "2")};
  for (const auto at : {0U, 3U})
    EXPECT_EQ(told(events, events[at]), "gate_closed 1, gate_renamed , gate_opened 2, ") << at;
  auto other = events;
  other[3]["server"] = "standby";
  EXPECT_EQ(told(other, other[0]), "gate_closed 1, gate_renamed , ");
}

}  // namespace
}  // namespace pgcurfew
