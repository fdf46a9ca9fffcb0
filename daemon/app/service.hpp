#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "app/auditor.hpp"
#include "app/configuration_reader.hpp"
#include "app/recorder.hpp"
#include "app/server_runtime.hpp"
#include "app/teller.hpp"
#include "app/web.hpp"
#include "policy/reader/load.hpp"
#include "system/loop.hpp"

namespace pgcurfew {

/// The daemon: all servers, reload, stop, and notifications to the service manager.
class Service {
 public:
  struct Options {
    std::string configuration;
    bool dry_run = false;
  };

  Service(Loop& loop, Teller& teller, Recorder& recorder, Auditor& auditor, Options options, Policy policy);

  /// To be called after each change of the recorder's state.
  void hear_recorder(const Recorder::State& state);

  /// To be called after each change of the auditor's places.
  void hear_auditor() { tell_status(); }

  /// Runs until SIGTERM or SIGINT; returns the exit status.
  int run();

 private:
  void start_servers();
  void start(ServerRuntime& server);
  void reload();
  void finish_reload(LoadResult loaded, Result<WebSecrets> secrets);
  void refuse_reload(const std::vector<Diagnostic>& diagnostics);
  void tell(const std::vector<Diagnostic>& diagnostics);
  void replace_policy(Policy policy, Result<WebSecrets> secrets);
  void stop();
  void stop_for_good();
  void finish_if_stopped();
  void take_leave(std::unique_ptr<ServerRuntime> server);
  void see_off();
  void give_up(ServerRuntime& server);
  void tell_unclaimed_gates();
  void tell_status();
  [[nodiscard]] std::string status_text() const;
  /// What is wrong with pgcurfew itself: all that show the state show these, too.
  [[nodiscard]] std::vector<std::string> warnings() const;
  [[nodiscard]] std::shared_ptr<const Picture> draw() const;
  [[nodiscard]] std::shared_ptr<const Policy> policy_of(const std::string& server) const;
  [[nodiscard]] std::unique_ptr<ServerRuntime> make_server(const Server& server);

  Loop& loop_;
  Teller& teller_;
  Recorder& recorder_;
  Auditor& auditor_;
  Options options_;
  std::shared_ptr<const Policy> policy_;
  struct Leaving {
    std::unique_ptr<ServerRuntime> server;
    MonotonicTime deadline;
  };
  std::vector<std::unique_ptr<ServerRuntime>> servers_;
  std::set<std::string> told_files_;  ///< of unclaimed gates that were reported since the files were read
  std::vector<Leaving> leaving_;      ///< no longer watched; their drains open what they have closed
  ConfigurationReader reader_;
  Timer status_timer_;
  Timer stop_timer_;
  Timer leave_timer_;
  std::string told_status_;
  MonotonicTime told_at_{};
  bool is_stopping_ = false;
  ReloadPicture reload_;
  /// Of servers that were left, by name: a new connection to the same one goes on with them.
  std::map<std::string, WatchCounts> counts_before_;
  WallTime started_;
  Web web_;
};

}  // namespace pgcurfew
