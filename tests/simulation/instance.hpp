#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "drains/gate_keeper.hpp"
#include "simulation/checks.hpp"
#include "simulation/disk.hpp"
#include "simulation/pgbouncer_console.hpp"
#include "simulation/reader.hpp"
#include "simulation/site.hpp"
#include "simulation/wire.hpp"
#include "support/memory_files.hpp"
#include "watch/watch.hpp"

namespace pgcurfew::simulation {

/// One pgcurfew: a production Watch with its wire and timer. It can stall, stop, crash and start again.
class Instance {
 public:
  /// `files`: of its machine, which another instance may share.
  Instance(Site& site, Checks& checks, int number, Random random,
           std::shared_ptr<testing::MemoryFiles> files = std::make_shared<testing::MemoryFiles>());

  void start(std::shared_ptr<const Policy> policy);
  /// Does what `pgcurfew reopen` does, for these databases or for all.
  void start_reopening(std::shared_ptr<const Policy> policy, std::vector<std::string> databases);
  void replace_policy(std::shared_ptr<const Policy> policy);
  void ask_to_stop();
  void crash();
  void stall(Duration wait) { hold_up(site_.agenda.now() + wait); }

  [[nodiscard]] bool is_running() const { return watch_ != nullptr; }
  [[nodiscard]] const Watch* watch() const { return watch_.get(); }
  /// The entry for a database's gate in its machine's journal, or ""; also while the disk fails.
  [[nodiscard]] std::string journal_of(const std::string& database, GateKind kind) const;
  [[nodiscard]] const std::shared_ptr<testing::MemoryFiles>& files() const { return files_; }
  [[nodiscard]] const PgbouncerConsole& console() const { return console_; }
  Wire& wire() { return wire_; }
  [[nodiscard]] const Wire& wire() const { return wire_; }

  /// Called when it has stopped or crashed.
  std::function<void()> on_gone;
  /// Called when `reopen` is done.
  std::function<void(const Reopened&)> on_reopened;

 private:
  /// `epoch`: of the connection that it came over, 0 if none; input over an earlier connection is dropped.
  void happen(const Happening& what, const std::shared_ptr<const LookCopy>& copy, std::uint64_t life,
              std::uint64_t epoch = 0);
  /// Begins with the command at `first`.
  void carry_out(const std::vector<Command>& commands, std::size_t first = 0);
  void go_on_later(const std::vector<Command>& commands, std::size_t next, std::uint64_t life);
  void turn_gate(const GateOrder& order);
  void hear_pgbouncer(GateReply reply, bool may_have_acted, std::uint64_t life);
  void hear_pgbouncer(const std::string& database, PgbouncerState state, Duration at, std::uint64_t life);
  void settle_turn();
  void arm();
  /// Returns how long it takes.
  Duration tell(const Event& event);
  void append(const command::Append& append);
  void append_waiting();
  void finish_append(const Disk::Answer& answer, std::uint64_t number);
  void hold_up(Duration until);
  void compare_with_shuffled_rows(const happening::LookTaken& look);
  [[nodiscard]] MonotonicTime our_now() const { return MonotonicTime(site_.agenda.now() + clock_start_); }

  Site& site_;
  Checks& checks_;
  int number_;
  Random random_;
  Duration clock_start_;
  Reader reader_;
  Disk disk_;
  Wire wire_;
  std::unique_ptr<Watch> watch_;
  std::shared_ptr<testing::MemoryFiles> files_;
  PgbouncerConsole console_;
  std::optional<GateKeeper> keeper_;
  std::uint64_t life_ = 0;  ///< counts starts: input for an earlier life is dropped
  std::uint64_t timer_ = 0;
  std::uint64_t keepers_told_ = 0;
  // of the record, in this life
  std::uint64_t handed_over_ = 0;
  std::uint64_t appended_ = 0;
  bool is_appending_ = false;
  bool append_failed_ = false;
  Duration stalled_until_{};
};

}  // namespace pgcurfew::simulation
