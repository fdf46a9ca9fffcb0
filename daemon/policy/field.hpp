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

struct FieldEntry {
  Field field;
  std::string_view name;    ///< in the YAML, the log and the manual
  std::string_view column;  ///< of pg_stat_activity
  ValueKind kind;
  std::string_view meaning;  ///< one line for the manual
};

/// Every field of the language, in the order in which the manual lists them. The one table that parser,
/// findings and documentation share.
std::span<const FieldEntry> all_fields();

const FieldEntry& entry_of(Field field);
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
