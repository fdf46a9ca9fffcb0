#include "postgres/gate_statements.hpp"

#include <fmt/format.h>

namespace pgcurfew::statement {

namespace {

constexpr int kHasParameterPrivileges = 150000;

/// The text of the mark of database `d`, or NULL. Settings are compared by their bytes, because they need not
/// be well-formed in the encoding of our database: the owner of a database with another encoding can set any
/// value.
constexpr std::string_view kMarkOfDatabase = R"sql(
         (SELECT pg_catalog.substr(c.item, 16)
          FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) c(item)
          WHERE s.setdatabase = d.oid AND s.setrole = 0
                AND c.item COLLATE "C" >= 'pgcurfew.drain=' AND c.item COLLATE "C" < 'pgcurfew.drain>'
          LIMIT 1))sql";

/// A backend that is logging in holds a lock on its database from before the limit is checked until
/// pg_stat_activity shows it in that database.
constexpr std::string_view kLogins = R"sql(
     LEFT JOIN
       (SELECT l.objid, pg_catalog.array_agg(DISTINCT l.pid::pg_catalog.text) AS pids
        FROM pg_catalog.pg_lock_status() l
             LEFT JOIN pg_catalog.pg_stat_get_activity(NULL) a ON a.pid = l.pid
        WHERE l.locktype = 'object' AND l.classid = 1262 AND l.mode = 'RowExclusiveLock' AND l.granted
              AND l.pid IS NOT NULL AND a.datid IS NULL
        GROUP BY l.objid) i ON i.objid = d.oid)sql";

/// A database's name is given as hexadecimal digits: it need not be well-formed in the encoding of our
/// database.
constexpr std::string_view kIsDatabaseInHex =
    "pg_catalog.encode(pg_catalog.namesend(d.datname), 'hex') = {name}";

constexpr std::string_view kCluster =
    "(SELECT s.system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system() s)";

/// A database may be renamed after it was read. To close it, both its oid and its name must still match; to
/// open it, the oid decides, and the name only if the oid is unknown.
constexpr std::string_view kIsDatabaseToClose = "({oid} IS NULL OR d.oid = {oid}) AND {is_name}";
constexpr std::string_view kIsDatabaseToOpen =
    "CASE WHEN {oid} IS NULL THEN {is_name} ELSE d.oid = {oid} END";

std::string is_this_database(std::string_view condition, std::string_view name, std::string_view oid) {
  return fmt::format(
      fmt::runtime(condition), fmt::arg("oid", oid),
      fmt::arg("is_name", fmt::format(fmt::runtime(kIsDatabaseInHex), fmt::arg("name", name))));
}

/// Locks the database's row by an update that changes nothing, so that no other session can change the limit
/// after it is read and before ours is set.
constexpr std::string_view kLockDatabase = R"sql(
  EXECUTE pg_catalog.format('ALTER DATABASE %I IS_TEMPLATE %s', db.datname, db.datistemplate::text);
  SELECT d.datconnlimit,{mark}
    INTO STRICT limit_now, mark_now
    FROM pg_catalog.pg_database d WHERE d.oid = db.oid;)sql";

std::string lock_database() {
  return fmt::format(fmt::runtime(kLockDatabase), fmt::arg("mark", kMarkOfDatabase));
}

std::string block(const std::string& arguments, const std::string& body) {
  return fmt::format(R"sql(DO $pgcurfew$
DECLARE{}
  outcome text; mark text; connection_limit int4;{}
BEGIN{}
  PERFORM pg_catalog.set_config('pgcurfew.out_outcome', outcome, true),
          pg_catalog.set_config('pgcurfew.out_mark', mark, true),
          pg_catalog.set_config('pgcurfew.out_limit', connection_limit::text, true);
END $pgcurfew$)sql",
                     arguments, gate_declarations(), body);
}

std::string set_arguments(std::initializer_list<std::string_view> names) {
  auto sql = function_arguments();
  int number = 0;
  for (const auto name : names) {
    sql +=
        fmt::format(", pg_catalog.set_config('pgcurfew.arg_{}', ${}::pg_catalog.text, true)", name, ++number);
  }
  return sql;
}

/// The name of the database that `condition` finds by its name $1 and its oid $2, because the functions take
/// a name.
std::string name_of_database(std::string_view condition) {
  return fmt::format(
      "(SELECT d.datname::pg_catalog.text FROM pg_catalog.pg_database d WHERE {})",
      is_this_database(condition, "$1::pg_catalog.text", "nullif($2::pg_catalog.text, '')::pg_catalog.oid"));
}

std::string get_argument(std::string_view name, std::string_view type) {
  return fmt::format("\n  arg_{0} {1} := nullif(pg_catalog.current_setting('pgcurfew.arg_{0}'), '')::{1};",
                     name, type);
}

}  // namespace

