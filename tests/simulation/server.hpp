#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/order.hpp"
#include "simulation/agenda.hpp"
#include "simulation/backend.hpp"
#include "simulation/locks.hpp"
#include "simulation/random.hpp"
#include "simulation/trace.hpp"

namespace pgcurfew::simulation {

/// Deliberate holes in the model's guard, to prove that the checkers detect them.
struct GuardHoles {
  bool backend_start = false;
  bool anchors = false;
  bool not_before = false;
  bool not_after = false;
  bool edges = false;
  bool lock_wait = false;
  bool xmin = false;
  bool in_recovery = false;
  bool telling = false;  ///< not in the guard: output waits until its reader reads
};

/// The result of a guarded statement.
struct GuardVerdict {
  ReplyKind kind = ReplyKind::kGone;
  bool acted = false;  ///< the guard held: a signal was sent, or would have been in a dry run
  ServerTime clock{};
};

/// A model of one PostgreSQL server: its clock, its backends, and the effects of signals on them.
/// *Source*: the manual, and the tests against real servers in tests/integration.
class Server {
 public:
  Server(int number, Agenda& agenda, Trace& trace, std::uint64_t& serials)
      : number_(number), agenda_(agenda), trace_(trace), serials_(serials) {}

  // the clock
  [[nodiscard]] ServerTime shown_now() const;
  [[nodiscard]] Duration steady_now() const;
  [[nodiscard]] Stamp stamp();
  void step_clock(Duration by);
  /// When the clock was last set, by any amount.
  [[nodiscard]] Duration last_step() const { return last_step_; }
  [[nodiscard]] bool was_set_back() const;
  /// The latest time that the clock showed when it was set: up to it, the clock may have shown the same time
  /// twice.
  [[nodiscard]] ServerTime highest_at_step() const { return highest_at_step_; }
  /// The sum of the clock's steps forward since `steady` that a client cannot detect, because it first read
  /// the clock at `known_since`, because several fell between the same two looks, or because they are too
  /// small to be distinguished from drift.
  [[nodiscard]] Duration unknowable_steps_since(Duration steady, Duration known_since, Duration smallest,
                                                const std::deque<Duration>& looked) const;

  // backends
  [[nodiscard]] std::int32_t unused_pid(Random& random) const;
  Backend& start_backend(Backend backend, std::optional<std::int32_t> wanted_pid, Random& random);
  void end_backend(std::int32_t pid, std::string_view why);
  Backend* find(std::int32_t pid);
  /// The backend of that birth, if it still exists.
  Backend* find(std::int32_t pid, std::uint64_t birth);
  [[nodiscard]] const std::map<std::int32_t, Backend>& backends() const { return backends_; }
  std::map<std::int32_t, Backend>& backends() { return backends_; }

  // actions of a session, which set the timestamps that PostgreSQL sets
  void begin_statement(Backend& backend, const std::string& query);
  void execute_message(Backend& backend, const std::string& query);
  void commit_within(Backend& backend);
  void wait(Backend& backend, std::optional<std::string> type, std::optional<std::string> event);
  void end_statement(Backend& backend);
  void fail_statement(Backend& backend);
  void untrack(Backend& backend);

  // locks and transactions
  /// Requests a lock within a statement. Returns false if it has to wait; on_granted is called when it has
  /// the lock.
  bool lock(Backend& backend, int object, LockMode mode);
  /// Releases its locks, outside of any statement.
  void unlock(Backend& backend);
  /// PREPARE TRANSACTION at the end of its block: its locks remain when it continues.
  void prepare(Backend& backend, const std::string& gid);
  void finish_prepared(const std::string& gid);
  [[nodiscard]] const Locks& locks() const { return locks_; }
  /// The number of transaction IDs that the server has assigned.
  [[nodiscard]] std::int64_t transactions() const { return 1000 + steady_now() / kTransaction; }
  [[nodiscard]] std::optional<std::int64_t> xmin_age(const Backend& backend) const;

  // signals
  void cancel(Backend& backend);
  void terminate(Backend& backend);
  void thaw();

  /// A backend's row is about to be read: a session that changes it constantly changes it before that.
  void reveal(Backend& backend);
  /// The guarded statement, evaluated atomically for `asker`: the race between check and kill() that a real
  /// server has is not modelled.
  GuardVerdict run_guard(const Guard& guard, Action action, std::int32_t asker, bool may_signal);

  void restart();

  GuardHoles holes;
  std::int64_t drift_ppm = 0;
  Duration offset{};
  Stamp postmaster_start;
  bool in_recovery = false;
  bool catalog_is_locked = false;
  bool is_starting = false;                  ///< 57P03
  bool is_exhausted = false;                 ///< 53300
  bool shows_waitstart = true;               ///< PostgreSQL 14 and later
  int connection_slots = 0;                  ///< 0: not known
  std::uint64_t generation = 0;              ///< counts restarts
  std::map<std::int32_t, Arrival> arrivals;  ///< by pid
  /// Called when a cancel has ended a statement, so that the client continues.
  std::function<void(Backend&)> on_cancelled;
  std::function<void(const Backend&)> on_ended;
  /// Called when a session has got the lock that it waited for.
  std::function<void(Backend&)> on_granted;

  /// What a server's clock shows when its world begins, apart from its offset: the end of 2025.
  static constexpr ServerTime kEpoch{std::chrono::hours(24 * 365 * 26)};
  /// The time from one transaction ID to the next.
  static constexpr Duration kTransaction = std::chrono::milliseconds(1);

  [[nodiscard]] int number() const { return number_; }

 private:
  [[nodiscard]] bool is_taken(std::int32_t pid) const;
  [[nodiscard]] bool still_holds(const Guard& guard, const Backend& backend) const;
  [[nodiscard]] bool surroundings_hold(const Guard& guard, const Backend& backend) const;
  void touch(Backend& backend) { backend.facts_changed = agenda_.now(); }
  void take_snapshot(Backend& backend, const std::string& query);
  void pass_on(const std::vector<std::int32_t>& granted);
  void refresh_waits();
  void take_cancel(std::int32_t pid, std::uint64_t birth, std::uint64_t query);

  int number_;
  Agenda& agenda_;
  Trace& trace_;
  std::uint64_t& serials_;
  Duration stepped_{};
  Duration last_step_ = Duration::min();
  ServerTime highest_at_step_ = ServerTime::min();
  struct Step {
    Duration at;
    Duration steady;
    Duration by;
  };
  std::vector<Step> steps_;
  Locks locks_;
  std::map<std::int32_t, Backend> backends_;
};

}  // namespace pgcurfew::simulation
