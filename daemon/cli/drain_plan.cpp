#include "cli/drain_plan.hpp"

#include <string_view>

#include <fmt/format.h>

#include "app/instance.hpp"
#include "base/duration.hpp"
#include "base/words.hpp"
#include "policy/condition.hpp"

namespace pgcurfew {

namespace {

Result<Duration> read(std::string_view option, std::string_view text, Duration least, Duration most) {
  auto duration = parse_duration(text);
  if (!duration)
    return failure(fmt::format("--{}: {}", option, duration.error().message), {}, duration.error().hint);
  if (*duration < least || *duration > most) {
    return failure(fmt::format("--{} takes {} to {}", option, to_text(least), to_text(most)));
  }
  return duration;
}

/// `user=maintenance`.
Result<Exception> read_exception(const std::string& text) {
  const auto equals = text.find('=');
  const auto key = text.substr(0, equals);
  const auto value = equals == std::string::npos ? std::string() : text.substr(equals + 1);
  Exception exception;
  if (key == "client_addr") {
    auto pattern = AddressPattern::parse(value);
    if (!pattern) return failure("--except " + printable(text, 80) + ": " + pattern.error().message);
    exception.match.conditions = {condition_of(Field::kClientAddr, AddressTest{{*pattern}})};
    return exception;
  }
  if (key != "user" && key != "application_name") {
    return failure(fmt::format("--except {} is not understood", printable(text, 80)), {},
                   "It takes user=NAME, application_name=NAME or client_addr=ADDRESS.");
  }
  auto pattern = TextPattern::parse(value);
  if (!pattern) return failure("--except " + printable(text, 80) + ": " + pattern.error().message);
  const auto field = key == "user" ? Field::kUser : Field::kApplicationName;
  exception.match.conditions = {condition_of(field, TextTest{{*pattern}})};
  return exception;
}

Result<void> read_gate(const DrainOptions& options, Drain& plan) {
  if (options.gate == "none") {
    plan.gate = GateKind::kNone;
  } else if (options.gate.starts_with("pgbouncer")) {
    plan.gate = GateKind::kPgbouncer;
    plan.pgbouncer_gate =
        options.gate == "pgbouncer-disable" ? PgbouncerGate::kDisable : PgbouncerGate::kPause;
    plan.pgbouncer_conninfo = options.pgbouncer_conninfo;
    for (const auto& pool : options.pools) plan.pools.push_back(TextPattern::exact(pool));
    if (plan.pgbouncer_conninfo.empty()) {
      return failure("--gate pgbouncer needs --pgbouncer CONNINFO", {},
                     "For instance --pgbouncer 'host=/run/postgresql port=6432 user=pgbouncer'.");
    }
  }
  return {};
}

}  // namespace

Result<Drain> plan_from(const DrainOptions& options) {
  using std::chrono::hours;
  using std::chrono::seconds;
  constexpr Duration kDay = hours(24);
  Drain plan;
  plan.name = name_by_hand();
  for (const auto& database : options.databases) plan.databases.push_back(TextPattern::exact(database));
  const auto duration = read("for", options.duration, seconds(1), 7 * kDay);
  if (!duration) return tl::make_unexpected(duration.error());
  plan.duration = *duration;
  const auto wait = read("wait", options.wait, Duration(0), kDay);
  if (!wait) return tl::make_unexpected(wait.error());
  plan.wait = *wait;
  const auto grace = read("grace", options.grace, Duration(0), kDay);
  if (!grace) return tl::make_unexpected(grace.error());
  if (plan.wait + *grace >= plan.duration) {
    return failure(
        fmt::format("--wait {} and --grace {} together are as long as --for {}: no session would "
                    "ever be terminated",
                    to_text(plan.wait), to_text(*grace), to_text(plan.duration)));
  }
  plan.escalate = {{StepKind::kCancel, Duration(0), {}}, {StepKind::kTerminate, *grace, {}}};
  for (const auto& text : options.except) {
    auto exception = read_exception(text);
    if (!exception) return tl::make_unexpected(exception.error());
    plan.except.push_back(std::move(*exception));
  }
  plan.give_up = GiveUp{plan.duration, GiveUpAction::kReopen};
  if (!options.give_up.empty()) {
    const auto after = read("give-up", options.give_up, seconds(1), plan.duration);
    if (!after) return tl::make_unexpected(after.error());
    plan.give_up->after = *after;
  }
  plan.terminates_latecomers = !options.leaves_latecomers;
  if (const auto gate = read_gate(options, plan); !gate) return tl::make_unexpected(gate.error());
  return plan;
}

}  // namespace pgcurfew
