#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// Whose bounds are shared: the sessions of one role in one database.
struct Tenant {
  std::optional<std::string> database;  ///< empty: none, or its name is not known
  std::optional<std::string> user;
  auto operator<=>(const Tenant&) const = default;
};

/// Bounds how much harm a wrong rule can do to one server: at most so many signals within a time, at most
/// such a share of all client sessions at once. A quarter of each is a reserve: one tenant may take the rest.
/// Turns go from role to role, and within a role from database to database: any role may connect to many.
/// A tenant past its part opens its own breaker; tenants together past the rest of the server's open the
/// server's. Either holds back, and closes by itself after a quiet time. While no more of the server's is
/// left than the reserve, each role that has had less than that gets a signal a second out of it.
///
/// What is counted is signals that were sent, or may have been. An order without a reply takes up room, but
/// opens nothing.
class Breaker {
 public:
  /// On a server with few sessions the share alone would forbid nearly everything: so many of a tenant at
  /// once always pass.
  static constexpr std::size_t kAlwaysPass = 5;

  /// What leaves within this time counts as at once: a rule's victims seldom fall due in the same instant.
  static constexpr Duration kAtOnce = std::chrono::seconds(1);

  /// What of a bound is kept for others than the one tenant that would take all of it.
  static std::size_t reserve_of(std::size_t bound) {
    return bound < 2 ? 0 : std::max<std::size_t>(1, bound / 4);
  }

  /// How many client sessions may be signalled at once; a share of all is no bound.
  static std::size_t share_of(const Safety& safety, std::size_t client_backends);

  /// One session that is due.
  struct Due {
    Tenant tenant;
    bool is_shown = false;  ///< a look showed it past its limit: it counts as one that is due at once
  };

  enum class Bound { kSignals, kShare };

  /// A breaker has opened.
  struct Trip {
    std::optional<Tenant> tenant;  ///< empty: the server's
    Bound bound = Bound::kShare;
    std::size_t sent = 0;  ///< had left within the time of the bound
    std::size_t due = 0;
    std::size_t allowed = 0;   ///< the bound, or the part of it that may go to this one
    std::size_t whole = 0;     ///< the bound with its reserve
    std::size_t admitted = 0;  ///< of those due, how many may leave now
  };

  struct Admission {
    std::vector<std::size_t> admitted;  ///< indices of `due`: by turns of the tenants
    std::vector<Trip> trips;
    std::optional<MonotonicTime> wake;  ///< when more can be admitted, if nothing else happens
  };

  /// Which of `due` may be signalled now; `most` at most. Of one tenant those that stand first go first. The
  /// admitted take up room until they are answered.
  Admission admit(const Safety& safety, const std::vector<Due>& due, std::size_t client_backends,
                  std::size_t most, MonotonicTime now);

  /// Whether a session of the tenant could be admitted now. Whoever cannot must take no other's place.
  [[nodiscard]] bool may_go(const Safety& safety, const Tenant& tenant, std::size_t client_backends,
                            MonotonicTime now) const;

  /// An order that was admitted has been answered: a signal was sent, or may have been, or it came to
  /// nothing.
  void answered(const Tenant& tenant, bool may_have_left, MonotonicTime now);

  /// Closes what has been open for its quiet time. Gives whose: empty for the server's.
  std::vector<std::optional<Tenant>> close_if_quiet(MonotonicTime now);

  /// Whether the server's is open; how many tenants' are.
  [[nodiscard]] bool is_open() const { return server_.open_until.has_value(); }
  [[nodiscard]] std::size_t open_tenants() const;
  /// How many tenants it has something to remember of.
  [[nodiscard]] std::size_t tenants() const { return tenants_.size(); }

 private:
  /// What one tenant, or all together, have had.
  struct Limits {
    std::size_t signals = 0;
    std::size_t at_once = 0;
    [[nodiscard]] Limits without_reserve() const {
      return {signals - reserve_of(signals), at_once - reserve_of(at_once)};
    }
  };
  static Limits limits_of(const Safety& safety, std::size_t client_backends);
  struct Account {
    std::deque<MonotonicTime> sent;  ///< oldest first; bounded by Safety::signals and the share
    std::size_t in_flight = 0;
    std::optional<MonotonicTime> open_until;
    /// Until when it counts as said that more than the share are due: a quiet time after the breaker has
    /// closed, for those that it held back meanwhile are due together by its own doing.
    std::optional<MonotonicTime> announced_until;

    [[nodiscard]] std::size_t sent_within(Duration time, MonotonicTime now) const;
    /// With the orders that have no reply yet.
    [[nodiscard]] std::size_t taken(Duration time, MonotonicTime now) const {
      return sent_within(time, now) + in_flight;
    }
    [[nodiscard]] std::size_t room(const Limits& limits, Duration per, MonotonicTime now) const;
  };
  class Round;

  Account server_;
  std::map<Tenant, Account> tenants_;                    ///< of those with something to remember
  std::map<std::optional<std::string>, Account> roles_;  ///< likewise
};

}  // namespace pgcurfew
