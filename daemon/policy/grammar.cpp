#include "policy/grammar.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <cstddef>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "policy/field.hpp"
#include "policy/protections.hpp"
#include "policy/values.hpp"

namespace pgcurfew {

namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kDay = Duration(24h).count();
constexpr std::int64_t kSecond = Duration(1s).count();
/// *Source*: guc_tables.c: the greatest max_connections.
constexpr std::int64_t kMostSessions = 262'143;
constexpr std::int64_t kMostTransactions = 2'147'483'647;
constexpr std::int64_t kLongest = 10'000 * kDay;

constexpr std::array<std::string_view, 2> kModes{"dry-run", "enforce"};
constexpr std::array<std::string_view, 3> kQueryTexts{"redacted", "full", "none"};
constexpr std::array<std::string_view, 3> kVictims{"oldest", "newest", "all"};
constexpr std::array<std::string_view, 2> kRoles{"primary", "standby"};
constexpr std::array<std::string_view, 3> kSteps{"alert", "cancel", "terminate"};
constexpr std::array<std::string_view, 3> kThen{"terminate", "alert", "pause"};
constexpr std::array<std::string_view, 5> kPer{"database", "user", "application_name", "client_addr",
                                               "query_id"};
constexpr std::array<std::string_view, 3> kRepeatPer{"user", "application_name", "query_id"};

constexpr std::array<MappingEntry, 16> kMappings{{
    {Mapping::kMainFile, "the main file", "/etc/pgcurfew/pgcurfew.yaml"},
    {Mapping::kDropIn, "a drop-in", "a file of policies.d beside the main file"},
    {Mapping::kServer, "a server", "an entry of servers in the main file"},
    {Mapping::kRule, "a rule", "an entry of rules"},
    {Mapping::kMatch, "match", "whom a rule is for: all conditions and all ages must hold", false, true},
    {Mapping::kBlocks, "blocks", "whom a session has to block, where blocks says more than how many", false,
     true},
    {Mapping::kException, "except", "an entry of except: who is left alone, or has later limits", false,
     true},
    {Mapping::kProtection, "protect", "an entry of protect: whom no rule touches", false, true},
    {Mapping::kSelector, "servers", "an entry of a rule's servers: labels that a server has, all of them",
     true, true},
    {Mapping::kLabels, "labels", "names and values of your own", true, true},
    {Mapping::kWhen, "when", "what must hold of the server before a rule acts", false, true},
    {Mapping::kWindow, "a window", "a time of the week, in during and not_during", false, true},
    {Mapping::kRepeat, "repeat", "what follows when a rule acts again and again"},
    {Mapping::kStep, "a step", "what stands behind a step of escalate"},
    {Mapping::kSafety, "safety", "bounds for each server, past which pgcurfew holds back", false, true},
    {Mapping::kReport, "report", "what the log may show", false, true},
}};

constexpr KeyEntry kTimezone{.name = "timezone",
                             .takes = Takes::kTimeZone,
                             .meaning = "time zone of all hours that do not name their own",
                             .example = "Europe/Vienna"};
constexpr KeyEntry kProtect{.name = "protect",
                            .takes = Takes::kMappings,
                            .meaning = "no rule touches whom one of these fits",
                            .fallback = "the built-in protections",
                            .example = "[ { user: backup } ]",
                            .mapping = Mapping::kProtection};
constexpr KeyEntry kRules{
    .name = "rules",
    .takes = Takes::kMappings,
    .meaning = "the rules",
    .example = "[ { name: r, match: { state: idle, state_age: 1h }, escalate: [terminate] } ]",
    .mapping = Mapping::kRule};

constexpr std::array<KeyEntry, 8> kMainFile{{
    {.name = "mode",
     .takes = Takes::kChoice,
     .meaning = "whether signals are sent, or only told of",
     .fallback = "dry-run",
     .example = "enforce",
     .choices = kModes},
    {.name = "servers",
     .takes = Takes::kMappings,
     .is_required = true,
     .meaning = "the servers to watch",
     .example = "[ { name: orders, conninfo: \"host=db1 user=pgcurfew\" } ]",
     .mapping = Mapping::kServer},
    kTimezone,
    kProtect,
    {.name = "unprotect",
     .takes = Takes::kChoices,
     .meaning = "built-in protections that are switched off",
     .example = "[listeners]"},
    kRules,
    {.name = "safety",
     .takes = Takes::kMapping,
     .meaning = "bounds for each server",
     .fallback = "as its keys have it",
     .example = "{ signals: 20 per 1min, share: 25%, quiet: 1min }",
     .mapping = Mapping::kSafety},
    {.name = "report",
     .takes = Takes::kMapping,
     .meaning = "what the log may show",
     .fallback = "as its keys have it",
     .example = "{ query_text: redacted }",
     .mapping = Mapping::kReport},
}};

constexpr std::array<KeyEntry, 2> kDropIn{{
    kProtect,
    kRules,
}};

constexpr std::array<KeyEntry, 3> kServer{{
    {.name = "name",
     .takes = Takes::kIdentifier,
     .is_required = true,
     .meaning = "its name in rules, in the log and in the metrics; each once",
     .example = "orders"},
    {.name = "conninfo",
     .takes = Takes::kText,
     .is_required = true,
     .meaning = "libpq's connection string, without a service file; it is never shown",
     .example = "\"host=db1,db2 user=pgcurfew target_session_attrs=primary\""},
    {.name = "labels",
     .takes = Takes::kMapping,
     .meaning = "names and values by which rules can choose servers",
     .example = "{ env: prod }",
     .mapping = Mapping::kLabels},
}};

constexpr std::array<KeyEntry, 16> kRule{{
    {.name = "name",
     .takes = Takes::kIdentifier,
     .is_required = true,
     .meaning = "its name in the log and in the metrics; each once in all files",
     .example = "app-query-timeout"},
    {.name = "description",
     .takes = Takes::kText,
     .meaning = "for people; any number of lines",
     .example = "Queries of the application end after ten minutes."},
    {.name = "servers",
     .takes = Takes::kServers,
     .meaning = "the servers that it is for, by name or by labels",
     .fallback = "all of them",
     .example = "[orders, \"orders-*\", { env: prod }]",
     .mapping = Mapping::kSelector},
    {.name = "match",
     .takes = Takes::kMapping,
     .is_required = true,
     .meaning = "whom it is for: all conditions and all ages must hold",
     .example = "{ state: active, query_age: 10min }",
     .mapping = Mapping::kMatch},
    {.name = "except",
     .takes = Takes::kMappings,
     .meaning = "the first that fits applies: without an age it exempts, with one it is a later limit",
     .example = "[ { user: etl, query_age: 2h } ]",
     .mapping = Mapping::kException},
    {.name = "per",
     .takes = Takes::kChoices,
     .meaning = "with keep: what the sessions of a group have in common",
     .fallback = "all in one group",
     .example = "[user, application_name]",
     .choices = kPer},
    {.name = "keep",
     .takes = Takes::kCount,
     .meaning = "so many sessions of each group are left alone; those beyond them are the victims",
     .fallback = "none are left alone",
     .example = "10",
     .least = 1,
     .most = kMostSessions},
    {.name = "victims",
     .takes = Takes::kChoice,
     .meaning = "with keep: who of a group is beyond it; all: everyone, once it is larger than keep",
     .fallback = "oldest",
     .example = "newest",
     .choices = kVictims},
    {.name = "at_most",
     .takes = Takes::kCount,
     .meaning = "how many sessions it acts on after one look",
     .fallback = "no bound of its own",
     .example = "1",
     .least = 1,
     .most = kMostSessions},
    {.name = "pause",
     .takes = Takes::kDuration,
     .meaning = "how long it does nothing after it has acted",
     .fallback = "0s",
     .example = "5s",
     .most = kDay},
    {.name = "when",
     .takes = Takes::kMapping,
     .meaning = "what must hold of the server",
     .fallback = "always",
     .example = "{ connections_used: 85% }",
     .mapping = Mapping::kWhen},
    {.name = "during",
     .takes = Takes::kOneOrManyMappings,
     .meaning = "the only hours in which it acts; outside it does nothing",
     .fallback = "always",
     .example = "{ days: [mon-fri], from: \"08:00\", to: \"18:00\", timezone: Europe/Vienna }",
     .mapping = Mapping::kWindow},
    {.name = "not_during",
     .takes = Takes::kOneOrManyMappings,
     .meaning = "hours in which it does nothing",
     .fallback = "never",
     .example = "{ from: \"01:00\", to: \"05:00\", timezone: Europe/Vienna }",
     .mapping = Mapping::kWindow},
    {.name = "repeat",
     .takes = Takes::kMapping,
     .meaning = "what follows when it acts again and again",
     .fallback = "nothing",
     .example = "{ times: 3, within: 10min, then: terminate }",
     .mapping = Mapping::kRepeat},
    {.name = "escalate",
     .takes = Takes::kSteps,
     .is_required = true,
     .meaning = "the steps from mild to strong, each only if the one before has not helped",
     .example = "[ cancel, terminate: { after: 30s } ]",
     .mapping = Mapping::kStep,
     .choices = kSteps},
    {.name = "mode",
     .takes = Takes::kChoice,
     .meaning = "dry-run makes it milder than the file",
     .fallback = "the file's",
     .example = "dry-run",
     .choices = kModes},
}};

constexpr KeyEntry kWaiters{.name = "sessions",
                            .takes = Takes::kCount,
                            .meaning = "how many such sessions, at least",
                            .fallback = "1",
                            .example = "3",
                            .least = 1,
                            .most = kMostSessions};

constexpr std::array<KeyEntry, 2> kWhen{{
    {.name = "connections_used",
     .takes = Takes::kPercentage,
     .meaning = "client sessions, in parts of the connections that are open to all roles, at least",
     .example = "85%",
     .least = 100,
     .most = 10'000},
    {.name = "role",
     .takes = Takes::kChoice,
     .meaning = "what the server is",
     .fallback = "either",
     .example = "primary",
     .choices = kRoles},
}};

constexpr std::array<KeyEntry, 4> kWindow{{
    {.name = "days",
     .takes = Takes::kDays,
     .meaning = "the days on which it begins",
     .fallback = "every day",
     .example = "[mon-fri]"},
    {.name = "from",
     .takes = Takes::kTimeOfDay,
     .meaning = "when it begins",
     .fallback = "\"00:00\"",
     .example = "\"08:00\"",
     .most = kDay - 60 * kSecond},
    {.name = "to",
     .takes = Takes::kTimeOfDay,
     .meaning = "when it ends; not later than from: on the next day",
     .fallback = "\"24:00\"",
     .example = "\"18:00\"",
     .most = kDay},
    {.name = "timezone",
     .takes = Takes::kTimeZone,
     .meaning = "its time zone; required if the main file names none",
     .fallback = "the main file's",
     .example = "Europe/Vienna"},
}};

constexpr std::array<KeyEntry, 4> kRepeat{{
    {.name = "times",
     .takes = Takes::kCount,
     .is_required = true,
     .meaning = "how often it has to have acted",
     .example = "3",
     .least = 1,
     .most = 1000},
    {.name = "within",
     .takes = Takes::kDuration,
     .is_required = true,
     .meaning = "in which time",
     .example = "10min",
     .least = kSecond,
     .most = kDay},
    {.name = "per",
     .takes = Takes::kChoice,
     .meaning = "what the sessions have in common",
     .fallback = "user",
     .example = "query_id",
     .choices = kRepeatPer},
    {.name = "then",
     .takes = Takes::kChoice,
     .is_required = true,
     .meaning = "terminate the session, alert, or pause: leave those sessions alone for that time",
     .example = "terminate",
     .choices = kThen},
}};

constexpr std::array<KeyEntry, 1> kStep{{
    {.name = "after",
     .takes = Takes::kDuration,
     .meaning = "wait before the step: since the session fell due for the first, since the step before for "
                "the others",
     .fallback = "0s for the first step, 30s for the others",
     .example = "30s",
     .most = kLongest},
}};

constexpr std::array<KeyEntry, 3> kSafety{{
    {.name = "signals",
     .takes = Takes::kRate,
     .meaning = "signals in a time, at most",
     .fallback = "20 per 1min",
     .example = "20 per 1min",
     .least = 1,
     .most = 10'000},
    {.name = "share",
     .takes = Takes::kPercentage,
     .meaning = "of all client sessions within a second, at most; five always pass",
     .fallback = "25%",
     .example = "25%",
     .least = 100,
     .most = 10'000},
    {.name = "quiet",
     .takes = Takes::kDuration,
     .meaning = "how long pgcurfew holds back once a bound is reached",
     .fallback = "1min",
     .example = "1min",
     .least = kSecond,
     .most = kDay},
}};

constexpr std::array<KeyEntry, 1> kReport{{
    {.name = "query_text",
     .takes = Takes::kChoice,
     .meaning = "texts of queries in the log: without their literals, whole, or not at all",
     .fallback = "redacted",
     .example = "full",
     .choices = kQueryTexts},
}};

Takes takes_of(ValueKind kind) {
  switch (kind) {
    case ValueKind::kPatterns:
      return Takes::kPatterns;
    case ValueKind::kRegularExpressions:
      return Takes::kRegularExpressions;
    case ValueKind::kAddresses:
      return Takes::kAddresses;
    case ValueKind::kBackendTypes:
      return Takes::kBackendTypes;
    case ValueKind::kStates:
      return Takes::kChoices;
    case ValueKind::kNumbers:
      return Takes::kQueryIds;
    case ValueKind::kTransactions:
      return Takes::kTransactions;
    case ValueKind::kBlocks:
      return Takes::kCountOrMapping;
    case ValueKind::kAge:
      break;
  }
  return Takes::kDuration;
}

std::string_view example_of(Field field) {
  switch (field) {
    case Field::kDatabase:
      return "[app, \"app_*\"]";
    case Field::kUser:
      return "reporting";
    case Field::kApplicationName:
      return "\"nightly-*\"";
    case Field::kClientAddr:
      return "[10.0.0.0/8, local]";
    case Field::kBackendType:
      return "autovacuum worker";
    case Field::kState:
      return "idle in transaction";
    case Field::kWaitEventType:
      return "Client";
    case Field::kWaitEvent:
      return "ClientRead";
    case Field::kQuery:
      return "'(?i)^\\s*copy\\b'";
    case Field::kQueryId:
      return "-4711";
    case Field::kXminAge:
      return "50M";
    case Field::kBlocks:
      return "{ user: migrator, blocked_for: 5s }";
    case Field::kBlocksFor:
    case Field::kBlockedFor:
      return "5s";
    case Field::kQueryAge:
    case Field::kStateAge:
      return "10min";
    case Field::kTransactionAge:
      return "1h 30min";
    case Field::kSessionAge:
      break;
  }
  return "12h";
}

KeyEntry key_of_field(const FieldEntry& field) {
  KeyEntry key;
  key.name = field.name;
  key.takes = takes_of(field.kind);
  key.meaning = field.meaning;
  key.example = example_of(field.field);
  if (key.takes == Takes::kChoices) key.choices = all_state_names();
  if (key.takes == Takes::kCountOrMapping) key.mapping = Mapping::kBlocks;
  if (field.kind == ValueKind::kAge) key.most = kLongest;
  if (key.takes == Takes::kTransactions) key.most = kMostTransactions;
  if (key.takes == Takes::kCountOrMapping) key.most = kMostSessions;
  if (key.most > 0) key.least = 1;
  return key;
}

/// Fields that say who a session is, or what it is about; neither how old nor how harmful.
bool describes_a_session(const FieldEntry& field) {
  return field.kind != ValueKind::kAge && field.kind != ValueKind::kBlocks &&
         field.kind != ValueKind::kTransactions;
}

template <class Fits>
std::vector<KeyEntry> keys_of_fields(Fits fits) {
  std::vector<KeyEntry> keys;
  for (const auto& field : all_fields()) {
    if (fits(field)) keys.push_back(key_of_field(field));
  }
  return keys;
}

std::vector<KeyEntry> match_keys() {
  auto keys = keys_of_fields([](const FieldEntry&) { return true; });
  for (auto& key : keys) {
    if (key.name == "backend_type") key.fallback = "client backend";
  }
  return keys;
}

std::vector<KeyEntry> blocks_keys() {
  auto keys = keys_of_fields([](const FieldEntry& field) {
    return describes_a_session(field) || field.field == Field::kBlockedFor;
  });
  keys.insert(keys.begin(), kWaiters);
  return keys;
}

std::vector<KeyEntry> main_file_keys() {
  std::vector<KeyEntry> keys(kMainFile.begin(), kMainFile.end());
  for (auto& key : keys) {
    if (key.name == "unprotect") key.choices = protection_names();
  }
  return keys;
}

std::string number_text(const KeyEntry& key, std::int64_t number) {
  switch (key.takes) {
    case Takes::kDuration:
      return to_text(Duration(number));
    case Takes::kPercentage:
      return fmt::format("{}%", number / 100);
    case Takes::kTimeOfDay:
      return fmt::format("{:02}:{:02}", number / kSecond / 3600, number / kSecond / 60 % 60);
    default:
      return std::to_string(number);
  }
}

}  // namespace

std::span<const MappingEntry> all_mappings() {
  return kMappings;
}

const MappingEntry& entry_of(Mapping mapping) {
  return kMappings[static_cast<std::size_t>(mapping)];
}

std::span<const KeyEntry> keys_of(Mapping mapping) {
  static const auto kMainFileKeys = main_file_keys();
  static const auto kMatch = match_keys();
  static const auto kBlocks = blocks_keys();
  static const auto kException = keys_of_fields(
      [](const FieldEntry& field) { return describes_a_session(field) || field.kind == ValueKind::kAge; });
  static const auto kProtection = keys_of_fields(describes_a_session);
  switch (mapping) {
    case Mapping::kMainFile:
      return kMainFileKeys;
    case Mapping::kDropIn:
      return kDropIn;
    case Mapping::kServer:
      return kServer;
    case Mapping::kRule:
      return kRule;
    case Mapping::kMatch:
      return kMatch;
    case Mapping::kBlocks:
      return kBlocks;
    case Mapping::kException:
      return kException;
    case Mapping::kProtection:
      return kProtection;
    case Mapping::kWhen:
      return kWhen;
    case Mapping::kWindow:
      return kWindow;
    case Mapping::kRepeat:
      return kRepeat;
    case Mapping::kStep:
      return kStep;
    case Mapping::kSafety:
      return kSafety;
    case Mapping::kReport:
      return kReport;
    case Mapping::kSelector:
    case Mapping::kLabels:
      break;
  }
  return {};
}

const KeyEntry& key_of(Mapping mapping, std::string_view name) {
  const auto keys = keys_of(mapping);
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const KeyEntry& key) { return key.name == name; });
  assert(found != keys.end());
  return *found;
}

std::vector<std::string_view> key_names_of(Mapping mapping) {
  std::vector<std::string_view> names;
  for (const auto& key : keys_of(mapping)) names.push_back(key.name);
  return names;
}

std::string range_text_of(const KeyEntry& key) {
  if (key.most == 0) return {};
  auto text = fmt::format("{} to {}", number_text(key, key.least), number_text(key, key.most));
  if (key.takes == Takes::kRate)
    text += fmt::format(" per {} to {}", to_text(Duration(kSecond)), to_text(Duration(kDay)));
  return text;
}

std::string values_text_of(const KeyEntry& key) {
  switch (key.takes) {
    case Takes::kText:
      return "a text";
    case Takes::kIdentifier:
      return "letters, digits, _, - and ., at most 63 of them";
    case Takes::kPatterns:
      return "one or a list: a text with * and ? as wildcards, or a regular expression between slashes";
    case Takes::kRegularExpressions:
      return "one or a list: a regular expression (RE2), found anywhere";
    case Takes::kAddresses:
      return "one or a list: an address, a network in CIDR form, or local";
    case Takes::kBackendTypes:
      return "one or a list: a type of server process";
    case Takes::kChoice:
      return or_list(key.choices);
    case Takes::kChoices:
      return "one or a list: " + or_list(key.choices);
    case Takes::kQueryIds:
      return "one or a list: a whole number of 64 bits";
    case Takes::kTransactions:
      return "a whole number of transactions; k, M or G behind it is a thousand, a million, a thousand "
             "million";
    case Takes::kDuration:
      return "a duration: numbers with us, ms, s, min, h or d";
    case Takes::kCount:
      return "a whole number";
    case Takes::kPercentage:
      return "a percentage";
    case Takes::kRate:
      return "a whole number, per, and a duration";
    case Takes::kTimeZone:
      return "a name of the system's tzdata";
    case Takes::kTimeOfDay:
      return "hours and minutes in quotes";
    case Takes::kDays:
      return "one or a list: mon, tue, wed, thu, fri, sat, sun, or a range such as mon-fri";
    case Takes::kServers:
      return "one or a list: a name, with * and ? as wildcards, or a mapping of labels";
    case Takes::kMapping:
      return "a mapping";
    case Takes::kMappings:
      return "a list of mappings";
    case Takes::kOneOrManyMappings:
      return "a mapping or a list of them";
    case Takes::kCountOrMapping:
      return "a whole number, or a mapping";
    case Takes::kSteps:
      break;
  }
  return "a list of " + or_list(key.choices) + ", each alone or with a mapping behind it";
}

}  // namespace pgcurfew
