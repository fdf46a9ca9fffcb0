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
/// Since the gate closed, until the step is due.
std::optional<Duration> time_to(const Drain& drain, StepKind kind);
}  // namespace oracle

/// What was counted of drains, for the summary.
struct DrainTally {
  std::uint64_t closings = 0;
  std::uint64_t openings = 0;
  std::uint64_t foreign = 0;  ///< gates that somebody else had turned
  std::uint64_t signals = 0;
  std::uint64_t emptied = 0;  ///< databases that were seen empty behind a gate
};

/// The laws of drains, checked in the world. Each breach throws a Violation that names the checker.
class DrainChecks {
 public:
  explicit DrainChecks(Site& site) : site_(site) {}

  void on_started(int instance);
  void on_policy(int instance, std::shared_ptr<const Policy> policy);
  void on_connected(int instance) { has_read_.erase(instance); }
  void on_gates_read(int instance);
  void on_order(int instance, const Order& order, const std::shared_ptr<const LookCopy>& look);
  void on_turn_asked(int instance, const GateOrder& order);
  void on_turned(int instance, std::size_t node, const GateOrder& order, const GateReply& reply);
  void on_effect(std::size_t node, const Order& order, const Backend& backend);

  /// Whether the event is about drains; then it is checked here.
  [[nodiscard]] bool takes(const Event& event) const;
  void on_told(int instance, const Event& event);

  /// A limit is what people want it to be, or it is written down what they want.
  void check_written_down(std::size_t node) const;

  /// To be called now and then while the world is whole.
  void expect_order();

  /// What an instance's own journal has written down of a database, or "". Set by the world, as what follows.
  std::function<std::string(int, const std::string&)> journal_of;
  /// What all journals have written down, of a database.
  std::function<std::vector<std::string>(const std::string&)> journals;

  [[nodiscard]] const DrainTally& tally() const { return tally_; }

 private:
  struct Issued {
    int instance = 0;
    std::optional<Duration> gates_read;  ///< when the instance had read the gates last
    Order order;
    Drain plan;
    std::shared_ptr<const Policy> policy;
    std::shared_ptr<const LookCopy> look;
    Duration at{};
  };

  void check_beginning(int instance, const Event& event);
  void check_pace(const Order& order);
  void check_gate(const Issued& issued, std::size_t node, const Backend& backend) const;
  [[nodiscard]] bool is_journaled_for(const std::string& database, const std::string& drain) const;
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
  /// By node, drain and database: when its gate first closed since it was last opened, true time.
  std::map<std::tuple<std::size_t, std::string, std::string>, Duration> closed_at_;
  std::map<std::string, Issued> issued_;
  std::map<SessionKey, std::deque<Duration>> tries_;  ///< when a session was last ordered to be ended
  DrainTally tally_;
};

}  // namespace pgcurfew::simulation
