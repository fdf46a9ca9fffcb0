#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/address.hpp"
#include "base/listen_address.hpp"
#include "base/pattern.hpp"
#include "base/time.hpp"
#include "policy/field.hpp"
#include "policy/hours.hpp"
#include "policy/place.hpp"
#include "policy/schedule.hpp"

namespace pgcurfew {

struct Match;

enum class Mode { kDryRun, kEnforce };
std::string_view name_of(Mode mode);  ///< `dry-run`, `enforce`

/// The milder of two modes.
inline Mode milder(Mode a, Mode b) {
  return a == Mode::kEnforce && b == Mode::kEnforce ? a : Mode::kDryRun;
}

/// database, user, application_name, wait_event_type, wait_event, query: any pattern of the list matches.
struct TextTest {
  std::vector<TextPattern> any_of;
};
/// client_addr: any of the list matches.
struct AddressTest {
  std::vector<AddressPattern> any_of;
};
/// backend_type: any of the list, letter for letter.
struct BackendTypeTest {
  std::vector<std::string> any_of;
};
struct StateTest {
  std::vector<State> any_of;
};
/// Any of these numbers.
struct NumbersTest {
  std::vector<std::int64_t> any_of;
};

/// The maximum number of lock waiters that a look shows, the longest waiting first.
inline constexpr int kMostWaiters = 500;

/// blocks: at least this number of sessions that match `waiter` wait for it, directly or through others. At
/// most kMostWaiters.
struct BlocksTest {
  std::size_t at_least = 1;
  std::shared_ptr<const Match> waiter;  ///< null: any; its only age can be blocked_for
};
/// xmin_age: the session holds back a transaction that is at least this number of transactions old.
struct XminAgeTest {
  std::int64_t at_least = 0;
};

/// One condition on one field that does not depend on time. A NULL never matches.
struct Condition {
  Field field;
  std::variant<TextTest, AddressTest, BackendTypeTest, StateTest, NumbersTest, BlocksTest, XminAgeTest> test;
  std::string written;  ///< the value as the file has it, for findings: `[app, app_*]`
  Place place;
};

/// "at least this old" on one of the clocks.
struct AgeLimit {
  Clock clock;
  Duration limit;
  Place place;
};

/// The value of `match`, `protect` and `except`: all conditions and all ages must hold.
/// *Shapes*: conditions are in order of their cost to evaluate; at most one per field; ages finest clock
/// first, at most one per clock.
struct Match {
  std::vector<Condition> conditions;
  std::vector<AgeLimit> ages;
  Place place;
  std::string protection;  ///< of `protect`: the name of the built-in one; empty: an entry of the files
};

/// An entry of `except`: a session that matches its conditions is left alone or, if the entry has ages,
/// judged by these later limits instead of the rule's on the same clocks. Its ages are never part of the
/// match.
struct Exception {
  Match match;
};

enum class StepKind { kAlert, kCancel, kTerminate };
std::string_view name_of(StepKind kind);  ///< `alert`, `cancel`, `terminate`

/// One step of the ladder.
struct Step {
  StepKind kind;
  /// Wait before the step: after the session fell due for the first step, after the step before otherwise.
  Duration after;
  Place place;
};

/// Which of the due sessions a rule acts on, and how fast.
enum class Victims { kOldest, kNewest, kAll };
std::string_view name_of(Victims victims);  ///< `oldest`, `newest`, `all`

struct Selection {
  /// With `keep`: due sessions are counted in groups that have these fields in common (empty: one group).
  std::vector<Field> per;
  std::optional<std::size_t> keep;     ///< this number is left alone; those beyond it are the victims
  Victims victims = Victims::kOldest;  ///< which are beyond it; all: the whole group, once too large
  std::optional<std::size_t> at_most;  ///< actions of the rule from one look
  Duration pause{};                    ///< after an action, before the next of the rule
};

enum class Role { kPrimary, kStandby };
std::string_view name_of(Role role);  ///< `primary`, `standby`

/// `when`: conditions on the server, all of which must hold.
struct When {
  std::optional<double> connections_used;  ///< at least this share of the unreserved slots is in use
  std::optional<Role> role;
  [[nodiscard]] bool is_empty() const { return !connections_used && !role; }
};

enum class RepeatAction { kTerminate, kAlert, kPause };
std::string_view name_of(RepeatAction action);  ///< `terminate`, `alert`, `pause`

/// `repeat`: what happens once the rule has acted `times` times `within` this time on sessions that have
/// `per` in common.
struct Repeat {
  std::size_t times = 0;
  Duration within{};
  Field per = Field::kUser;  ///< or application_name, query_id
  RepeatAction then = RepeatAction::kAlert;
};

struct Rule {
  std::string name;
  std::string description;
  std::vector<std::string> servers;  ///< names of those that it is for; empty: all
  Match match;
  std::vector<Exception> except;
  Selection selection;
  When when;
  Hours hours;  ///< when the rule acts; outside them it does nothing
  std::optional<Repeat> repeat;
  std::vector<Step> escalate;  ///< never empty
  Mode mode = Mode::kDryRun;   ///< the rule's own, never stricter than the file's
  std::string fingerprint;  ///< changes with the rule's meaning; if equal, its episodes continue at a reload
  Place place;
};

/// What keeps new sessions out of a database while it is drained.
enum class GateKind { kConnectionLimit, kPgbouncer, kNone };
std::string_view name_of(GateKind kind);  ///< `connection-limit`, `pgbouncer`, `none`

/// What a PgBouncer does with clients at its gate: they wait, or are refused.
enum class PgbouncerGate { kPause, kDisable };
std::string_view name_of(PgbouncerGate gate);  ///< `pause`, `disable`

/// What happens if a database is not empty in time.
enum class GiveUpAction { kReopen, kHold, kAlert };
std::string_view name_of(GiveUpAction action);  ///< `reopen`, `hold`, `alert`

struct GiveUp {
  Duration after{};  ///< since the gate closed
  GiveUpAction then = GiveUpAction::kReopen;
};

/// Databases that are emptied at a set time, kept empty and opened again.
struct Drain {
  std::string name;
  std::string description;
  std::vector<std::string> servers;  ///< names of those that it is for; empty: all
  /// *Shapes*: exact names and wildcards. A wildcard matches neither templates nor, unless they are also
  /// named letter for letter, `postgres` and the database of our connection.
  std::vector<TextPattern> databases;
  std::variant<CronSchedule, ServerTime> begins;
  TimeZone zone;  ///< of `begins`
  Duration duration{};
  std::vector<Duration> announce;  ///< how long before the beginning to alert, longest first
  GateKind gate = GateKind::kConnectionLimit;
  PgbouncerGate pgbouncer_gate = PgbouncerGate::kPause;
  std::string pgbouncer_conninfo;  ///< of PgBouncer's admin console; may hold a password, never printed
  Place pgbouncer_conninfo_place;
  std::vector<TextPattern> pools;     ///< of PgBouncer, to use; empty: those that lead to our server
  std::vector<Exception> except;      ///< without ages; matching sessions may stay, and connect
  Duration wait{};                    ///< after the gate closed, for sessions to end by themselves
  std::vector<Step> escalate;         ///< after the wait; cancel and terminate, at most one each
  bool terminates_latecomers = true;  ///< `while_draining`
  std::optional<GiveUp> give_up;
  bool reopens = true;  ///< `afterwards`; otherwise the gate stays closed until `pgcurfew reopen`
  Mode mode = Mode::kDryRun;
  Place place;
};

/// The window of a drain that contains `time`, if any.
std::optional<Interval> window_at(const Drain& drain, ServerTime time);

/// Whether the drain applies to the server of this name.
bool is_for(const Drain& drain, std::string_view server);

/// The next window that begins later than `time`; empty if there is none.
std::optional<Interval> window_after(const Drain& drain, ServerTime time);

struct Server {
  std::string name;
  std::string conninfo;  ///< libpq's; may hold a password, so it is never printed
  std::map<std::string, std::string> labels;
  Place place;
  Place conninfo_place;
};

/// Bounds per server: the breaker opens when one of the first two is exceeded.
struct Safety {
  int signals = 20;                          ///< at most this number ...
  Duration per = std::chrono::minutes(1);    ///< ... within this time
  double share = 0.25;                       ///< at most this share of all client sessions at once
  Duration quiet = std::chrono::minutes(1);  ///< how long the breaker stays open
};

enum class QueryText { kRedacted, kFull, kNone };

/// The record of all events, in the state directory.
struct RecordBounds {
  Duration keep = std::chrono::hours(24 * 30);  ///< events are kept for so long ...
  std::int64_t size = std::int64_t{1} << 30U;   ///< ... unless they take more bytes than this
  bool is_required = false;  ///< no signal is sent before its intent is in the record, and synced

