#include "postgres/gate_rows.hpp"

#include <gtest/gtest.h>

#include "postgres/results.hpp"

namespace pgcurfew {
namespace {

constexpr std::int32_t kText = 25;
constexpr std::size_t kGatesColumns = 14;
constexpr std::size_t kCluster = 3;
constexpr std::size_t kMark = 7;
constexpr std::size_t kAccess = 10;
constexpr const char* kMarkText = "limit=7 since=10 until=20 by=one drain=nightly";

Row gate_row(const std::string& database) {
  return {wire::time(1000),
          "postgres",
          wire::boolean(false),
          "7301",
          database,
          wire::int4(16384),
          wire::int4(0),
          kMarkText,
          wire::boolean(false),
          wire::boolean(true),
          wire::int4(2),
          wire::array(kText, {{"some gid"}}),
          wire::array(kText, {}),
          wire::array(kText, {{"4711"}})};
}

Result<Gates> read(const std::vector<Row>& rows) {
  return read_gate_rows(make_result(rows, kGatesColumns).get());
}

TEST(GateRows, ComeSortedByName) {
  const auto gates = read({gate_row("b"), gate_row("a")});
  ASSERT_TRUE(gates);
  EXPECT_EQ(gates->own_database, "postgres");
  EXPECT_EQ(gates->system_identifier, "7301");
  EXPECT_EQ(gates->taken_at, ServerTime(Duration(1000)));
  ASSERT_EQ(gates->gates.size(), 2U);
  EXPECT_EQ(gates->gates[0].database, "a");
  const auto& gate = gates->gates[1];
  EXPECT_EQ(gate.database, "b");
  EXPECT_EQ(gate.oid, 16384U);
  EXPECT_EQ(gate.limit, 0);
  EXPECT_EQ(gate.access, GateAccess::kMark);
  ASSERT_TRUE(gate.mark);
  EXPECT_EQ(gate.mark->limit, 7);
  EXPECT_EQ(gate.mark_text, kMarkText);
  EXPECT_EQ(gate.prepared, std::vector<std::string>{"some gid"});
  EXPECT_TRUE(gate.slots.empty());
  EXPECT_EQ(gate.logging_in, std::vector<std::string>{"4711"});
}

TEST(GateRows, KeepATextThatIsNotAMark) {
  auto row = gate_row("a");
  row[kMark] = "something";
  const auto gates = read({row});
  ASSERT_TRUE(gates);
  EXPECT_FALSE(gates->gates[0].mark);
  EXPECT_EQ(gates->gates[0].mark_text, "something");
}

TEST(GateRows, OfAnotherShapeAreAnError) {
  EXPECT_FALSE(read({}));
  for (std::size_t column = 0; column < kGatesColumns; ++column) {
    const bool may_be_null = column == kCluster || column == kMark || column > kAccess;
    auto row = gate_row("a");
    row[column] = std::nullopt;
    EXPECT_EQ(read({row}).has_value(), may_be_null) << column;
  }
  for (const int access : {-1, 4}) {
    auto row = gate_row("a");
    row[kAccess] = wire::int4(access);
    EXPECT_FALSE(read({row}));
  }
}

Result<GateReply> turn(const Row& row) {
  return read_turn(make_result({row}, row.size()).get());
}

TEST(Turn, IsReadWithItsMark) {
  const auto reply = turn({"held", kMarkText, "0"});
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->outcome, GateOutcome::kHeld);
  EXPECT_EQ(reply->limit, 0);
  ASSERT_TRUE(reply->mark);
  EXPECT_EQ(reply->mark->drain, "nightly");
}

TEST(Turn, FailsAndReportsTheLimitIfItIsNotTheOneInTheJournal) {
  const auto reply = turn({"changed", std::nullopt, "12"});
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->outcome, GateOutcome::kFailed);
  EXPECT_EQ(reply->limit, 12);
  EXPECT_EQ(reply->error.message, "the connection limit of the database is 12 now");
}

TEST(Turn, OfAnotherShapeIsAnError) {
  EXPECT_FALSE(turn({"closed", "", "0x"}));
  EXPECT_FALSE(turn({"closed", "", ""}));
  EXPECT_FALSE(turn({"denied", "", "0"}));
  EXPECT_FALSE(turn({"closed", ""}));
}

}  // namespace
}  // namespace pgcurfew
