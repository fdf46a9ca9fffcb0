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

/// database, user, application_name, wait_event_type, wait_event, query: any pattern of the list fits.
struct TextTest {
  std::vector<TextPattern> any_of;
};
/// client_addr: any of the list fits.
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
struct QueryIdTest {
  std::vector<std::int64_t> any_of;
};

/// So many of those who wait for a lock a look shows, the longest waiting first.
inline constexpr int kMostWaiters = 500;

/// blocks: at least so many sessions wait for it, directly or through others, that fit `waiter`. At most
/// kMostWaiters.
struct BlocksTest {
  std::size_t at_least = 1;
  std::shared_ptr<const Match> waiter;  ///< null: any; its only age can be blocked_for
};
/// xmin_age: it holds back a transaction at least so many transactions old.
struct XminAgeTest {
  std::int64_t at_least = 0;
};

/// One condition on one field that does not depend on time. A NULL never fits.
struct Condition {
  Field field;
  std::variant<TextTest, AddressTest, BackendTypeTest, StateTest, QueryIdTest, BlocksTest, XminAgeTest> test;
  std::string written;  ///< the value as the file has it, for findings: `[app, app_*]`
  Place place;
};

/// "at least this old" on one of the clocks.
struct AgeLimit {
  Clock clock;
  Duration limit;
  Place place;
};

/// The right of `match`, `protect` and `except`: all conditions and all ages must hold.
/// *Shapes*: conditions stand in order of their cost to evaluate; at most one per field; ages finest clock
/// first, at most one per clock.
struct Match {
  std::vector<Condition> conditions;
  std::vector<AgeLimit> ages;
  Place place;
  std::string protection;  ///< of `protect`: the name of the built-in one that it is; empty: the user's own
};

/// An entry of `except`: a session that fits its conditions is left alone, or, where it has ages, judged by
/// these later limits instead of the rule's on the same clocks. Its ages are never part of the fit.
struct Exception {
  Match match;
};

enum class StepKind { kAlert, kCancel, kTerminate };
std::string_view name_of(StepKind kind);  ///< `alert`, `cancel`, `terminate`

/// One rung of the ladder.
struct Step {
  StepKind kind;
  /// Wait before the step: after the session fell due for the first step, after the step before otherwise.
  Duration after;
  Place place;
};

/// Whom of the sessions that are due a rule goes for, and how fast.
enum class Victims { kOldest, kNewest, kAll };
std::string_view name_of(Victims victims);  ///< `oldest`, `newest`, `all`

struct Selection {
  /// With `keep`: the sessions that are due are counted in groups that have these in common (empty: in one).
  std::vector<Field> per;
  std::optional<std::size_t> keep;     ///< so many of a group are left alone; those beyond it are the victims
  Victims victims = Victims::kOldest;  ///< who of a group is beyond it; all: once it is too large, everyone
  std::optional<std::size_t> at_most;  ///< actions of the rule from one look
  Duration pause{};                    ///< after an action, before the next of the rule
};

enum class Role { kPrimary, kStandby };
std::string_view name_of(Role role);  ///< `primary`, `standby`

/// `when`: what must hold of the server; all of it.
struct When {
  std::optional<double> connections_used;  ///< at least this part of the slots that are open to all roles
  std::optional<Role> role;
  [[nodiscard]] bool is_empty() const { return !connections_used && !role; }
};

enum class RepeatAction { kTerminate, kAlert, kPause };
std::string_view name_of(RepeatAction action);  ///< `terminate`, `alert`, `pause`

/// `repeat`: what follows once the rule has acted `times` times `within` on sessions that have `per` in
/// common.
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
  Hours hours;  ///< when it acts; outside of them it does nothing
  std::optional<Repeat> repeat;
  std::vector<Step> escalate;  ///< never empty
  Mode mode = Mode::kDryRun;   ///< the rule's own, never stricter than the file's
  std::string
      fingerprint;  ///< changes with the rule's meaning; equal means that its episodes go on at a reload
  Place place;
};