  bool operator==(const RecordBounds&) const = default;
};

/// A place outside the state directory to which events are copied from the record.
struct AuditTarget {
  enum class Kind { kJournald, kFile, kTable };
  Kind kind = Kind::kJournald;
  std::string path;                                      ///< of the file, absolute
  std::int64_t rotate = 100 * (std::int64_t{1} << 20U);  ///< the file is renamed before it has more bytes ...
  std::size_t keep = 10;                                 ///< ... and so many earlier ones are kept
  std::string
      conninfo;  ///< libpq's, of the server with the table; may hold a password, so it is never printed
  Place place;
  Place conninfo_place;
};
/// Whether both are the same place, used in the same way.
bool is_same(const AuditTarget& a, const AuditTarget& b);

/// The daemon's web server.
struct WebSettings {
  ListenAddress listen;
  std::string certificate;    ///< path of a PEM file, for TLS; empty: none
  std::string key;            ///< path of the PEM file with its private key
  std::string user;           ///< who may read, by HTTP's basic authentication; empty: everybody
  std::string password_file;  ///< path of the file with that user's password

  bool operator==(const WebSettings&) const = default;
};

/// The content of all files together.
struct Policy {
  Mode mode = Mode::kDryRun;
  std::vector<Server> servers;
  std::string timezone;                ///< for hours that do not name their own; empty: none
  std::vector<Match> protect;          ///< without ages; the built-in ones in force, then those of the files
  std::vector<std::string> unprotect;  ///< built-in protections that are switched off, by name
  std::vector<Rule> rules;             ///< in the order of the files; names are unique
  std::vector<Drain> drains;           ///< likewise; a rule may have the same name
  Safety safety;
  QueryText query_text = QueryText::kRedacted;
  bool tells_server_log = false;  ///< each signal is also told in the log of its server
  RecordBounds record;
  std::vector<AuditTarget> audit;
  std::optional<WebSettings> web;  ///< empty: there is no web server
  std::string version;             ///< 12 hex digits over the texts of all files
};

/// The part of a policy that applies to one server: the rules and drains that select it, and those for all
/// servers.
Policy policy_for(const Policy& policy, std::string_view server);

}  // namespace pgcurfew