std::string gates(int server_version, bool tells_cluster, bool tells_logins) {
  constexpr std::string_view kTemplate = R"sql(
SELECT pg_catalog.clock_timestamp(), pg_catalog.current_database()::pg_catalog.text,
       pg_catalog.pg_is_in_recovery(), {cluster}, d.datname::pg_catalog.text, d.oid, d.datconnlimit,{mark},
       d.datistemplate, d.datallowconn,
       CASE
         WHEN EXISTS
              (SELECT
               FROM pg_catalog.pg_namespace n
                    JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid
                    JOIN pg_catalog.pg_roles o ON o.oid = p.proowner AND o.rolsuper
                    JOIN pg_catalog.pg_roles m ON m.oid = n.nspowner AND m.rolsuper
                    LEFT JOIN LATERAL pg_catalog.unnest(p.proconfig) c(item)
                              ON c.item COLLATE "C" >= 'pgcurfew.databases='
                                 AND c.item COLLATE "C" < 'pgcurfew.databases>'
               WHERE n.nspname = 'pgcurfew' AND p.proname = 'close_gate' AND p.pronargs = 5
                     AND p.prosecdef
                     AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                     AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
                     -- what bears a mark can be opened, whatever became of it since
                     AND ({mark} IS NOT NULL
                          OR NOT d.datistemplate
                             AND (c.item IS NULL
                                  OR d.datname = ANY (pg_catalog.substr(c.item, 20)::pg_catalog.name[]))))
           THEN 3
         WHEN NOT pg_catalog.pg_has_role(d.datdba, 'USAGE') THEN 0
         WHEN {may_mark} THEN 2
         ELSE 1
       END,
       ARRAY(SELECT x.gid FROM pg_catalog.pg_prepared_xact() x WHERE x.dbid = d.oid),
       ARRAY(SELECT s.slot_name::pg_catalog.text FROM pg_catalog.pg_get_replication_slots() s
             WHERE s.datoid = d.oid),
       {logging_in}
FROM pg_catalog.pg_database d{logins})sql";
  return fmt::format(
      fmt::runtime(kTemplate), fmt::arg("mark", kMarkOfDatabase),
      fmt::arg("logging_in", tells_logins ? "coalesce(i.pids, '{}')" : "'{}'::pg_catalog.text[]"),
      fmt::arg("logins", tells_logins ? kLogins : ""),
      fmt::arg("cluster", tells_cluster ? kCluster : "NULL::pg_catalog.text"),
      fmt::arg("may_mark", server_version >= kHasParameterPrivileges
                               ? "pg_catalog.has_parameter_privilege('pgcurfew.drain', 'SET')"
                               : "pg_catalog.current_setting('is_superuser') = 'on'"));
}

std::string begin_turn() {
  return "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE";
}

std::string function_arguments() {
  return fmt::format("SELECT pg_catalog.set_config('lock_timeout', '{}', true)", kTurnLockTimeout);
}

std::string closing_arguments() {
  return set_arguments({"database", "oid", "drain", "by", "since", "until", "expected"});
}

std::string opening_arguments() {
  return set_arguments({"database", "oid", "mark", "in_journal", "is_theirs"});
}

std::string gate_declarations() {
  return R"sql(
  db record; limit_now int4; mark_now text; parts text[]; is_over bool; previous int4;)sql";
}

std::string closing_body(const std::string& is_database) {
  constexpr std::string_view kTemplate = R"sql(
  IF (arg_drain ~ '^[^[:space:]]{{1,200}}$' AND arg_by ~ '^[^[:space:]]{{1,200}}$'
      AND arg_until ~ '^(reopen|-?[0-9]{{1,19}})$' AND arg_since IS NOT NULL) IS NOT TRUE THEN
    RAISE invalid_parameter_value USING MESSAGE = 'these are no arguments for a mark';
  END IF;
  SELECT d.oid, d.datname, d.datistemplate, d.datconnlimit INTO db
    FROM pg_catalog.pg_database d WHERE {is_database};
  IF NOT FOUND THEN
    RAISE invalid_catalog_name USING MESSAGE = 'the database does not exist';
  ELSIF db.datconnlimit < -1 THEN
    RAISE object_not_in_prerequisite_state USING MESSAGE = 'the server calls the database invalid',
      HINT = 'Its DROP DATABASE was interrupted; all that can be done with it is to drop it.';
  END IF;{lock}
  outcome := 'closed';
  previous := limit_now;
  IF mark_now IS NOT NULL THEN
    parts := pg_catalog.regexp_match(mark_now,
      '^limit=(-1|[0-9]+) since=(-?[0-9]+) until=(reopen|-?[0-9]+) by=([!-~]+) drain=([!-~]+)$');
    IF parts IS NULL THEN
      RAISE object_not_in_prerequisite_state
        USING MESSAGE = 'the database has a setting pgcurfew.drain that is no mark of pgcurfew',
              HINT = 'Look at its connection limit, then ALTER DATABASE ... RESET pgcurfew.drain.';
    END IF;
    is_over := parts[3] <> 'reopen' AND
               parts[3]::numeric <= pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())::numeric
                                    * 1000000 - 946684800000000;
    IF parts[5] <> arg_drain AND NOT is_over THEN
      outcome := 'held';
      mark := mark_now;
      connection_limit := limit_now;
    ELSE
      -- a limit that is no longer 0 was set by somebody else since, and is what was before this time
      IF limit_now = 0 THEN previous := parts[1]::int4; END IF;
      IF parts[5] = arg_drain AND NOT is_over THEN arg_since := parts[2]::int8; END IF;
    END IF;
  END IF;
  IF outcome = 'closed' AND arg_expected IS NOT NULL AND arg_expected <> previous
     AND (limit_now <> 0 OR mark_now IS NOT NULL) THEN
    outcome := 'changed';
    connection_limit := previous;
  END IF;
  IF outcome = 'closed' THEN
    mark := pg_catalog.format('limit=%s since=%s until=%s by=%s drain=%s', coalesce(arg_expected, previous),
                              arg_since, arg_until, arg_by, arg_drain);
    connection_limit := 0;
    IF limit_now <> 0 THEN
      EXECUTE pg_catalog.format('ALTER DATABASE %I CONNECTION LIMIT 0', db.datname);
    END IF;
    IF arg_expected IS NULL THEN
      EXECUTE pg_catalog.format('ALTER DATABASE %I SET pgcurfew.drain = %L', db.datname, mark);
    END IF;
  END IF;)sql";
  return fmt::format(fmt::runtime(kTemplate), fmt::arg("is_database", is_database),
                     fmt::arg("lock", lock_database()));
}

