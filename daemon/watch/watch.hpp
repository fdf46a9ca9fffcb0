#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "drains/drain.hpp"
#include "drains/gate.hpp"
#include "engine/blockers.hpp"
#include "engine/decide.hpp"
#include "engine/docket.hpp"
#include "engine/ledger.hpp"
#include "engine/look_plan.hpp"
#include "engine/order.hpp"
#include "engine/server_clock.hpp"
#include "engine/session.hpp"
#include "events/event.hpp"
#include "policy/policy.hpp"
#include "watch/holds.hpp"
#include "watch/outage.hpp"
#include "watch/prepared.hpp"
#include "watch/server_facts.hpp"
#include "watch/spared_blockers.hpp"

namespace pgcurfew {

/// What happens to a watch.
namespace happening {
struct Tick {};  ///< the time that wake_at() asked for, or any other
struct Connected {
  ServerFacts facts;
};
/// The connection could not be made, or is gone; nothing that was in flight will be answered.
struct ConnectionLost {
  Error error;
};
struct LookTaken {
  Look look;
};
struct LookFailed {
  Error error;
};
/// The names of databases and roles could not be read anew; those of before are used.
struct NamesFailed {
  Error error;
};
/// Again and again the server did not tell who waits for whose lock: looks come without waits, and no rule
/// that asks for them acts.
struct WaitsFailed {
  Error error;
};
struct Pulsed {
  ServerTime server_time{};
};
struct PulseFailed {
  Error error;
};
struct Replied {
  std::string decision;
  Reply reply;
};
struct GatesRead {
  Gates gates;
};
struct GatesFailed {
  Error error;
};
struct GateTurned {
  GateReply reply;
};
struct PolicyReplaced {
  std::shared_ptr<const Policy> policy;
};
/// Somebody wants these databases back now; all that bear a mark of pgcurfew if none is named.
struct ReopenAsked {
  std::vector<std::string> databases;
};
struct StopAsked {
  std::string why = "pgcurfew was told to stop";  ///< as the end of a drain tells it
};
/// The watch ends here and now: no reply is waited for, and no gate opened that is closed still.
struct GivenUp {};
}  // namespace happening

using Happening =
    std::variant<happening::Tick, happening::Connected, happening::ConnectionLost, happening::LookTaken,
                 happening::LookFailed, happening::NamesFailed, happening::WaitsFailed, happening::Pulsed,
                 happening::PulseFailed, happening::Replied, happening::GatesRead, happening::GatesFailed,
                 happening::GateTurned, happening::PolicyReplaced, happening::ReopenAsked,
                 happening::StopAsked, happening::GivenUp>;

/// What a watch wants done, in this order.
namespace command {
struct Connect {};
struct Disconnect {};
struct TakeLook {
  std::uint64_t number = 0;
  QueryTexts texts = QueryTexts::kNone;
  bool with_waits = false;  ///< who waits for whose lock
};
/// A question small enough to be asked just before something falls due: only for the server's time.
struct TakePulse {};
/// Each order is a statement and a transaction of its own; all leave at once.
struct Send {
  std::vector<Order> orders;
};
/// Which gates are closed, by whom, and what may be done about it.
struct ReadGates {
  bool with_logins = false;  ///< also who logs in; costs the lock manager a moment
};
/// Closes or opens one gate, in a transaction of its own. Where the mark goes to the journal, it is there
/// before the gate closes, and leaves it after the gate is open.
struct TurnGate {
  GateOrder order;
};
struct Tell {
  Event event;
};
}  // namespace command

using Command = std::variant<command::Connect, command::Disconnect, command::TakeLook, command::TakePulse,
                             command::Send, command::ReadGates, command::TurnGate, command::Tell>;

/// For the status line.
struct WatchStatus {
  bool is_up = false;
  std::size_t client_backends = 0;
  std::optional<MonotonicTime> next_due;
  std::uint64_t signals_sent = 0;
  std::string drains;  ///< what is being drained, or empty
  std::vector<Holds::Standing> holds;
};

/// Watches one server: owns when to connect, to look, to signal, how long to wait for a reply and what to
/// make of a lost one. Does no I/O and reads no clock.
///
/// The caller carries out the commands in their order, reports what happens, and calls again at wake_at().
/// Replies may come in any order; those of an earlier connection must not be reported after Disconnect.
class Watch {
 public:
  struct Options {
    std::string server;           ///< its name, for the reports
    std::string decision_prefix;  ///< makes decision ids differ between runs
    std::uint32_t seed = 1;       ///< of the jitter
    std::string instance =
        "pgcurfew";  ///< as the marks at gates name us: letters, digits, `_`, `-`, `.`, `:`
  };

