#include "simulation/instance.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "watch/gate_happenings.hpp"

namespace pgcurfew::simulation {

namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// An order without its number, which depends on the order of the rows.
std::string essence_of(const Order& order) {
  return fmt::format("{} {} {} {} {} {} {}", order.guard.session.pid,
                     order.guard.session.backend_start.time_since_epoch().count(), order.rule,
                     order.step_number, static_cast<int>(order.action),
                     order.guard.not_before.time_since_epoch().count(),
                     order.guard.not_after.time_since_epoch().count());
}

std::vector<std::string> orders_in(const std::vector<Command>& commands) {
  std::vector<std::string> essences;
  for (const auto& command : commands) {
    if (const auto* send = std::get_if<command::Send>(&command)) {
      for (const auto& order : send->orders) essences.push_back(essence_of(order));
    }
  }
  std::sort(essences.begin(), essences.end());
  return essences;
}

}  // namespace

Instance::Instance(Site& site, Checks& checks, int number, Random random,
                   std::shared_ptr<testing::MemoryFiles> files)
    : site_(site),
      checks_(checks),
      number_(number),
      random_(random),
      clock_start_(random_.span(seconds(1), hours(1000))),
      reader_(Random(random_.next())),
      disk_(Random(Random(random).next() ^ 0xD15CULL)),
      wire_(site, checks, number, Random(random_.next()),
            [this](const Happening& what, std::shared_ptr<const LookCopy> copy) {
              happen(what, copy, life_, wire_.epoch());
            }),
      files_(std::move(files)),
      console_(site, checks, number,
               {[this](GateReply reply, bool may_have_acted) {
                  hear_pgbouncer(std::move(reply), may_have_acted, life_);
                },
                [this](const std::string& database, PgbouncerState state, Duration at) {
                  hear_pgbouncer(database, state, at, life_);
                }}) {}

void Instance::start(std::shared_ptr<const Policy> policy) {
  ++life_;
  handed_over_ = appended_ = 0;
  is_appending_ = append_failed_ = false;
  const auto seed = static_cast<std::uint32_t>(random_.next());
  watch_ = std::make_unique<Watch>(policy, Watch::Options{"s", fmt::format("{}.{}", number_, life_), seed,
                                                          fmt::format("pgcurfew-{}", number_)});
  keeper_.emplace("s", *files_);
  checks_.on_started(number_, policy);
  site_.trace.note("begin", number_, [&] { return fmt::format("instance {} starts", number_); });
  happen(happening::Tick{}, nullptr, life_);
}

void Instance::start_reopening(std::shared_ptr<const Policy> policy, std::vector<std::string> databases) {
  start(std::move(policy));
  happen(happening::ReopenAsked{std::move(databases)}, nullptr, life_);
  site_.agenda.in(seconds(10), [this, life = life_] {
    if (life == life_) crash();
  });
}

void Instance::replace_policy(std::shared_ptr<const Policy> policy) {
  if (!watch_) return;
  if (site_.agenda.now() < stalled_until_) {
    return site_.agenda.at(stalled_until_, [this, policy] { replace_policy(policy); });
  }
  checks_.on_policy(number_, policy);
  happen(happening::PolicyReplaced{std::move(policy)}, nullptr, life_);
}

void Instance::ask_to_stop() {
  if (!watch_) return;
  if (site_.agenda.now() < stalled_until_) return site_.agenda.at(stalled_until_, [this] { ask_to_stop(); });
  site_.trace.note("stop", number_, [&] { return fmt::format("instance {} is asked to stop", number_); });
  happen(happening::StopAsked{}, nullptr, life_);
  site_.agenda.in(random_.span(milliseconds(1), seconds(8)), [this, life = life_] {
    if (life != life_ || !watch_) return;
    // a process that is still stalled is killed in the end
    if (site_.agenda.now() < stalled_until_) return crash();
    if (!watch_->is_stopped()) happen(happening::GivenUp{}, nullptr, life);
    if (watch_ && !watch_->is_stopped())
      throw Violation("stop", "an instance that was given up has not stopped");
    checks_.on_stopped(number_);
    crash();
  });
}

void Instance::crash() {
  if (!watch_) return;
  site_.trace.note("gone", number_, [&] { return fmt::format("instance {} is gone", number_); });
  ++life_;
  wire_.abandon();
  console_.abandon();
  watch_.reset();
  keeper_.reset();
  checks_.on_gone(number_);
  if (on_gone) on_gone();
}

std::string Instance::journal_of(const std::string& database, GateKind kind) const {
  for (const auto& [name, text] : files_->files) {
    const auto entry = parse_journal_text(text);
    if (entry && entry->database == database && entry->kind == name_of(kind)) return entry->mark;
  }
  return {};
}

