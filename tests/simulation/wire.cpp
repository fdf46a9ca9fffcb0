#include "simulation/wire.hpp"

#include <algorithm>

#include "simulation/checks.hpp"

namespace pgcurfew::simulation {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kRole = "pgcurfew";
constexpr Duration kLockTimeout = milliseconds(500);
constexpr Duration kNamesPause = seconds(30);

/// The number of a role that was created late: `app_7`; 0 for those that existed at the start.
int number_of_role(const std::string& user) {
  const auto at = user.rfind('_');
  return at == std::string::npos ? 0 : std::stoi(user.substr(at + 1));
}

}  // namespace

Wire::Wire(Site& site, Checks& checks, int instance, Random random,
           std::function<void(const Happening&, std::shared_ptr<const LookCopy>)> deliver)
    : site_(site), checks_(checks), instance_(instance), random_(random), deliver_(std::move(deliver)) {}

Duration Wire::travel() {
  if (random_.chance(site_.faults.slow)) {
    site_.inject("slow");
    return random_.log_span(milliseconds(5), seconds(9));
  }
  return random_.log_span(Duration(40), kLongestTravel);
}

void Wire::connect() {
  disconnect();
  current_ = std::make_shared<Connection>();
  const auto connection = current_;
  connection->node = site_.active;
  connection->generation = site_.server().generation;
  if (random_.chance(site_.faults.refused)) {
    site_.inject("refused");
    return fail_to_connect(connection, "connection refused", "");
  }
  if (site_.server().is_starting)
    return fail_to_connect(connection, "the database system is starting up", "57P03");
  if (site_.server().is_exhausted) return fail_to_connect(connection, "too many clients already", "53300");
  // a new connection needs the catalogs, which are locked
  if (site_.server().catalog_is_locked) return;
  if (random_.chance(site_.faults.connect_hangs)) return site_.inject("connect_hangs");
  site_.agenda.in(travel() * 4, [this, connection] { open(connection); });
}

void Wire::fail_to_connect(const ConnectionPtr& connection, std::string message, std::string sqlstate) {
  site_.agenda.in(travel(), [this, connection, message = std::move(message), sqlstate = std::move(sqlstate)] {
    if (!std::exchange(connection->is_heard, false)) return;
    deliver_(happening::ConnectionLost{{message, {}, {}, sqlstate}}, nullptr);
  });
}

void Wire::open(const ConnectionPtr& connection) {
  if (!connection->is_heard) return;
  auto& server = server_of(*connection);
  if (server.generation != connection->generation) return fail_to_connect(connection, "server closed", "");
  Backend ours;
  ours.backend_type = "client backend";
  ours.user = kRole;
  ours.database = "postgres";
  ours.application_name = kRole;
  ours.is_local = true;
  ours.is_ours = true;
  ours.habit = Habit::kSystem;
  auto& backend = server.start_backend(std::move(ours), std::nullopt, random_);
  server.begin_statement(backend, "look");
  connection->pid = backend.pid;
  connection->birth = backend.birth;
  connection->is_up = true;
  connection->known_roles = roles_made(connection->node);
  ServerFacts facts;
  facts.version_num = 150020;
  facts.version = "15.20";
  facts.backend_pid = backend.pid;
  facts.postmaster_start = server.postmaster_start.shown;
  facts.in_recovery = server.in_recovery;
  facts.connection_slots = server.connection_slots;
  facts.role = kRole;
  facts.can_read_all_stats = !site_.faults.lacks_read_all_stats;
  facts.can_signal = !site_.faults.lacks_signal;
  deliver_(happening::Connected{facts}, nullptr);
}

int Wire::roles_made(std::size_t node) const {
  const auto& clients = site_.nodes[node].clients;
  return clients ? clients->roles_made() : 0;
}

void Wire::disconnect() {
  if (!current_) return;
  const auto connection = std::exchange(current_, nullptr);
  connection->is_heard = false;
  ++epoch_;
  if (!connection->is_up) return;
  // requests sent are carried out before the server notices that the client is gone
  site_.agenda.in(random_.log_span(milliseconds(1), seconds(6)), [this, connection] {
    connection->is_served = false;
    auto& server = server_of(*connection);
    if (server.find(connection->pid, connection->birth) != nullptr) {
      server.end_backend(connection->pid, "pgcurfew has hung up");
    }
  });
}

