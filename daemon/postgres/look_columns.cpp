#include "postgres/look_columns.hpp"

#include <utility>

#include <fmt/format.h>

namespace pgcurfew {

namespace {

constexpr int kHasLeaderPid = 130000;
constexpr int kHasQueryId = 140000;

// readers of the next column into a member of the session

template <std::optional<std::string> Session::*Member>
void text_into(RowReader& reader, LookRow& row) {
  row.session.*Member = reader.text();
}
template <std::optional<ServerTime> Session::*Member>
void time_into(RowReader& reader, LookRow& row) {
  row.session.*Member = reader.time();
}
template <auto Member, class Integer>
void number_into(RowReader& reader, LookRow& row) {
  row.session.*Member = reader.integer<Integer>();
}

LookColumn computed(std::string_view name, std::string sql, void (*read)(RowReader& reader, LookRow& row)) {
  return {name, std::move(sql), 0, {}, read};
}

LookColumn column(std::string_view name, void (*read)(RowReader& reader, LookRow& row)) {
  return computed(name, fmt::format("s.{}", name), read);
}

std::vector<LookColumn> all_columns() {
  return {
      column("pid", [](RowReader& reader, LookRow& row) { row.pid = reader.integer<std::int32_t>(); }),
      column("backend_start", [](RowReader& reader, LookRow& row) { row.backend_start = reader.time(); }),
      column("datid",
             [](RowReader& reader, LookRow& row) { row.database = reader.integer<std::uint32_t>(); }),
      column("usesysid", [](RowReader& reader, LookRow& row) { row.role = reader.integer<std::uint32_t>(); }),
      column("application_name", text_into<&Session::application_name>),
      column("client_addr",
             [](RowReader& reader, LookRow& row) { row.session.client_addr = reader.address(); }),
      column("client_port",
             [](RowReader& reader, LookRow& row) {
               row.session.is_local = reader.integer<std::int32_t>() == -1;
             }),
      column("backend_type",
             [](RowReader& reader, LookRow& row) { row.session.backend_type = reader.text().value_or(""); }),
      {"leader_pid", "s.leader_pid", kHasLeaderPid, "int4", number_into<&Session::leader_pid, std::int32_t>},
      column("state",
             [](RowReader& reader, LookRow& row) {
               if (const auto state = reader.text()) row.session.state = state_of(*state);
             }),
      column("xact_start", time_into<&Session::xact_start>),
      column("query_start", time_into<&Session::query_start>),
      column("state_change", time_into<&Session::state_change>),
      column("wait_event_type", text_into<&Session::wait_event_type>),
      column("wait_event", text_into<&Session::wait_event>),
      {"query_id", "s.query_id", kHasQueryId, "int8", number_into<&Session::query_id, std::int64_t>},
      computed("xmin_age", "greatest(pg_catalog.age(s.backend_xid), pg_catalog.age(s.backend_xmin))",
               number_into<&Session::xmin_age, std::int32_t>),
      // cut before it is sent, and by bytes: what substr() does with a text depends on its encoding, and it
      // fails if a client's bytes are not valid in it
      computed("query",
               fmt::format("CASE WHEN $1::pg_catalog.int4 = 2 OR ($1 = 1 AND s.state = 'active') "
                           "THEN pg_catalog.substr(pg_catalog.textsend(s.query), 1, {}) END",
                           kMostOfAText),
               text_into<&Session::query>),
      computed("in_recovery", "pg_catalog.pg_is_in_recovery()",
               [](RowReader& reader, LookRow& row) { row.in_recovery = reader.boolean(); }),
      computed("clock", "pg_catalog.clock_timestamp()",
               [](RowReader& reader, LookRow& row) { row.clock = reader.time(); }),
  };
}

}  // namespace

std::string LookColumn::sql_on(int server_version) const {
  if (server_version >= since) return sql;
  return fmt::format("NULL::pg_catalog.{}", type);
}

const std::vector<LookColumn>& look_columns() {
  static const auto kColumns = all_columns();
  return kColumns;
}

std::string look_column_sql(std::string_view name, int server_version) {
  for (const auto& column : look_columns()) {
    if (column.name == name) return column.sql_on(server_version);
  }
  return {};
}

}  // namespace pgcurfew
