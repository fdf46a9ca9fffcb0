#pragma once

#include <array>

#include "policy/grammar/key.hpp"

/// Common wrong words for the words of the language: for the keys of a mapping, or for the values of a key.
namespace pgcurfew::grammar::words {

inline constexpr auto kFileKeys = std::to_array<Synonym>({
    {"policies", "rules"},        {"policy", "rules"},         {"drain", "drains"},
    {"maintenance", "drains"},    {"windows", "drains"},       {"exclude", "protect"},
    {"exempt", "protect"},        {"except", "protect"},       {"whitelist", "protect"},
    {"allowlist", "protect"},     {"dry_run", "mode"},         {"dry-run", "mode"},
    {"server", "servers"},        {"databases", "servers"},    {"limits", "safety"},
    {"logging", "report"},        {"audits", "audit"},         {"archive", "audit"},
    {"tz", "timezone"},           {"time_zone", "timezone"},   {"zone", "timezone"},
    {"unprotected", "unprotect"}, {"no_protect", "unprotect"}, {"disable_protections", "unprotect"},
});

inline constexpr auto kServerKeys = std::to_array<Synonym>({
    {"dsn", "conninfo"},
    {"connection", "conninfo"},
    {"connection_string", "conninfo"},
    {"uri", "conninfo"},
    {"url", "conninfo"},
    {"host", "conninfo"},
    {"port", "conninfo"},
    {"user", "conninfo"},
    {"dbname", "conninfo"},
    {"tags", "labels"},
    {"id", "name"},
});

inline constexpr auto kSafetyKeys = std::to_array<Synonym>({{"rate", "signals"},
                                                            {"max_signals", "signals"},
                                                            {"percent", "share"},
                                                            {"pause", "quiet"},
                                                            {"cooldown", "quiet"}});

inline constexpr auto kRecordKeys = std::to_array<Synonym>({{"retention", "keep"},
                                                            {"max_age", "keep"},
                                                            {"max_size", "size"},
                                                            {"require", "required"},
                                                            {"sync", "required"}});

inline constexpr auto kAuditTargets =
    std::to_array<Synonym>({{"journal", "journald"}, {"systemd", "journald"}, {"syslog", "journald"}});
inline constexpr auto kAuditKeys = std::to_array<Synonym>({{"path", "file"},
                                                           {"postgres", "table"},
                                                           {"postgresql", "table"},
                                                           {"database", "table"},
                                                           {"conninfo", "table"}});
inline constexpr auto kAuditFileKeys = std::to_array<Synonym>({{"name", "path"},
                                                               {"filename", "path"},
                                                               {"size", "rotate"},
                                                               {"max_size", "rotate"},
                                                               {"count", "keep"},
                                                               {"files", "keep"}});
inline constexpr auto kAuditTableKeys = std::to_array<Synonym>(
    {{"dsn", "conninfo"}, {"uri", "conninfo"}, {"url", "conninfo"}, {"connection", "conninfo"}});
inline constexpr auto kWebKeys = std::to_array<Synonym>({{"address", "listen"},
                                                         {"bind", "listen"},
                                                         {"port", "listen"},
                                                         {"socket", "listen"},
                                                         {"listen_address", "listen"},
                                                         {"ssl", "tls"},
                                                         {"https", "tls"},
                                                         {"auth", "basic_auth"},
                                                         {"users", "basic_auth"}});
inline constexpr auto kWebTlsKeys = std::to_array<Synonym>({{"cert", "certificate"},
                                                            {"cert_file", "certificate"},
                                                            {"ssl_cert_file", "certificate"},
                                                            {"key_file", "key"},
                                                            {"ssl_key_file", "key"},
                                                            {"private_key", "key"}});
inline constexpr auto kWebBasicAuthKeys = std::to_array<Synonym>(
    {{"username", "user"}, {"name", "user"}, {"password", "password_file"}, {"passfile", "password_file"}});

inline constexpr auto kProtections = std::to_array<Synonym>({{"dump", "dumps"},
                                                             {"pg_dump", "dumps"},
                                                             {"backup", "backups"},
                                                             {"barman", "backups"},
                                                             {"patroni", "agents"},
                                                             {"syncrep", "sync-rep"},
                                                             {"sync_rep", "sync-rep"},
                                                             {"concurrently", "concurrent-index"},
                                                             {"listen", "listeners"}});

inline constexpr auto kRuleKeys = std::to_array<Synonym>({
    {"where", "match"},
    {"if", "match"},
    {"conditions", "match"},
    {"action", "escalate"},
    {"actions", "escalate"},
    {"steps", "escalate"},
    {"then", "escalate"},
    {"do", "escalate"},
    {"exclude", "except"},
    {"exempt", "except"},
    {"unless", "except"},
    {"exceptions", "except"},
    {"comment", "description"},
    {"title", "name"},
    {"id", "name"},
    {"enabled", "mode"},
    {"dry_run", "mode"},
    {"dry-run", "mode"},
    {"server", "servers"},
    {"on", "servers"},
    {"hosts", "servers"},
    {"labels", "servers"},
    {"group_by", "per"},
    {"by", "per"},
    {"limit", "keep"},
    {"max", "keep"},
    {"max_sessions", "keep"},
    {"max_connections", "keep"},
    {"order", "victims"},
    {"sort", "victims"},
    {"target", "victims"},
    {"who", "victims"},
    {"max_actions", "at_most"},
    {"max_kills", "at_most"},
    {"max_signals", "at_most"},
    {"cooldown", "pause"},
    {"delay", "pause"},
    {"wait", "pause"},
    {"only_when", "when"},
    {"hours", "during"},
    {"schedule", "during"},
    {"window", "during"},
    {"windows", "during"},
    {"only_during", "during"},
    {"outside", "not_during"},
    {"except_during", "not_during"},
    {"blackout", "not_during"},
    {"repeated", "repeat"},
    {"retry", "repeat"},
    {"retries", "repeat"},
});

inline constexpr auto kModes = std::to_array<Synonym>({{"dry_run", "dry-run"},
                                                       {"dry", "dry-run"},
                                                       {"off", "dry-run"},
                                                       {"no", "dry-run"},
                                                       {"on", "enforce"},
                                                       {"yes", "enforce"},
                                                       {"live", "enforce"},
                                                       {"enforced", "enforce"}});

inline constexpr auto kFields = std::to_array<Synonym>({
    {"datname", "database"},
    {"db", "database"},
    {"dbname", "database"},
    {"databases", "database"},
    {"usename", "user"},
    {"username", "user"},
    {"role", "user"},
    {"users", "user"},
    {"application", "application_name"},
    {"app", "application_name"},
    {"app_name", "application_name"},
    {"client", "client_addr"},
    {"client_ip", "client_addr"},
    {"address", "client_addr"},
    {"ip", "client_addr"},
    {"host", "client_addr"},
    {"sql", "query"},
    {"query_text", "query"},
    {"queryid", "query_id"},
    {"wait", "wait_event"},
    {"older_than", "query_age"},
    {"longer_than", "query_age"},
    {"age", "query_age"},
    {"duration", "query_age"},
    {"runtime", "query_age"},
    {"query_start", "query_age"},
    {"query_duration", "query_age"},
    {"xact_age", "transaction_age"},
    {"xact_start", "transaction_age"},
    {"tx_age", "transaction_age"},
    {"txn_age", "transaction_age"},
    {"idle", "state_age"},
    {"idle_age", "state_age"},
    {"idle_for", "state_age"},
    {"state_change", "state_age"},
    {"backend_age", "session_age"},
    {"backend_start", "session_age"},
    {"connection_age", "session_age"},
    {"blocking", "blocks"},
    {"blocker", "blocks"},
    {"min_blocked", "blocks"},
    {"blocked_sessions", "blocks"},
    {"waiters", "blocks"},
    {"blocking_for", "blocks_for"},
    {"blocks_since", "blocks_for"},
    {"blocking_age", "blocks_for"},
    {"blocked", "blocked_for"},
    {"blocked_by", "blocked_for"},
    {"lock_wait", "blocked_for"},
    {"lock_age", "blocked_for"},
    {"waits_for", "blocked_for"},
    {"waiting_for", "blocked_for"},
    {"wait_age", "blocked_for"},
    {"xmin", "xmin_age"},
    {"xid_age", "xmin_age"},
    {"backend_xmin", "xmin_age"},
});

inline constexpr auto kStates = std::to_array<Synonym>({
    {"running", "active"},
    {"in transaction", "idle in transaction"},
    {"idle in tx", "idle in transaction"},
    {"idle_in_tx", "idle in transaction"},
    {"aborted", "idle in transaction (aborted)"},
    {"idle in transaction aborted", "idle in transaction (aborted)"},
    {"idle_in_transaction_aborted", "idle in transaction (aborted)"},
    {"fastpath", "fastpath function call"},
    {"sleeping", "idle"},
});

inline constexpr auto kBackendTypes = std::to_array<Synonym>({{"client", "client backend"},
                                                              {"backend", "client backend"},
                                                              {"autovacuum", "autovacuum worker"},
                                                              {"vacuum", "autovacuum worker"}});

inline constexpr auto kPer = std::to_array<Synonym>({{"datname", "database"},
                                                     {"db", "database"},
                                                     {"usename", "user"},
                                                     {"role", "user"},
                                                     {"application", "application_name"},
                                                     {"client", "client_addr"}});

inline constexpr auto kVictims = std::to_array<Synonym>({{"old", "oldest"},
                                                         {"longest", "oldest"},
                                                         {"first", "oldest"},
                                                         {"latest", "newest"},
                                                         {"youngest", "newest"},
                                                         {"last", "newest"}});

inline constexpr auto kWhenKeys = std::to_array<Synonym>({{"connections", "connections_used"},
                                                          {"used", "connections_used"},
                                                          {"usage", "connections_used"},
                                                          {"slots_used", "connections_used"},
                                                          {"is", "role"},
                                                          {"server_role", "role"}});

inline constexpr auto kRoles = std::to_array<Synonym>({{"master", "primary"},
                                                       {"leader", "primary"},
                                                       {"main", "primary"},
                                                       {"read-write", "primary"},
                                                       {"replica", "standby"},
                                                       {"slave", "standby"},
                                                       {"secondary", "standby"},
                                                       {"read-only", "standby"},
                                                       {"hot_standby", "standby"}});

inline constexpr auto kRepeatKeys = std::to_array<Synonym>({{"count", "times"},
                                                            {"attempts", "times"},
                                                            {"after", "times"},
                                                            {"in", "within"},
                                                            {"window", "within"},
                                                            {"by", "per"},
                                                            {"action", "then"},
                                                            {"do", "then"}});

inline constexpr auto kThen = std::to_array<Synonym>({{"kill", "terminate"},
                                                      {"disconnect", "terminate"},
                                                      {"warn", "alert"},
                                                      {"stop", "pause"},
                                                      {"ignore", "pause"},
                                                      {"wait", "pause"}});

inline constexpr auto kWindowKeys = std::to_array<Synonym>({
    {"tz", "timezone"},
    {"time_zone", "timezone"},
    {"zone", "timezone"},
    {"day", "days"},
    {"weekdays", "days"},
    {"on", "days"},
    {"start", "from"},
    {"begin", "from"},
    {"after", "from"},
    {"end", "to"},
    {"until", "to"},
    {"before", "to"},
});

inline constexpr auto kDays = std::to_array<Synonym>({
    {"monday", "mon"},
    {"tuesday", "tue"},
    {"wednesday", "wed"},
    {"thursday", "thu"},
    {"friday", "fri"},
    {"saturday", "sat"},
    {"sunday", "sun"},
    {"Mon", "mon"},
    {"Tue", "tue"},
    {"Wed", "wed"},
    {"Thu", "thu"},
    {"Fri", "fri"},
    {"Sat", "sat"},
    {"Sun", "sun"},
    {"weekdays", "mon-fri"},
    {"workdays", "mon-fri"},
    {"weekend", "sat-sun"},
    {"weekends", "sat-sun"},
});

inline constexpr auto kSteps = std::to_array<Synonym>({
    {"kill", "terminate"},
    {"disconnect", "terminate"},
    {"end", "terminate"},
    {"drop", "terminate"},
    {"pg_terminate_backend", "terminate"},
    {"pg_cancel_backend", "cancel"},
    {"stop", "cancel"},
    {"abort", "cancel"},
    {"warn", "alert"},
    {"log", "alert"},
    {"notify", "alert"},
    {"report", "alert"},
    {"observe", "alert"},
});

inline constexpr auto kStepKeys = std::to_array<Synonym>(
    {{"wait", "after"}, {"delay", "after"}, {"grace", "after"}, {"for", "after"}, {"in", "after"}});

inline constexpr auto kDrainKeys = std::to_array<Synonym>({
    {"comment", "description"},
    {"title", "name"},
    {"id", "name"},
    {"server", "servers"},
    {"hosts", "servers"},
    {"labels", "servers"},
    {"database", "databases"},
    {"datname", "databases"},
    {"dbname", "databases"},
    {"db", "databases"},
    {"match", "databases",
     "A drain is for all sessions of its databases; it spares those that match except."},
    {"cron", "schedule"},
    {"when", "schedule"},
    {"during", "schedule"},
    {"every", "schedule"},
    {"date", "at"},
    {"once", "at"},
    {"start", "at"},
    {"begin", "at"},
    {"begins", "at"},
    {"tz", "timezone"},
    {"time_zone", "timezone"},
    {"zone", "timezone"},
    {"for", "duration"},
    {"lasts", "duration"},
    {"length", "duration"},
    {"until", "duration"},
    {"window", "duration"},
    {"announcements", "announce"},
    {"alert", "announce"},
    {"notify", "announce"},
    {"warn", "announce"},
    {"close", "gate"},
    {"pooler", "pgbouncer"},
    {"exclude", "except"},
    {"exempt", "except"},
    {"unless", "except"},
    {"protect", "except"},
    {"action", "escalate"},
    {"actions", "escalate"},
    {"steps", "escalate"},
    {"do", "escalate"},
    {"latecomers", "while_draining"},
    {"newcomers", "while_draining"},
    {"timeout", "give_up"},
    {"giveup", "give_up"},
    {"after", "afterwards"},
    {"then", "afterwards"},
    {"finally", "afterwards"},
    {"dry_run", "mode"},
    {"dry-run", "mode"},
    {"enabled", "mode"},
});

inline constexpr auto kGates = std::to_array<Synonym>({{"connection_limit", "connection-limit"},
                                                       {"limit", "connection-limit"},
                                                       {"datconnlimit", "connection-limit"},
                                                       {"pooler", "pgbouncer"},
                                                       {"off", "none"},
                                                       {"no", "none"}});

inline constexpr auto kPgbouncerKeys = std::to_array<Synonym>({{"dsn", "conninfo"},
                                                               {"connection", "conninfo"},
                                                               {"with", "by"},
                                                               {"command", "by"},
                                                               {"mode", "by"},
                                                               {"databases", "pools"},
                                                               {"pool", "pools"}});

inline constexpr auto kPgbouncerGates = std::to_array<Synonym>(
    {{"PAUSE", "pause"}, {"wait", "pause"}, {"DISABLE", "disable"}, {"refuse", "disable"}});

inline constexpr auto kLatecomers = std::to_array<Synonym>({{"kill", "terminate"},
                                                            {"end", "terminate"},
                                                            {"keep", "leave"},
                                                            {"ignore", "leave"},
                                                            {"allow", "leave"}});

inline constexpr auto kGiveUpKeys =
    std::to_array<Synonym>({{"for", "after"}, {"timeout", "after"}, {"do", "then"}, {"action", "then"}});

inline constexpr auto kEnds = std::to_array<Synonym>({{"open", "reopen"},
                                                      {"restore", "reopen"},
                                                      {"close", "hold"},
                                                      {"closed", "hold"},
                                                      {"keep", "hold"},
                                                      {"warn", "alert"},
                                                      {"go_on", "alert"}});

inline constexpr auto kDrainSteps = std::to_array<Synonym>({
    {"kill", "terminate"},
    {"disconnect", "terminate"},
    {"end", "terminate"},
    {"drop", "terminate"},
    {"pg_terminate_backend", "terminate"},
    {"pg_cancel_backend", "cancel"},
    {"stop", "cancel"},
    {"abort", "cancel"},
    {"sleep", "wait"},
    {"grace", "wait"},
    {"pause", "wait"},
});

inline constexpr auto kWaitKeys = std::to_array<Synonym>(
    {{"after", "for"}, {"delay", "for"}, {"grace", "for"}, {"time", "for"}, {"up_to", "for"}});

}  // namespace pgcurfew::grammar::words
