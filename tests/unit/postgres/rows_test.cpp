#include "postgres/rows.hpp"

#include <gtest/gtest.h>

#include "postgres/look_columns.hpp"
#include "postgres/results.hpp"

namespace pgcurfew {
namespace {

constexpr std::int32_t kInt4 = 23;
constexpr std::int32_t kText = 25;
constexpr std::size_t kWaitsColumns = 5;

ServerTime at(std::int64_t microseconds) {
  return ServerTime(Duration(microseconds));
}

/// A row of statement::look: an active session of role 10 in database 5.
Row look_row(std::int32_t pid) {
  return {wire::int4(pid),  wire::time(1000), wire::int4(5),    wire::int4(10),       "app",
          std::nullopt,     wire::int4(-1),   "client backend", std::nullopt,         "active",
          wire::time(2000), wire::time(3000), wire::time(4000), std::nullopt,         std::nullopt,
          std::nullopt,     wire::int4(42),   "select 1",       wire::boolean(false), wire::time(5000 + pid)};
}
constexpr std::size_t kXminAge = 16;
constexpr std::size_t kQuery = 17;
constexpr std::size_t kInRecovery = 18;

NameCache names() {
  NameCache cache;
  cache.databases[5] = {"orders", "database orders", false};
  cache.roles[10] = {"etl", {}, false};
  return cache;
}

/// Columns that a row does not give are NULL.
auto look_result(std::vector<Row> rows) {
  for (auto& row : rows) row.resize(look_columns().size());
  return make_result(rows, look_columns().size());
}

Result<LookRows> look(const std::vector<Row>& rows) {
  return read_look(look_result(rows).get(), names(), ServerFacts{});
}

Row wait_row(std::vector<std::optional<std::string>> blockers,
             std::vector<std::optional<std::string>> gids = {}) {
  return {wire::int4(7), wire::time(1000), wire::time(2000), wire::array(kInt4, blockers),
          wire::array(kText, gids)};
}

Result<std::vector<LockWait>> waits(const Row& row) {
  return read_waits(make_result({row}, kWaitsColumns).get());
}

TEST(ReadLook, ReadsTheAgeOfTheXminTheTextAndTheRoleOfTheServer) {
  auto row = look_row(1);
  row[kInRecovery] = wire::boolean(true);
  const auto found = look({row});
  ASSERT_TRUE(found);
  const auto& session = found->look.sessions.at(0);
  EXPECT_EQ(session.xmin_age, 42);
  EXPECT_EQ(session.query, "select 1");
  EXPECT_EQ(session.database, "orders");
  EXPECT_EQ(session.user, "etl");
  EXPECT_TRUE(found->look.in_recovery);
  EXPECT_EQ(found->look.taken_at, at(5001));
}

TEST(ReadLook, AcceptsNullForNoXminAndNoText) {
  auto row = look_row(1);
  row[kXminAge] = std::nullopt;
  row[kQuery] = std::nullopt;
  const auto found = look({row});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->look.sessions.at(0).xmin_age, std::nullopt);
  EXPECT_EQ(found->look.sessions.at(0).query, std::nullopt);
  EXPECT_FALSE(found->look.in_recovery);
}

TEST(ReadLook, RefusesAnAgeOfAnotherWidthAndAServerWithoutARole) {
  auto wide = look_row(1);
  wide[kXminAge] = wire::time(42);
  EXPECT_FALSE(look({wide}));
  auto roleless = look_row(1);
  roleless[kInRecovery] = std::nullopt;
  EXPECT_FALSE(look({roleless}));
}

TEST(ReadLook, RefusesAnotherNumberOfColumns) {
  auto row = look_row(1);
  row.pop_back();
  EXPECT_FALSE(read_look(make_result({row}, row.size() - 1).get(), names(), ServerFacts{}));
}

TEST(ReadWaits, ReadsWaiterSinceBlockersAndNamesOfPreparedTransactions) {
  const auto found = waits(wait_row({wire::int4(0), wire::int4(9)}, {"left behind", ""}));
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ(found->at(0).waiter, (SessionKey{7, at(1000)}));
  EXPECT_EQ(found->at(0).since, at(2000));
  EXPECT_EQ(found->at(0).blockers, (std::vector<std::int32_t>{0, 9}));
  EXPECT_EQ(found->at(0).prepared, (std::vector<std::string>{"left behind", ""}));
}

TEST(ReadWaits, NamesEveryBlockerAndEveryPreparedTransactionOnce) {
  const auto found =
      waits(wait_row({wire::int4(9), wire::int4(0), wire::int4(9), wire::int4(0)}, {"b", "a", "b"}));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->at(0).blockers, (std::vector<std::int32_t>{9, 0}));
  EXPECT_EQ(found->at(0).prepared, (std::vector<std::string>{"b", "a"}));
}

