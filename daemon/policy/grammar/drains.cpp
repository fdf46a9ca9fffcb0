#include <array>
#include <chrono>

#include "policy/grammar/tables.hpp"
#include "policy/grammar/words.hpp"

namespace pgcurfew::grammar {

namespace {

using namespace std::chrono_literals;

constexpr std::array<std::string_view, 3> kGates{"connection-limit", "pgbouncer", "none"};
constexpr std::array<std::string_view, 2> kPgbouncerGates{"pause", "disable"};
constexpr std::array<std::string_view, 3> kDrainSteps{"wait", "cancel", "terminate"};
constexpr std::array<std::string_view, 2> kLatecomers{"terminate", "leave"};
constexpr std::array<std::string_view, 2> kAfterwards{"reopen", "hold"};
constexpr std::array<std::string_view, 3> kGiveUp{"reopen", "hold", "alert"};

constexpr std::array<KeyEntry, 17> kDrain{{
    {.name = "name",
     .takes = Takes::kIdentifier,
     .is_required = true,
     .meaning = "the drain's name in the log and in the database's mark; unique in all files",
     .example = "orders-vacuum-full"},
    {.name = "description",
     .takes = Takes::kText,
     .meaning = "a text for readers; any number of lines",
     .example = "VACUUM FULL on Sunday night."},
    {.name = "servers",
     .takes = Takes::kServers,
     .meaning = "the servers that the drain applies to, by name or by labels",
     .fallback = "all of them",
     .example = "[orders, \"orders-*\", { env: prod }]",
     .mapping = Mapping::kSelector},
    {.name = "databases",
     .takes = Takes::kNames,
     .is_required = true,
     .meaning = "the databases to empty; a wildcard matches neither templates nor, unless they are named "
                "as well, postgres and the database of pgcurfew's own connection",
     .example = "[orders, \"orders_*\"]"},
    {.name = "schedule",
     .takes = Takes::kSchedule,
     .meaning = "when the drain begins, repeatedly; this or at is required",
     .example = "\"0 2 * * sun\""},
    {.name = "at",
     .takes = Takes::kMoment,
     .meaning = "when the drain begins, once; this or schedule is required",
     .example = "2999-12-01 02:00"},
    {.name = "timezone",
     .takes = Takes::kTimeZone,
     .meaning = "time zone of schedule or at; required if the main file names none",
     .fallback = "the main file's",
     .example = "Europe/Vienna"},
    {.name = "duration",
     .takes = Takes::kDuration,
     .is_required = true,
     .meaning = "how long the drain lasts",
     .example = "45min",
     .least = kSecond,
     .most = 7 * kDay},
    {.name = "announce",
     .takes = Takes::kDurations,
     .meaning = "how long before the drain begins an alert is logged",
     .fallback = "none",
     .example = "[24h, 15min]",
     .least = kSecond,
     .most = 366 * kDay},
    {.name = "gate",
     .takes = Takes::kChoice,
     .meaning = "what keeps new sessions out: the database's connection limit, a PgBouncer, or nothing",
     .fallback = "connection-limit",
     .example = "connection-limit",
     .choices = kGates,
     .synonyms = words::kGates},
    {.name = "pgbouncer",
     .takes = Takes::kMapping,
     .meaning = "with gate: pgbouncer: the PgBouncer to use, and what it does with clients",
     .example = "{ conninfo: \"host=db1 port=6432 user=pgbouncer\", by: pause }",
     .mapping = Mapping::kPgbouncer},
    {.name = "except",
     .takes = Takes::kMappings,
     .meaning = "sessions that match an entry may stay, and connect",
     .example = "[ { user: maintenance } ]",
     .mapping = Mapping::kDrainException},
    {.name = "escalate",
     .takes = Takes::kSteps,
     .meaning = "what happens to the sessions that are there, from the mildest step to the strongest",
     .fallback = "[ wait: { for: 30s }, cancel, terminate: { after: 20s } ]",
     .example = "[ wait: { for: 1min }, cancel, terminate: { after: 20s } ]",
     .mapping = Mapping::kStep,
     .choices = kDrainSteps,
     .synonyms = words::kSteps},
    {.name = "while_draining",
     .takes = Takes::kChoice,
     .meaning = "what happens to sessions that still get in",
     .fallback = "terminate",
     .example = "leave",
     .choices = kLatecomers,
     .synonyms = words::kLatecomers},
    {.name = "give_up",
     .takes = Takes::kMapping,
     .meaning = "what happens if a database is not empty in time",
     .fallback = "never",
     .example = "{ after: 5min, then: reopen }",
     .mapping = Mapping::kGiveUp},
    {.name = "afterwards",
     .takes = Takes::kChoice,
     .meaning = "at the end: reopen, or hold the gate closed until pgcurfew reopen",
     .fallback = "reopen",
     .example = "hold",
     .choices = kAfterwards,
     .synonyms = words::kEnds},
    {.name = "mode",
     .takes = Takes::kChoice,
     .meaning = "dry-run makes the drain milder than the file",
     .fallback = "the file's",
     .example = "dry-run",
     .choices = kModes,
     .synonyms = words::kModes},
}};

constexpr std::array<KeyEntry, 3> kPgbouncer{{
    {.name = "conninfo",
     .takes = Takes::kText,
     .is_required = true,
     .meaning = "libpq's connection string of PgBouncer's admin console; it is never shown",
     .example = "\"host=db1 port=6432 user=pgbouncer\""},
    {.name = "by",
     .takes = Takes::kChoice,
     .meaning = "pause: clients wait until the drain is over; disable: clients are refused",
     .fallback = "pause",
     .example = "disable",
     .choices = kPgbouncerGates,
     .synonyms = words::kPgbouncerGates},
    {.name = "pools",
     .takes = Takes::kNames,
     .meaning = "which of PgBouncer's own databases to use, if several lead to one name on different hosts",
     .fallback = "those that lead to the drain's server",
     .example = "[orders, orders_ro]"},
}};

constexpr std::array<KeyEntry, 1> kWait{{
    {.name = "for",
     .takes = Takes::kDuration,
     .meaning = "how long sessions may take to end by themselves once the gate is closed",
     .fallback = "30s",
     .example = "1min",
     .most = 7 * kDay},
}};

constexpr std::array<KeyEntry, 2> kGivingUp{{
    {.name = "after",
     .takes = Takes::kDuration,
     .is_required = true,
     .meaning = "how long after the gate has closed",
     .example = "5min",
     .least = kSecond,
     .most = 7 * kDay},
    {.name = "then",
     .takes = Takes::kChoice,
     .meaning =
         "reopen: end early; hold: send no more signals but keep the gate closed until the end; alert: "
         "log an event and go on",
     .fallback = "reopen",
     .example = "alert",
     .choices = kGiveUp,
     .synonyms = words::kEnds},
}};

}  // namespace

std::span<const KeyEntry> drain() {
  return kDrain;
}
std::span<const KeyEntry> pgbouncer() {
  return kPgbouncer;
}
std::span<const KeyEntry> wait() {
  return kWait;
}
std::span<const KeyEntry> give_up() {
  return kGivingUp;
}

}  // namespace pgcurfew::grammar