void Instance::turn_gate(const GateOrder& order) {
  if (const auto sent = keeper_->turn(order)) wire_.turn_gate(*sent);
  for (auto& reply : keeper_->take_replies()) {
    site_.agenda.in(Duration(1), [this, reply = std::move(reply), life = life_] {
      happen(happening::GateTurned{reply}, nullptr, life);
    });
  }
}

void Instance::hear_pgbouncer(GateReply reply, bool may_have_acted, std::uint64_t life) {
  if (!watch_ || life != life_) return;
  if (site_.agenda.now() < stalled_until_) {
    return site_.agenda.at(stalled_until_, [this, reply = std::move(reply), may_have_acted, life] {
      hear_pgbouncer(reply, may_have_acted, life);
    });
  }
  keeper_->pgbouncer_turned(std::move(reply), may_have_acted);
  for (auto& turned : keeper_->take_replies())
    happen(happening::GateTurned{std::move(turned)}, nullptr, life);
}

void Instance::hear_pgbouncer(const std::string& database, PgbouncerState state, Duration at,
                              std::uint64_t life) {
  if (!watch_ || life != life_) return;
  if (site_.agenda.now() < stalled_until_) {
    return site_.agenda.at(stalled_until_,
                           [this, database, state, at, life] { hear_pgbouncer(database, state, at, life); });
  }
  keeper_->pgbouncer_seen(database, state);
  if (state != PgbouncerState::kUnknown) checks_.on_pgbouncer_seen(number_, database, at);
}

/// As the service does after each turn of its loop: these events can block it like all others.
void Instance::settle_turn() {
  for (const auto& command : keeper_->take_commands()) console_.carry_out(command);
  for (auto& event : keeper_->take_events()) {
    event.id = fmt::format("{}.{}.k{}", number_, life_, ++keepers_told_);
    const auto held_up = tell(event);
    if (held_up > Duration(0)) hold_up(std::max(stalled_until_, site_.agenda.now()) + held_up);
  }
  checks_.on_settled(number_, *watch_);
  const auto reopened = on_reopened ? watch_->reopened() : std::nullopt;
  if (!reopened || !reopened->is_done) return;
  on_reopened(*reopened);
  crash();
}

void Instance::happen(const Happening& what, const std::shared_ptr<const LookCopy>& copy, std::uint64_t life,
                      std::uint64_t epoch) {
  if (!watch_ || life != life_ || (epoch != 0 && epoch != wire_.epoch())) return;
  if (site_.agenda.now() < stalled_until_) {
    // it waits in the socket, or in the timer, until the process runs again
    site_.agenda.at(stalled_until_, [this, what, copy, life, epoch] { happen(what, copy, life, epoch); });
    return;
  }
  if (const auto* look = std::get_if<happening::LookTaken>(&what)) {
    if (random_.chance(0.1)) compare_with_shuffled_rows(*look);
    checks_.on_look(number_, copy);
  }
  if (const auto* appended = std::get_if<happening::Appended>(&what)) {
    checks_.on_heard(number_, appended->number);
  }
  if (std::holds_alternative<happening::AppendFailed>(what)) checks_.on_append_failed(number_, true);
  if (std::holds_alternative<happening::AppendsAgain>(what)) checks_.on_append_failed(number_, false);
  if (const auto* connected = std::get_if<happening::Connected>(&what)) {
    checks_.on_connected(number_, connected->facts.postmaster_start);
  }
  if (std::holds_alternative<happening::GatesRead>(what)) checks_.on_gates_read(number_);
  if (std::holds_alternative<happening::ConnectionLost>(what)) checks_.on_disconnected(number_);
  if (const auto* replied = std::get_if<happening::Replied>(&what)) {
    checks_.on_reply(number_, replied->decision, replied->reply.kind);
  }
  checks_.on_turn(number_, std::holds_alternative<happening::Tick>(what));
  auto completed = what;
  complete(*keeper_, completed);
  const auto commands = watch_->on(completed, our_now(), WallTime(our_now().time_since_epoch()));
  carry_out(commands);
  if (watch_) arm();
}

void Instance::carry_out(const std::vector<Command>& commands, std::size_t first) {
  for (auto i = first; i < commands.size(); ++i) {
    const auto& command = commands[i];
    if (std::holds_alternative<command::Connect>(command)) {
      site_.trace.note("connect", number_, [&] { return fmt::format("instance {}", number_); });
      wire_.connect();
    } else if (std::holds_alternative<command::Disconnect>(command)) {
      site_.trace.note("hang up", number_, [&] { return fmt::format("instance {}", number_); });
      checks_.on_disconnected(number_);
      wire_.disconnect();
      keeper_->connection_lost();
    } else if (const auto* look = std::get_if<command::TakeLook>(&command)) {
      checks_.on_look_asked(number_, look->number);
      wire_.take_look(*look);
    } else if (std::holds_alternative<command::TakePulse>(command)) {
      wire_.take_pulse();
    } else if (const auto* send = std::get_if<command::Send>(&command)) {
      checks_.on_orders(number_, send->orders);
      wire_.send(send->orders);
    } else if (const auto* read = std::get_if<command::ReadGates>(&command)) {
      if (!site_.gates.empty()) wire_.read_gates(read->with_logins);
    } else if (const auto* turn = std::get_if<command::TurnGate>(&command)) {
      checks_.on_turn_asked(number_, turn->order);
      turn_gate(turn->order);
    } else if (const auto* append = std::get_if<command::Append>(&command)) {
      const auto held_up = tell(append->event);
      this->append(*append);
      if (held_up == Duration(0)) continue;
      hold_up(site_.agenda.now() + held_up);
      return go_on_later(commands, i + 1, life_);
    }
  }
  settle_turn();
}

