#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "engine/session.hpp"
#include "postgres/row_reader.hpp"

namespace pgcurfew {

/// The maximum length of a query's text in a look, in bytes; `track_activity_query_size` can be 1 MB, for
/// each session.
inline constexpr int kMostOfAText = 16384;

/// One row of a look as the server sends it; an empty optional is a NULL.
struct LookRow {
  Session session;  ///< without its key, its names and what follows from them
  std::optional<std::int32_t> pid;
  std::optional<ServerTime> backend_start;
  std::optional<std::uint32_t> database;  ///< oid; 0: none
  std::optional<std::uint32_t> role;      ///< oid; 0: none
  std::optional<bool> in_recovery;
  std::optional<ServerTime> clock;
};

/// One column of a look: the one place with its SQL and its reader. A guard uses the same SQL for a field of
/// this name: for one that it holds as a text the type is text, for a number an integer.
struct LookColumn {
  std::string_view name;  ///< that of the field whose value it is; otherwise of the server's column
  /// Over the row `s` of pg_stat_get_activity. Only `query` uses the look's parameter $1.
  std::string sql;
  int since = 0;          ///< server_version_num of the first release that has it
  std::string_view type;  ///< of the NULL that stands for it before that; needed with `since`
  void (*read)(RowReader& reader, LookRow& row);

  /// Its SQL on a server of that version.
  [[nodiscard]] std::string sql_on(int server_version) const;
};

/// All of them, in the order in which the statement selects them.
const std::vector<LookColumn>& look_columns();

/// LookColumn::sql_on() of the column with that name; empty for an unknown name.
std::string look_column_sql(std::string_view name, int server_version);

}  // namespace pgcurfew
