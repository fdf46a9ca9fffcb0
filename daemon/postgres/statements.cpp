#include "postgres/statements.hpp"

#include <array>
#include <string_view>

#include <fmt/format.h>

#include "postgres/guard_facts.hpp"
#include "postgres/look_columns.hpp"

namespace pgcurfew::statement {

namespace {
constexpr int kHasWaitStart = 140000;

/// Whether two rows of pg_lock_status() are about the same object.
std::string same_object(std::string_view one, std::string_view other) {
  const auto object = [](std::string_view row) {
    return fmt::format(
        "({0}.locktype, {0}.database, {0}.relation, {0}.page, {0}.tuple, {0}.virtualxid, {0}.transactionid, "
        "{0}.classid, {0}.objid, {0}.objsubid)",
        row);
  };
  return object(one) + " IS NOT DISTINCT FROM " + object(other);
}

std::string_view call(Action action) {
  switch (action) {
    case Action::kCancel:
      return "pg_catalog.pg_cancel_backend(s.pid)";
    case Action::kTerminate:
      return "pg_catalog.pg_terminate_backend(s.pid)";
    case Action::kNothing:
      break;
  }
  return "true";
}
}  // namespace

std::vector<std::string> settings(int server_version) {
  struct Setting {
    std::string_view name;
    std::string_view value;
    int since = 0;
  };
  constexpr std::array kSettings{
      // first, so that it holds for those that follow
      Setting{"statement_timeout", "4s"},
      // RESET would bring back what a role or a database carries
      Setting{"role", "none"},
      // the server refuses every snapshot on a standby, and on a primary lets it wait for those who write
      Setting{"default_transaction_isolation", "read committed"},
      Setting{"default_transaction_deferrable", "off"},
      Setting{"default_transaction_read_only", "on"},
      // else an error, such as that of a locked catalog, ends the session
      Setting{"exit_on_error", "off"},
      Setting{"search_path", "pg_catalog"},
      Setting{"lock_timeout", "20ms"},
      Setting{"idle_in_transaction_session_timeout", "0"},
      Setting{"idle_session_timeout", "0", 140000},
      Setting{"transaction_timeout", "0", 170000},
      Setting{"tcp_user_timeout", "0", 120000},
      Setting{"client_connection_check_interval", "0", 140000},
      Setting{"tcp_keepalives_idle", "0"},
      Setting{"tcp_keepalives_interval", "0"},
      Setting{"tcp_keepalives_count", "0"},
      Setting{"timezone", "UTC"},
      Setting{"datestyle", "ISO"},
      Setting{"intervalstyle", "postgres"},
      Setting{"bytea_output", "hex"},
      // a gate opens though no synchronous standby is left to confirm it: a COMMIT's wait heeds no timeout
      Setting{"synchronous_commit", "local"},
      Setting{"standard_conforming_strings", "on"},
      Setting{"transform_null_equals", "off"},
      Setting{"array_nulls", "on"},
      Setting{"quote_all_identifiers", "off"},
      Setting{"row_security", "on"},
      Setting{"client_min_messages", "warning"},
      Setting{"plpgsql.extra_errors", "none"},
      Setting{"plpgsql.extra_warnings", "none"},
      // how much a statement reads, and for how long, depends on its plan, which depends on these settings
      Setting{"max_parallel_workers_per_gather", "0"},
      Setting{"jit", "off", 110000},
      // a plan made once: nothing is planned, and no catalog read, at the moment of a signal
      Setting{"plan_cache_mode", "force_generic_plan", 120000},
      Setting{"geqo", "off"},
      Setting{"from_collapse_limit", "8"},
      Setting{"join_collapse_limit", "8"},
      Setting{"enable_nestloop", "on"},
      Setting{"enable_hashjoin", "on"},
      Setting{"enable_mergejoin", "on"},
      Setting{"enable_hashagg", "on"},
      Setting{"enable_sort", "on"},
      Setting{"enable_material", "on"},
      Setting{"enable_memoize", "on", 140000},
      Setting{"cpu_tuple_cost", "0.01"},
      Setting{"cpu_operator_cost", "0.0025"},
      Setting{"work_mem", "4MB"},
      Setting{"temp_tablespaces", ""},
  };
  // by SET, which needs no snapshot, and may therefore be refused none
  std::vector<std::string> all;
  for (const auto& setting : kSettings) {
    if (server_version >= setting.since)
      all.push_back(fmt::format("SET {} TO '{}'", setting.name, setting.value));
  }
  return all;
}

std::string facts() {
  return "SELECT pg_catalog.pg_backend_pid(), "
         "(extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::pg_catalog.int8 - "
         "946684800000000, "
         "pg_catalog.pg_is_in_recovery(), session_user, "
         "pg_catalog.pg_has_role(session_user, 'pg_read_all_stats', 'USAGE'), "
         "pg_catalog.pg_has_role(session_user, 'pg_signal_backend', 'USAGE'), "
         "EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolcanlogin AND NOT r.rolsuper "
         "AND r.rolname <> session_user AND pg_catalog.pg_has_role(session_user, r.oid, 'USAGE')), "
         "pg_catalog.current_setting('is_superuser') = 'on', "
         "pg_catalog.current_setting('max_connections')::pg_catalog.int4 - "
         "pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int4 - "
         "coalesce(pg_catalog.current_setting('reserved_connections', true)::pg_catalog.int4, 0)";
}

std::string database_names() {
  // the description comes from the catalog cache, and warms it for the guards
  return "SELECT oid, datname, pg_catalog.pg_describe_object(1262, oid, 0) FROM pg_catalog.pg_database";
}
std::string role_names() {
  // through the catalog cache: a signal looks up the role of its target there, and must not have to read it
  // from a table that another session has locked; the same holds for our membership in it
  return "SELECT oid, pg_catalog.pg_get_userbyid(oid), rolsuper, pg_catalog.pg_has_role(oid, 'USAGE') "
         "FROM pg_catalog.pg_roles";
}

std::string look(int server_version) {
  std::string columns;
  for (const auto& column : look_columns()) {
    columns += fmt::format("{}{}", columns.empty() ? "" : ", ", column.sql_on(server_version));
  }
  return fmt::format("SELECT {} FROM pg_catalog.pg_stat_get_activity(NULL) s", columns);
}

std::string waits(int server_version) {
  // A common table expression with a volatile function, or one that is read twice, is made once, and only if
  // its rows are asked for. No joins where a prepared transaction is looked for: what they hash or sort by is
  // read from the catalogs when they first have rows, which is too late: another session may have locked
  // them.
  constexpr std::string_view kTemplate = R"sql(
WITH locks AS (SELECT l.* FROM pg_catalog.pg_lock_status() l),
     of_nobody AS (SELECT l.* FROM locks l WHERE l.granted AND l.pid IS NULL)
SELECT w.pid, w.backend_start, w.waitstart, w.blockers,
       CASE
         WHEN 0 = ANY (w.blockers) THEN
           ARRAY(SELECT g.gid
                 FROM (SELECT (SELECT x.gid FROM pg_catalog.pg_prepared_xact() x
                               WHERE x.transaction = ANY (ARRAY(
                                       SELECT t.transactionid FROM of_nobody t
                                       WHERE t.locktype = 'transactionid'
                                             AND t.virtualtransaction = h.virtualtransaction))
                               LIMIT 1) AS gid
                       FROM of_nobody h
                       WHERE {same_prepared}
                       AND h.mode = ANY (CASE w.mode
                         WHEN 'AccessShareLock' THEN '{{AccessExclusiveLock}}'
                         WHEN 'RowShareLock' THEN '{{ExclusiveLock,AccessExclusiveLock}}'
                         WHEN 'RowExclusiveLock' THEN
                           '{{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}}'
                         WHEN 'ShareUpdateExclusiveLock' THEN
                           '{{ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,ExclusiveLock,'
                           'AccessExclusiveLock}}'
                         WHEN 'ShareLock' THEN
                           '{{RowExclusiveLock,ShareUpdateExclusiveLock,ShareRowExclusiveLock,ExclusiveLock,'
                           'AccessExclusiveLock}}'
                         WHEN 'ShareRowExclusiveLock' THEN
                           '{{RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,'
                           'ExclusiveLock,AccessExclusiveLock}}'
                         WHEN 'ExclusiveLock' THEN
                           '{{RowShareLock,RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,'
                           'ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}}'
                         ELSE
                           '{{AccessShareLock,RowShareLock,RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,'
                           'ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}}'
                       END::pg_catalog.text[])
                       OFFSET 0) g
                 WHERE g.gid IS NOT NULL)
         ELSE '{{}}'
       END
FROM (SELECT v.*,
             CASE
               WHEN v.backend_type = 'startup' THEN
                 ARRAY(SELECT h.pid FROM locks h
                       WHERE h.granted AND h.pid <> v.pid AND {same_held})
               ELSE pg_catalog.pg_blocking_pids(v.pid)
             END AS blockers
      FROM (SELECT s.pid, s.backend_start, s.backend_type, k.*
            FROM (SELECT n.pid AS waiter, {waitstart} AS waitstart, l.locktype, l.database, l.relation, l.page,
                         l.tuple, l.virtualxid, l.transactionid, l.classid, l.objid, l.objsubid, l.mode
                  FROM pg_catalog.unnest($1::pg_catalog.int4[]) WITH ORDINALITY n(pid, number)
                       LEFT JOIN locks l ON l.pid = n.pid AND NOT l.granted
                  ORDER BY {waitstart}, n.number
                  LIMIT {most}) k
                 CROSS JOIN LATERAL pg_catalog.pg_stat_get_activity(k.waiter) s) v
      OFFSET 0) w)sql";
  return fmt::format(fmt::runtime(kTemplate), fmt::arg("same_prepared", same_object("h", "w")),
                     fmt::arg("same_held", same_object("h", "v")), fmt::arg("most", kMostWaiters),
                     fmt::arg("waitstart", server_version >= kHasWaitStart ? "l.waitstart"
                                                                           : "NULL::pg_catalog.timestamptz"));
}