std::string opening_body(const std::string& is_database) {
  constexpr std::string_view kTemplate = R"sql(
  parts := pg_catalog.regexp_match(arg_mark, '^limit=(-1|[0-9]+) ');
  IF parts IS NULL THEN
    RAISE invalid_parameter_value USING MESSAGE = 'this is no mark of pgcurfew';
  END IF;
  SELECT d.oid, d.datname, d.datistemplate, d.datconnlimit INTO db
    FROM pg_catalog.pg_database d WHERE {is_database};
  IF NOT FOUND OR db.datconnlimit < -1 THEN
    outcome := 'gone';
    connection_limit := coalesce(db.datconnlimit, -1);
  ELSE{lock}
    mark := mark_now;
    connection_limit := limit_now;
    IF NOT arg_in_journal AND mark_now IS DISTINCT FROM arg_mark THEN
      outcome := 'gone';
    ELSIF limit_now <> 0 OR (arg_in_journal AND arg_is_theirs) THEN
      -- without a mark, nothing tells our 0 from one that another has set since
      outcome := 'foreign';
    ELSIF arg_in_journal AND mark_now IS NOT NULL THEN
      -- whoever set it knows nothing of the limit in our journal: it has to wait for its turn
      RAISE object_in_use USING MESSAGE = 'the database is held by another drain', DETAIL = mark_now;
    ELSE
      outcome := 'opened';
      connection_limit := parts[1]::int4;
      EXECUTE pg_catalog.format('ALTER DATABASE %I CONNECTION LIMIT %s', db.datname, connection_limit);
    END IF;
    IF outcome <> 'gone' AND NOT arg_in_journal THEN
      BEGIN
        EXECUTE pg_catalog.format('ALTER DATABASE %I RESET pgcurfew.drain', db.datname);
        mark := NULL;
      EXCEPTION WHEN insufficient_privilege THEN
        NULL;  -- to get in matters more than what is written about it
      END;
    END IF;
  END IF;)sql";
  return fmt::format(fmt::runtime(kTemplate), fmt::arg("is_database", is_database),
                     fmt::arg("lock", lock_database()));
}

std::string closing_block() {
  return block(get_argument("database", "text") + get_argument("oid", "oid") + get_argument("drain", "text") +
                   get_argument("by", "text") + get_argument("since", "int8") +
                   get_argument("until", "text") + get_argument("expected", "int4"),
               closing_body(is_this_database(kIsDatabaseToClose, "arg_database", "arg_oid")));
}

std::string opening_block() {
  return block(get_argument("database", "text") + get_argument("oid", "oid") + get_argument("mark", "text") +
                   get_argument("in_journal", "bool") + get_argument("is_theirs", "bool"),
               opening_body(is_this_database(kIsDatabaseToOpen, "arg_database", "arg_oid")));
}

std::string turn_result() {
  return "SELECT pg_catalog.current_setting('pgcurfew.out_outcome'), "
         "pg_catalog.current_setting('pgcurfew.out_mark'), pg_catalog.current_setting('pgcurfew.out_limit')";
}

std::string call_close_gate() {
  return fmt::format(
      "SELECT g.outcome, g.mark, g.connection_limit FROM pgcurfew.close_gate({}, "
      "$3::pg_catalog.text, $4::pg_catalog.text, $5::pg_catalog.int8, $6::pg_catalog.text) g",
      name_of_database(kIsDatabaseToClose));
}

std::string call_open_gate() {
  return fmt::format(
      "SELECT g.outcome, g.mark, g.connection_limit "
      "FROM pgcurfew.open_gate({}, $3::pg_catalog.text) g",
      name_of_database(kIsDatabaseToOpen));
}

}  // namespace pgcurfew::statement
