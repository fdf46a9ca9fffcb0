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

/// The sessions of one role in one database, which share bounds.
struct Tenant {
  std::optional<std::string> database;  ///< empty: none, or its name is unknown
  std::optional<std::string> user;
  auto operator<=>(const Tenant&) const = default;
};

/// Bounds the harm that a wrong rule can do to one server: a maximum number of signals within a time, and a
/// maximum share of all client sessions at once. A quarter of each bound is a reserve: one tenant may use the
/// rest. Roles take turns, and within a role its databases, because a role may connect to many. A tenant that
/// exceeds its part opens its own breaker; tenants that together exceed the server's bound without the
/// reserve open the server's breaker. Both hold signals back, and close by themselves after a quiet time.
/// While only the reserve of the server's bound is left, each role that has had less than the reserve gets
/// one signal a second from it.
///
/// Signals that were sent, or may have been, count. An order without a reply takes up room, but opens no
/// breaker.
class Breaker {
 public:
  /// The number of a tenant's sessions that may always be signalled at once: on a server with few sessions
  /// the share alone would forbid nearly everything.
  static constexpr std::size_t kAlwaysPass = 5;

  /// Signals sent within this time count as sent at once: a rule's victims seldom fall due in the same
  /// instant.
  static constexpr Duration kAtOnce = std::chrono::seconds(1);

  /// The part of a bound that is kept from a tenant that would use all of it.
  static std::size_t reserve_of(std::size_t bound) {
    return bound < 2 ? 0 : std::max<std::size_t>(1, bound / 4);
  }

  /// How many client sessions may be signalled at once; a share of 100% is no bound.
  static std::size_t share_of(const Safety& safety, std::size_t client_backends);

  /// One due session.
  struct Due {
    Tenant tenant;
    bool is_shown = false;  ///< a look showed it past its limit, so it counts towards the share
  };

  enum class Bound { kSignals, kShare };

  /// A breaker has opened.
  struct Trip {
    std::optional<Tenant> tenant;  ///< empty: the server's breaker
    Bound bound = Bound::kShare;
    std::size_t sent = 0;  ///< sent before, within the time of the bound
    std::size_t due = 0;
    std::size_t allowed = 0;   ///< the bound, or the tenant's part of it
    std::size_t whole = 0;     ///< the bound with its reserve
    std::size_t admitted = 0;  ///< how many of the due may be signalled now
  };

  struct Admission {
    std::vector<std::size_t> admitted;  ///< indices of `due`, in the tenants' turns
    std::vector<Trip> trips;
    std::optional<MonotonicTime> wake;  ///< when more can be admitted, if nothing else happens
  };

  /// Which of `due` may be signalled now; at most `most`. Within a tenant the first go first. Admitted orders
  /// take up room until they are answered.
  Admission admit(const Safety& safety, const std::vector<Due>& due, std::size_t client_backends,
                  std::size_t most, MonotonicTime now);

  /// Whether a session of the tenant could be admitted now. If not, it must not take another's place.
  [[nodiscard]] bool may_go(const Safety& safety, const Tenant& tenant, std::size_t client_backends,
                            MonotonicTime now) const;

  /// Takes the answer to an admitted order: a signal was sent, or may have been, or the order had no effect.
  void answered(const Tenant& tenant, bool may_have_left, MonotonicTime now);

  /// Closes breakers that have been open for their quiet time. Returns whose they are: empty for the
  /// server's.
  std::vector<std::optional<Tenant>> close_if_quiet(MonotonicTime now);

  /// Whether the server's breaker is open; how many tenants' breakers are.
  [[nodiscard]] bool is_open() const { return server_.open_until.has_value(); }
  [[nodiscard]] std::size_t open_tenants() const;
  /// A breaker that is open.
  struct Open {
    std::optional<Tenant> tenant;  ///< empty: the server's
    MonotonicTime until;           ///< if nothing opens it again
  };
  /// Those that are open, the server's first; at most `most`.
  [[nodiscard]] std::vector<Open> open(std::size_t most) const;
  /// The number of tenants with an account.
  [[nodiscard]] std::size_t tenants() const { return tenants_.size(); }

 private:
  /// The signals of one tenant, or of all together.
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
    /// Until this time it is not reported again that more than the share are due: a quiet time after the
    /// breaker has closed, because the sessions that it held back meanwhile are due together because of it.
    std::optional<MonotonicTime> announced_until;

    [[nodiscard]] std::size_t sent_within(Duration time, MonotonicTime now) const;
    /// Includes orders without a reply.
    [[nodiscard]] std::size_t taken(Duration time, MonotonicTime now) const {
      return sent_within(time, now) + in_flight;
    }
    [[nodiscard]] std::size_t room(const Limits& limits, Duration per, MonotonicTime now) const;
  };
  class Round;

  Account server_;
  std::map<Tenant, Account> tenants_;                    ///< only those with signals to remember
  std::map<std::optional<std::string>, Account> roles_;  ///< likewise
};

}  // namespace pgcurfew