void Wire::cut(const ConnectionPtr& connection, std::string_view why) {
  connection->is_served = false;
  auto& server = server_of(*connection);
  if (server.find(connection->pid, connection->birth) != nullptr) {
    server.end_backend(connection->pid, "connection cut");
  }
  site_.agenda.in(travel(), [this, connection, text = std::string(why)] {
    if (!connection->is_heard) return;
    connection->is_heard = false;
    deliver_(happening::ConnectionLost{{text, {}, {}, {}}}, nullptr);
  });
}

void Wire::lose_server(std::size_t node, std::string_view why) {
  if (current_ && current_->node == node) cut(current_, why);
}

Wire::Fate Wire::draw_fate() {
  const auto& faults = site_.faults;
  const auto drawn = [&](double chance, const char* name) {
    if (!random_.chance(chance)) return false;
    site_.inject(name);
    return true;
  };
  if (drawn(faults.cut_before, "cut")) return Fate::kCutBefore;
  if (drawn(faults.cut_after, "cut")) return Fate::kCutAfter;
  if (drawn(faults.mute, "mute")) return Fate::kMute;
  if (drawn(faults.truncated, "truncated")) return Fate::kTruncated;
  return Fate::kGood;
}

void Wire::request(std::function<void(const ConnectionPtr&, Fate)> execute) {
  if (!current_ || !current_->is_up) return;
  const auto connection = current_;
  const auto fate = draw_fate();
  auto arrival = site_.agenda.now() + travel();
  if (random_.chance(site_.faults.late_action)) {
    site_.inject("slow");
    arrival += random_.log_span(milliseconds(100), seconds(8));
  }
  connection->last_execution = std::max(arrival, connection->last_execution + Duration(20));
  site_.agenda.at(connection->last_execution, [this, connection, fate, execute = std::move(execute)] {
    if (!connection->is_served || server_of(*connection).generation != connection->generation) return;
    if (fate == Fate::kCutBefore) return cut(connection, "connection reset by peer");
    execute(connection, fate);
    if (fate == Fate::kCutAfter) cut(connection, "server closed the connection unexpectedly");
    if (fate == Fate::kMute) connection->is_mute = true;
  });
}

void Wire::answer(const ConnectionPtr& connection, Fate fate, Happening what,
                  std::shared_ptr<const LookCopy> copy, Duration later) {
  if (fate == Fate::kCutAfter || fate == Fate::kMute || connection->is_mute) return;
  connection->last_reply = std::max(site_.agenda.now() + travel() + later, connection->last_reply);
  site_.agenda.at(connection->last_reply, [this, connection, what = std::move(what), copy = std::move(copy)] {
    if (!connection->is_heard) return;
    deliver_(what, copy);
  });
}

void Wire::take_look(const command::TakeLook& look) {
  request([this, look](const ConnectionPtr& connection, Fate fate) { execute_look(connection, fate, look); });
}

void Wire::take_pulse() {
  request([this](const ConnectionPtr& connection, Fate fate) {
    answer(connection, fate, happening::Pulsed{server_of(*connection).shown_now()});
  });
}

void Wire::send(const std::vector<Order>& orders) {
  for (const auto& order : orders) {
    request([this, order](const ConnectionPtr& connection, Fate fate) {
      execute_order(connection, fate, order);
    });
  }
}

void Wire::read_gates(bool with_logins) {
  request([this, with_logins](const ConnectionPtr& connection, Fate fate) {
    if (fate == Fate::kTruncated) {
      return answer(connection, fate, happening::GatesFailed{{"unexpected shape", {}, {}, {}}});
    }
    auto& server = server_of(*connection);
    answer(connection, fate, happening::GatesRead{site_.gates[connection->node].read(server, with_logins)});
  });
}

void Wire::turn_gate(const GateOrder& order) {
  request(
      [this, order](const ConnectionPtr& connection, Fate fate) { execute_turn(connection, fate, order); });
}

