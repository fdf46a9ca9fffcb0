#include "policy/prose/describe_drain.hpp"

#include <gtest/gtest.h>

#include "policy/loading.hpp"

namespace pgcurfew::testing {
namespace {

using namespace std::chrono_literals;

/// Monday, 2026-11-23 12:00 UTC.
ServerTime now() {
  return TimeZone().first_instant_of({2026, 11, 23, 12h});
}

Drain drain_of(std::string_view keys) {
  const auto policy =
      taken(load("drains:\n- { name: d, timezone: Europe/Vienna, " + std::string(keys) + " }\n"));
  return policy.drains.empty() ? Drain{} : policy.drains.front();
}

std::string sentence(std::string_view keys) {
  return sentence_of(drain_of(keys), now());
}

std::string beginnings(std::string_view begins) {
  return beginnings_of(
      drain_of("databases: a, duration: 1min, escalate: [ terminate ], " + std::string(begins)));
}

TEST(SentenceOfADrain, SaysAllOfIt) {
  EXPECT_EQ(
      sentence("databases: orders, schedule: \"0 2 * * sun\", duration: 45min, announce: [ 24h, 15min ], "
               "except: [ { user: maintenance } ], escalate: [ wait: { for: 1min }, cancel, terminate: { "
               "after: 20s } ], give_up: { after: 5min }"),
      "d: every sun at 02:00 Europe/Vienna (next Sun 2026-11-29 02:00 CET) empties database orders and keeps "
      "it empty for 45min; connection limit 0 keeps new sessions out, except superusers'; sessions have 1min "
      "to end by themselves, then statements are cancelled, then the remaining sessions are terminated 20s "
      "later; sessions that still get in are terminated; not user maintenance; if it is not empty after 5min "
      "it is reopened; in the end the gate is opened again; it alerts 1d and 15min before.");
}

TEST(SentenceOfADrain, SaysWhatIsNotTheDefault) {
  EXPECT_EQ(
      sentence(
          "databases: [ orders, \"orders_*\" ], at: 2026-12-01 02:00, duration: 1h, gate: pgbouncer, "
          "pgbouncer: { conninfo: \"password=geheim\" }, escalate: [ terminate ], while_draining: leave, "
          "give_up: { after: 5min, then: hold }, afterwards: hold, mode: dry-run, servers: [ b, a ]"),
      "d: once, at Tue 2026-12-01 02:00 CET empties databases orders and orders_* (without templates and, "
      "unless named, postgres and our own) and keeps them empty for 1h; a PgBouncer makes new sessions wait "
      "(PAUSE); the remaining sessions are terminated; sessions that still get in are left alone; if it is "
      "not empty after 5min no more signals are sent, and the gate stays closed until the end; in the end "
      "the gate stays closed until pgcurfew reopen; only on server b or a; a dry run, so it only reports "
      "what it would do.");
}

TEST(SentenceOfADrain, SaysThatThereIsNoGate) {
  const auto text = sentence("databases: a, schedule: 0 2 * * *, duration: 1h, gate: none");
  EXPECT_NE(text.find("; nothing keeps new sessions out; "), std::string::npos) << text;
  EXPECT_EQ(text.find("in the end"), std::string::npos) << text;
}

TEST(SentenceOfADrain, SaysWhatIsUnderWayAndWhatIsPast) {
  const auto starts = [](std::string_view at) {
    const auto text = sentence("databases: a, duration: 1h, at: " + std::string(at));
    return text.substr(0, text.find(" empties"));
  };
  EXPECT_EQ(starts("2026-11-23 12:30"),
            "d: once, at Mon 2026-11-23 12:30 CET (under way until Mon 2026-11-23 13:30 CET)");
  EXPECT_EQ(starts("2026-11-23 11:59"), "d: once, at Mon 2026-11-23 11:59 CET (past: it does not run again)");
  EXPECT_EQ(starts("2026-11-23 13:01"), "d: once, at Mon 2026-11-23 13:01 CET");
}

TEST(BeginningsOfADrain, AreWordsWhereTheScheduleIsSimple) {
  EXPECT_EQ(beginnings("schedule: 5 2 * * *"), "every day at 02:05 Europe/Vienna");
  EXPECT_EQ(beginnings("schedule: 0 22 * * 1-5"), "every mon-fri at 22:00 Europe/Vienna");
  EXPECT_EQ(beginnings("schedule: '0 22 * * SAT,0'"), "every sat, sun at 22:00 Europe/Vienna");
  EXPECT_EQ(beginnings("schedule: 0 2 1 * *"), "on day 1 of each month at 02:00 Europe/Vienna");
  for (const std::string schedule :
       {"*/5 2 * * *", "0 2 1 * sun", "0 2 1 jan *", "0 2,4 * * *", "0 2 * * mon-sun/2"}) {
    EXPECT_EQ(beginnings("schedule: \"" + schedule + "\""),
              "by the schedule \"" + schedule + "\" in Europe/Vienna");
  }
}

}  // namespace
}  // namespace pgcurfew::testing
