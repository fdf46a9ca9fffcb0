#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "simulation/event_field.hpp"
#include "simulation/oracle.hpp"
#include "simulation/site.hpp"
#include "watch/watch.hpp"

namespace pgcurfew::simulation {

/// Counts over one world, for the summary.
struct Tally {
  std::uint64_t turns = 0;
  std::uint64_t looks = 0;
  std::uint64_t orders = 0;
  std::uint64_t signals = 0;  ///< those that took effect
  std::uint64_t spared = 0;   ///< orders whose guard did not hold
  /// Steps that took effect, by the parts of the language that their rules use.
  std::map<std::string, std::uint64_t> parts;
  std::map<std::string, std::uint64_t> ends;  ///< of episodes, by the kind of end
};

class DrainChecks;

/// An order whose guard held: when its step fell due, and what it was.
struct FirstOrder {
  ServerTime due;
  std::string what;
  bool operator==(const FirstOrder&) const = default;
};

/// The laws, checked against the world and not against the engine's records. Each breach throws a Violation
/// that names the checker.
class Checks {
 public:
  explicit Checks(Site& site) : site_(site) {}

  /// Drains are checked there.
  void delegate(DrainChecks& drains) { drains_ = &drains; }

  // the inputs of an instance
  void on_started(int instance, std::shared_ptr<const Policy> policy);
  void on_gone(int instance);
  void on_policy(int instance, std::shared_ptr<const Policy> policy);
  void on_connected(int instance, ServerTime postmaster_start);
  void on_disconnected(int instance);
  void on_look(int instance, std::shared_ptr<const LookCopy> copy);
  void on_reply(int instance, const std::string& decision, ReplyKind kind);
  // its outputs
  void on_turn(int instance, bool is_tick);
  void on_look_asked(int instance, std::uint64_t number);
  void on_orders(int instance, const std::vector<Order>& orders);
  void on_told(int instance, const Event& event);
  void on_settled(int instance, const Watch& watch);

  // its record: what it hands over, what is on the disk, and what it knows of that
  void on_handed_over(int instance, const Event& event, std::uint64_t number);
  void on_appended(int instance, std::uint64_t number) { books_[instance].record.appended = number; }
  void on_heard(int instance, std::uint64_t number);
  void on_append_failed(int instance, bool fails);
  /// It does nothing until then, true time.
  void on_stalled(int instance, Duration until) { books_[instance].record.stalled_until = until; }
  /// It has stopped at a request.
  void on_stopped(int instance);

  /// A guarded statement at the moment of its effect. `backend`: the one with that pid, before the signal.
  void on_executed(int instance, std::size_t node, const Order& order, const GuardVerdict& verdict,
                   const Backend* backend);

  /// A gate: when the order is sent, and when it was carried out.
  void on_gates_read(int instance);
  void on_turn_asked(int instance, const GateOrder& order);
  void on_gate_turned(int instance, std::size_t node, const GateOrder& order, const GateReply& reply);
  /// PgBouncer's console has shown an instance the state of a gate at true time `at`.
  void on_pgbouncer_seen(int instance, const std::string& database, Duration at);

  /// To be called now and then while there are no faults. `ready`: since when, true time.
  void expect_order(Duration ready);

  [[nodiscard]] const Tally& tally() const { return tally_; }
  /// Orders whose guard held, up to the first signal that took effect or was denied, for the comparison of a
  /// dry run with the real one.
  [[nodiscard]] const std::vector<FirstOrder>& first_orders() const { return first_orders_; }
  /// When that was; empty if there was none.
  [[nodiscard]] std::optional<Duration> first_effect() const { return first_effect_; }

