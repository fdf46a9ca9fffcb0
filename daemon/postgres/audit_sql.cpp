#include "postgres/audit_sql.hpp"

#include <array>
#include <string_view>

#include <fmt/format.h>

#include "base/words.hpp"
#include "postgres/sql_text.hpp"

namespace pgcurfew {

namespace {

/// A column of the table, from the key of an event.
struct EventColumn {
  std::string_view name;  ///< of the column; PostgreSQL's, where it has one
  std::string_view key;   ///< of the event
  std::string_view type;
  bool is_never_null = false;
};

constexpr std::array<EventColumn, 23> kColumns{{
    {"ts", "ts", "timestamptz", true},
    {"id", "id", "text", true},
    {"seq", "seq", "int8", true},
    {"run", "run", "text", true},
    {"level", "level", "text", true},
    {"event", "event", "text", true},
    {"message", "message", "text"},
    {"server", "server", "text"},
    {"rule", "rule", "text"},
    {"drain", "drain", "text"},
    {"decision", "decision", "text"},
    {"episode", "episode", "text"},
    {"mode", "mode", "text"},
    {"pid", "pid", "int8"},
    {"session_id", "session_id", "text"},
    {"backend_start", "backend_start", "timestamptz"},
    {"usename", "user", "text"},
    {"datname", "database", "text"},
    {"application_name", "application_name", "text"},
    {"step", "step", "text"},
    {"outcome", "outcome", "text"},
    {"effect", "effect", "text"},
    {"ended", "end", "text"},
}};

template <class Text>
std::string for_columns(Text text) {
  std::string all;
  for (const auto& column : kColumns) all += (all.empty() ? "" : ", ") + text(column);
  return all;
}

std::string definitions() {
  std::string all;
  for (const auto& column : kColumns) {
    all += fmt::format("  {} {}{},\n", column.name, column.type, column.is_never_null ? " NOT NULL" : "");
  }
  return all;
}

/// Who could read or replace what is in the schema, and whose triggers would run with the privileges of
/// whoever adds events; the database's owner could do all of that anyway.
constexpr std::string_view kUntrusted =
    R"sql(FROM (SELECT n.nspowner AS owner FROM pg_catalog.pg_namespace n
           WHERE n.nspname OPERATOR(pg_catalog.=) 'pgcurfew_audit'
           UNION ALL SELECT c.relowner FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n
                 ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
           WHERE n.nspname OPERATOR(pg_catalog.=) 'pgcurfew_audit') o
     JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) o.owner
   WHERE NOT r.rolsuper AND NOT EXISTS (SELECT FROM pg_catalog.pg_database d
           WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
             AND d.datdba OPERATOR(pg_catalog.=) r.oid))sql";

/// {role} is the role, which {create_role} creates, {columns} are the definitions of the columns, {untrusted}
/// is kUntrusted.
constexpr std::string_view kScript =
    R"sql(-- The table for events of pgcurfew (audit: [ table: ... ] in its configuration). Run it in the database that the
-- table shall be in, as a superuser or its owner:
--
--   pgcurfew setup-sql --audit{options} | psql -X -v ON_ERROR_STOP=1 -h audit -d dba
--
-- It can be run again, and leaves nothing behind if it fails.

BEGIN;
SET LOCAL client_min_messages = warning;

DO $pgcurfew$
BEGIN
  IF pg_catalog.current_setting('server_encoding') <> 'UTF8' THEN
    RAISE feature_not_supported
      USING MESSAGE = 'the database of the audit table has to have the encoding UTF8';
  ELSIF pg_catalog.current_setting('server_version_num')::int4 < 110000 THEN
    RAISE feature_not_supported USING MESSAGE = 'the audit table needs PostgreSQL 11 or later';
  END IF;
  PERFORM pg_catalog.set_config('pgcurfew.had_view',
                                (pg_catalog.to_regclass('pgcurfew_audit.my_events') IS NOT NULL)::text, true);
END $pgcurfew$;

-- The role that adds events. It can neither read, change nor remove them. It has no password here, so that none
-- ends in a shell history or a server log.
{create_role}
CREATE SCHEMA IF NOT EXISTS pgcurfew_audit;
REVOKE ALL ON SCHEMA pgcurfew_audit FROM PUBLIC;
GRANT USAGE ON SCHEMA pgcurfew_audit TO PUBLIC;

-- One row for each event; pgcurfew-log(5) describes their kinds and fields. Columns that an event does not have
-- are NULL; data is the whole event. An event that is sent twice is added once, by its id.
CREATE TABLE IF NOT EXISTS pgcurfew_audit.events (
{columns}  data jsonb NOT NULL,
  PRIMARY KEY (ts, id)
) PARTITION BY RANGE (ts);

