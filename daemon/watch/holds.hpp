#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"

namespace pgcurfew {

/// A reason why a server's watch does nothing, or sees or does less than its policy requires.
enum class Hold {
  kDown,              ///< the server is out of reach
  kGivenUp,           ///< the watch has ended, and waits for nothing
  kStopping,          ///< a stop was requested: gates are opened, and nothing else is done
  kClockUnasked,      ///< the server's clock has not been read over this connection
  kClockJumped,       ///< the clock jumped, and no two looks have agreed since
  kRecordRequired,    ///< the record, which the policy requires, fails or is too slow
  kRecordFails,       ///< the record fails: orders do not wait for it
  kLooksFail,         ///< its sessions cannot be read
  kNoReadAllStats,    ///< our role lacks a privilege
  kNoSignal,          ///< likewise
  kHidden,            ///< our role may not see some sessions
  kNameless,          ///< the database or role name of some sessions is unknown
  kWaitsFail,         ///< lock waits cannot be read
  kGatesFail,         ///< the gates of databases cannot be read
  kBreakerOpen,       ///< the server's breaker is open
  kTenantBreakerOpen  ///< breakers of tenants are open
};

/// `down`, `clock_jumped`, ...: a word of the vocabulary.
std::string_view name_of(Hold hold);

/// What a watch does.
enum class Activity {
  kRules,  ///< orders signals for rules
  kDrains  ///< drives drains; under kStopping it opens the gates that they have closed
};

/// The holds that are in force. The watch checks them before it acts, and every display of its state shows
/// them.
class Holds {
 public:
  struct Standing {
    Hold hold;
    WallTime since{};
    MonotonicTime began{};
    std::string text;      ///< for readers: `out of reach`, `3 sessions hidden`
    bool is_told = false;  ///< its beginning was logged
  };

  /// Begins, updates or ends a hold. Returns how long it lasted if it ends and its beginning was logged.
  std::optional<Duration> set(Hold hold, bool stands, MonotonicTime now, WallTime wall, std::string text = {},
                              bool is_told = true);

  [[nodiscard]] bool has(Hold hold) const;

  /// Whether no hold prevents the activity.
  [[nodiscard]] bool let(Activity activity) const;

  /// In the order of Hold. While the server is out of reach, holds that concern its sessions or our
  /// privileges there are not shown; they remain in force.
  [[nodiscard]] std::vector<Standing> shown() const;

  /// To be called for another server, or after a restart of the same one: ends the holds seen over a
  /// connection.
  void forget_server();

 private:
  std::vector<Standing> all_;
};

}  // namespace pgcurfew