 private:
  /// A step that took effect.
  struct Effect {
    Duration steady{};
    StepKind kind = StepKind::kAlert;
    Mode mode = Mode::kDryRun;
    std::string rule;
    std::set<std::uint64_t> serials;  ///< of all timestamps of the session
    /// The number of steps done of each rule: its own rule, and others that were due for a step that is not
    /// stronger.
    std::map<std::string, std::size_t> steps_done;
    std::string decision;
    bool is_known = false;  ///< the instance has received the reply
    Duration known_at{};    ///< when
    std::uint64_t episode = 0;
    std::optional<std::string> repeat_value;  ///< the value by which the rule's `repeat` counts
    bool is_forgotten = false;                ///< its rule was not kept at a reload
    bool is_denied = false;                   ///< of a dry run, and the server would deny it
  };
  /// An order from its intent on.
  struct Basis {
    std::uint64_t number = 0;  ///< of the event
    Duration at{};
    std::shared_ptr<const LookCopy> look;
    std::shared_ptr<const Policy> policy;
    bool is_late = false;  ///< it was said that it is not in the record
  };
  struct RecordBook {
    std::uint64_t appended = 0;
    std::uint64_t heard = 0;
    Duration heard_at{};
    std::uint64_t handed_over = 0;
    std::uint64_t behind_until = 0;  ///< after a failure, the number of events that have to be in it
    bool fails = false;
    std::optional<Duration> late_at;  ///< when an order was last sent without its intent
    Duration stalled_until{};
    std::map<std::string, Basis> intents;  ///< by decision
  };
  struct Issued {
    Order order;
    Duration decided_at{};
    Duration at{};  ///< when it was sent
    std::shared_ptr<const LookCopy> look;
    std::shared_ptr<const Policy> policy;
    std::uint64_t life = 0;
    std::optional<ReplyKind> replied;
    bool is_told = false;
  };
  /// The sessions that an open breaker holds back: all, or those of one role.
  struct HeldBack {
    Mode mode = Mode::kEnforce;
    bool is_tenants = false;
    std::optional<std::string> user;  ///< empty: the role's name was unknown, so it may be any role
    auto operator<=>(const HeldBack&) const = default;
    [[nodiscard]] bool is_for(const std::optional<std::string>& other) const {
      return !is_tenants || !user || !other || user == other;
    }
  };
  /// An episode's id and the name of its rule or drain.
  using EpisodeName = std::pair<std::string, std::string>;
  static EpisodeName episode_of(const Order& order);
  static EpisodeName episode_of(const Event& event);
  /// Counts of the signals of one episode.
  struct EpisodeSignals {
    int ordered = 0;
    int signalled = 0;  ///< as reported
    int refused = 0;    ///< by its guard, or the server
    int rehearsed = 0;  ///< would have been sent
  };
  /// What the checks record about one instance in its present life. Moments are counted, not timed, because
  /// the requests of one turn have an order, too.
  struct Book {
    std::uint64_t life = 0;
    std::shared_ptr<const Policy> policy;
    std::uint64_t policy_since = 0;
    std::uint64_t connected_since = 0;  ///< 0: not connected
    std::optional<ServerTime> postmaster_start;
    /// The server's steady clock at its first reply; before that the instance could not know the clock.
    Duration clock_known_since{};
    bool knows_clock = false;
    std::deque<Duration> looked;  ///< when the looks that reached the instance were carried out, true time
    std::shared_ptr<const LookCopy> look;
    bool has_just_looked = false;  ///< a look came in this turn
    std::map<std::uint64_t, std::uint64_t> look_asked;
    std::map<std::string, Issued> issued;
    RecordBook record;
    std::set<std::string> intents;
    std::set<EpisodeName> open;            ///< episodes that were reported, with their rule or drain
    std::set<EpisodeName> ended;           ///< those whose end was reported
    std::set<EpisodeName> ended_now;       ///< of these, in this turn
    std::set<std::string> taken_back_now;  ///< episodes with an order that was in flight until this turn
    std::map<SessionKey, std::set<EpisodeName>> ordered_for;  ///< the episodes whose signals were ordered
    std::map<EpisodeName, EpisodeSignals> signals_of;
    std::map<SessionKey, std::uint64_t> last_signal;  ///< when one was ordered
    std::map<SessionKey, int> spares;  ///< consecutive, of a session that had changed since its look
    /// Signals that were sent, or may have been: decision and time of the order.
    std::deque<std::pair<std::string, Duration>> signals;
    std::map<std::uint64_t, std::vector<Effect>> effects;  ///< by birth
    /// By birth, when the last look was taken that showed the session waiting for a lock, steady.
    std::map<std::uint64_t, Duration> seen_waiting;
    /// By birth of a session and of one that waits for it, when the first look of this connection was taken
    /// that showed this wait while the former did not wait itself, steady.
    std::map<std::uint64_t, std::map<std::uint64_t, Duration>> shown_free;
    /// While there are no faults, by birth: the last change of a session that a look has shown, and when it
    /// was first shown, true times.
    std::map<std::uint64_t, std::pair<Duration, Duration>> shown;
    std::map<std::pair<std::uint64_t, std::string>, std::size_t> taken;  ///< by look and rule
    std::map<std::string, Duration> last_action;                         ///< by rule, true time
    std::map<HeldBack, Duration> held_back;  ///< until when breakers hold sessions back, true time
    std::deque<Duration> ticks;
    std::deque<Duration> reasons;  ///< to wake up: orders and messages from the wire
  };