std::string pulse() {
  return "SELECT pg_catalog.clock_timestamp()";
}

std::string server_log_line() {
  // whoever has locked a catalog must not make the next signal wait
  // a name's bytes, or ours, may be no text in the encoding of our database
  return "SELECT pg_catalog.set_config('pgcurfew.line', "
         "CASE pg_catalog.current_setting('server_encoding') WHEN 'UTF8' THEN "
         "pg_catalog.convert_from($1::pg_catalog.bytea, 'UTF8') "
         "ELSE pg_catalog.encode($1::pg_catalog.bytea, 'escape') END, true), "
         "pg_catalog.set_config('lock_timeout', '1ms', true), "
         "pg_catalog.set_config('statement_timeout', '1s', true)";
}

std::string server_log() {
  // the text is no part of the statement
  return "DO LANGUAGE plpgsql $pgcurfew$ BEGIN "
         "IF pg_catalog.current_setting('log_min_messages') IN ('fatal', 'panic') THEN "
         "RAISE EXCEPTION 'log_min_messages is %', pg_catalog.current_setting('log_min_messages'); "
         "END IF; "
         "IF pg_catalog.current_setting('pgcurfew.line') <> '' THEN "
         "RAISE LOG '%', pg_catalog.current_setting('pgcurfew.line'); "
         "END IF; END $pgcurfew$";
}

