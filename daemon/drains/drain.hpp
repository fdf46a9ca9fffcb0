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

/// What became of gates that were to be opened by hand.
struct Reopened {
  std::vector<std::string> opened;   ///< databases
  std::vector<std::string> foreign;  ///< somebody else had changed the limit: left alone, our mark is gone
  std::vector<std::string> missing;  ///< databases that were asked for and bear no mark of pgcurfew
  std::vector<std::pair<std::string, Error>> failed;     ///< the database, and why
  std::vector<std::pair<std::string, Error>> malformed;  ///< with something that is no mark in place of one
  bool is_done = false;  ///< nothing is left to be opened, or only what failed
};

/// All drains of one server: begins each when its window does, and gives back whatever gate was left closed
/// past its time, whoever closed it. Pure.
class DrainDesk {
 public:
  explicit DrainDesk(std::string by) : by_(std::move(by)) {}

  /// Runs whose drain is no longer in the policy end; those whose drain has changed go on under the new one.
  void take_policy(std::shared_ptr<const Policy> policy);

  void connected();
  void connection_lost();
  void take(const Gates& gates, Now now);
  void gates_failed(Now now);
  void take(const GateReply& reply, Now now);
  /// Counts a signal that has been answered, if a drain under way has ordered it.
  void count(const Order& order, const Reply& reply);
  void take_look(const Look& look, const Ledger& ledger, Now now);

  /// Everything that is under way ends, and its gates are opened. `why`: as the end of each drain tells it.
  void stop(const std::string& why);

  /// Gives these databases back now, whoever closed their gates and for however long; all if there are none.
  void reopen(std::vector<std::string> databases);

  /// What to do now, the connection standing and the server's clock being trusted. `may_begin`: it was asked
  /// lately; while it was not (we may have been stopped), it may have been set, and no window begins by it.
  DrainActions advance(Ledger& ledger, bool may_begin, Now now);

  /// What the drains under way claim of the last look, one entry each. Points into this desk.
  [[nodiscard]] std::vector<DrainClaims> claims() const;

  /// Whether to ask for the gates; true once, then not before the answer.
  bool asks_for_gates(Now now);

  [[nodiscard]] std::optional<ServerTime> next_due() const { return next_due_; }
  [[nodiscard]] std::optional<MonotonicTime> next_reading() const;
  [[nodiscard]] std::optional<Duration> look_interval() const;
  /// Whether nothing is under way.
  [[nodiscard]] bool is_idle() const { return runs_.empty(); }

  /// Whether a gate that is ours to open is closed, or may be.
  [[nodiscard]] bool has_gate_to_open() const;

  /// What reopen() has found so far, once the gates were read.
  [[nodiscard]] std::optional<Reopened> reopened() const;

  /// Of what is under way, and the last of each drain that has ended.
  [[nodiscard]] std::vector<DrainProgress> progress() const;
  /// Whether a drain is under way that keeps gates closed.
  [[nodiscard]] bool has_gated_run() const;

 private:
  struct Calendar {
    bool is_reckoned = false;
    std::optional<Interval> next;        ///< the next window, if there is one
    std::optional<ServerTime> finished;  ///< the beginning of the last window that we have dealt with
    std::set<Duration> announced;        ///< of the next window
  };
  struct Stray {
    std::string database;
    GateKind kind = GateKind::kConnectionLimit;
    std::string text;   ///< of the mark
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
  std::uint64_t begun_ = 0;                     ///< runs so far
  std::map<std::string, DrainProgress> ended_;  ///< the last of each drain that is in no run
  std::map<std::string, Calendar> calendars_;
  std::optional<ServerTime> watched_until_;  ///< up to then no beginning of a window was missed

  std::optional<Gates> gates_;
  bool must_read_ = true;
  bool is_reading_ = false;
  bool told_unseen_logins_ = false;
  bool is_outdated_ = false;  ///< a gate was turned since the question left
  MonotonicTime read_at_{};
  MonotonicTime reading_not_before_{};
  std::optional<std::vector<std::string>> to_reopen_;  ///< databases; none named: all
  Reopened reopened_;
  std::map<std::string, Stray> strays_;  ///< by kind of gate, and oid or name of the database
  bool is_stopping_ = false;
  std::optional<ServerTime> next_due_;
  std::vector<Event> events_;
};

}  // namespace pgcurfew
