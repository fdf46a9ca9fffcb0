#include "policy/protections.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string>
#include <utility>

#include "policy/condition.hpp"

namespace pgcurfew {

namespace {

constexpr std::array<std::string_view, 6> kNames{"dumps",    "backups",          "agents",
                                                 "sync-rep", "concurrent-index", "listeners"};

/// The text between two words of a statement: white space and comments.
/// *Source*: PostgreSQL's scan.l. Comments nest there, and an expression would take the end of the inner
/// comment for the end of the outer one. So a comment that contains another does not count here, otherwise
/// any statement could be disguised as a protected one.
constexpr std::string_view kGap = R"((?:[\s\v]|--[^\n\r]*(?:[\n\r]|$)|/\*(?:[^*/]|\*+[^*/]|/+[^*/])*\*+/))";

/// Built-in patterns are valid: a test compiles them all.
TextPattern taken(Result<TextPattern> pattern) {
  return std::move(pattern).value();
}

Condition texts(Field field, std::initializer_list<std::string_view> patterns) {
  TextTest test;
  for (const auto pattern : patterns) test.any_of.push_back(taken(TextPattern::parse(pattern)));
  return condition_of(field, std::move(test));
}

/// Statements that build or drop an index concurrently, in the notation of `statement`.
///
/// REINDEX's options are read as the server reads them: `concurrently false` does not count, nor does a word
/// in a comment. A statement with options that are unknown here is not protected.
/// *Source*: PostgreSQL's gram.y, ExecReindex(), defGetBoolean(). A text with several statements does not
/// count either: the server refuses these statements there (PreventInTransactionBlock()). Of a cut text we
/// see the beginning.
std::string concurrent_index() {
  const std::string setting =
      R"re((?:verbose(?:_\w+|~'[^'\\]*')?|tablespace(?:_[\w\x80-\xff]+|~"[^"]*"|~'[^'\\]*')))re";
  const std::string wish = R"re(concurrently(?:_(?:true|on|1)|~'(?:true|on)')?)re";
  const std::string any = "(?:" + setting + "|" + wish + ")";
  const std::string target = "(?:index|table|schema|database|system)";
  return R"re((?:create_(?:unique_)?index_concurrently|drop_index_concurrently|)re" +
         ("reindex~\\(~(?:" + setting + "~,~)*" + wish + "(?:~,~" + any + ")*~\\)~" + target + "|") +
         ("reindex(?:_|~\\(~" + any + "(?:~,~" + any + ")*~\\)~)" + target + "_concurrently)") +
         R"re(\b(?:[^;'"]|'[^']*'|"[^"]*"|~)*(?:'[^']*|"[^"]*|(?:;~)*)$)re";
}

/// In `statement`, `_` is a required separator of two words, `~` an optional one.
Condition statement(std::string_view statement) {
  std::string expression = "(?i)^~";
  expression += statement;
  std::string all;
  for (const char c : expression) {
    if (c == '_' || c == '~') {
      all += kGap;
      all += c == '_' ? '+' : '*';
    } else {
      all += c;
    }
  }
  TextTest test;
  test.any_of.push_back(taken(TextPattern::parse_regular_expression(all)));
  return condition_of(Field::kQuery, std::move(test));
}

Condition in_state(State state) {
  return condition_of(Field::kState, StateTest{{state}});
}

Protection made(std::string_view name, std::string_view meaning, std::vector<Condition> conditions) {
  Protection protection{name, meaning, {}};
  protection.match.conditions = std::move(conditions);
  protection.match.protection = name;
  sort_by_cost(protection.match);
  return protection;
}

/// *Source*: the tools themselves: pg_dump.c and similar files (fallback_application_name); pgBackRest's db.c
/// (`pgBackRest [backup]`); Barman's postgres.py (`barman`) and its streaming_archiver_name
/// (`barman_receive_wal`); pgcopydb's pgsql.c (`pgcopydb[54] copy worker`); repmgr's
/// fallback_application_name; Patroni's (`Patroni heartbeat`). WAL-G and pg_probackup give their ordinary
/// connections no name, so PGAPPNAME sets it.
std::vector<Protection> make_all() {
  return {
      made("dumps", "pg_dump, pg_dumpall and pg_restore",
           {texts(Field::kApplicationName, {"pg_dump", "pg_dumpall", "pg_restore"})}),
      made("backups",
           "pg_basebackup, pgBackRest, Barman and pgcopydb; WAL-G and pg_probackup if PGAPPNAME names them",
           {texts(Field::kApplicationName,
                  {"pg_basebackup", "pgBackRest*", "barman*", "wal-g*", "pg_probackup*", "pgcopydb*"})}),
      made("agents", "Patroni and repmgr", {texts(Field::kApplicationName, {"Patroni*", "repmgr*"})}),
      made("sync-rep", "commits that wait for synchronous replication: they cannot be undone any more",
           {texts(Field::kWaitEvent, {"SyncRep"})}),
      made("concurrent-index",
           "CREATE INDEX, REINDEX and DROP INDEX CONCURRENTLY while they run: ended early, they leave an "
           "invalid index behind",
           {in_state(State::kActive), statement(concurrent_index())}),
      made("listeners", "idle sessions whose last statement was LISTEN: they wait on purpose",
           {in_state(State::kIdle), statement(R"(listen\b)")}),
  };
}

}  // namespace

const std::vector<Protection>& all_protections() {
  static const auto kAll = make_all();
  return kAll;
}

const Protection* protection_named(std::string_view name) {
  for (const auto& protection : all_protections()) {
    if (protection.name == name) return &protection;
  }
  return nullptr;
}

std::span<const std::string_view> protection_names() {
  return kNames;
}

}  // namespace pgcurfew