const char* guard_name(Action action, bool with_edges) {
  switch (action) {
    case Action::kCancel:
      return with_edges ? "guarded_cancel_of_blocker" : "guarded_cancel";
    case Action::kTerminate:
      return with_edges ? "guarded_terminate_of_blocker" : "guarded_terminate";
    case Action::kNothing:
      break;
  }
  return with_edges ? "guarded_nothing_of_blocker" : "guarded_nothing";
}

namespace {
/// The arm that checks that each waiter in the four arrays from $`first` on still waits. pg_blocking_pids
/// does not cover the startup process of a standby, so its blockers are found in the locks.
std::string edges_arm(int first) {
  constexpr std::string_view kTemplate = R"sql(
         WHEN EXISTS
              (SELECT FROM ROWS FROM (pg_catalog.unnest(${waiters}::pg_catalog.int4[]),
                                      pg_catalog.unnest(${backend_starts}::pg_catalog.timestamptz[]),
                                      pg_catalog.unnest(${query_starts}::pg_catalog.timestamptz[]),
                                      pg_catalog.unnest(${blockers}::pg_catalog.int4[]))
                   e(waiter, backend_start, query_start, blocker)
                   LEFT JOIN LATERAL pg_catalog.pg_stat_get_activity(e.waiter) w ON true
               WHERE (w.backend_start = e.backend_start
                      AND w.query_start IS NOT DISTINCT FROM e.query_start
                      AND w.wait_event_type = 'Lock'
                      AND CASE
                            WHEN w.backend_type = 'startup' THEN
                              EXISTS (SELECT FROM pg_catalog.pg_lock_status() l, pg_catalog.pg_lock_status() h
                                      WHERE l.pid = e.waiter AND NOT l.granted AND h.pid = e.blocker
                                            AND h.granted AND {same})
                            ELSE e.blocker = ANY (pg_catalog.pg_blocking_pids(e.waiter))
                          END) IS NOT TRUE)
           THEN 'moved_on')sql";
  return fmt::format(fmt::runtime(kTemplate), fmt::arg("waiters", first),
                     fmt::arg("backend_starts", first + 1), fmt::arg("query_starts", first + 2),
                     fmt::arg("blockers", first + 3), fmt::arg("same", same_object("h", "l")));
}

