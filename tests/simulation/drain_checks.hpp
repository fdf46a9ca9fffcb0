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

/// What a drain says, worked out anew and with nothing of the engine.
namespace oracle {
/// Whether it empties a database of the model.
bool takes_in(const Drain& drain, const std::string& database);
/// The window that is open at a moment, the first if there are two; nothing if none is. Knows `at`, and
/// schedules by minutes alone.
std::optional<Interval> window(const Drain& drain, ServerTime time);
/// Whether it may never signal the session, and why.
std::string_view spared(const Policy& policy, const Drain& drain, const Backend& backend);
/// Whether the drain lets it be, whatever else holds.
bool excepted(const Drain& drain, const Backend& backend);
/// Whether it turns any gate.
bool has_gate(const Drain& drain);
/// Since the gate closed, until the step is due.
std::optional<Duration> time_to(const Drain& drain, StepKind kind);
/// As a violation names it.
std::string name_of(const Backend& backend);
}  // namespace oracle

/// What was counted of drains, for the summary.
struct DrainTally {
  std::uint64_t closings = 0;
  std::uint64_t openings = 0;
  std::uint64_t foreign = 0;  ///< gates that somebody else had turned
  std::uint64_t signals = 0;
  std::uint64_t emptied = 0;          ///< databases that were seen empty behind a gate
  std::uint64_t pgbouncers = 0;       ///< of the closings, those at PgBouncer
  std::uint64_t overridden = 0;       ///< gates that people opened under a drain
  std::uint64_t lost = 0;             ///< gates that PgBouncer's restart opened under a drain
  std::uint64_t reopened = 0;         ///< gates that `reopen` gave back
  std::uint64_t disk_complaints = 0;  ///< what was told of a journal
};

/// The laws of drains, checked in the world. Each breach throws a Violation that names the checker.
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
  /// An instance has dealt with what happened, and written down what it had to.
  void on_settled() const;
  void on_pgbouncer_seen(int instance, const std::string& database, Duration at);

  /// A DBA opens a gate at PgBouncer, or runs `reopen`. `is_visible`: the instance that holds it will see
  /// that it was opened, and not by a restart.
  void on_opened_by_hand(const std::string& database, bool is_visible);
  void on_reopening(int instance) { reopeners_.insert(instance); }
  void on_reopened(const Reopened& reopened);
  void on_pgbouncer_disturbed() { opened_by_hand_.clear(); }

  /// Whether the event is about drains; then it is checked here.
  [[nodiscard]] bool takes(const Event& event) const;
  void on_told(int instance, const Event& event);

  /// A limit is what people want it to be, or it is written down what they want; a gate of PgBouncer's that
  /// is closed is written down.
  void check_written_down(std::size_t node) const;

  /// To be called now and then while the world is whole.
  void expect_order();

  /// What an instance's own journal has written down of a database, or "". Set by the world, as what follows.
  std::function<std::string(int, const std::string&, GateKind)> journal_of;
  /// What all journals have written down, of a database.
  std::function<std::vector<std::string>(const std::string&, GateKind)> journals;

  [[nodiscard]] const DrainTally& tally() const { return tally_; }

 private:
  struct Issued {
    int instance = 0;
    std::optional<Duration> gates_read;  ///< when the instance had read the gates last
    /// When what it had read of PgBouncer's gates was so, by database.
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
  /// A drain's gate of a database.
  [[nodiscard]] const Database& gate_of(const Drain& drain, std::size_t node, const std::string& name) const;
  /// Whether an instance knew of what was done to a gate at a moment when it gave an order.
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
  /// Instances that know the gates of the server that they are connected to: when they read them last, true
  /// time.
  std::map<int, Duration> has_read_;
  /// The limit that people want, as an instance has read it last, by instance and database.
  std::map<std::pair<int, std::string>, int> known_limits_;
  /// Runs of drains, by instance and drain: when each has lasted as long as it may, true time.
  std::map<std::pair<int, std::string>, Duration> runs_;
  /// When a look last showed no session that has to be ended, by instance and drain, by the server's clock.
  std::map<std::pair<int, std::string>, ServerTime> emptied_;
  /// When what an instance was told last of PgBouncer's gates was so, by instance and database; and what of
  /// this it had heard when it read the gates.
  std::map<std::pair<int, std::string>, Duration> pgbouncer_seen_;
  std::map<int, std::map<std::string, Duration>> pgbouncer_known_;
  struct ByHand {
    std::string database;
    std::string drain;  ///< whose gate that was
    Duration at{};
  };
  std::vector<ByHand> opened_by_hand_;           ///< gates of drains under way that will have to yield
  Duration opened_by_people_ = Duration::min();  ///< when people last opened any gate, true time
  std::set<int> reopeners_;                      ///< instances that run `reopen`
  bool may_hold_ = false;                        ///< there was a drain whose gates stay closed
  /// By node, drain and database: when its gate first closed since it was last opened, true time.
  std::map<std::tuple<std::size_t, std::string, std::string>, Duration> closed_at_;
  std::map<std::string, Issued> issued_;
  std::map<SessionKey, std::deque<Duration>> tries_;  ///< when a session was last ordered to be ended
  DrainTally tally_;
};

}  // namespace pgcurfew::simulation
