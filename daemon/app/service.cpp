#include "app/service.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <set>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "app/configuration.hpp"
#include "app/diagnostic_events.hpp"
#include "app/exit_code.hpp"
#include "base/words.hpp"
#include "drains/unclaimed_gates.hpp"
#include "events/fields.hpp"
#include "policy/fingerprint.hpp"
#include "system/state_files.hpp"

namespace pgcurfew {

namespace {

constexpr Duration kStatusInterval = std::chrono::seconds(1);
/// How long a stop waits for replies to orders in flight; users and systemd are promised one second.
constexpr Duration kStopDeadline = std::chrono::milliseconds(800);
/// The same if gates have to be opened, which may need a second attempt: within systemd's ten seconds.
constexpr Duration kGatesDeadline = std::chrono::seconds(8);

std::string_view capitals(Mode mode) {
  return mode == Mode::kEnforce ? "ENFORCE" : "DRY-RUN";
}

std::string counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::size_t count_errors(const std::vector<Diagnostic>& diagnostics) {
  const auto errors = std::count_if(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& diagnostic) {
    return diagnostic.severity == Severity::kError;
  });
  return static_cast<std::size_t>(errors);
}

template <class Items>
std::string names_of(const Items& items) {
  std::string text;
  for (const auto& item : items) text += (text.empty() ? "" : ", ") + item.name;
  return text.empty() ? "none" : text;
}

/// ", 2 drains"; empty if there are none.
std::string drains_text(const Policy& policy) {
  return policy.drains.empty() ? std::string() : ", " + counted(policy.drains.size(), "drain");
}

/// `14:03:22Z`; on another day than today `2026-11-27 14:03:22Z`.
std::string time_text(WallTime time) {
  const auto day_of = [](WallTime one) {
    return std::chrono::floor<std::chrono::days>(one.time_since_epoch());
  };
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
  const auto utc = fmt::gmtime(static_cast<std::time_t>(seconds));
  return day_of(time) == day_of(Loop::wall_time()) ? fmt::format("{:%H:%M:%S}Z", utc)
                                                   : fmt::format("{:%Y-%m-%d %H:%M:%S}Z", utc);
}

Event started_event(const Policy& policy) {
  const auto dry = std::count_if(policy.rules.begin(), policy.rules.end(),
                                 [](const Rule& rule) { return rule.mode == Mode::kDryRun; });
  Event event(
      Kind::kStarted,
      fmt::format("mode {}: {}, {}{}{}", capitals(policy.mode), counted(policy.servers.size(), "server"),
                  counted(policy.rules.size(), "rule"),
                  policy.mode == Mode::kEnforce && dry > 0 ? fmt::format(", {} of them dry", dry) : "",
                  drains_text(policy)));
  event.add(field::kVersion, PGCURFEW_VERSION);
  event.add(field::kMode, name_of(policy.mode));
  event.add(field::kPolicy, policy.version);
  event.add(field::kServers, names_of(policy.servers));
  event.add(field::kRules, names_of(policy.rules));
  event.add(field::kDrains, names_of(policy.drains));
  return event;
}

/// What changed in rules or drains, by name.
struct Changes {
  std::string added;
  std::string removed;
  std::string changed;
};

template <class Item, class IsSame>
Changes compare(const std::vector<Item>& before, const std::vector<Item>& after, IsSame is_same) {
  Changes changes;
  const auto note = [](std::string& list, const std::string& name) {
    list += (list.empty() ? "" : ", ") + name;
  };
  const auto find = [](const std::vector<Item>& items, const std::string& name) {
    return std::find_if(items.begin(), items.end(), [&](const Item& item) { return item.name == name; });
  };
  for (const auto& item : after) {
    const auto old = find(before, item.name);
    if (old == before.end()) {
      note(changes.added, item.name);
    } else if (!is_same(*old, item)) {
      note(changes.changed, item.name);
    }
  }
  for (const auto& item : before) {
    if (find(after, item.name) == after.end()) note(changes.removed, item.name);
  }
  return changes;
}

}  // namespace

Service::Service(Loop& loop, Teller& teller, Recorder& recorder, Auditor& auditor, Options options,
                 Policy policy)
    : loop_(loop),
      teller_(teller),
      recorder_(recorder),
      auditor_(auditor),
      options_(std::move(options)),
      policy_(std::make_shared<const Policy>(std::move(policy))),
      reader_(loop, options_.configuration, [this](LoadResult loaded) { finish_reload(std::move(loaded)); }),
      status_timer_(loop, [this] { tell_status(); }),
      stop_timer_(loop, [this] { stop_for_good(); }),
      leave_timer_(loop, [this] { see_off(); }) {}

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
  told_status_ = status_text();
  notify_manager("READY=1\nSTATUS=" + told_status_);
  const int code = loop_.run();
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
  if (server.has_gate_to_open()) {
    Event event(Kind::kGatesLeft, fmt::format("gates of {} are left closed: they could not be opened in time",
                                              printable(server.name())));
    event.server = server.name();
    event.add(field::kHint, "\"pgcurfew reopen\" opens them.");
    teller_.tell(std::move(event));
  }
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

