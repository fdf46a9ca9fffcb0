#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/blockers.hpp"
#include "engine/decide.hpp"
#include "engine/docket.hpp"
#include "engine/look_plan.hpp"
#include "engine/settle.hpp"
#include "events/catalogue.hpp"
#include "policy/reader/load.hpp"
#include "support/guard_model.hpp"

namespace pgcurfew::testing {

using namespace std::chrono_literals;

inline constexpr ServerTime kStart{std::chrono::hours(24 * 365 * 26)};
inline ServerTime at(Duration since_start) {
  return kStart + since_start;
}

/// A policy from the rules of a file whose mode is `enforce`.
inline Policy policy_of(const std::string& text) {
  const auto loaded =
      load_policy({"test.yaml", "mode: enforce\nservers: [{ name: s, conninfo: host=/x }]\n" + text}, {});
  for (const auto& diagnostic : loaded.diagnostics) {
    if (diagnostic.severity == Severity::kError) ADD_FAILURE() << render(diagnostic);
  }
  return loaded.policy.value_or(Policy{});
}

/// A client's session that became active at `since` with a query.
inline Session active(std::int32_t pid, Duration since, const std::string& user = "app") {
  Session session;
  session.key = {pid, at(-1h)};
  session.database = "app";
  session.user = user;
  session.application_name = "psql";
  session.is_local = true;
  session.backend_type = "client backend";
  session.state = State::kActive;
  session.xact_start = session.query_start = session.state_change = at(since);
  session.query = "select pg_sleep(3600)";
  return session;
}

inline Session idle_in_transaction(std::int32_t pid, Duration since, const std::string& user = "app") {
  auto session = active(pid, since, user);
  session.state = State::kIdleInTransaction;
  session.query_start = *session.state_change - 1s;
  session.xact_start = *session.state_change - 2s;
  session.wait_event_type = "Client";
  session.wait_event = "ClientRead";
  return session;
}

/// A client's session whose query of `since` waits for a lock.
inline Session waiting(std::int32_t pid, Duration since, const std::string& user = "app") {
  auto session = active(pid, since, user);
  session.wait_event_type = "Lock";
  session.wait_event = "relation";
  return session;
}

/// The server's row for a waiting session, as PostgreSQL 14 and later reports it.
inline LockWait wait_of(const Session& waiter, std::vector<std::int32_t> blockers,
                        std::optional<Duration> since) {
  return {waiter.key, since ? std::optional(at(*since)) : std::nullopt, std::move(blockers), {}};
}

inline std::vector<std::int32_t> pids_of(const std::vector<Order>& orders) {
  std::vector<std::int32_t> pids;
  for (const auto& order : orders) pids.push_back(order.guard.session.pid);
  return pids;
}

/// The same events, each checked against the catalogue.
inline std::vector<Event> sound(std::vector<Event> events) {
  for (const auto& event : events) EXPECT_EQ(fault_of(event), "");
  return events;
}

/// One server as the engine knows it: look, decide, reply, without a watch.
struct Desk {
  Desk() = default;
  explicit Desk(const std::string& rules) : policy(policy_of(rules)) { ledger.prefix = "t"; }

  std::vector<Event> look(std::vector<Session> sessions, Duration now, std::vector<LockWait> waits = {}) {
    seen.number = ++ledger.looks_sent;
    seen.taken_at = at(now);
    seen.sessions = std::move(sessions);
    seen.waits = std::move(waits);
    memory.link(seen);
    docket = make_docket(policy, seen);
    return sound(settle_look(policy, seen, docket, drains, ledger));
  }

  Decision decide_at(Duration now) {
    auto decision = decide(policy, seen, docket, drains, ledger, {at(now), MonotonicTime(now + 1h)});
    decision.events = sound(std::move(decision.events));
    return decision;
  }

  std::vector<Event> reply(const Order& order, ReplyKind kind, Duration now) {
    Reply answer;
    answer.kind = kind;
    answer.server_time = at(now);
    return sound(settle_reply(order, answer, ledger, at(now), MonotonicTime(now + 1h)));
  }

  Policy policy;
  Look seen;
  WaitMemory memory;
  Docket docket;
  std::vector<DrainClaims> drains;
  Ledger ledger;
};

/// The value of a text field of an event, or "".
inline std::string text_field(const Event& event, const std::string& name) {
  for (const auto& [key, value] : event.fields) {
    if (key == name && std::holds_alternative<std::string>(value)) return std::get<std::string>(value);
  }
  return {};
}

inline std::vector<std::string> kinds_of(const std::vector<Event>& events) {
  std::vector<std::string> kinds;
  for (const auto& event : events) kinds.emplace_back(name_of(event.kind));
  return kinds;
}

}  // namespace pgcurfew::testing