/// The facts of a guard, each checked only if its bit in $6 is set.
std::string facts_hold(int server_version) {
  std::string sql;
  const auto& facts = guard_facts();
  for (std::size_t i = 0; i < facts.size(); ++i) {
    const auto parameter = fmt::format("${}", kGuardHead + 1 + static_cast<int>(i));
    const auto holds =
        fmt::format(fmt::runtime(facts[i].holds), fmt::arg("p", parameter),
                    fmt::arg("column", "(" + look_column_sql(facts[i].name, server_version) + ")"));
    sql += fmt::format("\n               AND ($6 & {} = 0 OR {})", guard_bit(i), holds);
  }
  return sql;
}
}  // namespace

std::string guard(int server_version, Action action, bool with_edges) {
  constexpr std::string_view kTemplate = R"sql(
SELECT pg_catalog.clock_timestamp(),
       CASE
         WHEN (s.backend_start = $2::pg_catalog.timestamptz) IS NOT TRUE THEN 'gone'
         WHEN s.pid = pg_catalog.pg_backend_pid() THEN 'moved_on'
         WHEN (s.backend_type = $3::pg_catalog.text AND $6::pg_catalog.int4 IS NOT NULL{facts}
              ) IS NOT TRUE THEN 'moved_on'
         WHEN $6 & {let_sync_rep} = 0 AND s.wait_event = 'SyncRep' THEN 'sync_rep'
         WHEN pg_catalog.clock_timestamp() < $4::pg_catalog.timestamptz THEN 'early'
         WHEN pg_catalog.clock_timestamp() > $5::pg_catalog.timestamptz THEN 'stale'{edges}
         WHEN pg_catalog.pg_stat_clear_snapshot()::pg_catalog.text IS NULL THEN 'moved_on'
         WHEN (pg_catalog.pg_stat_get_backend_pid(i.id) = s.pid) IS NOT TRUE THEN 'shifted'
         WHEN (pg_catalog.pg_stat_get_backend_start(i.id) = s.backend_start) IS NOT TRUE THEN 'moved_on'
         WHEN $6 & {of_query} <> 0
              AND pg_catalog.pg_stat_get_backend_activity_start(i.id) IS DISTINCT FROM s.query_start
           THEN 'moved_on'
         WHEN $6 & {of_transaction} <> 0
              AND pg_catalog.pg_stat_get_backend_xact_start(i.id) IS DISTINCT FROM s.xact_start
           THEN 'moved_on'
         WHEN $6 & {of_state} <> 0
              AND (pg_catalog.pg_stat_get_backend_xact_start(i.id) IS NULL) <> (s.xact_start IS NULL)
           THEN 'moved_on'
         WHEN {call} THEN 'signalled'
         ELSE 'gone'
       END,
       s.state, s.wait_event_type, s.wait_event,
       pg_catalog.substr(pg_catalog.textsend(s.query), 1, {most_of_a_text})
FROM pg_catalog.pg_stat_get_activity($1::pg_catalog.int4) s
     LEFT JOIN LATERAL
     (SELECT b.id
      FROM (SELECT pg_catalog.pg_stat_get_backend_idset() AS id) b
      WHERE pg_catalog.pg_stat_get_backend_pid(b.id) = $1
      LIMIT 1) i ON true)sql";
  const auto first_of_edges = kGuardHead + 1 + static_cast<int>(guard_facts().size());
  return fmt::format(
      fmt::runtime(kTemplate), fmt::arg("facts", facts_hold(server_version)),
      fmt::arg("let_sync_rep", kLetWaitForSyncRep), fmt::arg("most_of_a_text", kMostOfAText),
      fmt::arg("of_query", guard_bits({"query_start", "state_change"})),
      fmt::arg("of_transaction", guard_bits({"xact_start"})), fmt::arg("of_state", guard_bits({"state"})),
      fmt::arg("edges", with_edges ? edges_arm(first_of_edges) : ""), fmt::arg("call", call(action)));
}

}  // namespace pgcurfew::statement