TEST(ReadWaits, OmitsSessionsThatNoLongerWaitAndThoseOfHiddenIdentity) {
  EXPECT_TRUE(waits(wait_row({}))->empty());
  auto hidden = wait_row({wire::int4(9)});
  hidden[1] = std::nullopt;
  EXPECT_TRUE(waits(hidden)->empty());
}

TEST(ReadWaits, AcceptsNullFromAServerWithoutWaitstart) {
  auto row = wait_row({wire::int4(9)});
  row[2] = std::nullopt;
  EXPECT_EQ(waits(row)->at(0).since, std::nullopt);
}

TEST(ReadWaits, AcceptsNoRows) {
  EXPECT_TRUE(read_waits(make_result({}, kWaitsColumns).get())->empty());
}

TEST(ReadWaits, RefusesMalformedArrays) {
  const auto good = wire::array(kInt4, {wire::int4(9), wire::int4(8)});
  for (std::size_t length = 0; length < good.size(); ++length) {
    auto row = wait_row({});
    row[3] = good.substr(0, length);
    EXPECT_FALSE(waits(row)) << "cut at " << length;
  }
  const std::vector<std::string> bad = {
      good + "x",
      wire::array(kInt4, {wire::int4(9), std::nullopt}),
      wire::array(kInt4, {wire::time(9)}),
      wire::int4(2) + wire::int4(0) + wire::int4(kInt4) + wire::int4(1) + wire::int4(1) + wire::int4(1) +
          wire::int4(1) + wire::int4(4) + wire::int4(9),
      wire::int4(1) + wire::int4(0) + wire::int4(kInt4) + wire::int4(1) + wire::int4(1) +
          wire::int4(1 << 30) + wire::int4(9),
  };
  for (const auto& bytes : bad) {
    auto row = wait_row({});
    row[3] = bytes;
    EXPECT_FALSE(waits(row));
  }
}

TEST(ReadFacts, CountTheSlotsThatAreNotReserved) {
  const Row row{"12", "1000", "f", "pgcurfew", "t", "t", "f", "f", "93"};
  const auto facts = read_facts(make_result({row}, row.size()).get(), 150020);
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->connection_slots, 93);
  EXPECT_EQ(facts->role, "pgcurfew");
}

TEST(ReadLook, WhetherWeMaySignalASessionDependsOnItsRoleAndOurs) {
  struct Case {
    bool is_superuser, is_ours, can_signal, is_beyond_us;
  };
  for (const auto& [is_superuser, is_ours, can_signal, is_beyond_us] :
       {Case{false, false, false, true}, Case{false, false, true, false}, Case{false, true, false, false},
        Case{true, true, true, true}, Case{true, false, false, true}}) {
    auto cache = names();
    cache.roles[10].is_superuser = is_superuser;
    cache.roles[10].is_ours = is_ours;
    ServerFacts facts;
    facts.can_signal = can_signal;
    const auto found = read_look(look_result({look_row(1)}).get(), cache, facts);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->look.sessions.at(0).is_beyond_us, is_beyond_us);
    EXPECT_EQ(found->look.sessions.at(0).is_superusers, is_superuser);
  }
}

TEST(ReadFacts, RefuseAnotherNumberOfColumns) {
  const Row row{"12", "1000", "f", "pgcurfew", "t", "t", "f"};
  EXPECT_FALSE(read_facts(make_result({row}, row.size()).get(), 150020));
}

}  // namespace
}  // namespace pgcurfew
