#include <array>
#include <chrono>

#include "policy/grammar/tables.hpp"
#include "policy/grammar/words.hpp"

namespace pgcurfew::grammar {

namespace {

using namespace std::chrono_literals;

constexpr std::array<std::string_view, 3> kVictims{"oldest", "newest", "all"};
constexpr std::array<std::string_view, 2> kRoles{"primary", "standby"};
constexpr std::array<std::string_view, 3> kRuleSteps{"alert", "cancel", "terminate"};
constexpr std::array<std::string_view, 3> kThen{"terminate", "alert", "pause"};
constexpr std::array<std::string_view, 5> kPer{"database", "user", "application_name", "client_addr",
                                               "query_id"};
constexpr std::array<std::string_view, 3> kRepeatPer{"user", "application_name", "query_id"};

constexpr std::array<KeyEntry, 16> kRule{{
    {.name = "name",
     .takes = Takes::kIdentifier,
     .is_required = true,
     .meaning = "the rule's name in the log; unique in all files",
     .example = "app-query-timeout"},
    {.name = "description",
     .takes = Takes::kText,
     .meaning = "a text for readers; any number of lines",
     .fallback = "none",
     .example = "Queries of the application end after ten minutes."},
    {.name = "servers",
     .takes = Takes::kServers,
     .meaning = "the servers that the rule applies to, by name or by labels",
     .fallback = "all of them",
     .example = "[orders, \"orders-*\", { env: prod }]",
     .mapping = Mapping::kSelector},
    {.name = "match",
     .takes = Takes::kMapping,
     .is_required = true,
     .meaning = "which sessions the rule applies to; all conditions and ages must hold",
     .example = "{ state: active, query_age: 10min }",
     .mapping = Mapping::kMatch},
    {.name = "except",
     .takes = Takes::kMappings,
     .meaning = "the first entry that matches applies: without an age it exempts the session, with one it is "
                "a later limit",
     .fallback = "no exceptions",
     .example = "[ { user: etl, query_age: 2h } ]",
     .mapping = Mapping::kException},
    {.name = "per",
     .takes = Takes::kChoices,
     .meaning = "with keep: what the sessions of a group have in common",
     .fallback = "all in one group",
     .example = "[user, application_name]",
     .choices = kPer,
     .synonyms = words::kPer},
    {.name = "keep",
     .takes = Takes::kCount,
     .meaning =
         "number of sessions of each group that are left alone; the sessions beyond it are the victims",
     .fallback = "none are left alone",
     .example = "10",
     .least = 1,
     .most = kMostSessions},
    {.name = "victims",
     .takes = Takes::kChoice,
     .meaning = "with keep: which sessions of a group are beyond it; all: every session, once the group is "
                "larger than keep",
     .fallback = "oldest",
     .example = "newest",
     .choices = kVictims,
     .synonyms = words::kVictims},
    {.name = "at_most",
     .takes = Takes::kCount,
     .meaning = "maximum number of sessions that the rule acts on after one look",
     .fallback = "no bound of its own",
     .example = "1",
     .least = 1,
     .most = kMostSessions},
    {.name = "pause",
     .takes = Takes::kDuration,
     .meaning = "how long the rule does nothing after it has acted",
     .fallback = "0s",
     .example = "5s",
     .most = kDay},
    {.name = "when",
     .takes = Takes::kMapping,
     .meaning = "conditions on the server",
     .fallback = "always",
     .example = "{ connections_used: 85% }",
     .mapping = Mapping::kWhen},
    {.name = "during",
     .takes = Takes::kOneOrManyMappings,
     .meaning = "the only hours in which the rule acts; outside them it does nothing",
     .fallback = "always",
     .example = "{ days: [mon-fri], from: \"08:00\", to: \"18:00\", timezone: Europe/Vienna }",
     .mapping = Mapping::kWindow},
    {.name = "not_during",
     .takes = Takes::kOneOrManyMappings,
     .meaning = "hours in which the rule does nothing",
     .fallback = "never",
     .example = "{ from: \"01:00\", to: \"05:00\", timezone: Europe/Vienna }",
     .mapping = Mapping::kWindow},
    {.name = "repeat",
     .takes = Takes::kMapping,
     .meaning = "what happens when the rule acts repeatedly",
     .fallback = "nothing",
     .example = "{ times: 3, within: 10min, then: terminate }",
     .mapping = Mapping::kRepeat},
    {.name = "escalate",
     .takes = Takes::kSteps,
     .is_required = true,
     .meaning =
         "the steps, from the mildest to the strongest; each is taken only if the one before has not helped",
     .example = "[ cancel, terminate: { after: 30s } ]",
     .mapping = Mapping::kStep,
     .choices = kRuleSteps,
     .synonyms = words::kSteps},
    {.name = "mode",
     .takes = Takes::kChoice,
     .meaning = "dry-run makes the rule milder than the file",
     .fallback = "the file's",
     .example = "dry-run",
     .choices = kModes,
     .synonyms = words::kModes},
}};

constexpr std::array<KeyEntry, 2> kWhen{{
    {.name = "connections_used",
     .takes = Takes::kPercentage,
     .meaning =
         "at least this share of the connections that are open to all roles is used by client sessions",
     .example = "85%",
     .least = 100,
     .most = 10'000},
    {.name = "role",
     .takes = Takes::kChoice,
     .meaning = "role of the server",
     .fallback = "either",
     .example = "primary",
     .choices = kRoles,
     .synonyms = words::kRoles},
}};

constexpr std::array<KeyEntry, 4> kWindow{{
    {.name = "days",
     .takes = Takes::kDays,
     .meaning = "the days on which the window begins",
     .fallback = "every day",
     .example = "[mon-fri]",
     .synonyms = words::kDays},
    {.name = "from",
     .takes = Takes::kTimeOfDay,
     .meaning = "when the window begins",
     .fallback = "\"00:00\"",
     .example = "\"08:00\"",
     .most = kDay - 60 * kSecond},
    {.name = "to",
     .takes = Takes::kTimeOfDay,
     .meaning = "when the window ends; if not later than from, on the next day",
     .fallback = "\"24:00\"",
     .example = "\"18:00\"",
     .most = kDay},
    {.name = "timezone",
     .takes = Takes::kTimeZone,
     .meaning = "time zone of the window; required if the main file names none",
     .fallback = "the main file's",
     .example = "Europe/Vienna"},
}};

constexpr std::array<KeyEntry, 4> kRepeat{{
    {.name = "times",
     .takes = Takes::kCount,
     .is_required = true,
     .meaning = "how often the rule must have acted",
     .example = "3",
     .least = 1,
     .most = 1000},
    {.name = "within",
     .takes = Takes::kDuration,
     .is_required = true,
     .meaning = "within this time",
     .example = "10min",
     .least = kSecond,
     .most = kDay},
    {.name = "per",
     .takes = Takes::kChoice,
     .meaning = "what the sessions have in common",
     .fallback = "user",
     .example = "query_id",
     .choices = kRepeatPer,
     .synonyms = words::kPer},
    {.name = "then",
     .takes = Takes::kChoice,
     .is_required = true,
     .meaning = "terminate the session, alert, or pause: leave those sessions alone for that time",
     .example = "terminate",
     .choices = kThen,
     .synonyms = words::kThen},
}};

constexpr std::array<KeyEntry, 1> kStep{{
    {.name = "after",
     .takes = Takes::kDuration,
     .meaning =
         "wait before the step: for the first step since the session fell due, for later steps since the "
         "step before",
     .fallback = "0s for the first step, 30s for the others, 20s in a drain",
     .example = "30s",
     .most = kLongest},
}};

}  // namespace

std::span<const KeyEntry> rule() {
  return kRule;
}
std::span<const KeyEntry> when() {
  return kWhen;
}
std::span<const KeyEntry> window() {
  return kWindow;
}
std::span<const KeyEntry> repeat() {
  return kRepeat;
}
std::span<const KeyEntry> step() {
  return kStep;
}

}  // namespace pgcurfew::grammar
