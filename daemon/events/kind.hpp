#pragma once

#include <string_view>

namespace pgcurfew {

enum class Level { kDebug, kInfo, kNotice, kWarning, kError };

/// The level as the log shows it: `DEBUG`, `INFO`, `NOTICE`, `WARNING`, `ERROR`.
std::string_view name_of(Level level);

/// The kind of an event. Each has an entry in the catalogue.
enum class Kind {
  // of decisions
  kIntent,
  kOutcome,
  kIntentLate,
  kSparedBlocker,
  kSuperseded,
  kSkipped,
  kVerified,
  kUnkillable,
  kEnded,
  kRepeat,
  // of a server
  kServerUp,
  kPromoted,
  kServerDown,
  kPrivilegeMissing,
  kBlind,
  kNameless,
  kLookFailed,
  kWaitsFailed,
  kLooksAgain,
  kGatesFailed,
  kNamesFailed,
  kPulseFailed,
  kServerLogFailed,
  kClockJump,
  kClockTrusted,
  kBreakerOpen,
  kBreakerClosed,
  kElder,
  kHoldOver,
  kPreparedTransaction,
  // of drains and their gates
  kDrainAnnounced,
  kDrainMissed,
  kDrainBegan,
  kDrainNoDatabase,
  kDrainPhase,
  kDrainEmpty,
  kDrainRefilled,
  kDrainGaveUp,
  kDrainDone,
  kLoginsUnseen,
  kGateIntent,
  kGateClosed,
  kGateOpened,
  kGateFailed,
  kGateRehearsed,
  kGateAdopted,
  kGateOverridden,
  kGateRenamed,
  kGateGone,
  kGateReplaced,
  kGateLost,
  kGateFound,
  kGatesLeft,
  kGateUnclaimed,
  kJournalFailed,
  // of pgcurfew itself
  kStarted,
  kReload,
  kReloadRefused,
  kConfigurationError,
  kConfigurationWarning,
  kStartRefused,
  kServerRemoved,
  kLogLost,
  kRecordFailed,
  kRecordAgain,
  kRecordLost,
  kRecordShortened,
  kAuditFailed,
  kAuditAgain,
  kAuditLost,
  kWebListening,
  kWebFailed,
  kStopped,
};

/// The name in the log: `intent`, `server_up`, ...
std::string_view name_of(Kind kind);

}  // namespace pgcurfew