  Watch(std::shared_ptr<const Policy> policy, Options options);

  /// `wall`: this machine's clock at `now`, for what is told.
  std::vector<Command> on(Happening what, MonotonicTime now, WallTime wall);

  /// When to call again at the latest, with Tick.
  [[nodiscard]] std::optional<MonotonicTime> wake_at() const { return wake_at_; }

  /// After StopAsked: whether nothing is in flight any more, and no gate is left to be opened that can be.
  [[nodiscard]] bool is_stopped() const {
    if (holds_.has(Hold::kGivenUp)) return true;
    const bool is_given_back = holds_.has(Hold::kDown) ? !drains_.has_gate_to_open() : drains_.is_idle();
    return holds_.has(Hold::kStopping) && in_flight_.empty() && is_given_back;
  }

  /// Whether a gate is closed, or may be, that a drain under way has to open at its end.
  [[nodiscard]] bool has_gate_to_open() const { return drains_.has_gate_to_open(); }

  [[nodiscard]] WatchStatus status() const;
  [[nodiscard]] const Ledger& ledger() const { return ledger_; }
  /// Whether a drain is under way.
  [[nodiscard]] bool is_draining() const { return !drains_.is_idle(); }
  /// Of the drains that are under way, and the last of each that has ended.
  [[nodiscard]] std::vector<DrainProgress> drains() const { return drains_.progress(); }
  [[nodiscard]] std::optional<Reopened> reopened() const { return drains_.reopened(); }

  /// For how long a reply is waited for before the connection is given up.
  static constexpr Duration kReplyDeadline = std::chrono::seconds(5);
  /// The server's clock is asked at least so often: shows a dead server, and a clock that runs away while
  /// nothing is due for long.
  static constexpr Duration kLongestSilence = std::chrono::seconds(30);
  static constexpr Duration kConnectDeadline = std::chrono::seconds(10);
  static constexpr Duration kLongestBackOff = std::chrono::seconds(30);

 private:
  enum class Link { kDown, kConnecting, kUp };
  struct Moment {
    MonotonicTime now{};
    WallTime wall{};
  };
  struct InFlight {
    Order order;
    MonotonicTime sent;
  };

  void handle(const happening::Tick& what, MonotonicTime now);
  void handle(const happening::Connected& what, MonotonicTime now);
  void handle(const happening::ConnectionLost& what, MonotonicTime now);
  void handle(happening::LookTaken& what, MonotonicTime now);
  void handle(const happening::LookFailed& what, MonotonicTime now);
  void handle(const happening::NamesFailed& what, MonotonicTime now);
  void handle(const happening::WaitsFailed& what, MonotonicTime now);
  void handle(const happening::Pulsed& what, MonotonicTime now);
  void handle(const happening::PulseFailed& what, MonotonicTime now);
  void handle(const happening::Replied& what, MonotonicTime now);
  void handle(const happening::GatesRead& what, MonotonicTime now);
  void handle(const happening::GatesFailed& what, MonotonicTime now);
  void handle(const happening::GateTurned& what, MonotonicTime now);
  void handle(const happening::PolicyReplaced& what, MonotonicTime now);
  void handle(const happening::ReopenAsked& what, MonotonicTime now);
  void handle(const happening::StopAsked& what, MonotonicTime now);
  void handle(const happening::GivenUp& what, MonotonicTime now);

