#include <algorithm>
#include <bitset>
#include <sstream>

#include <fmt/format.h>

#include "simulation/drain_checks.hpp"
#include "simulation/oracle.hpp"

namespace pgcurfew::simulation::oracle {

namespace {

using std::chrono::minutes;

constexpr Duration kMinute = minutes(1);
constexpr Duration kHour = minutes(60);

/// The minutes of the hour at which a schedule `3,13,23 * * * *` begins.
std::bitset<60> minutes_of(const CronSchedule& schedule) {
  std::bitset<60> wanted;
  std::istringstream list(schedule.written().substr(0, schedule.written().find(' ')));
  for (std::string number; std::getline(list, number, ',');) wanted.set(std::stoul(number));
  return wanted;
}

/// Whether the wall clock reaches a minute of the schedule at `minute`, for the first time.
bool begins_at(const std::bitset<60>& wanted, const TimeZone& zone, ServerTime minute) {
  const auto wall = zone.civil_at(minute).since_midnight / kMinute;
  const auto before = zone.civil_at(minute - kMinute).since_midnight / kMinute;
  const auto day = kHour * 24 / kMinute;
  const auto passed = ((wall - before) % day + day) % day;
  // minutes skipped by a gap begin after it
  if (passed > 1 && passed < 180) {
    for (auto skipped = before + 1; skipped <= wall; ++skipped) {
      if (wanted.test(static_cast<std::size_t>(skipped % 60))) return true;
    }
    return false;
  }
  const bool was_before = zone.civil_at(minute - kHour).since_midnight / kMinute == wall;
  return !was_before && wanted.test(static_cast<std::size_t>(wall % 60));
}

}  // namespace

bool takes_in(const Drain& drain, const std::string& database) {
  return std::any_of(drain.databases.begin(), drain.databases.end(), [&](const TextPattern& pattern) {
    const auto& text = pattern.written();
    if (text == database) return true;
    return database != Databases::kOwn && text.ends_with('*') &&
           database.starts_with(text.substr(0, text.size() - 1));
  });
}

std::optional<Interval> window(const Drain& drain, ServerTime time) {
  if (const auto* once = std::get_if<ServerTime>(&drain.begins)) {
    const Interval one{*once, *once + drain.duration};
    return time >= one.start && time < one.end ? std::optional(one) : std::nullopt;
  }
  const auto wanted = minutes_of(std::get<CronSchedule>(drain.begins));
  std::optional<Interval> first;
  auto minute = ServerTime(time.time_since_epoch() / kMinute * kMinute);
  for (; minute > time - drain.duration; minute -= kMinute) {
    if (begins_at(wanted, drain.zone, minute)) first = Interval{minute, minute + drain.duration};
  }
  return first;
}

std::string_view spared(const Policy& policy, const Drain& drain, const Backend& backend) {
  if (backend.backend_type != "client backend") return "no-client";
  auto drained = policy;
  // listeners are protected only from rules on idle sessions
  drained.unprotect.emplace_back("listeners");
  const std::map<std::int32_t, Backend> alone{{backend.pid, backend}};
  const Scene scene{&alone, 0};
  if (const auto reason = untouchable(drained, backend, scene); !reason.empty()) return reason;
  return excepted(drain, backend) ? "exempt" : "";
}

bool excepted(const Drain& drain, const Backend& backend) {
  const std::map<std::int32_t, Backend> alone{{backend.pid, backend}};
  const Scene scene{&alone, 0};
  return std::any_of(drain.except.begin(), drain.except.end(),
                     [&](const Exception& exception) { return fits(exception.match, backend, scene); });
}

std::string name_of(const Backend& backend) {
  return fmt::format("pid {} ({} user={} app={} db={})", backend.pid, backend.backend_type, backend.user,
                     backend.application_name, backend.database);
}

bool has_gate(const Drain& drain) {
  return drain.gate != GateKind::kNone && drain.mode == Mode::kEnforce;
}

std::optional<Duration> time_to(const Drain& drain, StepKind kind) {
  auto time = drain.wait;
  for (const auto& step : drain.escalate) {
    time += step.after;
    if (step.kind == kind) return time;
  }
  return std::nullopt;
}

}  // namespace pgcurfew::simulation::oracle
