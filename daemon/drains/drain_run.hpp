#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "drains/drain_progress.hpp"
#include "drains/gate.hpp"
#include "engine/claim.hpp"
#include "engine/ledger.hpp"
#include "engine/order.hpp"
#include "engine/session.hpp"
#include "events/event.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// Gates to be turned, and events. The claims contain the sessions to be ended.
struct DrainActions {
  std::vector<GateOrder> gates;
  std::vector<Event> events;
};

/// The number of looks in a row that must show no session, because one look may miss a session that was just
/// let in.
inline constexpr std::size_t kEmptyLooks = 3;

/// The maximum number of gates that are opened at a time.
inline constexpr std::ptrdiff_t kMostOpenings = 8;

/// One drain on one server from its beginning to its end. Pure: it takes what happened and returns what to
/// do.
///
/// First it closes the gates, one per database; no session is signalled before all are closed. Then its
/// ladder counts by the server's clock from the moment at which the last gate closed. The marks contain that
/// moment, so that another instance can continue where this one stopped.
class DrainRun {
 public:
  /// `by`: this instance, as its marks name it. `is_joined`: we joined after the beginning of the window.
  /// `number`: differs between any two runs.
  DrainRun(const Drain& plan, Interval window, std::string by, bool is_joined, std::uint64_t number);

  /// Continues under a changed plan; databases and gates stay as they were.
  void replace_plan(const Drain& plan);

  /// Takes the gates in the server and in the journal of gates, read after the answer to the last order to a
  /// gate.
  void take(const Gates& gates, Now now);
  /// Takes a reply; returns whether it was to an order of this drain.
  bool take(const GateReply& reply, Now now);
  /// Counts an answered signal of this drain.
  void count(const Order& order, const Reply& reply);
  /// `ledger`: for the sessions that the server does not let us signal.
  void take_look(const Policy& policy, const Look& look, const Ledger& ledger, Now now);
  void connection_lost();

  /// Ends the drain before its time, and opens its gates. `even_if_held`: even if they were to stay closed.
  void end(std::string why, bool even_if_held = false);

  /// What to do now.
  DrainActions advance(Ledger& ledger, Now now);

  /// The sessions of the last look that the drain claims. Points into this run.
  [[nodiscard]] DrainClaims claims() const;

  /// Whether it has begun to end: it closes no gate any more.
  [[nodiscard]] bool is_ending() const { return is_ending_; }

  /// When to call advance() again at the latest.
  [[nodiscard]] std::optional<ServerTime> next_due() const { return next_due_; }
  /// How often the drain needs a look; empty: it needs none.
  [[nodiscard]] std::optional<Duration> look_interval() const;
  /// Whether the gates must be read before the drain can go on.
  [[nodiscard]] bool needs_gates() const { return needs_gates_; }
  [[nodiscard]] bool is_done() const { return phase_ == DrainPhase::kDone; }
  /// Whether an order to a gate has no reply yet.
  [[nodiscard]] bool is_turning() const;
  /// Whether a gate is closed, or may be, and has to be opened at the end.
  [[nodiscard]] bool has_gate_to_open() const;
  [[nodiscard]] const DrainProgress& progress() const { return progress_; }
  [[nodiscard]] const Drain& plan() const { return plan_; }
  [[nodiscard]] const Interval& window() const { return window_; }

 private:
  enum class GateState { kOpen, kClosing, kClosed, kOpening, kYielded };
  /// One database and its gate.
  struct OurGate {
    GateState state = GateState::kOpen;
    std::uint32_t oid = 0;  ///< of the database
    GateAccess access = GateAccess::kNone;
    int limit = -1;  ///< datconnlimit as it was read
    std::optional<GateMark> mark;
    std::string mark_text;
    bool in_journal = false;
    bool is_stale = false;  ///< its mark is past its time: it is opened before it is closed again
    std::string order;      ///< in flight
    MonotonicTime sent{};
    std::optional<MonotonicTime> not_before;  ///< after a failure
    bool is_known = false;                    ///< its state was read since
    bool may_be_closed = false;               ///< the reply to a closing was lost
    bool is_gone = false;                     ///< the database was dropped
    int failures = 0;
    std::string trouble;  ///< what keeps it from closing or opening; already logged
    std::vector<std::string> prepared;
    std::vector<std::string> slots;
    /// Pids of clients that were logging in when it closed, and still are; empty: not read since.
    std::optional<std::vector<std::string>> logging_in;
    bool is_theirs = false;  ///< another client has changed its limit since it closed
  };
  // drain_databases.cpp
  void find_gates(const Gates& gates, Now now);
  void follow_databases(const Gates& gates);
  void list_databases();
  void close_anew();
  void lose_database(const std::string& name, OurGate& ours);
  [[nodiscard]] bool goes_by_names() const;
  [[nodiscard]] const Gate* find_database(const OurGate& ours, const std::string& name,
                                          const Gates& gates) const;

