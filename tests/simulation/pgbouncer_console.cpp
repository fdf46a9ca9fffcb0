#include "simulation/pgbouncer_console.hpp"

#include <utility>
#include <variant>

namespace pgcurfew::simulation {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kDeadline = seconds(5);
constexpr Duration kLookAgain = milliseconds(50);

}  // namespace

void PgbouncerConsole::carry_out(const pgbouncer::Command& command) {
  if (const auto* turn = std::get_if<pgbouncer::Turn>(&command)) {
    start(turn->order);
  } else if (const auto* wanted = std::get_if<pgbouncer::Look>(&command)) {
    look(wanted->gate.database);
  } else {
    watched_.erase(std::get<pgbouncer::Forget>(command).database);
  }
}

void PgbouncerConsole::abandon() {
  turnings_.clear();
  watched_.clear();
}

bool PgbouncerConsole::has_shown_closed(const std::string& database) const {
  const auto watched = watched_.find(database);
  return watched != watched_.end() && watched->second.has_shown_closed &&
         watched->second.process == site_.pgbouncer->process();
}

/// Replaces the previous turn, whose answers are no longer received.
void PgbouncerConsole::start(const GateOrder& order) {
  const auto number = ++numbers_;
  turnings_.insert_or_assign(order.database, Turning{order, number});
  site_.agenda.in(kDeadline, [this, database = order.database, number] {
    fail(database, number, "PgBouncer did not do it in time");
  });
  show(order.database, number);
}

PgbouncerConsole::Turning* PgbouncerConsole::find(const std::string& database, std::uint64_t number) {
  const auto found = turnings_.find(database);
  return found != turnings_.end() && found->second.number == number ? &found->second : nullptr;
}

void PgbouncerConsole::show(const std::string& database, std::uint64_t number) {
  const auto* turning = find(database, number);
  if (turning == nullptr) return;
  pgbouncer().request(
      turning->process,
      [this, database, number, process = turning->process] {
        // a new connection opens before its first question
        auto* asking = find(database, number);
        if (asking == nullptr) return;
        if (process == 0) asking->process = pgbouncer().process();
        // if it was closed before, it is now closed for this drain
        const bool is_closed = pgbouncer().is_closed(database);
        if (is_closed && asking->order.closes) pgbouncer().turn(asking->order, site_.server().shown_now());
        site_.agenda.in(pgbouncer().travel(), [this, database, number, is_closed, at = site_.agenda.now()] {
          take(database, number, is_closed, at);
        });
      },
      [this, database, number] { fail(database, number, "PgBouncer closed the connection"); });
}

void PgbouncerConsole::take(const std::string& database, std::uint64_t number, bool is_closed, Duration at) {
  auto* turning = find(database, number);
  if (turning == nullptr) return;
  if (is_closed != turning->order.closes) {
    if (!std::exchange(turning->has_acted, true)) act(*turning);
    return site_.agenda.in(kLookAgain, [this, database, number] { show(database, number); });
  }
  checks_.on_pgbouncer_seen(instance_, database, at);
  GateReply reply;
  reply.id = turning->order.id;
  reply.outcome = is_closed ? GateOutcome::kClosed : GateOutcome::kOpened;
  reply.limit = is_closed ? 0 : -1;
  reply.pools = {database};
  finish(database, std::move(reply));
}

/// Each PAUSE has a separate connection, because it is answered late. The other statements need none.
void PgbouncerConsole::act(Turning& turning) {
  const auto& order = turning.order;
  const bool pauses = order.closes && order.pgbouncer_gate == PgbouncerGate::kPause;
  if (!pauses) return send(turning);
  const auto lost = [this, database = order.database, number = turning.number] {
    fail(database, number, "PgBouncer closed the connection");
  };
  pgbouncer().request(
      0,
      [this, database = order.database, number = turning.number] {
        site_.agenda.in(pgbouncer().travel(), [this, database, number] {
          if (const auto* connected = find(database, number)) send(*connected);
        });
      },
      lost);
}

void PgbouncerConsole::send(const Turning& turning) {
  const auto& order = turning.order;
  pgbouncer().request(
      turning.process,
      [this, order] {
        if (pgbouncer().is_closed(order.database) == order.closes) return;
        pgbouncer().turn(order, site_.server().shown_now());
        GateReply done;
        done.outcome = order.closes ? GateOutcome::kClosed : GateOutcome::kOpened;
        checks_.on_gate_turned(instance_, site_.active, order, done);
      },
      [this, database = order.database, number = turning.number] {
        fail(database, number, "PgBouncer closed the connection");
      });
}

void PgbouncerConsole::fail(const std::string& database, std::uint64_t number, const std::string& why) {
  const auto* turning = find(database, number);
  if (turning == nullptr) return;
  GateReply reply;
  reply.id = turning->order.id;
  reply.outcome = GateOutcome::kFailed;
  reply.error = {why, {}, {}, {}};
  finish(database, std::move(reply));
}

void PgbouncerConsole::finish(const std::string& database, GateReply reply) {
  const auto has_acted = turnings_.at(database).has_acted;
  turnings_.erase(database);
  listener_.turned(std::move(reply), has_acted);
}

void PgbouncerConsole::look(const std::string& database) {
  auto& watched = watched_[database];
  if (watched.asked != 0) return;
  const auto number = watched.asked = ++numbers_;
  site_.agenda.in(kDeadline, [this, database, number] { note_nothing(database, number); });
  ask(database, number, watched.process);
}

void PgbouncerConsole::ask(const std::string& database, std::uint64_t number, std::uint64_t process) {
  pgbouncer().request(
      process,
      [this, database, number] {
        site_.agenda.in(
            pgbouncer().travel(),
            [this, database, number, of = pgbouncer().process(), is_closed = pgbouncer().is_closed(database),
             at = site_.agenda.now()] { note(database, number, of, is_closed, at); });
      },
      [this, database, number, process] {
        const auto found = watched_.find(database);
        if (found == watched_.end() || found->second.asked != number) return;
        if (process == 0) return note_nothing(database, number);
        // PgBouncer may have been restarted
        found->second = {number, 0, false};
        ask(database, number, 0);
      });
}

void PgbouncerConsole::note(const std::string& database, std::uint64_t number, std::uint64_t process,
                            bool is_closed, Duration at) {
  const auto found = watched_.find(database);
  if (found == watched_.end() || found->second.asked != number) return;
  auto& watched = found->second;
  watched.asked = 0;
  watched.process = process;
  auto state = PgbouncerState::kClosed;
  if (!is_closed) state = watched.has_shown_closed ? PgbouncerState::kOpened : PgbouncerState::kLost;
  watched.has_shown_closed = watched.has_shown_closed || is_closed;
  listener_.seen(database, state, at);
}

void PgbouncerConsole::note_nothing(const std::string& database, std::uint64_t number) {
  const auto found = watched_.find(database);
  if (found == watched_.end() || found->second.asked != number) return;
  found->second = {};
  listener_.seen(database, PgbouncerState::kUnknown, site_.agenda.now());
}

}  // namespace pgcurfew::simulation
