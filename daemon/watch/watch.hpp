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
#include "watch/outbox.hpp"
#include "watch/picture.hpp"
#include "watch/prepared.hpp"
#include "watch/server_facts.hpp"
#include "watch/spared_blockers.hpp"

namespace pgcurfew {

/// The inputs of a watch.
namespace happening {
struct Tick {};  ///< the time that wake_at() asked for, or any other
struct Connected {
  ServerFacts facts;
};
/// The connection could not be made, or was lost; requests in flight will not be answered.
struct ConnectionLost {
  Error error;
};
struct LookTaken {
  Look look;
};
struct LookFailed {
  Error error;
};
/// The names of databases and roles could not be read again; the previous ones are used.
struct NamesFailed {
  Error error;
};
/// Lock waits could not be read several times in a row: looks come without them, and blocker rules are
/// suspended.
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
/// The server's own log may lack a line.
struct ServerLogFailed {
  Error error;
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
/// A user asked to reopen these databases now; if none is named, all with a mark of pgcurfew.
struct ReopenAsked {
  std::vector<std::string> databases;
};
/// The first `number` events are in the record, as firmly as the policy requires.
struct Appended {
  std::uint64_t number = 0;
};
/// Events cannot be appended to the record, until AppendsAgain.
struct AppendFailed {
  Error error;
};
struct AppendsAgain {};
struct StopAsked {
  std::string why = "pgcurfew was told to stop";  ///< as shown at the end of a drain
};
/// The watch ends at once: it waits for no reply, and opens no gate that is still closed.
struct GivenUp {};
}  // namespace happening

using Happening =
    std::variant<happening::Tick, happening::Connected, happening::ConnectionLost, happening::LookTaken,
                 happening::LookFailed, happening::NamesFailed, happening::WaitsFailed, happening::Pulsed,
                 happening::PulseFailed, happening::Replied, happening::ServerLogFailed, happening::GatesRead,
                 happening::GatesFailed, happening::GateTurned, happening::PolicyReplaced,
                 happening::ReopenAsked, happening::Appended, happening::AppendFailed,
                 happening::AppendsAgain, happening::StopAsked, happening::GivenUp>;

/// The outputs of a watch, to be carried out in their order.
namespace command {
struct Connect {};
struct Disconnect {};
struct TakeLook {
  std::uint64_t number = 0;
  QueryTexts texts = QueryTexts::kNone;
  bool with_waits = false;  ///< also reads lock waits
};
/// Reads only the server's time: cheap enough to be sent just before something falls due.
struct TakePulse {};
/// Each order is a separate statement and transaction; all are sent together.
struct Send {
  std::vector<Order> orders;
};
/// Writes a line to the server's own log; an empty one only tries whether that is possible.
struct TellServerLog {
  std::string line = {};
};
/// Reads which gates are closed, their marks, and whether they can be turned.
struct ReadGates {
  bool with_logins = false;  ///< also sessions that are logging in; blocks the lock manager for a moment
};
/// Closes or opens one gate, in a separate transaction. A mark that goes to the journal is written before the
/// gate closes, and removed after the gate is open.
struct TurnGate {
  GateOrder order;
};
/// Appends an event to the record, and logs it. Appended and AppendFailed report what became of it.
struct Append {
  Event event;
  std::uint64_t number = 0;  ///< from 1
};
}  // namespace command

using Command =
    std::variant<command::Connect, command::Disconnect, command::TakeLook, command::TakePulse, command::Send,
                 command::TellServerLog, command::ReadGates, command::TurnGate, command::Append>;

/// For the status line.
struct WatchStatus {
  bool is_up = false;
  std::size_t client_backends = 0;
  std::optional<MonotonicTime> next_due;
  std::uint64_t signals_sent = 0;
  std::uint64_t signals_late = 0;  ///< of these, sent before their intent was in the record
  std::string drains;              ///< the drains under way, or empty
  std::vector<Holds::Standing> holds;
};

/// Watches one server: decides when to connect, to look and to signal, how long to wait for a reply, and how
/// to treat one that was lost. Does no I/O and reads no clock.
///
/// The caller carries out the commands in their order, reports what happens, and calls again at wake_at().
/// Replies may come in any order; those of an earlier connection must not be reported after Disconnect.
class Watch {
 public:
  struct Options {
    std::string server;           ///< its name, for events
    std::string decision_prefix;  ///< makes decision ids differ between runs
    std::uint32_t seed = 1;       ///< of the jitter
    std::string instance =
        "pgcurfew";  ///< our name in the marks at gates: letters, digits, `_`, `-`, `.`, `:`
  };

