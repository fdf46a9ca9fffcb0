#include "postgres/setup_sql.hpp"

#include <string_view>

#include <fmt/format.h>

#include "base/words.hpp"
#include "postgres/gate_statements.hpp"
#include "postgres/sql_text.hpp"

namespace pgcurfew {

namespace {

/// A literal of type name[].
std::string array_literal(const std::vector<std::string>& names) {
  std::string array;
  for (const auto& name : names) {
    array += array.empty() ? "{" : ",";
    array += '"';
    for (const char c : name) {
      if (c == '"' || c == '\\') array += '\\';
      array += c;
    }
    array += '"';
  }
  return sql::literal(array + "}");
}

/// The options that print the same text. Any names are safe in a comment of one line.
std::string options_text(const SetupOptions& options) {
  std::string text;
  if (options.role != SetupOptions().role) text += " --role " + sql::shell_word(options.role);
  for (const auto& database : options.databases) text += " --database " + sql::shell_word(database);
  return printable(text);
}

/// The checks at the beginning of both functions: of the isolation level, which must show the latest data,
/// and of the database. {unless} is an exception to the latter.
constexpr std::string_view kMayTurn = R"sql(
  IF pg_catalog.current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE active_sql_transaction USING MESSAGE = 'gates are turned at isolation level read committed only';
  END IF;
  IF EXISTS (SELECT FROM pg_catalog.pg_database d
             WHERE d.datname = arg_database::name
                   AND (d.datistemplate OR d.datname IN ('template0', 'template1')
                        OR d.datname <> ALL (nullif(pg_catalog.current_setting('pgcurfew.databases', true),
                                                    '')::name[]))){unless} THEN
    RAISE insufficient_privilege
      USING MESSAGE = pg_catalog.format('pgcurfew may not turn the gate of database %s',
                                        pg_catalog.quote_ident(arg_database)),
            HINT = 'The databases whose gates it may turn are named to "pgcurfew setup-sql".';
  END IF;)sql";

/// A database with our mark may be opened, even if it was closed under another name.
constexpr std::string_view kUnlessMarked = R"sql(
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_db_role_setting s
                          JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
                     WHERE s.setrole = 0 AND d.datname = arg_database::name
                           AND 'pgcurfew.drain=' || arg_mark = ANY (s.setconfig)))sql";

/// {role} is the role, which {create_role} creates, {settings} the settings of both functions.
constexpr std::string_view kTemplate =
    R"sql(-- What pgcurfew needs on a server. Run it as a superuser, on the primary, in the database that pgcurfew's
-- connections are in (dbname of its conninfo):
--
--   pgcurfew setup-sql{options} | psql -X -v ON_ERROR_STOP=1 -d postgres
--
-- It can be run again, and leaves nothing behind if it fails.

BEGIN;
SET LOCAL client_min_messages = warning;

DO $pgcurfew$
BEGIN
  IF pg_catalog.current_setting('is_superuser') <> 'on' THEN
    RAISE insufficient_privilege USING MESSAGE = 'this has to be run by a superuser';
  ELSIF EXISTS (SELECT FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles o ON o.oid = n.nspowner
                WHERE n.nspname = 'pgcurfew' AND NOT o.rolsuper) THEN
    RAISE object_not_in_prerequisite_state
      USING MESSAGE = 'schema pgcurfew belongs to a role that is no superuser',
            HINT = 'Whoever owns the schema could replace the functions in it.';
  END IF;
END $pgcurfew$;

-- The role. It has no password here, so that none ends in a shell history or a server log: use `peer`, a
-- certificate, or `\password` in psql and a pgpass file.
{create_role}
-- To see sessions of others, and to cancel and terminate them.
GRANT pg_read_all_stats TO {role};
GRANT pg_signal_backend TO {role};

-- From PostgreSQL 16 on, with `reserved_connections = 3` in postgresql.conf, grant it pg_use_reserved_connections
-- as well: it then has a slot that the application cannot take.

-- Drains: to close the gates of {databases} that the role does not own.
-- The functions set a database's connection limit to 0 and note what it was before, and give back what was
-- noted. Nobody can set another limit with them.
CREATE SCHEMA IF NOT EXISTS pgcurfew;
REVOKE ALL ON SCHEMA pgcurfew FROM PUBLIC;
GRANT USAGE ON SCHEMA pgcurfew TO {role};

DROP FUNCTION IF EXISTS pgcurfew.close_gate(text, text, text, int8, text);
CREATE FUNCTION pgcurfew.close_gate(arg_database text, arg_drain text, arg_by text, arg_since int8,
                                    arg_until text, OUT outcome text, OUT mark text, OUT connection_limit int4)
  LANGUAGE plpgsql SECURITY DEFINER{settings}
AS $pgcurfew$
DECLARE
  arg_expected int4;{declarations}
BEGIN{may_turn}{closing}
END $pgcurfew$;
REVOKE ALL ON FUNCTION pgcurfew.close_gate(text, text, text, int8, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgcurfew.close_gate(text, text, text, int8, text) TO {role};

DROP FUNCTION IF EXISTS pgcurfew.open_gate(text, text);
CREATE FUNCTION pgcurfew.open_gate(arg_database text, arg_mark text,
                                   OUT outcome text, OUT mark text, OUT connection_limit int4)
  LANGUAGE plpgsql SECURITY DEFINER{settings}
AS $pgcurfew$
DECLARE
  arg_in_journal bool := false; arg_is_theirs bool := false;{declarations}
BEGIN{may_open}{opening}
END $pgcurfew$;
REVOKE ALL ON FUNCTION pgcurfew.open_gate(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgcurfew.open_gate(text, text) TO {role};

COMMIT;
)sql";

}  // namespace

Result<std::string> setup_sql(const SetupOptions& options) {
  if (auto checked = sql::check_name("role", options.role); !checked)
    return tl::make_unexpected(checked.error());
  for (const auto& database : options.databases) {
    if (auto checked = sql::check_name("database", database); !checked) {
      return tl::make_unexpected(checked.error());
    }
  }
  std::string settings = "\n  SET search_path = pg_catalog, pg_temp";
  if (!options.databases.empty()) {
    settings += "\n  SET pgcurfew.databases = " + array_literal(options.databases);
  }
  const std::string is_database = "d.datname = arg_database::name";
  return fmt::format(
      fmt::runtime(kTemplate), fmt::arg("options", options_text(options)),
      fmt::arg("role", sql::quoted_name(options.role)),
      fmt::arg("create_role", sql::create_role(options.role)), fmt::arg("settings", settings),
      fmt::arg("databases", options.databases.empty() ? "all databases" : "some databases"),
      fmt::arg("declarations", statement::gate_declarations()),
      fmt::arg("may_turn", fmt::format(fmt::runtime(kMayTurn), fmt::arg("unless", ""))),
      fmt::arg("may_open", fmt::format(fmt::runtime(kMayTurn), fmt::arg("unless", kUnlessMarked))),
      fmt::arg("closing", statement::closing_body(is_database)),
      fmt::arg("opening", statement::opening_body(is_database)));
}

}  // namespace pgcurfew
