#include "policy/reader/drain_reader.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/words.hpp"
#include "policy/grammar/grammar.hpp"
#include "policy/reader/drain_checks.hpp"
#include "policy/reader/ladder_reader.hpp"
#include "policy/reader/match_reader.hpp"
#include "policy/reader/rule_parts_reader.hpp"
#include "policy/reader/values.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kDrainExample =
    "A drain is a mapping with name, databases, schedule or at, and duration.";
constexpr std::string_view kPgbouncerExample =
    "It is written as in { conninfo: \"host=db1 port=6432 user=pgbouncer\", by: pause }.";
constexpr std::string_view kGiveUpExample = "It is written as in { after: 5min, then: reopen }.";

const KeyEntry& key_of_drain(std::string_view name) {
  return key_of(Mapping::kDrain, name);
}

std::vector<TextPattern> read_names(const YamlNode& node, std::string_view key, Complaints& complaints) {
  std::vector<TextPattern> databases;
  for (const auto* value : one_or_many(node, key, complaints)) {
    const auto text = read_text(*value, key, complaints);
    if (!text) continue;
    if (text->size() > 1 && text->front() == '/' && text->back() == '/') {
      complaints.error(value->at, fmt::format("\"{}\" takes no regular expression", key),
                       "A drain's databases must be obvious: use names, with * and ? as wildcards.");
      continue;
    }
    auto pattern = TextPattern::parse(*text);
    if (!pattern) {
      complaints.error(value->at, pattern.error());
      continue;
    }
    const bool is_there = std::any_of(databases.begin(), databases.end(), [&](const TextPattern& other) {
      return other.written() == pattern->written();
    });
    if (is_there) {
      complaints.error(value->at, fmt::format("\"{}\" appears twice in \"{}\"", printable(*text, 80), key));
      continue;
    }
    databases.push_back(std::move(*pattern));
  }
  return databases;
}

/// Empty if no time zone is known, which is reported.
std::optional<TimeZone> read_zone_of_drain(const YamlNode& node, const DefaultZone& zone,
                                           Complaints& complaints) {
  if (const auto* name = node.find("timezone")) return read_time_zone(*name, complaints);
  const auto* begins = node.find("schedule") != nullptr ? node.find("schedule") : node.find("at");
  if (begins == nullptr) return zone.zone;
  if (zone.is_guessed) {
    complaints.warn(begins->at,
                    "the time zone of this drain is that of the main file, which is not known here",
                    "It is shown as if it were UTC; name a timezone to be sure.");
  } else if (!zone.zone) {
    complaints.error(begins->at, "this drain has no time zone",
                     "Add timezone: here, or once at the top of the main file.");
  }
  return zone.zone;
}

void read_begins(const YamlNode& node, const DefaultZone& zone, Drain& drain, Complaints& complaints) {
  const auto* schedule = node.find("schedule");
  const auto* at = node.find("at");
  const auto own = read_zone_of_drain(node, zone, complaints);
  drain.zone = own.value_or(TimeZone());
  if (schedule == nullptr && at == nullptr) {
    complaints.error(node.at, "a drain has neither \"schedule\" nor \"at\"",
                     "Add schedule: \"0 2 * * sun\" for a drain that repeats, or at: 2026-12-01 02:00.");
  }
  if (schedule != nullptr && at != nullptr) {
    complaints.error(at->at, "a drain has both \"schedule\" and \"at\"",
                     "Remove one of them, or write two drains.");
  }
  if (schedule != nullptr) {
    const auto text = read_plain(*schedule, "schedule", complaints);
    if (!text) return;
    auto read = CronSchedule::parse(*text);
    if (!read) return complaints.error(schedule->at, read.error());
    drain.begins = std::move(*read);
  }
  // without a readable zone of its own, gaps cannot be checked
  if (at != nullptr) drain.begins = read_moment(*at, drain.zone, complaints).value_or(ServerTime{});
}

std::vector<Duration> read_announce(const YamlNode& node, Complaints& complaints) {
  std::vector<Duration> times;
  for (const auto* value : one_or_many(node, "announce", complaints)) {
    const auto time = read_duration(*value, key_of_drain("announce"), complaints);
    if (!time) continue;
    if (std::find(times.begin(), times.end(), *time) != times.end()) {
      complaints.error(value->at, fmt::format("\"{}\" appears twice in \"announce\"", value->text));
      continue;
    }
    times.push_back(*time);
  }
  std::sort(times.rbegin(), times.rend());
  return times;
}

void read_pgbouncer(const YamlNode& node, Drain& drain, Complaints& complaints) {
  if (!expect_map(node, "pgbouncer", kPgbouncerExample, complaints)) return;
  check_keys(node, Mapping::kPgbouncer, complaints);
  if (const auto* conninfo = node.find("conninfo")) {
    drain.pgbouncer_conninfo = read_text(*conninfo, "conninfo", complaints, Lines::kMany).value_or("");
    drain.pgbouncer_conninfo_place = complaints.place(conninfo->at);
  } else {
    complaints.error(node.at, "\"pgbouncer\" has no \"conninfo\"", std::string(kPgbouncerExample));
  }
  if (const auto* by = node.find("by")) {
    const auto index = read_choice(*by, key_of(Mapping::kPgbouncer, "by"), complaints);
    if (index) drain.pgbouncer_gate = *index == 0 ? PgbouncerGate::kPause : PgbouncerGate::kDisable;
  }
  if (const auto* pools = node.find("pools")) drain.pools = read_names(*pools, "pools", complaints);
}