  Watch(std::shared_ptr<const Policy> policy, Options options);

  /// `wall`: this machine's clock at `now`, for events.
  std::vector<Command> on(Happening what, MonotonicTime now, WallTime wall);

  /// When to call again at the latest, with Tick.
  [[nodiscard]] std::optional<MonotonicTime> wake_at() const { return wake_at_; }

  /// After StopAsked: whether nothing is in flight any more, and every gate that can be opened is open.
  [[nodiscard]] bool is_stopped() const {
    if (holds_.has(Hold::kGivenUp)) return true;
    const bool is_given_back = holds_.has(Hold::kDown) ? !drains_.has_gate_to_open() : drains_.is_idle();
    return holds_.has(Hold::kStopping) && in_flight_.empty() && is_given_back;
  }

  /// Whether a drain under way has to open a gate at its end, because the gate is or may be closed.
  [[nodiscard]] bool has_gate_to_open() const { return drains_.has_gate_to_open(); }

  [[nodiscard]] WatchStatus status() const;
  /// Everything that is shown of this server. O(sessions), and copies the texts of at most
  /// ServerPicture::kMostClaims of them.
  [[nodiscard]] ServerPicture picture(MonotonicTime now) const;
  [[nodiscard]] const Ledger& ledger() const { return ledger_; }
  /// Whether a drain is under way.
  [[nodiscard]] bool is_draining() const { return !drains_.is_idle(); }
  /// The progress of drains under way, and of the last run of each drain that has ended.
  [[nodiscard]] std::vector<DrainProgress> drains() const { return drains_.progress(); }
  [[nodiscard]] std::optional<Reopened> reopened() const { return drains_.reopened(); }

  /// The maximum time without a reply before the connection is closed.
  static constexpr Duration kReplyDeadline = std::chrono::seconds(5);
  /// The maximum time between two readings of the server's clock, to detect a dead server and a clock that
  /// drifts while nothing falls due for long.
  static constexpr Duration kLongestSilence = std::chrono::seconds(30);
  static constexpr Duration kConnectDeadline = std::chrono::seconds(10);
  static constexpr Duration kLongestBackOff = std::chrono::seconds(30);
  /// The maximum time that an order waits for its intent to be in the record; after one that waited in vain,
  /// the next ones do not wait until something is appended. If the record is required, an order waits for
  /// kRequiredPatience, and then is not sent.
  static constexpr Duration kPatience = std::chrono::milliseconds(10);
  static constexpr Duration kRequiredPatience = std::chrono::seconds(2);
  /// After a failure, how long the server's own log is not tried again.
  static constexpr Duration kServerLogPause = std::chrono::minutes(1);

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
  void handle(const happening::ServerLogFailed& what, MonotonicTime now);
  void handle(const happening::GatesRead& what, MonotonicTime now);
  void handle(const happening::GatesFailed& what, MonotonicTime now);
  void handle(const happening::GateTurned& what, MonotonicTime now);
  void handle(const happening::PolicyReplaced& what, MonotonicTime now);
  void handle(const happening::ReopenAsked& what, MonotonicTime now);
  void handle(const happening::Appended& what, MonotonicTime now);
  void handle(const happening::AppendFailed& what, MonotonicTime now);
  void handle(const happening::AppendsAgain& what, MonotonicTime now);
  void handle(const happening::StopAsked& what, MonotonicTime now);
  void handle(const happening::GivenUp& what, MonotonicTime now);

