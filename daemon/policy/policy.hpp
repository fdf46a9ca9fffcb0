#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/address.hpp"
#include "base/pattern.hpp"
#include "base/time.hpp"
#include "policy/field.hpp"

namespace pgcurfew {

/// Where something stands in the files that were read. Line and column count from 1.
struct Place {
  std::string file;
  std::size_t line = 0;
  std::size_t column = 0;
};

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

/// One condition on one field that does not depend on time. A NULL never fits.
struct Condition {
  Field field;
  std::variant<TextTest, AddressTest, BackendTypeTest, StateTest, QueryIdTest> test;
  std::string written;  ///< the value as the file has it, for findings: `[app, app_*]`
  Place place;
};

/// "at least this old" on one of the four clocks.
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

struct Rule {
  std::string name;
  std::string description;
  Match match;
  std::vector<Exception> except;
  std::vector<Step> escalate;  ///< never empty
  Mode mode = Mode::kDryRun;   ///< the rule's own, never stricter than the file's
  std::string
      fingerprint;  ///< changes with the rule's meaning; equal means that its episodes go on at a reload
  Place place;
};

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
  std::vector<Match> protect;  ///< without ages
  std::vector<Rule> rules;     ///< in the order of the files; names are unique
  Safety safety;
  QueryText query_text = QueryText::kRedacted;
  std::string version;  ///< 12 hex digits over the texts of all files
};

}  // namespace pgcurfew