  void check_session(const Book& book, const Issued& issued, const Backend& hit, std::size_t node) const;
  Duration unknowable_steps(const Book& book, const Server& server, Duration since) const;
  void check_age(const Book& book, const Issued& issued, const Rule& rule, const Backend& backend,
                 std::size_t node) const;
  void check_ladder(const Book& book, const Issued& issued, const Rule& rule, const Backend& backend,
                    std::size_t node) const;
  bool may_take_step(const Book& book, const Rule& rule, const Backend& backend, const oracle::Scene& scene,
                     std::size_t step, Duration steady, Duration slack) const;
  [[nodiscard]] oracle::Scene scene_of(std::size_t node) const;
  // checks_rules.cpp: what the rule requires of the server, of other sessions, and of itself
  void check_blocking(const Book& book, const Issued& issued, const Rule& rule, const Backend& backend,
                      std::size_t node) const;
  void check_unseen_wait(const Book& book, const Issued& issued, const Rule& rule, const Backend& backend,
                         std::size_t node) const;
  void check_circumstances(const Issued& issued, const Rule& rule, const Backend& backend,
                           std::size_t node) const;
  void check_keep(const Issued& issued, const Rule& rule, const Backend& backend, std::size_t node) const;
  void check_pace(Book& book, const Issued& issued, const Rule& rule, const Backend& backend);
  [[nodiscard]] std::size_t actions_like(const Book& book, const Issued& issued, const Rule& rule,
                                         bool is_first_of_episode) const;
  void check_repeat_pause(const Book& book, const Issued& issued, const Rule& rule) const;
  void count_parts(const Rule& rule, bool is_hastened);
  void note_waits(Book& book, const LookCopy& copy) const;
  static void note_free(Book& book, const LookCopy& copy);
  void forget_rules(Book& book, const Policy& after) const;
  void enter_effect(Book& book, const Issued& issued, const Backend& backend, std::size_t node);
  static std::string name_of_order(const Order& order);
  static void check_one_order(Book& book, const Order& order, const Basis& basis);
  static void check_rules_order(const Book& book, const Order& order);
  void note_end(Book& book, const Event& event);
  void check_end(const Book& book, const Event& event) const;
  enum class Others { kNone, kMayHaveSignalled, kSignalled };
  static Others others_signals(const Book& book, const Event& event);
  static const Backend* row_of(const LookCopy& look, std::int64_t pid,
                               std::optional<ServerTime> backend_start);
  static void check_open(const Book& book, const Watch& watch, bool is_look);
  void let_go(Book& book) const;
  /// Returns what the order rested on.
  Basis check_intent(Book& book, const std::string& decision, bool is_marked_late) const;
  void check_late(Book& book, const Event& event) const;
  void check_patience(const RecordBook& record, const Basis& intent) const;
  void check_bounds(Book& book, const std::vector<Order>& orders);
  std::int64_t overdue_in_look(const Book& book, const HeldBack& held) const;
  static HeldBack held_back_by(const Event& event);
  void check_breaker(Book& book, const Event& event);
  void check_error(Book& book, const Event& event);
  void check_claim(const Book& book, const Event& event) const;
  // checks_late.cpp: what must have happened while there are no faults
  void expect_rule(const Book& book, const Rule& rule, const oracle::Scene& scene, Duration ready) const;
  std::optional<Duration> overdue(const Book& book, const Rule& rule, const Backend& backend,
                                  const oracle::Scene& scene, Duration ready) const;
  /// When a look first showed the session in its present state; empty if none has.
  std::optional<Duration> shown_at(const Book& book, const Backend& backend) const;
  /// The latest time at which looks had shown all of its waiters while it did not wait itself, steady.
  static std::optional<Duration> shown_blocking_since(const Book& book, const Backend& backend);
  Duration room_for(const Book& book, const Rule& rule, const Backend& backend) const;
  /// Whether a breaker may hold the session back.
  bool is_held_back(const Book& book, const Backend& backend) const;
  bool was_cancelled(const Book& book, const Rule& rule, const Backend& backend) const;
  [[nodiscard]] const Rule& rule_of(const Issued& issued) const;

  Site& site_;
  DrainChecks* drains_ = nullptr;
  std::uint64_t moment_ = 0;
  std::map<int, Book> books_;
  Tally tally_;
  std::vector<FirstOrder> first_orders_;
  std::optional<Duration> first_effect_;
};

}  // namespace pgcurfew::simulation