void Instance::go_on_later(const std::vector<Command>& commands, std::size_t next, std::uint64_t life) {
  site_.agenda.at(stalled_until_, [this, commands, next, life] {
    if (life != life_) return;
    if (site_.agenda.now() < stalled_until_) return go_on_later(commands, next, life);
    carry_out(commands, next);
  });
}

Duration Instance::tell(const Event& event) {
  site_.trace.note("tell", number_, [&] {
    return fmt::format("instance {} {}: {}", number_, name_of(event.kind), event.message);
  });
  checks_.on_told(number_, event);
  return reader_.tell(site_.agenda.now(), site_.faults.stopped_readers,
                      site_.nodes[site_.active].server->holes.telling);
}

void Instance::append(const command::Append& append) {
  checks_.on_handed_over(number_, append.event, append.number);
  handed_over_ = append.number;
  if (!is_appending_) append_waiting();
}

/// As the record's threads do, which a stall of the loop does not hold up.
void Instance::append_waiting() {
  is_appending_ = true;
  const auto answer = disk_.append(site_.agenda.now(), site_.faults);
  if (answer.fails || answer.takes > milliseconds(1)) site_.inject("record's disk");
  site_.agenda.in(answer.takes, [this, answer, number = handed_over_, life = life_] {
    if (life == life_ && watch_) finish_append(answer, number);
  });
}

void Instance::finish_append(const Disk::Answer& answer, std::uint64_t number) {
  constexpr Duration kRetry = milliseconds(250);
  if (answer.fails) {
    site_.trace.note("disk", number_, [] { return "an append fails"; });
    site_.agenda.in(kRetry, [this, life = life_] {
      if (life == life_ && watch_) append_waiting();
    });
    append_failed_ = true;
    happen(happening::AppendFailed{Error{"no space left on device", {}, {}, {}}}, nullptr, life_);
    return;
  }
  const bool failed = std::exchange(append_failed_, false);
  appended_ = number;
  is_appending_ = false;
  checks_.on_appended(number_, number);
  if (handed_over_ > appended_) append_waiting();
  happen(happening::Appended{number}, nullptr, life_);
  if (failed) happen(happening::AppendsAgain{}, nullptr, life_);
}

void Instance::hold_up(Duration until) {
  stalled_until_ = until;
  checks_.on_stalled(number_, until);
}

void Instance::arm() {
  const auto wake = watch_->wake_at();
  if (!wake) return;
  // a timer fires a little late, never early
  const auto at = wake->time_since_epoch() - clock_start_ + random_.span(Duration(1), Duration(150));
  site_.agenda.at(std::max(at, site_.agenda.now() + Duration(1)), [this, life = life_, timer = ++timer_] {
    if (timer == timer_) happen(happening::Tick{}, nullptr, life);
  });
}

void Instance::compare_with_shuffled_rows(const happening::LookTaken& look) {
  auto shuffled = look;
  auto& sessions = shuffled.look.sessions;
  for (std::size_t i = sessions.size(); i > 1; --i) {
    std::swap(sessions[i - 1],
              sessions[static_cast<std::size_t>(random_.between(0, static_cast<std::int64_t>(i) - 1))]);
  }
  Watch one = *watch_;
  Watch other = *watch_;
  const auto orders_of = [this](Watch& watch, const happening::LookTaken& seen) {
    auto commands = watch.on(seen, our_now(), {});
    // the orders wait for the record
    constexpr happening::Appended kAll{std::numeric_limits<std::uint64_t>::max()};
    auto sent = watch.on(kAll, our_now(), {});
    std::move(sent.begin(), sent.end(), std::back_inserter(commands));
    return orders_in(commands);
  };
  const auto expected = orders_of(one, look);
  const auto found = orders_of(other, shuffled);
  if (expected != found) {
    throw Violation("row-order", fmt::format("the order of rows matters: [{}] became [{}]",
                                             fmt::join(expected, "; "), fmt::join(found, "; ")));
  }
}

}  // namespace pgcurfew::simulation