void Wire::execute_turn(const ConnectionPtr& connection, Fate fate, const GateOrder& order) {
  auto& server = server_of(*connection);
  GateReply reply;
  if (fate == Fate::kTruncated || server.catalog_is_locked) {
    reply.id = order.id;
    reply.outcome = GateOutcome::kFailed;
    reply.error = {"canceling statement due to lock timeout", {}, {}, "55P03"};
  } else {
    auto& gates = site_.gates[connection->node];
    reply = gates.turn(order, server.in_recovery, server.shown_now(), site_.agenda.now());
  }
  site_.trace.note("turn", order.closes ? 1 : 0, [&] {
    return fmt::format("instance {} {} {} {}: {} ({})", instance_, order.id, order.closes ? "close" : "open",
                       order.database, name_of(reply.outcome), reply.mark_text);
  });
  checks_.on_gate_turned(instance_, connection->node, order, reply);
  answer(connection, fate, happening::GateTurned{std::move(reply)});
}

Duration Wire::name_delay(const ConnectionPtr& connection, const LookCopy& copy) {
  const auto newest = roles_made(connection->node);
  const bool unknown = std::any_of(copy.rows.begin(), copy.rows.end(), [&](const auto& row) {
    return number_of_role(row.second.user) > connection->known_roles;
  });
  if (!unknown) return Duration(0);
  const auto now = site_.agenda.now();
  if (!server_of(*connection).catalog_is_locked) {
    connection->known_roles = newest;
    return travel() * 2;
  }
  if (connection->names_failed && now - *connection->names_failed < kNamesPause) return Duration(0);
  connection->names_failed = now;
  answer(connection, Fate::kGood,
         happening::NamesFailed{{"canceling statement due to lock timeout", {}, {}, "55P03"}}, nullptr,
         kLockTimeout);
  return kLockTimeout * 2;
}

Look Wire::look_of(const Connection& connection, const LookCopy& copy, QueryTexts texts) {
  Look look;
  look.number = copy.number;
  look.taken_at = server_of(connection).shown_now();
  look.in_recovery = copy.in_recovery;
  look.connection_slots = copy.connection_slots;
  const auto shown = [](const std::optional<Stamp>& stamp) {
    return stamp ? std::optional(stamp->shown) : std::nullopt;
  };
  const auto text = [](const std::string& value) {
    return value.empty() ? std::nullopt : std::optional(value);
  };
  for (const auto& [key, row] : copy.rows) {
    if (site_.faults.lacks_read_all_stats && row.user != kRole) {
      ++look.hidden;
      continue;
    }
    Session session;
    session.key = key;
    session.database = text(row.database);
    session.user = number_of_role(row.user) > connection.known_roles ? std::nullopt : text(row.user);
    session.application_name = row.application_name;
    session.client_addr = row.client_addr;
    session.is_local = row.is_local;
    session.backend_type = row.backend_type;
    session.leader_pid = row.leader_pid;
    session.state = row.state;
    session.xact_start = shown(row.xact_start);
    session.query_start = shown(row.query_start);
    session.state_change = shown(row.state_change);
    session.wait_event_type = row.wait_event_type;
    session.wait_event = row.wait_event;
    session.xmin_age = server_of(connection).xmin_age(row);
    const bool is_active = row.state == State::kActive;
    if (texts == QueryTexts::kAll || (texts == QueryTexts::kActive && is_active)) session.query = row.query;
    session.query_id = row.query_id;
    session.has_nameless_user = !row.user.empty() && !session.user;
    session.is_beyond_us = row.is_superuser || row.user.empty() || site_.faults.lacks_signal;
    const bool is_sibling = session.user == kRole && row.application_name.starts_with(kRole);
    session.is_own = row.pid == connection.pid || is_sibling;
    look.sessions.push_back(std::move(session));
  }
  look.elder = elder_of(look, connection.pid);
  return look;
}

