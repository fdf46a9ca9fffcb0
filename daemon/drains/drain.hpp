#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "drains/drain_run.hpp"
#include "drains/gate.hpp"
#include "engine/ledger.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// The result of opening gates by hand.
struct Reopened {
  std::vector<std::string> opened;   ///< databases
  std::vector<std::string> foreign;  ///< another client had changed the limit: left alone, our mark is gone
  std::vector<std::string> missing;  ///< requested databases without a mark of pgcurfew
  std::vector<std::pair<std::string, Error>> failed;     ///< the database, and why
  std::vector<std::pair<std::string, Error>> malformed;  ///< with a setting that is not a mark in its place
  bool is_done = false;  ///< no gate is left to be opened, or only those that failed
};

/// All drains of one server: begins each with its window, and opens every gate that was left closed past its
/// time, whichever instance closed it. Pure.
class DrainDesk {
 public:
  explicit DrainDesk(std::string by) : by_(std::move(by)) {}

  /// Takes a new policy. Runs whose drain is no longer in it end; those whose drain has changed continue
  /// under the new one.
  void take_policy(std::shared_ptr<const Policy> policy);

  void connected();
  void connection_lost();
  void take(const Gates& gates, Now now);
  void gates_failed(Now now);
  void take(const GateReply& reply, Now now);
  /// Counts an answered signal if a running drain has ordered it.
  void count(const Order& order, const Reply& reply);
  void take_look(const Look& look, const Ledger& ledger, Now now);

  /// Ends all running drains, and opens their gates. `why`: the reason that the end of each drain reports.
  void stop(const std::string& why);

  /// Opens the gates of these databases now, whichever drain closed them and for however long; all gates if
  /// none is named.
  void reopen(std::vector<std::string> databases);

  /// What to do now, with a connection and a trusted server clock. `may_begin`: the clock was read lately;
  /// otherwise it may have been set (we may have been stopped), and no window begins by it.
  DrainActions advance(Ledger& ledger, bool may_begin, Now now);

  /// What the running drains claim of the last look, one entry each. Points into this desk.
  [[nodiscard]] std::vector<DrainClaims> claims() const;

  /// Whether a drain of this name is running, and has not begun to end.
  [[nodiscard]] bool is_closing(const std::string& drain) const;

  /// Whether to read the gates; true once, then not before the answer.
  bool asks_for_gates(Now now);

  [[nodiscard]] std::optional<ServerTime> next_due() const { return next_due_; }
  [[nodiscard]] std::optional<MonotonicTime> next_reading() const;
  [[nodiscard]] std::optional<Duration> look_interval() const;
  /// Whether no drain is running.
  [[nodiscard]] bool is_idle() const { return runs_.empty(); }

  /// Whether a gate that we have to open is closed, or may be.
  [[nodiscard]] bool has_gate_to_open() const;

  /// The result of reopen() so far, once the gates were read.
  [[nodiscard]] std::optional<Reopened> reopened() const;

  /// The progress of running drains, and the last of each drain that has ended.
  [[nodiscard]] std::vector<DrainProgress> progress() const;
  /// The number of gates that a drain of this name keeps closed, or may; if it is not running, those that it
  /// left closed, as they were last read.
  [[nodiscard]] std::size_t closed_gates(const std::string& drain) const;
  /// All gates that pgcurfew keeps closed, whichever instance, as they were last read, also while the server
  /// is away: without those that we have opened since.
  [[nodiscard]] std::vector<ClosedGate> all_closed_gates() const;
  /// Whether a running drain keeps gates closed.
  [[nodiscard]] bool has_gated_run() const;

 private:
  struct Calendar {
    bool is_reckoned = false;
    std::optional<Interval> next;        ///< the next window, if there is one
    std::optional<ServerTime> finished;  ///< the beginning of the last window that was handled
    std::set<Duration> announced;        ///< announcements of the next window
  };
  struct Stray {
    std::string database;
    GateKind kind = GateKind::kConnectionLimit;
    std::string text;   ///< the mark's text
    std::string order;  ///< in flight
    MonotonicTime not_before{};
    int failures = 0;
    bool is_told = false;
  };

  void keep_calendar(const Drain& plan, Now now);
  void begin(const Drain& plan, const Interval& window, Now now);
  void announce(const Drain& plan, Calendar& calendar, Now now);
  void find_missed(const Drain& plan, Calendar& calendar, Now now);
  void give_back_strays(Ledger& ledger, DrainActions& actions, Now now);
  void due_by(ServerTime time) { next_due_ = std::min(next_due_.value_or(time), time); }
  [[nodiscard]] bool is_ours(const Gate& gate) const;
  [[nodiscard]] bool is_to_be_reopened(const std::string& database) const;
  [[nodiscard]] bool is_giving_back() const;

  std::string by_;
  std::shared_ptr<const Policy> policy_;
  std::map<std::string, DrainRun> runs_;        ///< by the drain's name
  std::uint64_t begun_ = 0;                     ///< number of runs so far
  std::map<std::string, DrainProgress> ended_;  ///< the last of each drain that is not running
  std::map<std::string, Calendar> calendars_;
  std::optional<ServerTime> watched_until_;  ///< no beginning of a window was missed up to then

  std::optional<Gates> gates_;
  std::vector<ClosedGate> closed_;  ///< as last read; kept when the connection is lost
  bool must_read_ = true;
  bool is_reading_ = false;
  bool told_unseen_logins_ = false;
  bool is_outdated_ = false;  ///< a gate was turned since the request was sent
  MonotonicTime read_at_{};
  MonotonicTime reading_not_before_{};
  std::optional<std::vector<std::string>> to_reopen_;  ///< databases; empty: all
  Reopened reopened_;
  std::map<std::string, Stray> strays_;  ///< by kind of gate, and oid or name of the database
  bool is_stopping_ = false;
  std::optional<ServerTime> next_due_;
  std::vector<Event> events_;
};

}  // namespace pgcurfew
