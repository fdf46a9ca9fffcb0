#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>

namespace pgcurfew {

/// What a condition tests: the columns of pg_stat_activity by their names, or a plainer word for them.
enum class Field {
  kDatabase,
  kUser,
  kApplicationName,
  kClientAddr,
  kBackendType,
  kState,
  kWaitEventType,
  kWaitEvent,
  kQuery,
  kQueryId,
  kXminAge,
  kBlocks,
  kBlocksFor,
  kBlockedFor,
  kQueryAge,
  kTransactionAge,
  kStateAge,
  kSessionAge,
};

/// The ages, finest first: the moment from which an age counts. blocked_for: since the session began to wait
/// for a lock; blocks_for: since sessions began to wait for it, while it does not wait itself (the rule's
/// `blocks` says how many).
enum class Clock { kBlockedFor, kBlocksFor, kStateAge, kQueryAge, kTransactionAge, kSessionAge };

/// What kind of value a field takes in the YAML.
enum class ValueKind {
  kPatterns,
  kRegularExpressions,
  kAddresses,
  kBackendTypes,
  kStates,
  kNumbers,
  kTransactions,
  kBlocks,
  kAge
};

/// When the value of a field can change while the session stays connected. Not asked of an age.
enum class Change {
  kNever,
  kAtAnyStatement,   ///< when its client sets it: by a statement, or from within one
  kWithQuery,        ///< together with query_start
  kWithinStatement,  ///< with each statement of a message, and when one is analysed
  kWithState,        ///< together with state_change
  kAtAnyMoment,
};

struct FieldEntry {
  Field field;
  std::string_view name;    ///< in the YAML, the log and the manual
  std::string_view column;  ///< of pg_stat_activity
  ValueKind kind;
  Change change;
  bool is_chosen_by_client;  ///< any client can give it the value that it wants
  std::string_view words;    ///< before its values in a rule's sentence, after the noun; empty: not there
  std::string_view example;  ///< a value as the YAML has it
  std::string_view meaning;  ///< one line for the manual
};

/// Every field of the language, in the order in which the manual lists them. The one table that parser,
/// engine, findings and documentation share.
std::span<const FieldEntry> all_fields();

const FieldEntry& entry_of(Field field);

/// Whether the guard checks the field as a text inside the server: by patterns, or that it is unchanged.
bool is_guarded_text(Field field);
/// Whether the guard checks inside the server that the field's number is unchanged.
bool is_guarded_number(Field field);

std::optional<Field> field_of(std::string_view name);

Field field_of(Clock clock);
std::optional<Clock> clock_of(Field field);
std::string_view name_of(Clock clock);    ///< `query_age`
std::string_view column_of(Clock clock);  ///< `query_start`

/// The values of pg_stat_activity.state.
enum class State {
  kActive,
  kIdle,
  kIdleInTransaction,
  kIdleInTransactionAborted,
  kFastpathFunctionCall,
  kDisabled,
  kStarting,
  kOther,  ///< one that this version does not know; no rule can name it
};

/// The names of all states that a rule can name, letter for letter.
std::span<const std::string_view> all_state_names();

std::string_view name_of(State state);
/// kOther for a name that is not known.
State state_of(std::string_view name);

}  // namespace pgcurfew