void Service::finish_reload(LoadResult loaded) {
  if (is_stopping_) return;
  reload_failed_ = loaded.has_errors();
  if (loaded.has_errors()) {
    refuse_reload(loaded.diagnostics);
  } else {
    if (options_.dry_run) make_dry(*loaded.policy);
    replace_policy(std::move(*loaded.policy));
    tell(loaded.diagnostics);
  }
  told_status_ = status_text();
  notify_manager("READY=1\nSTATUS=" + told_status_);
}

void Service::refuse_reload(const std::vector<Diagnostic>& diagnostics) {
  Event event(Kind::kReloadRefused,
              fmt::format("the new configuration has {}; the previous one stays in force",
                          counted(count_errors(diagnostics), "error")));
  event.add(field::kPolicy, policy_->version);
  teller_.tell(std::move(event));
  tell(diagnostics);
}

void Service::tell(const std::vector<Diagnostic>& diagnostics) {
  for (const auto& diagnostic : diagnostics) teller_.tell(event_of(diagnostic));
}

void Service::replace_policy(Policy policy) {
  const auto rules = compare(policy_->rules, policy.rules, [](const Rule& old, const Rule& rule) {
    return old.fingerprint == rule.fingerprint && old.mode == rule.mode;
  });
  const auto drains = compare(policy_->drains, policy.drains, [](const Drain& old, const Drain& drain) {
    return fingerprint_of(old) == fingerprint_of(drain);
  });
  Event event(Kind::kReload, fmt::format("reloaded, mode {}: {}, {}{}", capitals(policy.mode),
                                         counted(policy.servers.size(), "server"),
                                         counted(policy.rules.size(), "rule"), drains_text(policy)));
  event.add(field::kMode, name_of(policy.mode));
  event.add(field::kPolicy, policy.version);
  event.add(field::kPolicyBefore, policy_->version);
  event.add(field::kRulesAdded, rules.added);
  event.add(field::kRulesRemoved, rules.removed);
  event.add(field::kRulesChanged, rules.changed);
  event.add(field::kDrainsAdded, drains.added);
  event.add(field::kDrainsRemoved, drains.removed);
  event.add(field::kDrainsChanged, drains.changed);
  event.add(field::kServers, names_of(policy.servers));
  teller_.tell(std::move(event));
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
}

std::string Service::status_text() const {
  std::size_t up = 0;
  std::size_t sessions = 0;
  std::uint64_t signals = 0;
  std::uint64_t late = 0;
  std::optional<MonotonicTime> next_due;
  std::string holds;
  std::string_view holds_of;
  std::string drains;
  for (const auto& server : servers_) {
    const auto status = server->status();
    up += status.is_up ? 1 : 0;
    sessions += status.client_backends;
    signals += status.signals_sent;
    late += status.signals_late;
    if (status.next_due) next_due = std::min(next_due.value_or(*status.next_due), *status.next_due);
    if (!status.drains.empty()) drains += fmt::format("; {}: {}", server->name(), status.drains);
    for (const auto& hold : status.holds) {
      holds += fmt::format("{} {} since {}",
                           holds_of == server->name() ? "," : fmt::format("; {}:", server->name()), hold.text,
                           time_text(hold.since));
      holds_of = server->name();
    }
  }
  for (const auto& place : auditor_.places()) {
    if (!place.fails_since) continue;
    holds += fmt::format("; audit: {} fails since {}", place.name, time_text(*place.fails_since));
  }
  std::string due = "nothing due";
  if (next_due) {
    const auto wait = std::max(Duration(0), *next_due - Loop::now());
    due = fmt::format(
        "next due {:%H:%M:%S}Z",
        fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() + wait)));
  }
  const auto late_text = late > 0 ? fmt::format(", {} before their intent was recorded", late) : "";
  return fmt::format("{}: {}/{} servers up, {} sessions, {}, {} signals sent{}{}{}{}",
                     capitals(policy_->mode), up, servers_.size(), sessions, due, signals, late_text, drains,
                     holds, reload_failed_ ? "; the last reload was refused" : "");
}

void Service::tell_status() {
  const auto now = Loop::now();
  if (now < told_at_ + kStatusInterval) {
    status_timer_.arm(told_at_ + kStatusInterval);
    return;
  }
  auto text = status_text();
  if (text == told_status_) return;
  told_at_ = now;
  told_status_ = std::move(text);
  notify_manager("STATUS=" + told_status_);
}

}  // namespace pgcurfew
