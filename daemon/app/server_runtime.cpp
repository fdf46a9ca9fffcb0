#include "app/server_runtime.hpp"

#include <random>

#include <fmt/format.h>

#include "app/instance.hpp"
#include "watch/gate_happenings.hpp"

namespace pgcurfew {

namespace {

template <class... Callables>
struct Overloaded : Callables... {
  using Callables::operator()...;
};
template <class... Callables>
Overloaded(Callables...) -> Overloaded<Callables...>;

constexpr std::size_t kMostUnrecorded = 65536;

Watch::Options options_for(const Server& server) {
  std::random_device random;
  return {server.name, fmt::format("{:08x}", random()), random(), instance_name()};
}

/// The configuration was checked before; a conninfo that is still wrong cannot connect, and reports that.
Conninfo conninfo_of(const Server& server) {
  return Conninfo::parse(server.conninfo).value_or(Conninfo{});
}

}  // namespace

ServerRuntime::ServerRuntime(Loop& loop, std::function<std::uint64_t(const Event&)> tell,
                             const Server& server, std::shared_ptr<const Policy> policy,
                             std::function<void()> on_change)
    : tell_(std::move(tell)),
      name_(server.name),
      conninfo_(server.conninfo),
      link_(conninfo_of(server)),
      watch_(std::move(policy), options_for(server)),
      timer_(loop, [this] { happen(happening::Tick{}); }),
      readiness_(loop, [this] { pump(true); }),
      files_(StateFiles::in_state_directory(GateJournal::kSuffix)),
      keeper_(server.name, files_),
      pgbouncer_gates_(loop, conninfo_of(server).hosts(), [this] { pump(false); }),
      on_change_(std::move(on_change)) {}

void ServerRuntime::start() {
  is_started_ = true;
  happen(happening::Tick{});
}
void ServerRuntime::stop(happening::StopAsked why) {
  happen(std::move(why));
}
void ServerRuntime::reopen(std::vector<std::string> databases) {
  happen(happening::ReopenAsked{std::move(databases)});
}
void ServerRuntime::give_up() {
  happen(happening::GivenUp{});
}
void ServerRuntime::replace_policy(std::shared_ptr<const Policy> policy) {
  happen(happening::PolicyReplaced{std::move(policy)});
}

void ServerRuntime::hear_recorder(const Recorder::State& state) {
  if (!is_started_) return;
  // first: an order whose intent was lost must not count as recorded
  if (state.trouble && !record_fails_) happen(happening::AppendFailed{*state.trouble});
  std::optional<std::uint64_t> number;
  while (!unrecorded_.empty() && unrecorded_.front().first <= state.done) {
    number = unrecorded_.front().second;
    unrecorded_.pop_front();
  }
  if (number) happen(happening::Appended{*number});
  if (!state.trouble && record_fails_) happen(happening::AppendsAgain{});
  record_fails_ = state.trouble.has_value();
}

void ServerRuntime::tell(const command::Append& append) {
  const auto recorded_as = tell_(append.event);
  // while nothing is recorded for long: that the last is there says the same of those before it
  if (unrecorded_.size() >= kMostUnrecorded) unrecorded_.pop_back();
  unrecorded_.emplace_back(recorded_as, append.number);
}

void ServerRuntime::happen(Happening what) {
  carry_out(watch_.on(std::move(what), Loop::now(), Loop::wall_time()));
  pump(false);
}

void ServerRuntime::pump(bool ready) {
  while (true) {
    auto happened = link_.proceed(Loop::now(), std::exchange(ready, false));
    hear_pgbouncer();
    for (auto& reply : keeper_.take_replies()) happened.emplace_back(happening::GateTurned{std::move(reply)});
    if (happened.empty()) break;
    for (auto& what : happened) {
      complete(keeper_, what);
      if (carry_out(watch_.on(std::move(what), Loop::now(), Loop::wall_time()))) break;
    }
  }
  for (const auto& command : keeper_.take_commands()) pgbouncer_gates_.carry_out(command);
  for (const auto& event : keeper_.take_events()) tell_(event);
  settle_waits();
}

void ServerRuntime::hear_pgbouncer() {
  for (const auto& [database, state] : pgbouncer_gates_.take_seen()) keeper_.pgbouncer_seen(database, state);
  for (auto& turned : pgbouncer_gates_.take_turned())
    keeper_.pgbouncer_turned(std::move(turned.reply), turned.may_have_acted);
}

bool ServerRuntime::carry_out(const std::vector<Command>& commands) {
  bool dropped = false;
  for (const auto& command : commands) {
    std::visit(Overloaded{[&](const command::Connect&) { link_.connect(); },
                          [&](const command::Disconnect&) {
                            link_.disconnect();
                            keeper_.connection_lost();
                            dropped = true;
                          },
                          [&](const command::TakeLook& look) { link_.take_look(look); },
                          [&](const command::TakePulse&) { link_.take_pulse(); },
                          [&](const command::Send& send) { link_.send(send.orders); },
                          [&](const command::TellServerLog& tell) { link_.tell_server_log(tell.line); },
                          [&](const command::ReadGates& read) { link_.read_gates(read.with_logins); },
                          [&](const command::TurnGate& turn) {
                            if (const auto order = keeper_.turn(turn.order)) link_.turn_gate(*order);
                          },
                          [&](const command::Append& append) { tell(append); }},
               command);
  }
  return dropped;
}

void ServerRuntime::settle_waits() {
  const auto interest = link_.interest();
  readiness_.watch(interest.fd, interest.write, interest.may_have_moved);
  if (const auto at = watch_.wake_at()) {
    timer_.arm(*at);
  } else {
    timer_.disarm();
  }
  on_change_();
}

}  // namespace pgcurfew