  // drain_gates.cpp
  void match_gate(const std::string& database, OurGate& ours, const Gates& gates, Now now);
  void match_open_gate(const std::string& database, OurGate& ours, const Gate& gate, const Gates& gates,
                       Now now);
  void match_lost_closing(OurGate& ours, const Gate& gate);
  void match_closed_gate(const std::string& database, OurGate& ours, const Gate& gate, Now now);
  void take_closing(const std::string& database, OurGate& ours, const GateReply& reply, Now now);
  void take_opening(const std::string& database, OurGate& ours, const GateReply& reply, Now now);
  void close_gates(Ledger& ledger, Now now);
  void open_gates(Ledger& ledger, Now now);
  void turn(const std::string& database, OurGate& ours, bool closes, Ledger& ledger, Now now);
  void expire_orders(Now now);
  bool may_turn(OurGate& ours, Now now);
  void fail(const std::string& database, OurGate& ours, const Error& error, bool closes, Now now);
  void yield(const std::string& database, OurGate& ours, bool is_marked);
  void lose(const std::string& database, OurGate& ours);
  void note_obstacle(const std::string& database, const Error& error);
  void note_who_logs_in(const std::string& database, OurGate& ours, const Gates& gates) const;
  [[nodiscard]] bool knows_who_logs_in() const;
  void mark_as_closed(Ledger& ledger, Now now);
  void start_looking_anew(const Ledger& ledger);
  [[nodiscard]] bool has_to_open(const OurGate& ours) const;
  [[nodiscard]] bool leaves_closed() const;
  [[nodiscard]] bool all_closed() const;
  [[nodiscard]] bool any_closed() const;
  [[nodiscard]] bool all_known() const;

  // drain_sessions.cpp
  void take_session(const Policy& policy, const Session& session, std::size_t index, const Ledger& ledger);
  void note_remaining(const Session& session, std::string reason);
  void count_empty_look(Now now);
  [[nodiscard]] bool is_in_drained_database(const Session& session) const;
  [[nodiscard]] bool is_latecomer(const Session& session) const;
  [[nodiscard]] std::string why_left_alone(const Policy& policy, const Session& session) const;

  // drain_run.cpp
  void begin(Now now);
  void give_up_if_due(Now now);
  void set_phase(Now now);
  void tell_phase();
  void finish(Now now);
  [[nodiscard]] bool rehearses() const { return plan_.mode == Mode::kDryRun; }
  [[nodiscard]] bool has_gate() const { return plan_.gate != GateKind::kNone && !rehearses(); }
  void tell(Event event);
  void due_by(ServerTime time) { next_due_ = std::min(next_due_.value_or(time), time); }
  void due_by(MonotonicTime time, Now now) { due_by(now.server + (time - now.monotonic)); }

  Drain plan_;
  Interval window_;
  std::string by_;
  /// By our clock: the drain lasts no longer than its window did when it began, even if the server's clock is
  /// set back meanwhile, or another server's is behind.
  MonotonicTime over_{};
  bool is_joined_ = false;
  std::uint64_t number_ = 0;
  bool has_begun_ = false;

  DrainPhase phase_ = DrainPhase::kGating;
  DrainPhase told_phase_ = DrainPhase::kGating;
  std::map<std::string, OurGate> our_gates_;  ///< by database
  std::set<std::string> names_;               ///< the names of its databases when they were found
  bool has_found_gates_ = false;
  std::optional<MonotonicTime> find_again_;  ///< a named database did not exist
  std::set<std::string> told_missing_;       ///< patterns without a database, already logged
  std::optional<Error> missing_;             ///< for the last of them; closing gates does not remove it
  bool needs_gates_ = true;
  std::optional<ServerTime> since_;    ///< when the last gate closed
  bool was_lost_ = false;              ///< a gate that had closed, and has not closed again
  std::uint64_t looks_before_ = 0;     ///< looks up to this one were requested before that
  int early_readings_ = 0;             ///< readings of gates since then, to see which logins go on
  std::optional<DrainClaims> claims_;  ///< of a look that was requested later
  std::vector<std::string> others_;    ///< of that look: backends in the databases that are not clients
  std::size_t empty_looks_ = 0;
  bool was_emptied_since_ = false;  ///< since `since_`
  bool is_empty_ = false;
  bool is_ending_ = false;
  bool holds_still_ = false;  ///< gave up: holds the gate and sends no signals
  bool gives_back_ = false;   ///< opens its gates, even those that were to be held
  std::string end_reason_;
  std::optional<ServerTime> next_due_;
  DrainProgress progress_;
  DrainActions actions_;
};

}  // namespace pgcurfew
