#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "drains/drain.hpp"
#include "engine/decide.hpp"
#include "engine/docket.hpp"
#include "engine/engine_fixture.hpp"
#include "engine/settle.hpp"

namespace pgcurfew::testing {

inline Exception exception_of_user(const std::string& user) {
  const auto policy =
      policy_of("rules: [ { name: r, match: { state: idle, state_age: 1h }, except: [ { user: " + user +
                " } ], escalate: [terminate] } ]");
  return policy.rules.at(0).except.at(0);
}

/// From 0 s for ten minutes: wait 10 s, cancel, terminate 5 s later.
inline Drain plan_of(const std::string& database = "app") {
  Drain plan;
  plan.name = "d";
  plan.databases = {TextPattern::parse(database).value()};
  plan.begins = at(0s);
  plan.duration = 10min;
  plan.wait = 10s;
  plan.escalate = {{StepKind::kCancel, 0s, {}}, {StepKind::kTerminate, 5s, {}}};
  plan.mode = Mode::kEnforce;
  return plan;
}

/// A desk and a server's gates, in virtual time.
struct DrainWorld {
  explicit DrainWorld(Drain plan = plan_of(), const std::string& by = "me") : desk(by) {
    policy.protect = policy_of("").protect;
    policy.drains = {std::move(plan)};
    policy.version = "v";
    ledger.prefix = "t";
    for (const auto* name : {"app", "crm", "postgres", "template1"}) {
      gates[name] = Gate{};
      gates[name].database = name;
      gates[name].oid = static_cast<std::uint32_t>(16383 + gates.size());
      gates[name].access = GateAccess::kMark;
      gates[name].is_template = std::string_view(name) == "template1";
    }
    desk.take_policy(std::make_shared<const Policy>(policy));
  }

  bool may_not_see_logins = false;
  /// The amount by which the server's clock was set back.
  Duration set_back{};

  [[nodiscard]] Now now() const { return {at(time - set_back), MonotonicTime(time + 1h)}; }

  void read_gates() {
    Gates found;
    found.taken_at = at(time - set_back);
    found.has_asked_logins = true;
    found.may_not_see_logins = may_not_see_logins;
    found.own_database = "postgres";
    for (const auto& entry : gates) found.gates.push_back(entry.second);
    desk.take(found, now());
  }

  void turn(const GateOrder& order) {
    turned.push_back(order);
    GateReply reply;
    reply.id = order.id;
    const bool is_pgbouncers = order.kind == GateKind::kPgbouncer;
    auto& gate = gates[is_pgbouncers ? pgbouncer_key(order.database) : name_of_oid(order.oid)];
    if (is_pgbouncers) {
      gate.database = order.database;
      gate.kind = order.kind;
    }
    if (turns_fail) {
      reply.outcome = GateOutcome::kFailed;
      reply.error.message = "canceling statement due to lock timeout";
      reply.error.sqlstate = "55P03";
      return desk.take(reply, now());
    }
    if (order.closes) {
      reply.outcome = GateOutcome::kClosed;
      auto mark = order.mark;
      mark.limit = gate.mark ? gate.mark->limit : gate.limit;
      gate.limit = 0;
      gate.is_lost = false;
      gate.mark = mark;
      gate.mark_text = to_text(mark);
    } else if (gate.mark_text != order.mark_text) {
      reply.outcome = GateOutcome::kGone;
    } else {
      reply.outcome = gate.limit == 0 ? GateOutcome::kOpened : GateOutcome::kForeign;
      if (gate.limit == 0) gate.limit = gate.mark->limit;
      gate.mark.reset();
      gate.mark_text.clear();
    }
    reply.mark = gate.mark;
    reply.mark_text = gate.mark_text;
    reply.limit = gate.limit;
    if (!loses_replies) desk.take(reply, now());
  }

  [[nodiscard]] std::string name_of_oid(std::uint32_t oid) const {
    const auto found =
        std::find_if(gates.begin(), gates.end(), [&](const auto& gate) { return gate.second.oid == oid; });
    return found == gates.end() ? "gone" : found->first;
  }

  void rename(const std::string& database, const std::string& to) {
    auto gate = gates.extract(database);
    gate.key() = gate.mapped().database = to;
    gates.insert(std::move(gate));
  }

  /// DROP DATABASE, and CREATE DATABASE.
  void create_anew(const std::string& database) {
    const auto oid = gates.at(database).oid;
    auto& gate = gates[database] = Gate();
    gate.database = database;
    gate.oid = oid + 100;
    gate.access = GateAccess::kMark;
  }

  static std::string pgbouncer_key(const std::string& database) { return database + " at PgBouncer"; }

  /// One turn of the loop; gates turn at once, orders are collected.
  void step() {
    for (int i = 0; i < 5; ++i) {
      auto wanted = desk.advance(ledger, true, now());
      wanted.events = sound(std::move(wanted.events));
      std::move(wanted.events.begin(), wanted.events.end(), std::back_inserter(events));
      decide_now();
      for (const auto& order : wanted.gates) turn(order);
      if (desk.asks_for_gates(now())) read_gates();
    }
  }

  /// The decision for the sessions that the drains claim.
  void decide_now() {
    if (seen.number == 0) return;
    auto decision = decide(policy, seen, docket, desk.claims(), ledger, now());
    decision.events = sound(std::move(decision.events));
    std::move(decision.events.begin(), decision.events.end(), std::back_inserter(events));
    std::move(decision.orders.begin(), decision.orders.end(), std::back_inserter(orders));
  }

  /// A look comes in, without any action yet.
  void show(Look look) {
    seen = std::move(look);
    seen.number = ++ledger.looks_sent;
    docket = make_docket(policy, seen);
    desk.take_look(seen, ledger, now());
    auto settled = sound(settle_look(policy, seen, docket, desk.claims(), ledger));
    std::move(settled.begin(), settled.end(), std::back_inserter(events));
  }

  void look(std::vector<Session> sessions) {
    Look look;
    look.taken_at = at(time - set_back);
    look.sessions = std::move(sessions);
    show(std::move(look));
    step();
  }

  void go(Duration to, const std::vector<Session>& sessions) {
    time = to;
    step();
    look(sessions);
  }

  void reply(const Order& order, ReplyKind kind) {
    Reply answer;
    answer.kind = kind;
    answer.server_time = at(time - set_back);
    auto settled = sound(settle_reply(order, answer, ledger, *answer.server_time, now().monotonic));
    std::move(settled.begin(), settled.end(), std::back_inserter(events));
    desk.count(order, answer);
    step();
  }

  /// Replies to all orders so far.
  void signal_all() {
    for (const auto& order : std::exchange(orders, {})) {
      sent.push_back(order);
      reply(order, ReplyKind::kSignalled);
    }
  }

  [[nodiscard]] std::vector<std::string> told() const { return kinds_of(events); }

  Policy policy;
  DrainDesk desk;
  Ledger ledger;
  Look seen;
  Docket docket;
  Duration time{};
  std::map<std::string, Gate> gates;
  bool loses_replies = false;
  bool turns_fail = false;
  std::vector<GateOrder> turned;
  std::vector<Order> orders;
  std::vector<Order> sent;
  std::vector<Event> events;
};

inline std::vector<StepKind> steps_of(const std::vector<Order>& orders) {
  std::vector<StepKind> steps;
  for (const auto& order : orders) steps.push_back(order.step);
  return steps;
}

}  // namespace pgcurfew::testing
