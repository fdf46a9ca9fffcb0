#include <array>
#include <chrono>

#include "policy/grammar/tables.hpp"
#include "policy/grammar/words.hpp"
#include "policy/protections.hpp"

namespace pgcurfew::grammar {

namespace {

using namespace std::chrono_literals;

constexpr std::array<std::string_view, 3> kQueryTexts{"redacted", "full", "none"};
constexpr KeyEntry kTimezone{.name = "timezone",
                             .takes = Takes::kTimeZone,
                             .meaning = "time zone of all hours and drains that do not name their own",
                             .fallback = "none",
                             .example = "Europe/Vienna"};

constexpr KeyEntry kProtect{.name = "protect",
                            .takes = Takes::kMappings,
                            .meaning = "sessions that match an entry are never signalled",
                            .fallback = "the built-in protections",
                            .example = "[ { user: backup } ]",
                            .mapping = Mapping::kProtection};

constexpr KeyEntry kRules{
    .name = "rules",
    .takes = Takes::kMappings,
    .meaning = "the rules",
    .fallback = "none",
    .example = "[ { name: r, match: { state: idle, state_age: 1h }, escalate: [terminate] } ]",
    .mapping = Mapping::kRule};

constexpr KeyEntry kDrains{
    .name = "drains",
    .takes = Takes::kMappings,
    .meaning = "drains, which empty databases at set times",
    .example =
        "[ { name: d, databases: orders, schedule: \"0 2 * * sun\", timezone: UTC, duration: 45min } ]",
    .mapping = Mapping::kDrain};

constexpr std::array<std::string_view, 1> kAuditTargets{"journald"};

constexpr std::array<KeyEntry, 12> kMainFile{{
    {.name = "mode",
     .takes = Takes::kChoice,
     .meaning = "whether signals are sent, or only reported",
     .fallback = "dry-run",
     .example = "enforce",
     .choices = kModes,
     .synonyms = words::kModes},
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
     .meaning = "built-in protections to switch off",
     .fallback = "none",
     .example = "[listeners]",
     .synonyms = words::kProtections},
    kRules,
    kDrains,
    {.name = "safety",
     .takes = Takes::kMapping,
     .meaning = "bounds for each server",
     .fallback = "the defaults of its keys",
     .example = "{ signals: 20 per 1min, share: 25%, quiet: 1min }",
     .mapping = Mapping::kSafety},
    {.name = "report",
     .takes = Takes::kMapping,
     .meaning = "what the log may show, and whether signals are also logged by their server",
     .fallback = "the defaults of its keys",
     .example = "{ query_text: redacted, server_log: false }",
     .mapping = Mapping::kReport},
    {.name = "record",
     .takes = Takes::kMapping,
     .meaning = "the record of all events, in the state directory",
     .fallback = "the defaults of its keys",
     .example = "{ keep: 30d, size: 1GB, required: false }",
     .mapping = Mapping::kRecord},
    {.name = "audit",
     .takes = Takes::kChoicesOrMappings,
     .meaning = "places outside the state directory to which events are copied from the record",
     .fallback = "none",
     .example = "[ journald, file: { path: /var/log/pgcurfew/events.json } ]",
     .mapping = Mapping::kAudit,
     .choices = kAuditTargets,
     .synonyms = words::kAuditTargets},
    {.name = "web",
     .takes = Takes::kMapping,
     .meaning = "the web server for metrics, health and status",
     .fallback = "none",
     .example = "{ listen: \"127.0.0.1:9187\" }",
     .mapping = Mapping::kWeb},
}};

constexpr std::array<KeyEntry, 3> kDropIn{{
    kProtect,
    kRules,
    kDrains,
}};

constexpr std::array<KeyEntry, 3> kServer{{
    {.name = "name",
     .takes = Takes::kIdentifier,
     .is_required = true,
     .meaning = "the server's name in rules and in the log; unique",
     .example = "orders"},
    {.name = "conninfo",
     .takes = Takes::kText,
     .is_required = true,
     .meaning = "libpq's connection string, without a service file; it is never shown",
     .example = "\"host=db1,db2 user=pgcurfew target_session_attrs=primary\""},
    {.name = "labels",
     .takes = Takes::kMapping,
     .meaning = "names and values by which rules can select servers",
     .fallback = "none",
     .example = "{ env: prod }",
     .mapping = Mapping::kLabels},
}};

constexpr std::array<KeyEntry, 3> kSafety{{
    {.name = "signals",
     .takes = Takes::kRate,
     .meaning = "maximum number of signals in a time",
     .fallback = "20 per 1min",
     .example = "20 per 1min",
     .least = 1,
     .most = 10'000},
    {.name = "share",
     .takes = Takes::kPercentage,
     .meaning = "maximum share of all client sessions signalled within a second; rounded down, but at least "
                "five for one role",
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

constexpr std::array<KeyEntry, 2> kReport{{
    {.name = "query_text",
     .takes = Takes::kChoice,
     .meaning = "texts of queries in the log: without their literals, complete, or not at all",
     .fallback = "redacted",
     .example = "full",
     .choices = kQueryTexts},
    {.name = "server_log",
     .takes = Takes::kFlag,
     .meaning =
         "whether a line in the server's own log tells of each signal, with the rule and the decision's id",
     .fallback = "false",
     .example = "true"},
}};

constexpr std::array<KeyEntry, 3> kRecord{{
    {.name = "keep",
     .takes = Takes::kDuration,
     .meaning = "how long events are kept",
     .fallback = "30d",
     .example = "1d",
     .least = kDay,
     .most = kLongest},
    {.name = "size",
     .takes = Takes::kSize,
     .meaning = "maximum size of the record; the oldest events are removed first",
     .fallback = "1GB",
     .example = "100MB",
     .least = 16 * kMegabyte,
     .most = kTerabyte},
    {.name = "required",
     .takes = Takes::kFlag,
     .meaning =
         "whether a signal has to wait until its intent is safe on the disk, and is not sent otherwise",
     .fallback = "false",
     .example = "true"},
}};

constexpr std::array<KeyEntry, 2> kAudit{{
    {.name = "file",
     .takes = Takes::kMapping,
     .meaning = "a file with a line of JSON for each event, which is rotated",
     .example = "{ path: /var/log/pgcurfew/events.json, rotate: 100MB, keep: 10 }",
     .mapping = Mapping::kAuditFile},
    {.name = "table",
     .takes = Takes::kMapping,
     .meaning = "the table that pgcurfew setup-sql --audit creates, on any server",
     .example = "{ conninfo: \"host=audit dbname=dba\" }",
     .mapping = Mapping::kAuditTable},
}};

constexpr std::array<KeyEntry, 3> kAuditFile{{
    {.name = "path",
     .takes = Takes::kPath,
     .is_required = true,
     .meaning = "the file, whose directory has to exist",
     .example = "/var/log/pgcurfew/events.json"},
    {.name = "rotate",
     .takes = Takes::kSize,
     .meaning = "the size at which the file is renamed and a new one begun",
     .fallback = "100MB",
     .example = "10MB",
     .least = kMegabyte,
     .most = kTerabyte},
    {.name = "keep",
     .takes = Takes::kCount,
     .meaning = "number of renamed files to keep",
     .fallback = "10",
     .example = "30",
     .least = 1,
     .most = 1000},
}};

constexpr std::array<KeyEntry, 1> kAuditTable{{
    {.name = "conninfo",
     .takes = Takes::kText,
     .is_required = true,
     .meaning = "libpq's connection string of the server with the table; it is never shown",
     .example = "\"host=audit dbname=dba\""},
}};

constexpr std::array<KeyEntry, 3> kWeb{{
    {.name = "listen",
     .takes = Takes::kListen,
     .is_required = true,
     .meaning = "an address and a port, or a Unix-domain socket; an address that other machines can reach "
                "needs tls and basic_auth",
     .example = "\"127.0.0.1:9187\""},
    {.name = "tls",
     .takes = Takes::kMapping,
     .meaning = "the certificate with which the web server speaks HTTPS",
     .fallback = "none",
     .example = "{ certificate: /etc/pgcurfew/web.crt, key: /etc/pgcurfew/web.key }",
     .mapping = Mapping::kWebTls},
    {.name = "basic_auth",
     .takes = Takes::kMapping,
     .meaning = "who may read, by HTTP's basic authentication",
     .fallback = "everybody who can connect",
     .example = "{ user: prometheus, password_file: /etc/pgcurfew/web.password }",
     .mapping = Mapping::kWebBasicAuth},
}};

constexpr std::array<KeyEntry, 2> kWebTls{{
    {.name = "certificate",
     .takes = Takes::kPath,
     .is_required = true,
     .meaning = "the PEM file with the server's certificate, followed by those of its issuers",
     .example = "/etc/pgcurfew/web.crt"},
    {.name = "key",
     .takes = Takes::kPath,
     .is_required = true,
     .meaning = "the PEM file with the certificate's private key, which others may not read",
     .example = "/etc/pgcurfew/web.key"},
}};

constexpr std::array<KeyEntry, 2> kWebBasicAuth{{
    {.name = "user",
     .takes = Takes::kIdentifier,
     .is_required = true,
     .meaning = "the user's name",
     .example = "prometheus"},
    {.name = "password_file",
     .takes = Takes::kPath,
     .is_required = true,
     .meaning = "the file whose first line is the user's password, which others may not read",
     .example = "/etc/pgcurfew/web.password"},
}};

std::vector<KeyEntry> make_main_file() {
  std::vector<KeyEntry> keys(kMainFile.begin(), kMainFile.end());
  for (auto& key : keys) {
    if (key.name == "unprotect") key.choices = protection_names();
  }
  return keys;
}

}  // namespace

std::span<const KeyEntry> main_file() {
  static const auto kAll = make_main_file();
  return kAll;
}
std::span<const KeyEntry> drop_in() {
  return kDropIn;
}
std::span<const KeyEntry> server() {
  return kServer;
}
std::span<const KeyEntry> safety() {
  return kSafety;
}
std::span<const KeyEntry> report() {
  return kReport;
}
std::span<const KeyEntry> record() {
  return kRecord;
}
std::span<const KeyEntry> audit() {
  return kAudit;
}
std::span<const KeyEntry> audit_file() {
  return kAuditFile;
}
std::span<const KeyEntry> audit_table() {
  return kAuditTable;
}
std::span<const KeyEntry> web() {
  return kWeb;
}
std::span<const KeyEntry> web_tls() {
  return kWebTls;
}
std::span<const KeyEntry> web_basic_auth() {
  return kWebBasicAuth;
}

}  // namespace pgcurfew::grammar