  void advance(MonotonicTime now, bool may_decide);
  void go_down(const Error& error, MonotonicTime now);
  void settle_as_unknown(std::string_view why, MonotonicTime now);
  void check_deadlines(MonotonicTime now);
  void look_if_due(MonotonicTime now);
  void pulse_if_due(MonotonicTime now);
  void give_orders(MonotonicTime now);
  void settle_order(const Order& order, Reply reply, MonotonicTime now);
  void try_server_log();
  void tell_server_log(const Order& order, MonotonicTime now);
  void send_recorded(MonotonicTime now);
  void send_late(MonotonicTime now);
  void note_intent(const Event& event);
  std::uint64_t take_intent(const std::string& decision);
  void take_back_overdue(MonotonicTime now);
  void take_back_unwanted(MonotonicTime now);
  void take_back(const std::vector<Outbox::Waiting>& orders, std::string_view why, MonotonicTime now);
  void dispatch(std::vector<Outbox::Waiting> orders, MonotonicTime now);
  void note_unrecorded(std::string trouble);
  [[nodiscard]] bool is_record_behind() const { return record_fails_ || recorded_ < behind_until_; }
  [[nodiscard]] Duration patience() const;
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
  void draw_rules(MonotonicTime now, ServerPicture& picture) const;
  void draw_claims(MonotonicTime now, ServerPicture& picture) const;
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
  int failures_ = 0;  ///< consecutive connections without a look
  Outage outage_;     ///< of the connection
  Outage blindness_;  ///< of looks

  std::shared_ptr<const Look> look_;  ///< over this connection and by this policy
  Docket docket_;
  Standings standings_;  ///< of the last decision on this docket; empty: there was none
  std::optional<MonotonicTime> look_sent_;
  bool look_is_outdated_ = false;  ///< the look in flight was requested by another policy
  std::optional<MonotonicTime> pulse_sent_;
  MonotonicTime pulse_not_before_{};  ///< after a failed one
  MonotonicTime last_look_{};
  std::optional<WallTime> last_look_wall_;
  MonotonicTime next_look_{};
  Duration verify_interval_{};  ///< grows while a signal awaits its effect
  int failed_looks_ = 0;
  std::optional<MonotonicTime> names_failed_at_;
  MonotonicTime server_log_not_before_{};           ///< after a failure
  std::optional<MonotonicTime> gates_failed_told_;  ///< since gates could last be read

  Outbox outbox_;
  std::map<std::string, std::uint64_t> intents_;  ///< numbers of events, until their orders are put there
  std::uint64_t recorded_ = 0;                    ///< the number of events that are in the record
  std::uint64_t behind_until_ = 0;                ///< the record is behind until it has this number
  bool record_fails_ = false;
  bool is_record_silent_ = false;              ///< an order was late, and nothing was appended since
  std::string record_trouble_;                 ///< while it is behind
  std::map<std::string, InFlight> in_flight_;  ///< those in the outbox, too
  std::optional<ServerTime> next_due_;
  std::optional<MonotonicTime> decide_at_;  ///< the end of a wait of the engine
  bool must_decide_ = false;
  std::uint64_t signals_sent_ = 0;
  std::uint64_t signals_late_ = 0;
  Histogram look_durations_;
  Histogram overshoots_;
  std::optional<SessionKey> elder_;  ///< the one last reported
  bool is_stopping_ = false;
  bool is_given_up_ = false;

  std::optional<MonotonicTime> wake_at_;
  std::vector<Command> commands_;
  Moment moment_;  ///< the time of the events being reported
  std::uint64_t told_ = 0;
};

}  // namespace pgcurfew
