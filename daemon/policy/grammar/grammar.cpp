#include "policy/grammar/grammar.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <cstddef>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/size.hpp"
#include "base/words.hpp"
#include "policy/grammar/tables.hpp"
#include "policy/grammar/words.hpp"

namespace pgcurfew {

namespace {

using namespace std::chrono_literals;

namespace words = grammar::words;

constexpr std::array<MappingEntry, 28> kMappings{{
    {.mapping = Mapping::kMainFile,
     .name = "the main file",
     .meaning = "/etc/pgcurfew/pgcurfew.yaml",
     .synonyms = words::kFileKeys},
    {.mapping = Mapping::kDropIn,
     .name = "a drop-in",
     .meaning = "a file of policies.d beside the main file",
     .synonyms = words::kFileKeys},
    {.mapping = Mapping::kServer,
     .name = "a server",
     .meaning = "an entry of servers in the main file",
     .synonyms = words::kServerKeys},
    {.mapping = Mapping::kRule,
     .name = "a rule",
     .meaning = "an entry of rules",
     .synonyms = words::kRuleKeys},
    {.mapping = Mapping::kMatch,
     .name = "match",
     .meaning = "which sessions a rule applies to; all conditions and ages must hold",
     .needs_any_key = true,
     .synonyms = words::kFields},
    {.mapping = Mapping::kBlocks,
     .name = "blocks",
     .meaning = "which sessions a session must block, if blocks says more than how many",
     .needs_any_key = true,
     .synonyms = words::kFields},
    {.mapping = Mapping::kException,
     .name = "except",
     .meaning = "an entry of except: sessions that are left alone, or have later limits",
     .needs_any_key = true,
     .synonyms = words::kFields},
    {.mapping = Mapping::kProtection,
     .name = "protect",
     .meaning = "an entry of protect: sessions that match it are never signalled",
     .needs_any_key = true,
     .synonyms = words::kFields},
    {.mapping = Mapping::kSelector,
     .name = "servers",
     .meaning = "an entry of a rule's servers: labels, all of which a server has",
     .takes_any_key = true,
     .needs_any_key = true},
    {.mapping = Mapping::kLabels,
     .name = "labels",
     .meaning = "names and values of your choice",
     .takes_any_key = true,
     .needs_any_key = true},
    {.mapping = Mapping::kWhen,
     .name = "when",
     .meaning = "conditions on the server, without which a rule does not act",
     .needs_any_key = true,
     .synonyms = words::kWhenKeys},
    {.mapping = Mapping::kWindow,
     .name = "a window",
     .meaning = "a time of the week, in during and not_during",
     .needs_any_key = true,
     .synonyms = words::kWindowKeys},
    {.mapping = Mapping::kRepeat,
     .name = "repeat",
     .meaning = "what happens when a rule acts repeatedly",
     .synonyms = words::kRepeatKeys},
    {.mapping = Mapping::kStep,
     .name = "a step",
     .meaning = "the options of a step in escalate",
     .synonyms = words::kStepKeys},
    {.mapping = Mapping::kDrain,
     .name = "a drain",
     .meaning = "an entry of drains",
     .synonyms = words::kDrainKeys},
    {.mapping = Mapping::kDrainException,
     .name = "except of a drain",
     .meaning = "an entry of a drain's except: sessions that may stay, and connect",
     .needs_any_key = true,
     .synonyms = words::kFields},
    {.mapping = Mapping::kPgbouncer,
     .name = "pgbouncer",
     .meaning = "the PgBouncer that acts as a drain's gate",
     .synonyms = words::kPgbouncerKeys},
    {.mapping = Mapping::kWait,
     .name = "wait",
     .meaning = "the options of wait in a drain's escalate",
     .synonyms = words::kWaitKeys},
    {.mapping = Mapping::kGiveUp,
     .name = "give_up",
     .meaning = "what happens if a database is not empty in time",
     .synonyms = words::kGiveUpKeys},
    {.mapping = Mapping::kSafety,
     .name = "safety",
     .meaning = "bounds for each server, past which pgcurfew holds back",
     .needs_any_key = true,
     .synonyms = words::kSafetyKeys},
    {.mapping = Mapping::kReport,
     .name = "report",
     .meaning = "what the log may show, and whether signals are also logged by their server",
     .needs_any_key = true},
    {.mapping = Mapping::kRecord,
     .name = "record",
     .meaning = "the record of all events, in the state directory",
     .needs_any_key = true,
     .synonyms = words::kRecordKeys},
    {.mapping = Mapping::kAudit,
     .name = "an entry of audit",
     .meaning = "an entry of audit: a place to which events are copied",
     .needs_any_key = true,
     .synonyms = words::kAuditKeys},
    {.mapping = Mapping::kAuditFile,
     .name = "file",
     .meaning = "a file of events, in an entry of audit",
     .synonyms = words::kAuditFileKeys},
    {.mapping = Mapping::kAuditTable,
     .name = "table",
     .meaning = "the server with the table of events, in an entry of audit",
     .synonyms = words::kAuditTableKeys},
    {.mapping = Mapping::kWeb,
     .name = "web",
     .meaning = "the web server for metrics, health and status",
     .needs_any_key = true,
     .synonyms = words::kWebKeys},
    {.mapping = Mapping::kWebTls,
     .name = "tls",
     .meaning = "the web server's certificate",
     .synonyms = words::kWebTlsKeys},
    {.mapping = Mapping::kWebBasicAuth,
     .name = "basic_auth",
     .meaning = "who may read from the web server",
     .synonyms = words::kWebBasicAuthKeys},
}};

std::string number_text(const KeyEntry& key, std::int64_t number) {
  switch (key.takes) {
    case Takes::kDuration:
    case Takes::kDurations:
      return to_text(Duration(number));
    case Takes::kPercentage:
      return fmt::format("{}%", number / 100);
    case Takes::kSize:
      return size_text(number);
    case Takes::kTimeOfDay:
      return fmt::format("{:02}:{:02}", number / grammar::kSecond / 3600,
                         number / grammar::kSecond / 60 % 60);
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
  switch (mapping) {
    case Mapping::kMainFile:
      return grammar::main_file();
    case Mapping::kDropIn:
      return grammar::drop_in();
    case Mapping::kServer:
      return grammar::server();
    case Mapping::kRule:
      return grammar::rule();
    case Mapping::kMatch:
      return grammar::match();
    case Mapping::kBlocks:
      return grammar::blocks();
    case Mapping::kException:
      return grammar::exception();
    case Mapping::kProtection:
      return grammar::protection();
    case Mapping::kWhen:
      return grammar::when();
    case Mapping::kWindow:
      return grammar::window();
    case Mapping::kRepeat:
      return grammar::repeat();
    case Mapping::kStep:
      return grammar::step();
    case Mapping::kDrain:
      return grammar::drain();
    case Mapping::kDrainException:
      return grammar::drain_exception();
    case Mapping::kPgbouncer:
      return grammar::pgbouncer();
    case Mapping::kWait:
      return grammar::wait();
    case Mapping::kGiveUp:
      return grammar::give_up();
    case Mapping::kSafety:
      return grammar::safety();
    case Mapping::kReport:
      return grammar::report();
    case Mapping::kRecord:
      return grammar::record();
    case Mapping::kAudit:
      return grammar::audit();
    case Mapping::kAuditFile:
      return grammar::audit_file();
    case Mapping::kAuditTable:
      return grammar::audit_table();
    case Mapping::kWeb:
      return grammar::web();
    case Mapping::kWebTls:
      return grammar::web_tls();
    case Mapping::kWebBasicAuth:
      return grammar::web_basic_auth();
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

Mapping mapping_of_step(const KeyEntry& key, std::string_view step) {
  return step == "wait" ? Mapping::kWait : *key.mapping;
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
    text +=
        fmt::format(" per {} to {}", to_text(Duration(grammar::kSecond)), to_text(Duration(grammar::kDay)));
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
      return "one or a list: a regular expression (RE2) that may match anywhere";
    case Takes::kAddresses:
      return "one or a list: an address, a network in CIDR form, or local";
    case Takes::kBackendTypes:
      return "one or a list: a type of server process";
    case Takes::kChoice:
      return or_list(key.choices);
    case Takes::kChoices:
      return "one or a list: " + or_list(key.choices);
    case Takes::kNumbers:
      return "one or a list: a 64-bit integer";
    case Takes::kTransactions:
      return "a whole number of transactions, optionally with k, M or G for a thousand, a million, a "
             "thousand million";
    case Takes::kDuration:
      return "a duration: numbers with us, ms, s, min, h or d";
    case Takes::kCount:
      return "a whole number";
    case Takes::kPercentage:
      return "a percentage";
    case Takes::kRate:
      return "a whole number, per, and a duration";
    case Takes::kSize:
      return "a whole number with kB, MB, GB or TB";
    case Takes::kFlag:
      return "true or false";
    case Takes::kPath:
      return "the absolute path of a file";
    case Takes::kListen:
      return "an address of this machine and a port, or unix: and a path";
    case Takes::kTimeZone:
      return "a name in the system's tzdata";
    case Takes::kTimeOfDay:
      return "hours and minutes in quotes";
    case Takes::kDays:
      return "one or a list: mon, tue, wed, thu, fri, sat, sun, or a range such as mon-fri";
    case Takes::kNames:
      return "one or a list: a name, with * and ? as wildcards";
    case Takes::kSchedule:
      return "the five fields of cron: minute, hour, day of the month, month, day of the week";
    case Takes::kMoment:
      return "a date and a time of day, YYYY-MM-DD HH:MM";
    case Takes::kDurations:
      return "one or a list: a duration, numbers with us, ms, s, min, h or d";
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
    case Takes::kChoicesOrMappings:
      return "a list of mappings and of the word" + std::string(key.choices.size() > 1 ? "s " : " ") +
             or_list(key.choices);
    case Takes::kSteps:
      break;
  }
  return "a list of " + or_list(key.choices) + ", each alone or followed by a mapping";
}

}  // namespace pgcurfew
