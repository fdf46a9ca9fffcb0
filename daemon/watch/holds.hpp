#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"

namespace pgcurfew {

/// What makes a server's watch hold still, or see and do less than its policy asks.
enum class Hold {
  kDown,              ///< the server is out of reach
  kGivenUp,           ///< the watch is over, and waits for nothing
  kStopping,          ///< it was told to stop: gates are given back, and nothing else is done
  kClockUnasked,      ///< nobody has asked the server's clock since we are connected
  kClockJumped,       ///< it jumped, and no two looks have agreed since
  kLooksFail,         ///< its sessions cannot be read
  kNoReadAllStats,    ///< our role lacks a privilege
  kNoSignal,          ///< likewise
  kHidden,            ///< there are sessions that we may not see
  kNameless,          ///< there are sessions of a database or a role whose name we do not know
  kWaitsFail,         ///< who waits for whose lock cannot be read
  kGatesFail,         ///< the gates of databases cannot be read
  kBreakerOpen,       ///< the server's breaker is open
  kTenantBreakerOpen  ///< breakers of tenants are
};

/// `down`, `clock_jumped`, ...: of the vocabulary.
std::string_view name_of(Hold hold);

/// What a watch does.
enum class Activity {
  kRules,  ///< orders signals for rules
  kDrains  ///< drives drains; under kStopping it gives back what they have closed
};

/// All that holds at a time: asked here by whoever would act, and shown alike wherever the state of a watch
/// is shown.
class Holds {
 public:
  struct Standing {
    Hold hold;
    WallTime since{};
    MonotonicTime began{};
    std::string text;      ///< for people: `out of reach`, `3 sessions hidden`
    bool is_told = false;  ///< the log has told of its beginning
  };

  /// Begins, goes on or ends. Gives how long it has lasted where one ends that was told.
  std::optional<Duration> set(Hold hold, bool stands, MonotonicTime now, WallTime wall, std::string text = {},
                              bool is_told = true);

  [[nodiscard]] bool has(Hold hold) const;

  /// Whether nothing stands in the way of it.
  [[nodiscard]] bool let(Activity activity) const;

  /// In the order of Hold. While the server is out of reach, without what is known of its sessions and our
  /// rights there: that goes on until something else is seen.
  [[nodiscard]] std::vector<Standing> shown() const;

  /// Another server, or the same one started anew: what was seen there is no more.
  void forget_server();

 private:
  std::vector<Standing> all_;
};

}  // namespace pgcurfew
