#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "drains/drain.hpp"
#include "drains/gate.hpp"
#include "engine/order.hpp"
#include "events/event.hpp"
#include "policy/policy.hpp"
#include "simulation/event_field.hpp"
#include "simulation/site.hpp"

namespace pgcurfew::simulation {

/// The meaning of a drain, computed independently of the engine.
namespace oracle {
/// Whether the drain empties a database of the model.
bool takes_in(const Drain& drain, const std::string& database);
/// The window that contains `time`, the first if there are two; empty if there is none. Supports `at`, and
/// schedules by minutes only.
std::optional<Interval> window(const Drain& drain, ServerTime time);
/// Why the drain may never signal the session; empty if it may.
std::string_view spared(const Policy& policy, const Drain& drain, const Backend& backend);
/// Whether an exception of the drain matches the session.
bool excepted(const Drain& drain, const Backend& backend);
/// Whether the drain turns gates.
bool has_gate(const Drain& drain);
/// The time from the closing of the gate until the step is due.
std::optional<Duration> time_to(const Drain& drain, StepKind kind);
/// The backend's name in a violation.
std::string name_of(const Backend& backend);
}  // namespace oracle

/// Counts of drains, for the summary.
struct DrainTally {
  std::uint64_t closings = 0;
  std::uint64_t openings = 0;
  std::uint64_t foreign = 0;  ///< gates that another client had turned
  std::uint64_t signals = 0;
  std::uint64_t emptied = 0;          ///< databases that were seen empty behind a gate
  std::uint64_t pgbouncers = 0;       ///< the part of the closings that was at PgBouncer
  std::uint64_t overridden = 0;       ///< gates opened by hand during a drain
  std::uint64_t lost = 0;             ///< gates opened by a restart of PgBouncer during a drain
  std::uint64_t reopened = 0;         ///< gates opened by `reopen`
  std::uint64_t disk_complaints = 0;  ///< reported errors of a journal
};

/// The laws of drains, checked against the world. Each breach throws a Violation that names the checker.
class DrainChecks {
 public:
  explicit DrainChecks(Site& site) : site_(site) {}

  void on_started(int instance);
  void on_gone(int instance);
  void on_policy(int instance, std::shared_ptr<const Policy> policy);
  void on_connected(int instance) { has_read_.erase(instance); }
  void on_gates_read(int instance);
  void on_look(int instance, const LookCopy& look);
  void on_order(int instance, const Order& order, const std::shared_ptr<const LookCopy>& look);
  void on_turn_asked(int instance, const GateOrder& order);
  void on_turned(int instance, std::size_t node, const GateOrder& order, const GateReply& reply);
  void on_effect(std::size_t node, const Order& order, const Backend& backend);
  /// An instance has processed an input, and written to its journal what it had to.
  void on_settled() const;
  void on_pgbouncer_seen(int instance, const std::string& database, Duration at);

  /// A DBA opens a gate at PgBouncer, or runs `reopen`. `is_visible`: the instance that has closed it will
  /// see that it was opened by hand and not by a restart.
  void on_opened_by_hand(const std::string& database, bool is_visible);
  void on_reopening(int instance) { reopeners_.insert(instance); }
  void on_reopened(const Reopened& reopened);
  void on_pgbouncer_disturbed() { opened_by_hand_.clear(); }

  /// Whether the event concerns drains and is checked here.
  [[nodiscard]] bool takes(const Event& event) const;
  void on_told(int instance, const Event& event);

  /// A database's limit is the intended one, or the intended one is recorded in a mark; closed gates of
  /// PgBouncer are recorded in a journal.
  void check_written_down(std::size_t node) const;

  /// To be called now and then while there are no faults.
  void expect_order();

  /// The entry for a database in an instance's own journal, or "". Set by the world, like the next one.
  std::function<std::string(int, const std::string&, GateKind)> journal_of;
  /// The entries for a database in all journals.
  std::function<std::vector<std::string>(const std::string&, GateKind)> journals;

  [[nodiscard]] const DrainTally& tally() const { return tally_; }

