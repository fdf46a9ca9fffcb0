#include "postgres/parameters.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "postgres/guard_facts.hpp"
#include "postgres/results.hpp"
#include "postgres/statements.hpp"

namespace pgcurfew {
namespace {

constexpr std::int32_t kInt4 = 23;
constexpr std::int32_t kTimestamptz = 1184;
constexpr int kOfEdges = 4;

ServerTime at(std::int64_t microseconds) {
  return ServerTime(Duration(microseconds));
}

int of_session() {
  return kGuardHead + static_cast<int>(guard_facts().size());
}

/// The number of a fact's parameter; the first if several have this name.
int number_of(std::string_view fact) {
  const auto& facts = guard_facts();
  const auto found =
      std::find_if(facts.begin(), facts.end(), [&](const GuardFact& one) { return one.name == fact; });
  return kGuardHead + 1 + static_cast<int>(found - facts.begin());
}

std::int32_t bit_of(std::string_view fact) {
  return guard_bit(static_cast<std::size_t>(number_of(fact) - kGuardHead - 1));
}

/// $number, as it would be sent to the server.
Column value(const Parameters& parameters, int number) {
  const auto index = static_cast<std::size_t>(number - 1);
  if (parameters.values()[index] == nullptr) return std::nullopt;
  return std::string(parameters.values()[index], static_cast<std::size_t>(parameters.lengths()[index]));
}

Column checks(const Guard& guard) {
  return value(Parameters::of_guard(guard, {}), 6);
}

Session waiting(std::int32_t pid, std::optional<ServerTime> query_start) {
  Session session;
  session.key = {pid, at(1)};
  session.wait_event_type = "Lock";
  session.query_start = query_start;
  return session;
}

TEST(Parameters, OfALookSayWhichTextsItReads) {
  EXPECT_EQ(value(Parameters::of_look(QueryTexts::kNone), 1), wire::int4(0));
  EXPECT_EQ(value(Parameters::of_look(QueryTexts::kActive), 1), wire::int4(1));
  EXPECT_EQ(value(Parameters::of_look(QueryTexts::kAll), 1), wire::int4(2));
}

TEST(Parameters, AreAllInBinaryAndOutliveAMove) {
  Guard guard;
  guard.backend_type = "client backend";
  guard.user = "x";
  auto made = Parameters::of_guard(guard, {});
  const auto moved = std::move(made);
  ASSERT_EQ(moved.count(), of_session());
  for (int i = 0; i < moved.count(); ++i) EXPECT_EQ(moved.formats()[i], 1);
  EXPECT_EQ(value(moved, 3), "client backend");
  EXPECT_EQ(value(moved, number_of("user")), "x");
}

TEST(Parameters, OfTheWaitsAreTheSessionsThatWaitForALockTheOldestQueryFirst) {
  Look seen;
  seen.sessions = {waiting(1, at(30)), waiting(2, at(10)), waiting(3, at(20)), waiting(4, std::nullopt)};
  seen.sessions[2].wait_event_type = "LWLock";
  const auto made = Parameters::of_waits(seen);
  ASSERT_TRUE(made);
  EXPECT_EQ(value(*made, 1), wire::array(kInt4, {wire::int4(4), wire::int4(2), wire::int4(1)}));
}

TEST(Parameters, OfTheWaitsAreNoneIfNoSessionWaitsForALock) {
  Look seen;
  seen.sessions = {waiting(1, at(30))};
  seen.sessions[0].wait_event_type.reset();
  EXPECT_FALSE(Parameters::of_waits(seen));
  EXPECT_FALSE(Parameters::of_waits(Look{}));
}

TEST(Parameters, OfTheWaitsIncludeASystemProcess) {
  Look seen;
  seen.sessions = {waiting(5, std::nullopt)};
  seen.sessions[0].backend_type = "startup";
  EXPECT_TRUE(Parameters::of_waits(seen));
}

TEST(Parameters, OfAGuardWithoutConditionsCheckNothing) {
  const auto made = Parameters::of_guard(Guard{}, {});
  EXPECT_EQ(value(made, 6), wire::int4(0));
  for (int number = 7; number <= of_session(); ++number)
    EXPECT_EQ(value(made, number), std::nullopt) << number;
}

TEST(Parameters, OfAGuardCarryEachCheckThatIsSetAndItsValue) {
  Guard xmin;
  xmin.xmin_age = 50'000'000;
  EXPECT_EQ(checks(xmin), wire::int4(bit_of("xmin_age")));
  EXPECT_EQ(value(Parameters::of_guard(xmin, {}), number_of("xmin_age")),
            wire::number(std::int64_t{50'000'000}));

  for (const bool in_recovery : {false, true}) {
    Guard role;
    role.in_recovery = in_recovery;
    EXPECT_EQ(checks(role), wire::int4(bit_of("in_recovery")));
    EXPECT_EQ(value(Parameters::of_guard(role, {}), number_of("in_recovery")), wire::boolean(in_recovery));
  }

  Guard blocker;
  blocker.may_not_wait_for_lock = true;
  EXPECT_EQ(checks(blocker), wire::int4(bit_of("no_lock_wait")));

  Guard committing;
  committing.may_wait_for_sync_rep = true;
  EXPECT_EQ(checks(committing), wire::int4(kLetWaitForSyncRep));

  Guard all;
  all.xmin_age = 1;
  all.in_recovery = true;
  all.may_not_wait_for_lock = true;
  all.numbers[Field::kQueryId] = std::nullopt;
  EXPECT_EQ(checks(all), wire::int4(bit_of("xmin_age") | bit_of("in_recovery") | bit_of("no_lock_wait") |
                                    bit_of("query_id")));
}

TEST(Parameters, OfAGuardHaveABitForEachFactBesideThatOfSynchronousReplication) {
  const auto last = guard_facts().size() - 1;
  ASSERT_LT(last, 31);
  EXPECT_LT(guard_bit(last), kLetWaitForSyncRep);
}

TEST(Parameters, OfAGuardCheckForNullIfTheLookSawNull) {
  Guard guard;
  guard.xact_start = std::optional<ServerTime>();
  guard.texts[Field::kApplicationName].unchanged = std::optional<std::string>();
  const auto made = Parameters::of_guard(guard, {});
  EXPECT_EQ(value(made, 6), wire::int4(bit_of("xact_start") | bit_of("application_name")));
  EXPECT_EQ(value(made, number_of("xact_start")), std::nullopt);
  EXPECT_EQ(value(made, number_of("application_name")), std::nullopt);
}

TEST(Parameters, OfAGuardCarryPatternsAsLikeHasThem) {
  constexpr std::int32_t kText = 25;
  Guard guard;
  guard.texts[Field::kApplicationName].fits = {TextPattern::parse("50%_*").value(),
                                               TextPattern::exact("a*b")};
  guard.texts[Field::kApplicationName].spares = {TextPattern::parse("app_?").value()};
  guard.states = {State::kActive, State::kIdleInTransaction};
  guard.spared_states = {State::kIdle};
  const auto made = Parameters::of_guard(guard, {});
  const int name = number_of("application_name");
  EXPECT_EQ(value(made, name), std::nullopt);
  EXPECT_EQ(value(made, name + 1), wire::array(kText, {R"(50\%\_%)", "a*b"}));
  EXPECT_EQ(value(made, name + 2), wire::array(kText, {R"(app\__)"}));
  const int state = number_of("state");
  EXPECT_EQ(value(made, state), wire::array(kText, {"active", "idle in transaction"}));
  EXPECT_EQ(value(made, state + 1), wire::array(kText, {"idle"}));
  EXPECT_EQ(value(made, 6), wire::int4(bit_of("application_name") << 1 | bit_of("application_name") << 2 |
                                       bit_of("state") | bit_of("state") << 1));
}

TEST(Parameters, OfAGuardNameADatabaseAsTheServerDescribesIt) {
  NameCache names;
  names.databases[5] = {"orders", "database orders", false};
  Guard guard;
  guard.database = "orders";
  EXPECT_EQ(value(Parameters::of_guard(guard, names), number_of("database")), "database orders");
  guard.database = "unknown";
  const auto unknown = Parameters::of_guard(guard, names);
  EXPECT_EQ(value(unknown, number_of("database")), std::nullopt);
  EXPECT_EQ(value(unknown, 6), wire::int4(bit_of("database")));
}

TEST(Parameters, OfAGuardWithoutEdgesAreThoseOfTheStatementWithoutEdges) {
  EXPECT_EQ(Parameters::of_guard(Guard{}, {}).count(), of_session());
  EXPECT_EQ(statement::guard(150000, Action::kCancel, false).find(fmt::format("${}", of_session() + 1)),
            std::string::npos);
  EXPECT_NE(statement::guard(150000, Action::kCancel, true).find(fmt::format("${}", of_session() + 4)),
            std::string::npos);
}

TEST(Parameters, OfAGuardSpreadItsEdgesOverFourArraysOfOneLength) {
  Guard guard;
  guard.edges = {{{1, at(10)}, at(100), 7}, {{2, at(20)}, std::nullopt, 8}, {{3, at(30)}, at(300), 0}};
  const auto made = Parameters::of_guard(guard, {});
  ASSERT_EQ(made.count(), of_session() + kOfEdges);
  EXPECT_EQ(value(made, of_session() + 1), wire::array(kInt4, {wire::int4(1), wire::int4(2), wire::int4(3)}));
  EXPECT_EQ(value(made, of_session() + 2),
            wire::array(kTimestamptz, {wire::time(10), wire::time(20), wire::time(30)}));
  EXPECT_EQ(value(made, of_session() + 3),
            wire::array(kTimestamptz, {wire::time(100), std::nullopt, wire::time(300)}));
  EXPECT_EQ(value(made, of_session() + 4), wire::array(kInt4, {wire::int4(7), wire::int4(8), wire::int4(0)}));
}

TEST(Parameters, OfAGuardLeaveNoEdgeOut) {
  Guard guard;
  for (std::int32_t pid = 1; pid <= static_cast<std::int32_t>(kMostBlockEdges); ++pid) {
    guard.edges.push_back({{pid, at(pid)}, at(pid), pid});
  }
  const auto made = Parameters::of_guard(guard, {});
  constexpr std::size_t kHeader = 20;
  EXPECT_EQ(value(made, of_session() + 1)->size(), kHeader + kMostBlockEdges * 8);
  EXPECT_EQ(value(made, of_session() + 2)->size(), kHeader + kMostBlockEdges * 12);
}

}  // namespace
}  // namespace pgcurfew