  void advance(MonotonicTime now, bool may_decide);
  void go_down(const Error& error, MonotonicTime now);
  void settle_as_unknown(std::string_view why, MonotonicTime now);
  void check_deadlines(MonotonicTime now);
  void look_if_due(MonotonicTime now);
  void pulse_if_due(MonotonicTime now);
  void give_orders(MonotonicTime now);
  void schedule_look_after_orders(MonotonicTime now);
  void schedule_next_look(MonotonicTime now);
  void observe_clock(MonotonicTime sent, MonotonicTime now, ServerTime server_time, bool is_look);
  void forget_server();
  void note_holds();
  void note_breakers();
  void set_hold(Hold hold, bool stands, std::string text = {}, bool is_told = true);
  void note_waits();
  void note_hidden();
  [[nodiscard]] bool is_watching() const;
  [[nodiscard]] std::optional<MonotonicTime> connect_at() const;
  std::vector<GateOrder> advance_drains(MonotonicTime now);
  void turn_gates(std::vector<GateOrder> turns, MonotonicTime now);
  void reckon_drains_wake_at(MonotonicTime now);
  [[nodiscard]] Now now_at(MonotonicTime now) const;
  [[nodiscard]] std::string drains_text() const;
  [[nodiscard]] std::optional<MonotonicTime> pulse_at() const;
  [[nodiscard]] std::optional<MonotonicTime> earliest_deadline() const;
  void reckon_wake_at(MonotonicTime now);

  void tell(Event event);
  void tell(std::vector<Event> events);

  std::shared_ptr<const Policy> policy_;
  LookPlan look_plan_;  ///< of this policy
  Options options_;
  std::minstd_rand random_;
  Ledger ledger_;
  ServerClockEstimate clock_;
  WaitMemory wait_memory_;
  PreparedTransactions prepared_;
  SparedBlockers spared_blockers_;

  DrainDesk drains_;

  Link link_ = Link::kDown;
  Holds holds_;
  std::optional<ServerFacts> facts_;
  MonotonicTime retry_at_{};  ///< while down
  MonotonicTime connecting_since_{};
  MonotonicTime connected_at_{};
  int failures_ = 0;  ///< connections in a row that brought no look
  Outage outage_;     ///< of the connection
  Outage blindness_;  ///< of looks

  std::shared_ptr<const Look> look_;  ///< of this connection and this policy
  Docket docket_;
  std::optional<MonotonicTime> look_sent_;
  bool look_is_outdated_ = false;  ///< the look on its way was asked for by another policy
  std::optional<MonotonicTime> pulse_sent_;
  MonotonicTime pulse_not_before_{};  ///< after one that failed
  MonotonicTime last_look_{};
  MonotonicTime next_look_{};
  Duration verify_interval_{};  ///< grows while a signal awaits its effect
  int failed_looks_ = 0;
  std::optional<MonotonicTime> names_failed_at_;
  std::optional<MonotonicTime> gates_failed_told_;  ///< since they could be read last

  std::map<std::string, InFlight> in_flight_;
  std::optional<ServerTime> next_due_;
  std::optional<MonotonicTime> decide_at_;  ///< a wait of the engine's own
  bool must_decide_ = false;
  std::uint64_t signals_sent_ = 0;
  std::optional<SessionKey> elder_;  ///< that was told of
  bool is_stopping_ = false;
  bool is_given_up_ = false;

  std::optional<MonotonicTime> wake_at_;
  std::vector<Command> commands_;
  Moment moment_;  ///< at which what is told now happens
  std::uint64_t told_ = 0;
};

}  // namespace pgcurfew
