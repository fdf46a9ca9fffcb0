#include "app/service.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <set>

#include <fmt/format.h>

#include "app/configuration.hpp"
#include "app/diagnostic_events.hpp"
#include "app/exit_code.hpp"
#include "app/service_events.hpp"
#include "base/words.hpp"
#include "drains/unclaimed_gates.hpp"
#include "system/state_files.hpp"

namespace pgcurfew {

namespace {

/// How long a stop waits for replies to orders in flight; users and systemd are promised one second.
constexpr Duration kStopDeadline = std::chrono::milliseconds(800);
/// The same if gates have to be opened, which may need a second attempt: within systemd's ten seconds.
constexpr Duration kGatesDeadline = std::chrono::seconds(8);

}  // namespace

Service::Service(Loop& loop, Teller& teller, Recorder& recorder, Auditor& auditor, Options options,
                 Policy policy)
    : loop_(loop),
      teller_(teller),
      recorder_(recorder),
      auditor_(auditor),
      options_(std::move(options)),
      policy_(std::make_shared<const Policy>(std::move(policy))),
      reader_(loop, options_.configuration,
              [this](LoadResult loaded, Result<WebSecrets> secrets) {
                finish_reload(std::move(loaded), std::move(secrets));
              }),
      status_timer_(loop, [this] { tell_status(); }),
      stop_timer_(loop, [this] { stop_for_good(); }),
      leave_timer_(loop, [this] { see_off(); }),
      reload_{false, Loop::wall_time()},
      started_(reload_.at),
      web_(loop, {[this] { return draw(); }, [this](Event event) { teller_.tell(std::move(event)); },
                  [this] { tell_status(); }}) {}

std::shared_ptr<const Policy> Service::policy_of(const std::string& server) const {
  return std::make_shared<const Policy>(policy_for(*policy_, server));
}

std::unique_ptr<ServerRuntime> Service::make_server(const Server& server) {
  return std::make_unique<ServerRuntime>(
      loop_, [this](const Event& event) { return teller_.tell(event); }, server, policy_of(server.name),
      [this] {
        if (!leaving_.empty()) leave_timer_.arm(Loop::now());
        if (is_stopping_) {
          finish_if_stopped();
        } else {
          tell_status();
        }
      });
}

void Service::hear_recorder(const Recorder::State& state) {
  for (const auto& server : servers_) server->hear_recorder(state);
  for (const auto& leaving : leaving_) leaving.server->hear_recorder(state);
}

int Service::run() {
  for (const int signal : {SIGTERM, SIGINT}) {
    if (!loop_.on_signal(signal, [this](SignalSender) { stop(); })) return kExitSoftware;
  }
  if (!loop_.on_signal(SIGHUP, [this](SignalSender) { reload(); })) return kExitSoftware;
  loop_.start_watchdog();
  teller_.tell(started_event(*policy_));
  tell_unclaimed_gates();
  start_servers();
  web_.listen(policy_->web, usable_secrets(policy_->web));
  told_status_ = status_text();
  notify_manager("READY=1\nSTATUS=" + told_status_);
  const int code = loop_.run();
  web_.stop();
  teller_.tell(Event(Kind::kStopped, "stopped"));
  return code < 0 ? kExitSoftware : code;
}

void Service::start_servers() {
  for (const auto& server : policy_->servers) servers_.push_back(make_server(server));
  for (const auto& server : servers_) start(*server);
}

void Service::start(ServerRuntime& server) {
  server.start();
  server.hear_recorder(recorder_.state());
}

void Service::stop() {
  if (is_stopping_) return;
  is_stopping_ = true;
  notify_manager("STOPPING=1");
  const bool has_drains =
      !leaving_.empty() ||
      std::any_of(servers_.begin(), servers_.end(), [](const auto& server) { return server->is_draining(); });
  stop_timer_.arm(Loop::now() + (has_drains ? kGatesDeadline : kStopDeadline));
  for (const auto& server : servers_) server->stop();
  finish_if_stopped();
}

/// The time to stop is over.
void Service::stop_for_good() {
  for (const auto& server : servers_) give_up(*server);
  for (const auto& leaving : leaving_) give_up(*leaving.server);
  loop_.exit(kExitOk);
}

void Service::give_up(ServerRuntime& server) {
  if (server.has_gate_to_open()) teller_.tell(gates_left_event(server.name()));
  server.give_up();
}

void Service::finish_if_stopped() {
  const bool all = leaving_.empty() && std::all_of(servers_.begin(), servers_.end(),
                                                   [](const auto& server) { return server->is_stopped(); });
  if (all) loop_.exit(kExitOk);
}

/// A server that is no longer in the policy, or has another conninfo: its closed gates are opened first.
void Service::take_leave(std::unique_ptr<ServerRuntime> server) {
  Event event(Kind::kServerRemoved, fmt::format("no longer watching {}", printable(server->name())));
  event.server = server->name();
  teller_.tell(std::move(event));
  server->stop();
  counts_before_[server->name()] += server->picture().counts;
  if (!server->has_gate_to_open()) return server->give_up();
  leaving_.push_back({std::move(server), Loop::now() + kGatesDeadline});
  leave_timer_.arm(Loop::now());
}

void Service::see_off() {
  auto before = std::exchange(leaving_, {});
  for (auto& leaving : before) {
    if (!leaving.server->is_stopped() && Loop::now() < leaving.deadline) {
      leave_timer_.arm(leaving.deadline);
      leaving_.push_back(std::move(leaving));
      continue;
    }
    give_up(*leaving.server);
    for (const auto& server : servers_) {
      if (server->name() == leaving.server->name()) start(*server);
    }
  }
  tell_unclaimed_gates();
  if (is_stopping_) finish_if_stopped();
}

/// Gates that we still have to open on a server that we are leaving do not count as unclaimed.
void Service::tell_unclaimed_gates() {
  auto watched = policy_->servers;
  for (const auto& leaving : leaving_) watched.emplace_back().name = leaving.server->name();
  auto files = StateFiles::in_state_directory(GateJournal::kSuffix);
  for (const auto& gate : find_unclaimed_gates(files, watched)) {
    if (told_files_.insert(gate.file).second) teller_.tell(unclaimed_gate_event(gate));
  }
}

void Service::reload() {
  if (is_stopping_) return;
  const auto microseconds = Loop::now().time_since_epoch().count();
  notify_manager(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", microseconds));
  reader_.read();
}

void Service::finish_reload(LoadResult loaded, Result<WebSecrets> secrets) {
  if (is_stopping_) return;
  reload_ = {loaded.has_errors(), Loop::wall_time()};
  if (loaded.has_errors()) {
    refuse_reload(loaded.diagnostics);
  } else {
    if (options_.dry_run) make_dry(*loaded.policy);
    replace_policy(std::move(*loaded.policy), std::move(secrets));
    tell(loaded.diagnostics);
  }
  told_status_ = status_text();
  notify_manager("READY=1\nSTATUS=" + told_status_);
}

void Service::refuse_reload(const std::vector<Diagnostic>& diagnostics) {
  teller_.tell(reload_refused_event(diagnostics, policy_->version));
  tell(diagnostics);
}

void Service::tell(const std::vector<Diagnostic>& diagnostics) {
  for (const auto& diagnostic : diagnostics) teller_.tell(event_of(diagnostic));
}

void Service::replace_policy(Policy policy, Result<WebSecrets> secrets) {
  teller_.tell(reload_event(*policy_, policy));
  teller_.set_query_text(policy.query_text);
  recorder_.replace_policy(policy);
  auditor_.replace_targets(policy.audit);
  policy_ = std::make_shared<const Policy>(std::move(policy));
  // servers_ is complete at any time: the calls below read it for the status
  auto before = std::exchange(servers_, {});
  std::vector<ServerRuntime*> fresh;
  for (const auto& server : policy_->servers) {
    const auto same = std::find_if(before.begin(), before.end(), [&](const auto& running) {
      return running && running->name() == server.name && running->conninfo() == server.conninfo;
    });
    if (same != before.end()) {
      servers_.push_back(std::move(*same));
    } else {
      servers_.push_back(make_server(server));
      fresh.push_back(servers_.back().get());
    }
  }
  for (auto& gone : before) {
    if (gone) take_leave(std::move(gone));
  }
  const auto is_leaving = [&](const std::string& name) {
    return std::any_of(leaving_.begin(), leaving_.end(),
                       [&](const Leaving& leaving) { return leaving.server->name() == name; });
  };
  for (const auto& server : servers_) {
    if (std::find(fresh.begin(), fresh.end(), server.get()) != fresh.end()) {
      // a server of the same name opens its gates first, otherwise it would look as if another client had
      // opened them
      if (!is_leaving(server->name())) start(*server);
    } else {
      server->replace_policy(policy_of(server->name()));
    }
  }
  told_files_.clear();
  tell_unclaimed_gates();
  web_.listen(policy_->web, std::move(secrets));
}

}  // namespace pgcurfew
