#include <algorithm>
#include <memory>

#include "app/configuration.hpp"
#include "app/exit_code.hpp"
#include "app/server_runtime.hpp"
#include "app/teller.hpp"
#include "base/words.hpp"
#include "cli/by_hand.hpp"
#include "cli/drain.hpp"
#include "cli/printing.hpp"
#include "drains/unclaimed_gates.hpp"
#include "events/fields.hpp"
#include "report/log.hpp"
#include "system/loop.hpp"
#include "system/state_files.hpp"

namespace pgcurfew {

namespace {

constexpr Duration kDeadline = std::chrono::seconds(10);

/// A reopening by hand, on all servers at the same time.
class HandReopening {
 public:
  /// `unclaimed`: the requested gates that no server of the policy can open.
  HandReopening(Loop& loop, const ReopenOptions& options, const Policy& policy,
                std::vector<UnclaimedGate> unclaimed)
      : loop_(loop),
        options_(options),
        unclaimed_(std::move(unclaimed)),
        servers_(policy.servers),
        log_(log_options_by_hand(policy)),
        recorder_(loop, policy,
                  {[this](Event event) { teller_.tell(std::move(event)); },
                   [this](const Recorder::State& state) {
                     for (const auto& runtime : runtimes_) runtime->hear_recorder(state);
                   }}),
        states_(servers_.size()),
        deadline_(loop, [this] { loop_.exit(0); }) {
    const auto shared = std::make_shared<const Policy>(policy);
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      runtimes_.push_back(std::make_unique<ServerRuntime>(
          loop, [this, i](const Event& event) { return take(i, event); }, servers_[i], shared,
          [this] { exit_if_done(); }));
    }
  }

  int run() {
    teller_.set_recorder(&recorder_);
    for (const auto& gate : unclaimed_) teller_.tell(unclaimed_gate_event(gate));
    deadline_.arm(Loop::now() + kDeadline);
    for (const auto& runtime : runtimes_) {
      runtime->reopen(options_.databases);
      runtime->start();
      runtime->hear_recorder(recorder_.state());
    }
    loop_.run();
    return report();
  }

 private:
  enum class State { kConnecting, kConnected, kUnreachable };

  /// A server that cannot be reached at first is not waited for, because the user can try again. One whose
  /// connection is lost later is.
  /// Returns the event's number for the recorder, or 0.
  std::uint64_t take(std::size_t i, const Event& event) {
    if (states_[i] == State::kUnreachable) return 0;
    if (event.kind == Kind::kGateUnclaimed) {
      if (!is_asked_for(event)) return 0;
      leaves_gates_ = true;
    }
    if (event.kind == Kind::kServerUp) states_[i] = State::kConnected;
    if (event.kind != Kind::kServerDown || states_[i] == State::kConnected) return teller_.tell(event);
    states_[i] = State::kUnreachable;
    say("pgcurfew: server {}\n", event.message);  // contains its name and the reason
    exit_if_done();
    return 0;
  }

  [[nodiscard]] bool is_asked_for(const Event& event) const {
    const auto& names = options_.databases;
    return names.empty() || std::any_of(event.fields.begin(), event.fields.end(), [&](const auto& field) {
             const auto* value = std::get_if<std::string>(&field.second);
             return field.first == field::kDatabase.name && value != nullptr &&
                    std::find(names.begin(), names.end(), *value) != names.end();
           });
  }

  void exit_if_done() {
    if (runtimes_.size() != servers_.size()) return;
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      const auto reopened = runtimes_[i]->reopened();
      if (states_[i] != State::kUnreachable && !(reopened && reopened->is_done)) return;
    }
    loop_.exit(0);
  }

  /// Prints the result, as far as the log has not shown it. Returns the exit status.
  int report();

  Loop& loop_;
  const ReopenOptions& options_;
  std::vector<UnclaimedGate> unclaimed_;
  bool leaves_gates_ = false;  ///< of another cluster
  const std::vector<Server>& servers_;
  Log log_;
  Teller teller_{log_};
  Recorder recorder_;
  std::vector<State> states_;
  Timer deadline_;
  std::vector<std::unique_ptr<ServerRuntime>> runtimes_;
};

int HandReopening::report() {
  int code = unclaimed_.empty() && !leaves_gates_ ? kExitOk : kExitUnavailable;
  auto missing = options_.databases;
  std::size_t opened = 0;
  bool is_malformed = false;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const auto reopened = runtimes_[i]->reopened();
    if (!reopened) {
      if (states_[i] != State::kUnreachable)
        say("pgcurfew: server {}: its gates could not be read\n", printable(servers_[i].name));
      code = kExitUnavailable;
      continue;
    }
    opened += reopened->opened.size() + reopened->foreign.size();
    for (const auto& [database, error] : reopened->failed) {
      code = error.sqlstate == "42501" ? kExitNoPermission : kExitUnavailable;
    }
    for (const auto& [database, error] : reopened->malformed) {
      is_malformed = true;
      say("pgcurfew: database {}: {}\npgcurfew: detail: {}\npgcurfew: hint: {}\n", printable(database, 80),
          error.message, error.detail, error.hint);
    }
    if (!reopened->is_done) {
      say("pgcurfew: server {}: it did not answer in time\n", printable(servers_[i].name));
      code = kExitUnavailable;
    }
    std::erase_if(missing, [&](const std::string& database) {
      const auto& still = reopened->missing;
      const auto is_done = [&](const auto& names) {
        return std::find(names.begin(), names.end(), database) != names.end();
      };
      return is_done(reopened->opened) || is_done(reopened->foreign) || !is_done(still);
    });
  }
  if (code != kExitOk) return code;
  for (const auto& database : missing) {
    say("pgcurfew: database {} has no mark of pgcurfew\n", printable(database, 80));
  }
  if (options_.databases.empty() && opened == 0 && !is_malformed) print("no gate has a mark of pgcurfew\n");
  return missing.empty() && !is_malformed ? kExitOk : kExitNoInput;
}

}  // namespace

int reopen_now(const ReopenOptions& options) {
  const auto loaded = read_configuration(options.configuration);
  complain_of_errors(loaded);
  if (loaded.has_errors()) return kExitConfiguration;
  const auto servers = choose_servers(*loaded.policy, options.server, false);
  if (!servers) return complain(servers.error(), kExitUsage);
  auto files = StateFiles::in_state_directory(GateJournal::kSuffix);
  auto unclaimed = options.server.empty()
                       ? find_unclaimed_gates(files, loaded.policy->servers, options.databases)
                       : std::vector<UnclaimedGate>();
  auto policy = *loaded.policy;
  policy.servers = *servers;
  policy.rules.clear();
  policy.drains.clear();
  auto loop = Loop::create();
  if (!loop) return complain(loop.error(), kExitSoftware);
  return HandReopening(*loop, options, policy, std::move(unclaimed)).run();
}

}  // namespace pgcurfew
