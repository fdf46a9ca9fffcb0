#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace pgcurfew {

/// The mappings of the language: keys and values between braces, or indented below a key.
enum class Mapping {
  kMainFile,
  kDropIn,
  kServer,
  kRule,
  kMatch,       ///< of a rule
  kBlocks,      ///< `blocks` of a match, if it says which sessions
  kException,   ///< an entry of `except`
  kProtection,  ///< an entry of `protect`
  kSelector,    ///< an entry of a rule's `servers` that goes by labels; any key
  kLabels,      ///< of a server; any key
  kWhen,
  kWindow,  ///< of `during` and `not_during`
  kRepeat,
  kStep,  ///< the options of `cancel:` in `escalate`
  kDrain,
  kDrainException,  ///< an entry of a drain's `except`
  kPgbouncer,
  kWait,  ///< the options of `wait:` in a drain's `escalate`
  kGiveUp,
  kSafety,
  kReport,
  kRecord,
  kAudit,       ///< an entry of `audit` that is not a word
  kAuditFile,   ///< `file` of it
  kAuditTable,  ///< `table` of it
  kWeb,
  kWebTls,        ///< `tls` of it
  kWebBasicAuth,  ///< `basic_auth` of it
};

/// What a key takes.
enum class Takes {
  kText,                ///< any text, in quotes if YAML would take it for something else
  kIdentifier,          ///< letters, digits, `_`, `-` and `.`, at most 63 of them
  kPatterns,            ///< one or a list: a text with `*` and `?`, or a regular expression between slashes
  kRegularExpressions,  ///< one or a list
  kAddresses,           ///< one or a list
  kBackendTypes,        ///< one or a list of texts; any, since extensions have their own
  kChoice,              ///< one of `choices`
  kChoices,             ///< one or a list of `choices`
  kNumbers,             ///< one or a list: signed 64-bit integers
  kTransactions,        ///< a whole number, optionally with k, M or G
  kDuration,
  kCount,       ///< a whole number
  kPercentage,  ///< `85%`, `12.5%`
  kRate,        ///< `20 per 1min`
  kSize,        ///< `100MB`
  kFlag,        ///< `true` or `false`
  kPath,        ///< the absolute path of a file
  kListen,      ///< `127.0.0.1:9187`, `unix:/run/x.sock`
  kTimeZone,    ///< a name of tzdata
  kTimeOfDay,   ///< `"08:00"`
  kDays,        ///< one or a list: `mon`, `mon-fri`
  kNames,       ///< one or a list: a text with `*` and `?`
  kSchedule,    ///< the five fields of cron
  kMoment,      ///< `2026-12-01 02:00`
  kDurations,   ///< one or a list
  kServers,     ///< one or a list: a pattern on a server's name, or a mapping of labels (kSelector)
  kMapping,
  kMappings,           ///< a list
  kOneOrManyMappings,  ///< one, or a list
  kCountOrMapping,
  kChoicesOrMappings,  ///< a list: one of `choices`, or a mapping
  kSteps,              ///< a list: one of `choices`, or a mapping of one of them to its options
};

/// A common wrong word for a word of the language.
struct Synonym {
  std::string_view written;
  std::string_view meant;
  std::string_view hint = {};  ///< for a key: a whole sentence, if the right word alone is not enough
};

/// One key of one mapping. *Units*: `least` and `most` are microseconds for a duration, hundredths for a
/// percentage, bytes for a size, and count otherwise; both 0: no bound.
struct KeyEntry {
  std::string_view name;
  Takes takes = Takes::kText;
  bool is_required = false;
  std::string_view meaning = {};   ///< a line, without a full stop
  std::string_view fallback = {};  ///< the default as it is written, or in words; empty: none
  std::string_view example = {};   ///< a value in YAML
  std::int64_t least = 0;
  std::int64_t most = 0;
  std::optional<Mapping> mapping = {};             ///< for those that take mappings
  std::span<const std::string_view> choices = {};  ///< for those that take choices
  std::span<const Synonym> synonyms = {};          ///< of its values
};

struct MappingEntry {
  Mapping mapping;
  std::string_view name;     ///< as messages have it: `a rule`, `match`
  std::string_view meaning;  ///< a line, without a full stop
  bool takes_any_key = false;
  bool needs_any_key = false;              ///< an empty one is an error though no key is required
  std::span<const Synonym> synonyms = {};  ///< of its keys
};

}  // namespace pgcurfew