void Wire::execute_look(const ConnectionPtr& connection, Fate fate, const command::TakeLook& look) {
  auto& server = server_of(*connection);
  auto copy = std::make_shared<LookCopy>();
  copy->number = look.number;
  copy->node = connection->node;
  copy->executed = site_.agenda.now();
  copy->steady = server.steady_now();
  copy->connection_slots = server.connection_slots;
  copy->in_recovery = server.in_recovery;
  copy->hides_others = site_.faults.lacks_read_all_stats;
  copy->transactions = server.transactions();
  std::vector<std::int32_t> pids;
  for (const auto& entry : server.backends()) pids.push_back(entry.first);
  for (const auto pid : pids) server.reveal(*server.find(pid));
  for (const auto& [pid, backend] : server.backends()) {
    copy->rows.emplace(SessionKey{pid, backend.start.shown}, backend);
    if (backend.backend_type == "client backend") ++copy->client_backends;
  }
  site_.trace.note("look", static_cast<std::int64_t>(look.number), [&] {
    return fmt::format("instance {} look {}: {} rows", instance_, look.number, copy->rows.size());
  });
  if (fate == Fate::kTruncated) {
    return answer(connection, fate, happening::LookFailed{{"unexpected shape", {}, {}, {}}});
  }
  const auto delay = name_delay(connection, *copy);
  auto shown = look_of(*connection, *copy, look.texts);
  const bool anybody_waits = std::any_of(copy->rows.begin(), copy->rows.end(), [](const auto& row) {
    return row.second.wait_event_type == "Lock";
  });
  if (!look.with_waits || !anybody_waits) {
    return answer(connection, fate, happening::LookTaken{std::move(shown)}, copy, delay);
  }
  if (fate != Fate::kGood || connection->is_mute) return;
  // the rows must have arrived before the second statement is sent
  site_.agenda.in(travel() + delay, [this, connection, shown = std::move(shown), copy] {
    if (connection == current_) ask_for_waits(connection, shown, copy);
  });
}

void Wire::ask_for_waits(const ConnectionPtr&, Look look, std::shared_ptr<LookCopy> copy) {
  request([this, look = std::move(look), copy = std::move(copy)](const ConnectionPtr& connection, Fate fate) {
    execute_waits(connection, fate, look, copy);
  });
}

void Wire::execute_waits(const ConnectionPtr& connection, Fate fate, Look look,
                         const std::shared_ptr<LookCopy>& copy) {
  auto& server = server_of(*connection);
  const bool fails = fate == Fate::kTruncated || random_.chance(site_.faults.waits_fail);
  site_.trace.note("waits", fails ? 0 : 1, [&] {
    return fmt::format("instance {} look {}: who waits {}", instance_, copy->number,
                       fails ? "fails" : "is read");
  });
  if (!fails) {
    copy->at_waits = server.backends();
    for (const auto& [pid, backend] : server.backends()) {
      if (!backend.lock_wait) continue;
      const auto since = server.shows_waitstart ? std::optional(backend.lock_wait->shown) : std::nullopt;
      auto prepared = server.locks().prepared_before(pid);
      copy->prepared.insert(prepared.begin(), prepared.end());
      look.waits.push_back({{pid, backend.start.shown}, since, backend.blockers, std::move(prepared)});
    }
  }
  answer(connection, fate, happening::LookTaken{std::move(look)}, copy);
}

void Wire::execute_order(const ConnectionPtr& connection, Fate fate, const Order& order) {
  auto& server = server_of(*connection);
  GuardVerdict verdict;
  if (random_.chance(site_.faults.shifted)) {
    verdict = {ReplyKind::kShifted, false, server.shown_now()};
  } else {
    verdict = server.run_guard(order.guard, order.action, connection->pid, !site_.faults.lacks_signal);
  }
  site_.trace.note("order", order.guard.session.pid, [&] {
    return fmt::format("instance {} {} {} of {} pid {}: {}", instance_, order.decision, name_of(order.step),
                       order.rule, order.guard.session.pid, name_of(verdict.kind));
  });
  auto* backend = server.find(order.guard.session.pid);
  checks_.on_executed(instance_, connection->node, order, verdict, backend);
  if (verdict.acted && order.action == Action::kCancel) server.cancel(*backend);
  if (verdict.acted && order.action == Action::kTerminate) server.terminate(*backend);
  Reply reply;
  reply.kind = verdict.kind;
  if (verdict.kind == ReplyKind::kDenied) {
    reply.error = {"permission denied", {}, {}, "42501"};
  } else {
    reply.server_time = verdict.clock;
  }
  answer(connection, fate, happening::Replied{order.decision, std::move(reply)});
}

}  // namespace pgcurfew::simulation
