#include "postgres/look_columns.hpp"

#include <map>

#include <gmock/gmock.h>

#include "postgres/results.hpp"
#include "postgres/statements.hpp"

namespace pgcurfew {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// Fields that rows have as an oid; their names come from a cache.
bool is_named_by_oid(Field field) {
  return field == Field::kDatabase || field == Field::kUser;
}

bool is_text(const FieldEntry& entry) {
  return entry.kind == ValueKind::kPatterns || entry.kind == ValueKind::kRegularExpressions;
}

bool is_number(const FieldEntry& entry) {
  return entry.kind == ValueKind::kNumbers || entry.kind == ValueKind::kTransactions;
}

LookRow read_row(const Row& row) {
  const auto result = make_result({row}, row.size());
  RowReader reader(result.get(), 0);
  LookRow read;
  for (const auto& column : look_columns()) column.read(reader, read);
  EXPECT_TRUE(reader.is_good());
  return read;
}

TEST(LookColumns, FillTheMemberOfEachFieldThatTakesATextOrANumber) {
  for (const auto& entry : all_fields()) {
    if (!is_text(entry) && !is_number(entry)) continue;
    if (is_named_by_oid(entry.field)) continue;
    Row row;
    for (const auto& column : look_columns()) {
      if (column.name != entry.name) {
        row.push_back(std::nullopt);
      } else if (is_text(entry)) {
        row.emplace_back("its value");
      } else {
        row.push_back(entry.kind == ValueKind::kNumbers ? wire::number(std::int64_t{77}) : wire::int4(77));
      }
    }
    const auto read = read_row(row);
    EXPECT_EQ(value_of(read.session, entry.field), is_text(entry) ? "its value" : "77") << entry.name;
  }
}

TEST(LookColumns, FillEachOtherMember) {
  const std::map<std::string_view, std::optional<std::string>> values{
      {"pid", wire::int4(1)},
      {"backend_start", wire::time(2)},
      {"datid", wire::int4(3)},
      {"usesysid", wire::int4(4)},
      {"client_addr", std::string("\x02\x20\x00\x04\x0a\x00\x00\x05", 8)},
      {"client_port", wire::int4(-1)},
      {"backend_type", "client backend"},
      {"leader_pid", wire::int4(6)},
      {"state", "idle in transaction"},
      {"xact_start", wire::time(7)},
      {"query_start", wire::time(8)},
      {"state_change", wire::time(9)},
      {"in_recovery", wire::boolean(true)},
      {"clock", wire::time(10)}};
  Row row;
  for (const auto& column : look_columns()) {
    const auto found = values.find(column.name);
    row.push_back(found == values.end() ? std::nullopt : found->second);
  }
  const auto read = read_row(row);
  const auto at = [](std::int64_t microseconds) { return ServerTime(Duration(microseconds)); };
  EXPECT_EQ(read.pid, 1);
  EXPECT_EQ(read.backend_start, at(2));
  EXPECT_EQ(read.database, 3U);
  EXPECT_EQ(read.role, 4U);
  EXPECT_TRUE(read.session.is_local);
  EXPECT_EQ(to_text(read.session.client_addr.value()), "10.0.0.5");
  EXPECT_EQ(read.session.backend_type, "client backend");
  EXPECT_EQ(read.session.leader_pid, 6);
  EXPECT_EQ(read.session.state, State::kIdleInTransaction);
  EXPECT_EQ(read.session.xact_start, at(7));
  EXPECT_EQ(read.session.query_start, at(8));
  EXPECT_EQ(read.session.state_change, at(9));
  EXPECT_EQ(read.in_recovery, true);
  EXPECT_EQ(read.clock, at(10));
  EXPECT_FALSE(read.session.query_id || read.session.application_name || read.session.wait_event);
}

TEST(LookColumns, HaveSqlOnEachVersionForWhatAGuardChecks) {
  for (const auto& entry : all_fields()) {
    if (!is_guarded_text(entry.field) && !is_guarded_number(entry.field)) continue;
    for (const int version : {100000, 180000}) {
      EXPECT_FALSE(look_column_sql(entry.name, version).empty()) << entry.name;
      EXPECT_THAT(look_column_sql(entry.name, version), Not(HasSubstr("$"))) << "it would be the guard's pid";
    }
  }
}

TEST(LookColumns, AreNullOnAServerThatLacksThem) {
  EXPECT_EQ(look_column_sql("query_id", 139999), "NULL::pg_catalog.int8");
  EXPECT_EQ(look_column_sql("query_id", 140000), "s.query_id");
  EXPECT_EQ(look_column_sql("leader_pid", 129999), "NULL::pg_catalog.int4");
  EXPECT_EQ(look_column_sql("leader_pid", 130000), "s.leader_pid");
  EXPECT_EQ(look_column_sql("no_lock_wait", 180000), "");
  EXPECT_THAT(statement::look(100000), Not(HasSubstr("s.query_id")));
  EXPECT_THAT(statement::guard(100000, Action::kCancel, false), Not(HasSubstr("s.query_id")));
  EXPECT_THAT(statement::guard(140000, Action::kCancel, false),
              HasSubstr("(s.query_id) IS NOT DISTINCT FROM"));
}

}  // namespace
}  // namespace pgcurfew