-- Events go here unless there is a partition for their time. To remove old events quickly, create partitions in
-- advance, and drop them when they are too old:
--
--   CREATE TABLE pgcurfew_audit.events_2027_01 PARTITION OF pgcurfew_audit.events
--     FOR VALUES FROM ('2027-01-01') TO ('2027-02-01');
CREATE TABLE IF NOT EXISTS pgcurfew_audit.events_default PARTITION OF pgcurfew_audit.events DEFAULT;

-- "What happened to pid 4711 at 14:03?"
CREATE INDEX IF NOT EXISTS events_pid ON pgcurfew_audit.events (pid, ts) WHERE pid IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_usename ON pgcurfew_audit.events (usename, ts) WHERE usename IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_decision ON pgcurfew_audit.events (decision) WHERE decision IS NOT NULL;

REVOKE ALL ON pgcurfew_audit.events, pgcurfew_audit.events_default FROM PUBLIC;
GRANT INSERT ON pgcurfew_audit.events TO {role};

-- What was done to the sessions of the role that asks, and to nobody else's. A role of this server stands for
-- the role of the same name on all servers that pgcurfew watches: revoke this where names are not shared; it is
-- not granted again.
CREATE OR REPLACE VIEW pgcurfew_audit.my_events WITH (security_barrier) AS
  SELECT ts, server, event, rule, drain, decision, mode, pid, backend_start, datname, application_name, step, outcome,
         effect, ended, data ->> 'clock' AS clock, (data ->> 'age_s')::float8 AS age_s,
         (data ->> 'limit_s')::float8 AS limit_s, data ->> 'query' AS query
  -- OFFSET keeps the reader's conditions out: an index or statistics of all events would answer them. U+FFFD stands for
  -- bytes of a name that are no UTF-8, and so for several names.
  FROM (SELECT * FROM pgcurfew_audit.events
        WHERE usename = CURRENT_USER::text COLLATE "default"
          AND pg_catalog.strpos(usename, pg_catalog.chr(65533)) = 0 OFFSET 0) AS own;
DO $pgcurfew$
BEGIN
  IF pg_catalog.current_setting('pgcurfew.had_view') = 'false' THEN
    REVOKE ALL ON pgcurfew_audit.my_events FROM PUBLIC;
    GRANT SELECT ON pgcurfew_audit.my_events TO PUBLIC;
  END IF;
  -- at the end: what was not there before may have been created by another role meanwhile
  IF EXISTS (SELECT {untrusted}) THEN
    RAISE object_not_in_prerequisite_state
      USING MESSAGE = 'schema pgcurfew_audit, or something in it, belongs to a role that is neither a superuser nor '
                      'the owner of the database',
            HINT = 'That role could read and replace what is in it.';
  END IF;
END $pgcurfew$;

COMMIT;
)sql";

}  // namespace

std::string statement::insert_events() {
  return fmt::format(
      "INSERT INTO pgcurfew_audit.events ({}, data) SELECT {}, line "
      "FROM pg_catalog.jsonb_array_elements($1::pg_catalog.jsonb) AS line, "
      "LATERAL pg_catalog.jsonb_to_record(line) AS event({}) ON CONFLICT DO NOTHING",
      for_columns([](const EventColumn& column) { return std::string(column.name); }),
      for_columns([](const EventColumn& column) { return fmt::format("event.\"{}\"", column.key); }),
      for_columns([](const EventColumn& column) {
        return fmt::format("\"{}\" pg_catalog.{}", column.key, column.type);
      }));
}

std::string statement::untrusted_owner() {
  return fmt::format(
      "SELECT CASE WHEN pg_catalog.to_regclass('pgcurfew_audit.events') IS NULL THEN '' ELSE "
      "(SELECT pg_catalog.min(r.rolname::pg_catalog.text) {}) END",
      kUntrusted);
}

Result<std::string> audit_setup_sql(const std::string& role) {
  if (auto checked = sql::check_name("role", role); !checked) return tl::make_unexpected(checked.error());
  const auto options = role == "pgcurfew" ? std::string() : printable(" --role " + sql::shell_word(role));
  return fmt::format(fmt::runtime(kScript), fmt::arg("options", options),
                     fmt::arg("role", sql::quoted_name(role)),
                     fmt::arg("create_role", sql::create_role(role)), fmt::arg("columns", definitions()),
                     fmt::arg("untrusted", kUntrusted));
}

}  // namespace pgcurfew
