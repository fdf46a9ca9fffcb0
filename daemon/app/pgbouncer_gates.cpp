#include "app/pgbouncer_gates.hpp"

#include <algorithm>
#include <variant>

namespace pgcurfew {

PgbouncerGates::PgbouncerGates(Loop& loop, std::vector<Conninfo::Host> hosts, std::function<void()> on_turned)
    : loop_(loop),
      hosts_(std::move(hosts)),
      on_turned_(std::move(on_turned)),
      watched_(loop, [this](const std::string& database, PgbouncerState state) {
        seen_.emplace_back(database, state);
      }) {}

std::vector<PgbouncerGates::Turned> PgbouncerGates::take_turned() {
  return std::exchange(turned_, {});
}
std::vector<std::pair<std::string, PgbouncerState>> PgbouncerGates::take_seen() {
  return std::exchange(seen_, {});
}

void PgbouncerGates::carry_out(const pgbouncer::Command& command) {
  if (const auto* turn = std::get_if<pgbouncer::Turn>(&command)) {
    start(turn->order);
  } else if (const auto* look = std::get_if<pgbouncer::Look>(&command)) {
    watched_.look(look->gate);
  } else {
    watched_.forget(std::get<pgbouncer::Forget>(command).database);
  }
}

void PgbouncerGates::start(GateOrder order) {
  // each gate has one order at a time: an abandoned order must not take effect after the next one
  const auto database = order.database;
  auto turning = std::make_unique<Turning>(std::move(order), hosts_);
  turning->timer = std::make_unique<Timer>(loop_, [this, database] { pump(database); });
  // it may fail at once, and its reply must not come before the order was recorded
  turning->timer->arm(Loop::now());
  turnings_.insert_or_assign(database, std::move(turning));
}

void PgbouncerGates::pump(const std::string& database) {
  finished_.clear();
  const auto found = turnings_.find(database);
  if (found == turnings_.end()) return;
  auto& turning = *found->second;
  const auto ready = std::exchange(turning.ready, {});
  if (auto reply = turning.turn.proceed(Loop::now(), ready)) {
    turned_.push_back({std::move(*reply), turning.turn.has_acted()});
    // one of its timers or descriptors is calling right now: they are stopped now, and deleted later
    turning.timer->disarm();
    for (const auto& readiness : turning.readiness) readiness->watch(-1, false, false);
    turning.turn.hang_up();
    finished_.push_back(std::move(found->second));
    turnings_.erase(found);
    on_turned_();
    return;
  }
  const auto interests = turning.turn.interests();
  for (std::size_t i = 0; i < interests.size(); ++i) {
    if (i == turning.readiness.size()) {
      turning.readiness.push_back(std::make_unique<Readiness>(loop_, [this, database, i] {
        const auto called = turnings_.find(database);
        if (called == turnings_.end()) return;
        called->second->ready.resize(std::max(called->second->ready.size(), i + 1));
        called->second->ready[i] = true;
        pump(database);
      }));
    }
    turning.readiness[i]->watch(interests[i].fd, interests[i].write, interests[i].may_have_moved);
  }
  turning.timer->arm(turning.turn.wake_at());
}

}  // namespace pgcurfew