void read_gate(const YamlNode& node, Drain& drain, Complaints& complaints) {
  constexpr std::array<GateKind, 3> kGates{GateKind::kConnectionLimit, GateKind::kPgbouncer, GateKind::kNone};
  const auto* gate = node.find("gate");
  const auto* pgbouncer = node.find("pgbouncer");
  const auto index =
      gate == nullptr ? std::optional<std::size_t>(0) : read_choice(*gate, key_of_drain("gate"), complaints);
  if (index) drain.gate = kGates[*index];
  if (pgbouncer != nullptr) read_pgbouncer(*pgbouncer, drain, complaints);
  // if the gate cannot be read, nothing else is checked
  if (!index) return;
  if (drain.gate == GateKind::kPgbouncer && pgbouncer == nullptr) {
    complaints.error(gate->at, "gate pgbouncer needs \"pgbouncer\"",
                     "Add pgbouncer: { conninfo: ... } with the connection string of its admin console.");
  }
  if (drain.gate != GateKind::kPgbouncer && pgbouncer != nullptr) {
    complaints.error(pgbouncer->at, "\"pgbouncer\" has no effect without gate: pgbouncer",
                     "Add gate: pgbouncer, or leave this out.");
  }
}

std::optional<GiveUp> read_give_up(const YamlNode& node, Complaints& complaints) {
  constexpr std::array<GiveUpAction, 3> kActions{GiveUpAction::kReopen, GiveUpAction::kHold,
                                                 GiveUpAction::kAlert};
  if (!expect_map(node, "give_up", kGiveUpExample, complaints)) return std::nullopt;
  check_keys(node, Mapping::kGiveUp, complaints);
  GiveUp give_up;
  if (const auto* after = node.find("after")) {
    give_up.after =
        read_duration(*after, key_of(Mapping::kGiveUp, "after"), complaints).value_or(Duration::zero());
  } else {
    complaints.error(node.at, "\"give_up\" has no \"after\"", std::string(kGiveUpExample));
  }
  if (const auto* then = node.find("then")) {
    const auto index = read_choice(*then, key_of(Mapping::kGiveUp, "then"), complaints);
    if (index) give_up.then = kActions[*index];
  }
  return give_up;
}

/// What happens to sessions, and to the gate at the end.
void read_course(const YamlNode& node, Drain& drain, Complaints& complaints) {
  const auto* escalate = node.find("escalate");
  auto ladder =
      escalate == nullptr ? default_drain_ladder(drain.place) : read_drain_ladder(*escalate, complaints);
  drain.wait = ladder.wait;
  drain.escalate = std::move(ladder.steps);
  if (const auto* latecomers = node.find("while_draining")) {
    const auto index = read_choice(*latecomers, key_of_drain("while_draining"), complaints);
    drain.terminates_latecomers = index.value_or(0) == 0;
  }
  if (const auto* give_up = node.find("give_up")) drain.give_up = read_give_up(*give_up, complaints);
  if (const auto* afterwards = node.find("afterwards")) {
    drain.reopens = read_choice(*afterwards, key_of_drain("afterwards"), complaints).value_or(0) == 0;
  }
}

}  // namespace

std::optional<Drain> read_drain(const YamlNode& node, const RuleContext& context, Complaints& complaints) {
  if (!expect_map(node, "drains", kDrainExample, complaints)) return std::nullopt;
  const auto errors_before = complaints.error_count();
  check_keys(node, Mapping::kDrain, complaints);
  Drain drain;
  drain.place = complaints.place(node.at);
  if (const auto* name =
          find_required(node, "a drain", "name", "The log identifies it by its name.", complaints)) {
    drain.name = read_identifier(*name, "name", complaints).value_or("");
  }
  if (const auto* text = node.find("description")) {
    drain.description = read_text(*text, "description", complaints, Lines::kMany).value_or("");
  }
  drain.mode = read_own_mode(node, "drain", context.mode, complaints);
  if (const auto* servers = node.find("servers")) {
    drain.servers = read_server_selection(*servers, context.servers, complaints);
  }
  if (const auto* databases =
          find_required(node, "a drain", "databases", "It names the databases to empty.", complaints)) {
    drain.databases = read_names(*databases, "databases", complaints);
  }
  read_begins(node, context.zone, drain, complaints);
  if (const auto* duration = find_required(node, "a drain", "duration",
                                           "It says how long the drain lasts, as in 45min.", complaints)) {
    drain.duration =
        read_duration(*duration, key_of_drain("duration"), complaints).value_or(Duration::zero());
  }
  if (const auto* announce = node.find("announce")) drain.announce = read_announce(*announce, complaints);
  read_gate(node, drain, complaints);
  if (const auto* list = node.find("except")) {
    for (auto& entry : read_except(*list, MatchOwner::kDrain, complaints)) {
      drain.except.push_back({std::move(entry.match)});
    }
  }
  read_course(node, drain, complaints);
  // with other errors, these checks would be unreliable
  if (complaints.error_count() == errors_before) check_drain(node, drain, complaints);
  if (drain.name.empty()) return std::nullopt;
  return drain;
}

}  // namespace pgcurfew
