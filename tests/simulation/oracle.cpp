#include "simulation/oracle.hpp"

namespace pgcurfew::simulation::oracle {

namespace {

std::optional<std::string> text_of(const Backend& backend, Field field) {
  const auto known = [](const std::string& text) {
    return text.empty() ? std::nullopt : std::optional(text);
  };
  if (field == Field::kDatabase) return known(backend.database);
  if (field == Field::kUser) return known(backend.user);
  if (field == Field::kApplicationName) return backend.application_name;
  if (field == Field::kWaitEventType) return backend.wait_event_type;
  if (field == Field::kWaitEvent) return backend.wait_event;
  return backend.query;
}

bool one_fits(const Condition& condition, const Backend& backend) {
  if (const auto* test = std::get_if<TextTest>(&condition.test)) {
    const auto text = text_of(backend, condition.field);
    if (!text) return false;
    for (const auto& pattern : test->any_of) {
      if (pattern.matches(*text)) return true;
    }
    return false;
  }
  if (const auto* test = std::get_if<AddressTest>(&condition.test)) {
    for (const auto& pattern : test->any_of) {
      if (pattern.is_local() && backend.is_local) return true;
      if (!pattern.is_local() && backend.client_addr && pattern.matches(*backend.client_addr)) return true;
    }
    return false;
  }
  if (const auto* test = std::get_if<BackendTypeTest>(&condition.test)) {
    for (const auto& type : test->any_of) {
      if (type == backend.backend_type) return true;
    }
    return false;
  }
  if (const auto* test = std::get_if<StateTest>(&condition.test)) {
    for (const auto state : test->any_of) {
      if (backend.state == state) return true;
    }
    return false;
  }
  for (const auto id : std::get<QueryIdTest>(condition.test).any_of) {
    if (backend.query_id == id) return true;
  }
  return false;
}

std::optional<Stamp> stamp_of(const Backend& backend, Clock clock) {
  if (clock == Clock::kStateAge) return backend.state_change;
  if (clock == Clock::kQueryAge) return backend.query_start;
  if (clock == Clock::kTransactionAge) return backend.xact_start;
  return backend.start;
}

const Exception* first_exception(const Rule& rule, const Backend& backend) {
  for (const auto& exception : rule.except) {
    if (fits(exception.match, backend)) return &exception;
  }
  return nullptr;
}

/// state_change is the finest, backend_start the coarsest. Without an age: state_change if any condition is
/// about something that comes and goes with it.
Clock finest_clock(const Rule& rule) {
  std::optional<Clock> finest;
  for (const auto& age : rule.match.ages) {
    if (!finest || age.clock < *finest) finest = age.clock;
  }
  if (finest) return *finest;
  for (const auto& condition : rule.match.conditions) {
    if (condition.field == Field::kState || condition.field == Field::kWaitEventType ||
        condition.field == Field::kWaitEvent || condition.field == Field::kQuery ||
        condition.field == Field::kQueryId) {
      return Clock::kStateAge;
    }
  }
  return Clock::kSessionAge;
}

}  // namespace

std::string_view untouchable(const Policy& policy, const Backend& backend) {
  if (backend.is_ours) return "own";
  if (backend.leader_pid || backend.backend_type == "parallel worker") return "worker";
  if (backend.backend_type == "walsender" || backend.backend_type == "walreceiver") return "replication";
  if (backend.backend_type.find("logical replication") != std::string::npos) return "replication";
  if (backend.wait_event == "SyncRep") return "sync-rep";
  for (const auto& entry : policy.protect) {
    if (fits(entry, backend)) return "protected";
  }
  return "";
}

bool fits(const Match& match, const Backend& backend) {
  for (const auto& condition : match.conditions) {
    if (!one_fits(condition, backend)) return false;
  }
  return true;
}

bool applies(const Rule& rule, const Backend& backend) {
  if (!fits(rule.match, backend)) return false;
  const auto* exception = first_exception(rule, backend);
  return exception == nullptr || !exception->match.ages.empty();
}

std::optional<Due> due(const Rule& rule, const Backend& backend) {
  if (rule.match.ages.empty()) {
    const auto anchor = stamp_of(backend, finest_clock(rule)).value_or(backend.start);
    return Due{anchor.shown, anchor.steady, anchor.steady, anchor.shown};
  }
  const auto* exception = first_exception(rule, backend);
  std::optional<Due> latest;
  for (const auto& age : rule.match.ages) {
    const auto stamp = stamp_of(backend, age.clock);
    if (!stamp) return std::nullopt;
    auto limit = age.limit;
    if (exception != nullptr) {
      for (const auto& later : exception->match.ages) {
        if (later.clock == age.clock) limit = later.limit;
      }
    }
    if (!latest) latest = Due{stamp->shown + limit, stamp->steady + limit, stamp->steady, stamp->shown};
    latest->shown = std::max(latest->shown, stamp->shown + limit);
    latest->steady = std::max(latest->steady, stamp->steady + limit);
    latest->oldest = std::min(latest->oldest, stamp->steady);
    latest->oldest_shown = std::min(latest->oldest_shown, stamp->shown);
  }
  return latest;
}

std::uint64_t episode(const Rule& rule, const Backend& backend) {
  return stamp_of(backend, finest_clock(rule)).value_or(backend.start).serial;
}

bool can_be_cancelled(const Backend& backend) {
  return backend.state == State::kActive || backend.state == State::kFastpathFunctionCall;
}

}  // namespace pgcurfew::simulation::oracle
