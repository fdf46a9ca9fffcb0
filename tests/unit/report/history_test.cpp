#include "report/history.hpp"

#include <gtest/gtest.h>

namespace pgcurfew {
namespace {

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

}  // namespace
}  // namespace pgcurfew