 private:
  struct Run {
    Duration began{};                        ///< when the first instance began in this window, true time
    Duration must_end_by{};                  ///< true time
    std::optional<ServerTime> window_start;  ///< empty: unknown, because the clock was set
  };
  struct Issued {
    int instance = 0;
    Run run;                             ///< as of the order; a run keeps its window if the schedule changes
    std::optional<Duration> gates_read;  ///< when the instance had last read the gates
    /// The time of the state of PgBouncer's gates that it had last read, by database.
    std::map<std::string, Duration> pgbouncer_seen;
    Order order;
    Drain plan;
    std::shared_ptr<const Policy> policy;
    std::shared_ptr<const LookCopy> look;
    Duration at{};
  };

  void check_beginning(int instance, const Event& event);
  void check_pace(const Order& order);
  void check_gate(const Issued& issued, std::size_t node, const Backend& backend) const;
  [[nodiscard]] bool is_journaled_for(const std::string& database, const Drain& drain) const;
  /// The drain's gate of a database.
  [[nodiscard]] const Database& gate_of(const Drain& drain, std::size_t node, const std::string& name) const;
  /// Whether an instance, when it gave the order, knew what happened to a gate at time `at`.
  static bool knew_of(const Issued& issued, const std::string& database, Duration at);
  void check_latecomer(const Issued& issued, ServerTime since, const std::string& who) const;
  void check_opening(int instance, const GateOrder& order);
  void check_overridden(int instance, const GateOrder& order) const;
  void check_pgbouncer_written_down() const;
  void expect_pgbouncer_given_back() const;
  void expect_yielded() const;
  [[nodiscard]] bool was_opened_by_people(ServerTime since) const;
  [[nodiscard]] bool is_running(const std::string& drain, const std::string& database) const;
  void check_ladder(const Issued& issued, std::size_t node, const Backend& backend) const;
  void forgive_what_nobody_knew(int instance, std::size_t node, const GateOrder& order,
                                const GateReply& reply);
  void check_nobody_arrives(int instance, const Event& event) const;
  [[nodiscard]] bool was_clock_set() const;
  [[nodiscard]] bool has_lasted(const Issued& issued, std::size_t node, Duration wait) const;
  void expect_given_back() const;
  [[nodiscard]] bool is_held(const std::string& database, const Drain& drain) const;
  void expect_window(const Policy& policy, const Drain& drain);
  void expect_empty(const Policy& policy, const Drain& drain, const std::string& database, ServerTime since);
  [[nodiscard]] const Drain* plan_of(int instance, const std::string& name) const;
  [[nodiscard]] Duration slack() const;

  Site& site_;
  std::map<int, std::shared_ptr<const Policy>> policies_;
  /// When instances last read the gates of the server that they are connected to, true time.
  std::map<int, Duration> has_read_;
  /// The intended limit as an instance last read it, by instance and database.
  std::map<std::pair<int, std::string>, int> known_limits_;
  /// Runs of drains, by instance and drain.
  std::map<std::pair<int, std::string>, Run> runs_;
  /// When a window was first begun by any instance, true time; by drain and the window's start.
  std::map<std::pair<std::string, ServerTime>, Duration> windows_;
  /// When a look last showed no session to end, by instance and drain, by the server's clock.
  std::map<std::pair<int, std::string>, ServerTime> emptied_;
  /// The time of the state of PgBouncer's gates that an instance last received, by instance and database; and
  /// the same as of its last reading of the gates.
  std::map<std::pair<int, std::string>, Duration> pgbouncer_seen_;
  std::map<int, std::map<std::string, Duration>> pgbouncer_known_;
  struct ByHand {
    std::string database;
    std::string drain;  ///< the drain that had closed the gate
    Duration at{};
  };
  std::vector<ByHand> opened_by_hand_;           ///< gates of drains under way that must yield
  Duration opened_by_people_ = Duration::min();  ///< when any gate was last opened by hand, true time
  std::set<int> reopeners_;                      ///< instances that run `reopen`
  bool may_hold_ = false;                        ///< there was a drain whose gates remain closed
  /// When the gate first closed since it was last opened, by node, drain and database, true time.
  std::map<std::tuple<std::size_t, std::string, std::string>, Duration> closed_at_;
  std::map<std::string, Issued> issued_;
  std::map<SessionKey, std::deque<Duration>> tries_;  ///< times of the last orders to end a session
  DrainTally tally_;
};

}  // namespace pgcurfew::simulation
