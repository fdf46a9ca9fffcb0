// A repeated failure is reported at once, then less often, and at its end with how long it lasted.

#include "watch/outage.hpp"

#include <gmock/gmock.h>

#include "watch/watch_harness.hpp"

namespace pgcurfew::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<Event> of_kind(const Harness& h, std::string_view kind) {
  std::vector<Event> events;
  for (const auto& event : h.told) {
    if (name_of(event.kind) == kind) events.push_back(event);
  }
  return events;
}

std::optional<Duration> outage_of(const Event& event) {
  for (const auto& [name, value] : event.fields) {
    if (name == "outage_s") return std::get<Duration>(value);
  }
  return std::nullopt;
}

/// Refuses each connection until `end`.
void refuse_until(Harness& h, Duration end) {
  h.tick(h.now);
  while (h.now < end) {
    h.happen(happening::ConnectionLost{{"refused", {}, {}, {}}});
    h.tick(h.watch.wake_at()->time_since_epoch());
  }
}

TEST(Outage, IsReportedAtOnceAndThenWithDoubledPausesUpToAnHour) {
  Outage outage;
  std::vector<Duration> told;
  for (Duration now = 0s; now < 6h; now += 15s) {
    if (outage.fail(MonotonicTime(now))) told.push_back(now);
  }
  EXPECT_THAT(told, ElementsAre(0s, 1min, 3min, 7min, 15min, 31min, 63min, 123min, 183min, 243min, 303min));
  EXPECT_EQ(outage.end(MonotonicTime(6h)), 6h);
  EXPECT_EQ(outage.end(MonotonicTime(7h)), std::nullopt);
  EXPECT_EQ(outage.fail(MonotonicTime(8h)), 0s) << "another one begins anew";
}

TEST(Watch, DoesNotRepeatItselfWhileAServerIsOutOfReach) {
  Harness h;
  refuse_until(h, 24h);
  const auto down = of_kind(h, "server_down");
  EXPECT_LE(down.size(), 32U) << "a day has 24 hours, and the first has seven";
  EXPECT_GE(down.size(), 24U);
  EXPECT_EQ(outage_of(down.front()), std::nullopt);
  EXPECT_THAT(down.front().message, EndsWith(" is out of reach: refused"));
  EXPECT_GE(outage_of(down.at(1)), 1min);
  EXPECT_THAT(down.at(1).message, HasSubstr(" is out of reach for 1"));
}

TEST(Watch, ReportsForHowLongAServerWasOutOfReach) {
  Harness h;
  h.connect();
  EXPECT_EQ(outage_of(of_kind(h, "server_up").front()), std::nullopt);
  h.look({});
  h.now = 1h;
  h.happen(happening::ConnectionLost{{"gone", {}, {}, {}}});
  h.now = 1h + 90s;
  h.connect();
  EXPECT_EQ(outage_of(of_kind(h, "server_up").back()), 90s);
  EXPECT_THAT(of_kind(h, "server_up").back().message, EndsWith("; it was out of reach for 1min 30s"));
}

TEST(Watch, DoesNotRepeatItselfWhileLooksFail) {
  Harness h;
  h.connect();
  while (h.now < 1h) {
    h.happen(happening::LookFailed{{"no", {}, {}, {}}});
    h.tick(h.watch.wake_at()->time_since_epoch());
  }
  EXPECT_LE(of_kind(h, "look_failed").size(), 7U);
  EXPECT_THAT(of_kind(h, "looks_again"), IsEmpty());
  h.look({});
  ASSERT_EQ(of_kind(h, "looks_again").size(), 1U);
  EXPECT_EQ(outage_of(of_kind(h, "looks_again").front()), h.now);
}

}  // namespace
}  // namespace pgcurfew::testing