/// What keeps new sessions out of a database while it is drained.
enum class GateKind { kConnectionLimit, kPgbouncer, kNone };
std::string_view name_of(GateKind kind);  ///< `connection-limit`, `pgbouncer`, `none`

/// What a PgBouncer does with clients at its gate: they wait, or are refused.
enum class PgbouncerGate { kPause, kDisable };
std::string_view name_of(PgbouncerGate gate);  ///< `pause`, `disable`

/// What follows if a database is not empty in time.
enum class GiveUpAction { kReopen, kHold, kAlert };
std::string_view name_of(GiveUpAction action);  ///< `reopen`, `hold`, `alert`

struct GiveUp {
  Duration after{};  ///< since the gate closed
  GiveUpAction then = GiveUpAction::kReopen;
};

/// A database emptied at a set time, kept empty and given back.
struct Drain {
  std::string name;
  std::string description;
  std::vector<std::string> servers;  ///< names of those that it is for; empty: all
  /// *Shapes*: exact names and wildcards. A wildcard takes in neither the templates nor, unless the name
  /// stands beside it letter for letter, `postgres` and the database that our connection is in.
  std::vector<TextPattern> databases;
  std::variant<CronSchedule, ServerTime> begins;
  TimeZone zone;  ///< of `begins`
  Duration duration{};
  std::vector<Duration> announce;  ///< alerts so long before, longest first
  GateKind gate = GateKind::kConnectionLimit;
  PgbouncerGate pgbouncer_gate = PgbouncerGate::kPause;
  std::string pgbouncer_conninfo;  ///< of PgBouncer's admin console; may hold a password, never printed
  Place pgbouncer_conninfo_place;
  std::vector<TextPattern> pools;  ///< which of PgBouncer's databases; empty: those that lead to our server
  std::vector<Exception> except;   ///< without ages; they may stay, and come
  Duration wait{};                 ///< after the gate closed, for sessions to end by themselves
  std::vector<Step> escalate;      ///< then; cancel and terminate, at most one each
  bool terminates_latecomers = true;  ///< `while_draining`
  std::optional<GiveUp> give_up;
  bool reopens = true;  ///< `afterwards`; otherwise it stays closed until somebody says `reopen`
  Mode mode = Mode::kDryRun;
  Place place;
};

/// From when to when a drain lasts: the one that is under way at `time`, if any.
std::optional<Interval> window_at(const Drain& drain, ServerTime time);

/// Whether the drain is for the server of this name.
bool is_for(const Drain& drain, std::string_view server);

/// The next one that begins later than `time`; nothing if there is none.
std::optional<Interval> window_after(const Drain& drain, ServerTime time);

struct Server {
  std::string name;
  std::string conninfo;  ///< libpq's; may hold a password, so it is never printed
  std::map<std::string, std::string> labels;
  Place place;
  Place conninfo_place;
};

/// Bounds per server: past either of the first two, the breaker opens.
struct Safety {
  int signals = 20;                          ///< at most so many ...
  Duration per = std::chrono::minutes(1);    ///< ... within this time
  double share = 0.25;                       ///< of all client sessions at once
  Duration quiet = std::chrono::minutes(1);  ///< how long the breaker stays open
};

enum class QueryText { kRedacted, kFull, kNone };

/// What all the files together say.
struct Policy {
  Mode mode = Mode::kDryRun;
  std::vector<Server> servers;
  std::string timezone;                ///< of hours that do not name their own; empty: none
  std::vector<Match> protect;          ///< without ages; the built-in ones that are in force, then the user's
  std::vector<std::string> unprotect;  ///< built-in protections that are switched off, by name
  std::vector<Rule> rules;             ///< in the order of the files; names are unique
  std::vector<Drain> drains;           ///< likewise; names are their own, rules can have the same
  Safety safety;
  QueryText query_text = QueryText::kRedacted;
  std::string version;  ///< 12 hex digits over the texts of all files
};

/// What of a policy is for one server: the rules and drains that are for it alone or for all.
Policy policy_for(const Policy& policy, std::string_view server);

}  // namespace pgcurfew
