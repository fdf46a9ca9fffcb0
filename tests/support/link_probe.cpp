// A link to one server, spoken to in JSON: what tests/integration ask of the production statements,
// parameters and readers without an engine in between. tests/support/link_probe.py is the other end.
//
// A line in is a request, {"do": "look", ...}, {"do": "guard", ...}, {"do": "gates"} or {"do": "turn", ...};
// a line out is what happened, in order. Times are microseconds since 2000, as the server counts them.

#include <array>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>

#include <nlohmann/json.hpp>
#include <poll.h>
#include <unistd.h>

#include "postgres/link.hpp"
#include "postgres/pgbouncer.hpp"

namespace {

using namespace pgcurfew;
using nlohmann::json;

MonotonicTime now() {
  return MonotonicTime(
      std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

ServerTime time_of(const json& value) {
  return ServerTime(Duration(value.get<std::int64_t>()));
}

json json_of(std::optional<ServerTime> time) {
  return time ? json(time->time_since_epoch().count()) : json();
}

template <class Value>
json json_of(const std::optional<Value>& value) {
  return value ? json(*value) : json();
}

/// A key that is there, with null as a value of its own.
template <class Value, class Read>
Unchanged<Value> unchanged(const json& request, const char* key, Read read) {
  if (!request.contains(key)) return std::nullopt;
  if (request[key].is_null()) return std::optional<Value>();
  return std::optional<Value>(read(request[key]));
}

std::vector<TextPattern> patterns_of(const json& written) {
  std::vector<TextPattern> patterns;
  for (const auto& pattern : written) {
    patterns.push_back(TextPattern::parse(pattern.get<std::string>()).value());
  }
  return patterns;
}

Guard guard_of(const json& request) {
  const auto text = [](const json& value) { return value.get<std::string>(); };
  Guard guard;
  guard.session = {request["pid"].get<std::int32_t>(), time_of(request["backend_start"])};
  guard.backend_type = request.value("backend_type", "client backend");
  guard.not_after = ServerTime::max();
  guard.xact_start = unchanged<ServerTime>(request, "xact_start", time_of);
  guard.query_start = unchanged<ServerTime>(request, "query_start", time_of);
  guard.texts[Field::kWaitEventType].unchanged = unchanged<std::string>(request, "wait_event_type", text);
  if (request.contains("names")) guard.texts[Field::kApplicationName].fits = patterns_of(request["names"]);
  if (request.contains("spared_names"))
    guard.texts[Field::kApplicationName].spares = patterns_of(request["spared_names"]);
  for (const auto& state : request.value("spared_states", json::array())) {
    guard.spared_states.push_back(state_of(text(state)));
  }
  if (request.contains("states")) {
    guard.states.emplace();
    for (const auto& state : request["states"]) guard.states->push_back(state_of(text(state)));
  }
  if (request.contains("database")) guard.database = text(request["database"]);
  if (request.contains("user")) guard.user = text(request["user"]);
  if (request.contains("xmin_age")) guard.xmin_age = request["xmin_age"].get<std::int64_t>();
  if (request.contains("in_recovery")) guard.in_recovery = request["in_recovery"].get<bool>();
  guard.may_not_wait_for_lock = request.value("may_not_wait_for_lock", false);
  guard.may_wait_for_sync_rep = request.value("may_wait_for_sync_rep", false);
  for (const auto& edge : request.value("edges", json::array())) {
    BlockEdge made;
    made.waiter = {edge["waiter"].get<std::int32_t>(), time_of(edge["backend_start"])};
    if (!edge["query_start"].is_null()) made.query_start = time_of(edge["query_start"]);
    made.blocker = edge["blocker"].get<std::int32_t>();
    guard.edges.push_back(made);
  }
  return guard;
}

json json_of(const Look& look) {
  json sessions = json::object();
  for (const auto& session : look.sessions) {
    sessions[std::to_string(session.key.pid)] = {
        {"backend_start", json_of(std::optional(session.key.backend_start))},
        {"backend_type", session.backend_type},
        {"is_own", session.is_own},
        {"query_start", json_of(session.query_start)},
        {"wait_event_type", json_of(session.wait_event_type)},
        {"wait_event", json_of(session.wait_event)},
        {"query", json_of(session.query)},
        {"xmin_age", json_of(session.xmin_age)}};
  }
  json waits = json::array();
  for (const auto& wait : look.waits) {
    waits.push_back({{"waiter", wait.waiter.pid},
                     {"backend_start", json_of(std::optional(wait.waiter.backend_start))},
                     {"since", json_of(wait.since)},
                     {"blockers", wait.blockers},
                     {"prepared", wait.prepared}});
  }
  return {{"happened", "look"},
          {"number", look.number},
          {"in_recovery", look.in_recovery},
          {"taken_at", json_of(std::optional(look.taken_at))},
          {"sessions", sessions},
          {"elder", look.elder ? json(look.elder->pid) : json()},
          {"waits", waits},
          {"waits_failed", look.waits_failed}};
}

json json_of(const Error& error) {
  return {{"message", error.message}, {"hint", error.hint}, {"sqlstate", error.sqlstate}};
}

json json_of(const Gates& gates) {
  json told = json::object();
  for (const auto& gate : gates.gates) {
    told[gate.database] = {{"oid", gate.oid},
                           {"limit", gate.limit},
                           {"mark", gate.mark_text},
                           {"is_mark", gate.mark.has_value()},
                           {"is_template", gate.is_template},
                           {"allows_connections", gate.allows_connections},
                           {"access", name_of(gate.access)},
                           {"prepared", gate.prepared},
                           {"slots", gate.slots},
                           {"logging_in", gate.logging_in}};
  }
  return {{"happened", "gates"},
          {"taken_at", json_of(std::optional(gates.taken_at))},
          {"system_identifier", gates.system_identifier},
          {"own_database", gates.own_database},
          {"in_recovery", gates.in_recovery},
          {"gates", told}};
}

struct Teller {
  json operator()(const happening::Connected& what) const {
    return {{"happened", "connected"},
            {"backend_pid", what.facts.backend_pid},
            {"role", what.facts.role},
            {"connection_slots", what.facts.connection_slots},
            {"in_recovery", what.facts.in_recovery}};
  }
  json operator()(const happening::LookTaken& what) const { return json_of(what.look); }
  json operator()(const happening::Replied& what) const {
    return {
        {"happened", "reply"}, {"verdict", name_of(what.reply.kind)}, {"error", json_of(what.reply.error)}};
  }
  json operator()(const happening::ConnectionLost& what) const {
    return {{"happened", "lost"}, {"error", json_of(what.error)}};
  }
  json operator()(const happening::LookFailed& what) const {
    return {{"happened", "look_failed"}, {"error", json_of(what.error)}};
  }
  json operator()(const happening::WaitsFailed& what) const {
    return {{"happened", "waits_failed"}, {"error", json_of(what.error)}};
  }
  json operator()(const happening::NamesFailed& what) const {
    return {{"happened", "names_failed"}, {"error", json_of(what.error)}};
  }
  json operator()(const happening::GatesRead& what) const { return json_of(what.gates); }
  json operator()(const happening::GatesFailed& what) const {
    return {{"happened", "gates_failed"}, {"error", json_of(what.error)}};
  }
  json operator()(const happening::GateTurned& what) const {
    return {{"happened", "turned"},
            {"id", what.reply.id},
            {"outcome", name_of(what.reply.outcome)},
            {"mark", what.reply.mark_text},
            {"is_mark", what.reply.mark.has_value()},
            {"in_journal", what.reply.in_journal},
            {"pools", what.reply.pools},
            {"limit", what.reply.limit},
            {"error", json_of(what.reply.error)}};
  }
  template <class Other>
  json operator()(const Other& /*what*/) const {
    return {{"happened", "something else"}};
  }
};

GateOrder gate_order_of(const json& request) {
  GateOrder order;
  order.id = request.value("id", "probe");
  order.closes = request["closes"].get<bool>();
  // a name need not be text that JSON can hold
  const auto digits = request.value("database_hex", "");
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    order.database += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  }
  if (digits.empty()) order.database = request["database"].get<std::string>();
  order.oid = request.value("oid", 0U);
  for (const auto access : {GateAccess::kJournal, GateAccess::kMark, GateAccess::kFunction}) {
    if (request["access"] == name_of(access)) order.access = access;
  }
  order.mark.drain = request.value("drain", "nightly");
  order.mark.by = request.value("by", "probe");
  order.mark.limit = request.value("limit", -1);
  if (request.contains("since")) order.mark.since = time_of(request["since"]);
  if (request.contains("until")) order.mark.until = time_of(request["until"]);
  order.mark_text = request.value("mark", "");
  order.in_journal = request.value("in_journal", false);
  order.is_theirs = request.value("is_theirs", false);
  return order;
}

/// A gate of PgBouncer's, to the end.
json turn_at_pgbouncer(const json& request) {
  auto order = gate_order_of(request);
  order.kind = GateKind::kPgbouncer;
  order.pgbouncer_conninfo = request["conninfo"].get<std::string>();
  order.pgbouncer_gate =
      request.value("gate", "pause") == "pause" ? PgbouncerGate::kPause : PgbouncerGate::kDisable;
  for (const auto& pool : request.value("pools", json::array()))
    order.pools.push_back(TextPattern::parse(pool.get<std::string>()).value());
  std::vector<Conninfo::Host> server;
  for (const auto& host : request.value("server", json::array()))
    server.push_back({host[0].get<std::string>(), host[1].get<std::string>(), {}});
  PgbouncerTurn turn(std::move(order), std::move(server), now());
  std::vector<bool> ready;
  for (;;) {
    if (const auto reply = turn.proceed(now(), ready)) {
      return Teller{}(happening::GateTurned{*reply});
    }
    std::vector<pollfd> waits;
    for (const auto& interest : turn.interests()) {
      waits.push_back({interest.fd, static_cast<short>(interest.write ? POLLIN | POLLOUT : POLLIN), 0});
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(turn.wake_at() - now());
    poll(waits.data(), waits.size(), static_cast<int>(std::max<std::int64_t>(0, left.count() + 1)));
    ready.clear();
    for (const auto& wait : waits) ready.push_back(wait.revents != 0);
  }
}

void carry_out(Link& link, const json& request) {
  if (request["do"] == "look") {
    command::TakeLook look;
    look.number = request["number"];
    const auto texts = request.value("texts", "none");
    look.texts = texts == "all"      ? QueryTexts::kAll
                 : texts == "active" ? QueryTexts::kActive
                                     : QueryTexts::kNone;
    look.with_waits = request.value("waits", false);
    link.take_look(look);
  } else if (request["do"] == "gates") {
    link.read_gates(true);
  } else if (request["do"] == "turn") {
    link.turn_gate(gate_order_of(request));
  } else if (request["do"] == "pooler") {
    std::cout << turn_at_pgbouncer(request).dump(-1, ' ', false, json::error_handler_t::replace) << std::endl;
  } else {
    const auto action = request.value("action", "nothing");
    Order order;
    order.decision = "probe";
    order.action = action == "cancel"      ? Action::kCancel
                   : action == "terminate" ? Action::kTerminate
                                           : Action::kNothing;
    order.guard = guard_of(request);
    link.send({order});
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  const auto conninfo = Conninfo::parse(argv[1]);
  if (!conninfo) return 65;
  Link link(*conninfo);
  link.connect();
  bool ready = false;
  std::string line;
  for (;;) {
    for (const auto& what : link.proceed(now(), ready)) {
      const auto told = std::visit(Teller{}, what);
      std::cout << told.dump(-1, ' ', false, json::error_handler_t::replace) << std::endl;
    }
    const auto interest = link.interest();
    std::array<pollfd, 2> waits{
        pollfd{STDIN_FILENO, POLLIN, 0},
        pollfd{interest.fd, static_cast<short>(interest.write ? POLLIN | POLLOUT : POLLIN), 0}};
    if (poll(waits.data(), waits.size(), -1) < 0) return 1;
    ready = waits[1].revents != 0;
    if (waits[0].revents != 0) {
      // requests come one at a time, each after the answer to the one before
      if (!std::getline(std::cin, line)) return 0;
      carry_out(link, json::parse(line));
    }
  }
}
