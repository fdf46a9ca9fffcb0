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

/// Gates to be turned, and events. Which sessions are to end is in the claims.
struct DrainActions {
  std::vector<GateOrder> gates;
  std::vector<Event> events;
};

/// So many looks in a row have to show nobody, for one who was just let in may not be seen yet.
inline constexpr std::size_t kEmptyLooks = 3;

/// At most so many gates are opened at a time.
inline constexpr std::ptrdiff_t kMostOpenings = 8;

/// One drain on one server from its beginning to its end. Pure: what happened comes in, what is to be done
/// goes out.
///
/// First the gates are closed, one a database, and nobody is signalled before they all are; then its ladder
/// goes on by the server's clock from the moment at which the last of them closed, which stands in the marks,
/// so that another instance goes on where this one stopped.
class DrainRun {
 public:
  /// `by`: this instance, as its marks name it. `is_joined`: we came in the middle of the window.
  /// `number`: differs between any two runs.
  DrainRun(const Drain& plan, Interval window, std::string by, bool is_joined, std::uint64_t number);

  /// Goes on under a plan that has changed; databases and gates stay as they were.
  void replace_plan(const Drain& plan);

  /// What the server and the journal hold, asked for after the answer to the last order to a gate.
  void take(const Gates& gates, Now now);
  /// Whether the reply was to an order of this drain.
  bool take(const GateReply& reply, Now now);
  /// Counts a signal of this drain that has been answered.
  void count(const Order& order, const Reply& reply);
  /// `ledger`: for the sessions that the server does not let us signal.
  void take_look(const Policy& policy, const Look& look, const Ledger& ledger, Now now);
  void connection_lost();

  /// Ends it before its time: the gates are opened. `even_if_held`: also where they were to stay closed.
  void end(std::string why, bool even_if_held = false);

  /// What to do now.
  DrainActions advance(Ledger& ledger, Now now);

  /// The sessions of the last look that it claims. Points into this run.
  [[nodiscard]] DrainClaims claims() const;

  /// When to be asked again at the latest.
  [[nodiscard]] std::optional<ServerTime> next_due() const { return next_due_; }
  /// How often it needs a look; nothing: it needs none.
  [[nodiscard]] std::optional<Duration> look_interval() const;
  /// Whether it has to know what holds at the gates before it goes on.
  [[nodiscard]] bool needs_gates() const { return needs_gates_; }
  [[nodiscard]] bool is_done() const { return phase_ == DrainPhase::kDone; }
  /// Whether anything is in flight that a reply would settle.
  [[nodiscard]] bool is_turning() const;
  /// Whether a gate is closed, or may be, and is to be opened at the end.
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
    bool is_stale = false;  ///< it bears a mark whose time is over: it is given back before it is closed
    std::string order;      ///< in flight
    MonotonicTime sent{};
    std::optional<MonotonicTime> not_before;  ///< after a failure
    bool is_known = false;                    ///< what holds there was read since
    bool may_be_closed = false;               ///< the reply to a closing was lost
    bool is_gone = false;                     ///< the database was dropped
    int failures = 0;
    std::string trouble;  ///< what keeps it from closing or opening; told
    std::vector<std::string> prepared;
    std::vector<std::string> slots;
    /// Pids of those who logged in when it had closed, and do so still; nothing: that was not read since.
    std::optional<std::vector<std::string>> logging_in;
    bool is_theirs = false;  ///< somebody else was seen to have changed its limit since it closed
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
  /// By our clock: it lasts no longer than its window did when it began, though the server's clock is set
  /// back meanwhile, or another server's is behind.
  MonotonicTime over_{};
  bool is_joined_ = false;
  std::uint64_t number_ = 0;
  bool has_begun_ = false;

  DrainPhase phase_ = DrainPhase::kGating;
  DrainPhase told_phase_ = DrainPhase::kGating;
  std::map<std::string, OurGate> our_gates_;  ///< by database
  std::set<std::string> names_;               ///< what its databases were called when they were found
  bool has_found_gates_ = false;
  std::optional<MonotonicTime> find_again_;  ///< there was no such database
  std::set<std::string> told_missing_;       ///< patterns that fit no database
  std::optional<Error> missing_;             ///< of the last of them: closed gates do not mend it
  bool needs_gates_ = true;
  std::optional<ServerTime> since_;    ///< the last gate closed
  std::uint64_t looks_before_ = 0;     ///< looks up to this one were asked for before that
  int early_readings_ = 0;             ///< of gates, since then, to see whether who logs in still does
  std::optional<DrainClaims> claims_;  ///< of a look that was asked for later
  std::vector<std::string>
      others_;  ///< of that look: who is in the databases, and no client that could be ended
  std::size_t empty_looks_ = 0;
  bool was_emptied_since_ = false;  ///< since `since_`
  bool is_empty_ = false;
  bool is_ending_ = false;
  bool holds_still_ = false;  ///< gave up: holds the gate and signals nobody
  bool gives_back_ = false;   ///< opens its gates, also those that were to be held
  std::string end_reason_;
  std::optional<ServerTime> next_due_;
  DrainProgress progress_;
  DrainActions actions_;
};

}  // namespace pgcurfew
