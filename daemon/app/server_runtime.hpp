#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "app/pgbouncer_gates.hpp"
#include "app/recorder.hpp"
#include "drains/gate_keeper.hpp"
#include "postgres/link.hpp"
#include "system/loop.hpp"
#include "system/state_files.hpp"
#include "watch/watch.hpp"

namespace pgcurfew {

/// One server's watch, wired to its link and a timer.
class ServerRuntime {
 public:
  /// `tell` is called with each event at once, and returns its number for the recorder.
  ServerRuntime(Loop& loop, std::function<std::uint64_t(const Event&)> tell, const Server& server,
                std::shared_ptr<const Policy> policy, std::function<void()> on_change);

  void start();
  void replace_policy(std::shared_ptr<const Policy> policy);
  /// How far the record is: to be called after each change, and after start(); it does nothing before that.
  void hear_recorder(const Recorder::State& state);
  /// Opens the gates of these databases now, or of all databases with a mark of pgcurfew if none is named.
  void reopen(std::vector<std::string> databases);
  /// Stops ordering; is_stopped() once everything is answered.
  void stop(happening::StopAsked why = {});
  void give_up();  ///< orders in flight are reported as unknown

  [[nodiscard]] bool is_stopped() const { return watch_.is_stopped(); }
  [[nodiscard]] bool has_gate_to_open() const { return watch_.has_gate_to_open(); }
  [[nodiscard]] WatchStatus status() const { return watch_.status(); }
  [[nodiscard]] ServerPicture picture() const { return watch_.picture(Loop::now()); }
  [[nodiscard]] bool is_draining() const { return watch_.is_draining(); }
  [[nodiscard]] std::vector<DrainProgress> drains() const { return watch_.drains(); }
  [[nodiscard]] std::optional<Reopened> reopened() const { return watch_.reopened(); }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& conninfo() const { return conninfo_; }

 private:
  void happen(Happening what);
  void pump(bool ready);
  void tell(const command::Append& append);
  /// Whether the connection was dropped, so that its further reports no longer count.
  bool carry_out(const std::vector<Command>& commands);
  void hear_pgbouncer();
  void settle_waits();

  std::function<std::uint64_t(const Event&)> tell_;
  /// Events that are not in the record yet: their numbers for the recorder, and for the watch.
  std::deque<std::pair<std::uint64_t, std::uint64_t>> unrecorded_;
  std::string name_;
  std::string conninfo_;
  Link link_;
  Watch watch_;
  Timer timer_;
  Readiness readiness_;
  StateFiles files_;
  GateKeeper keeper_;
  PgbouncerGates pgbouncer_gates_;
  std::function<void()> on_change_;
  bool is_started_ = false;
  bool record_fails_ = false;  ///< as the watch knows it
};

}  // namespace pgcurfew
