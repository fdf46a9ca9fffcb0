#include "events/catalogue.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <type_traits>
#include <variant>

#include <fmt/format.h>

#include "events/fields.hpp"

namespace pgcurfew {

namespace {

template <class T, class... Types>
constexpr bool kIsOneOf = (std::is_same_v<T, Types> || ...);

template <class T>
constexpr EventFieldEntry entry(EventField<T> field) {
  static_assert(kIsOneOf<T, std::int64_t, double, bool, std::string, RawQuery, Duration, ServerTime>);
  return {field.name, std::is_same_v<T, std::int64_t>  ? FieldType::kInteger
                      : std::is_same_v<T, double>      ? FieldType::kReal
                      : std::is_same_v<T, bool>        ? FieldType::kFlag
                      : std::is_same_v<T, std::string> ? FieldType::kText
                      : std::is_same_v<T, RawQuery>    ? FieldType::kQuery
                      : std::is_same_v<T, Duration>    ? FieldType::kDuration
                                                       : FieldType::kTime};
}

template <class... T>
constexpr std::array<EventFieldEntry, sizeof...(T)> fields(EventField<T>... field) {
  return {entry(field)...};
}

/// Concatenates arrays.
template <std::size_t... N>
constexpr auto joined(const std::array<EventFieldEntry, N>&... parts) {
  std::array<EventFieldEntry, (N + ... + 0)> all{};
  std::size_t next = 0;
  const auto append = [&](const auto& part) {
    for (const auto& one : part) all[next++] = one;
  };
  (append(parts), ...);
  return all;
}

namespace shared {

/// The fields of every decision.
constexpr auto kDecision = fields(field::kDecision, field::kRule, field::kDrain, field::kPolicy, field::kPid,
                                  field::kSessionId, field::kBackendStart, field::kMode, field::kStep);
/// The fields that identify the session.
constexpr auto kSession = fields(field::kPid, field::kSessionId, field::kBackendStart);
/// The fields with the session's names.
constexpr auto kNames =
    fields(field::kDatabase, field::kUser, field::kApplicationName, field::kClientAddr, field::kQueryId);
/// The fields that say why the step is due.
constexpr auto kAge = fields(field::kClock, field::kAgeS, field::kLimitS);
/// A server's or the system's error.
constexpr auto kError = fields(field::kError, field::kDetail, field::kHint, field::kSqlstate);
/// What the session is doing.
constexpr auto kWaits = fields(field::kState, field::kWaitEventType, field::kWaitEvent);
/// The mark of a gate.
constexpr auto kMark = fields(field::kBy, field::kLimitBefore, field::kUntil);

}  // namespace shared

constexpr auto kIntentFields =
    joined(shared::kDecision, shared::kAge,
           fields(field::kEpisode, field::kIfStill, field::kNextAfterS, field::kBlocks, field::kLongestWaiter,
                  field::kLongestWaiterUser, field::kLongestWaiterApplicationName, field::kXminAge,
                  field::kGroup, field::kGroupSize, field::kKeep, field::kConnectionsUsed, field::kServerRole,
                  field::kOpenUntil, field::kRepeated, field::kSkipped),
           shared::kNames, fields(field::kState));
constexpr auto kOutcomeFields = joined(
    shared::kDecision, fields(field::kEpisode, field::kIfStill, field::kOutcome), shared::kAge,
    shared::kNames, shared::kWaits, fields(field::kQuery, field::kError, field::kDetail, field::kSqlstate));
constexpr auto kIntentLateFields =
    joined(fields(field::kDecision, field::kRule, field::kDrain), shared::kSession,
           fields(field::kEpisode, field::kDatabase, field::kWaitedS));
constexpr auto kSparedBlockerFields = joined(
    fields(field::kRule, field::kPolicy), shared::kSession, fields(field::kMode), shared::kAge,
    fields(field::kBlocks, field::kLongestWaiter, field::kReason), shared::kNames, fields(field::kState));
constexpr auto kSupersededFields =
    joined(fields(field::kDecision, field::kRule, field::kDrain, field::kPolicy), shared::kSession,
           fields(field::kEpisode, field::kMode, field::kStep, field::kSupersededBy), shared::kNames);
constexpr auto kSkippedFields = joined(fields(field::kRule, field::kPolicy), shared::kSession,
                                       fields(field::kMode, field::kStep, field::kState), shared::kNames);
constexpr auto kVerifiedFields = joined(
    fields(field::kDecision, field::kRule, field::kDrain, field::kPolicy), shared::kSession,
    fields(field::kEpisode, field::kMode, field::kStep, field::kEffect, field::kDatabase, field::kUser));
constexpr auto kUnkillableFields =
    joined(shared::kDecision, fields(field::kEpisode), shared::kWaits, shared::kNames);
constexpr auto kEndedFields =
    joined(shared::kDecision,
           fields(field::kEpisode, field::kEnd, field::kSinceStepS, field::kDatabase, field::kUser));
constexpr auto kRepeatFields = joined(
    shared::kDecision, fields(field::kPer, field::kValue, field::kTimes, field::kWithinS, field::kThen));
constexpr auto kServerUpFields =
    fields(field::kVersion, field::kRole, field::kBackendPid, field::kInRecovery, field::kOutageS);
constexpr auto kServerDownFields = joined(shared::kError, fields(field::kRetryS, field::kOutageS));
constexpr auto kPrivilegeMissingFields = fields(field::kPrivilege, field::kRole, field::kHint);
constexpr auto kBlindFields = fields(field::kHidden, field::kHint);
constexpr auto kNamelessFields = fields(field::kNameless);
constexpr auto kLookFailedFields = joined(shared::kError, fields(field::kOutageS));
constexpr auto kWaitsFailedFields = shared::kError;
constexpr auto kLooksAgainFields = fields(field::kOutageS);
constexpr auto kGatesFailedFields = fields(field::kError, field::kSqlstate);
constexpr auto kNamesFailedFields = shared::kError;
constexpr auto kPulseFailedFields = shared::kError;
constexpr auto kServerLogFailedFields = shared::kError;
constexpr auto kClockJumpFields = fields(field::kJumpS);
constexpr auto kBreakerOpenFields =
    fields(field::kScope, field::kDatabase, field::kUser, field::kBound, field::kSent, field::kDue,
           field::kAllowed, field::kHeld, field::kClientBackends, field::kMode, field::kQuietS);
constexpr auto kBreakerClosedFields = fields(field::kScope, field::kDatabase, field::kUser, field::kMode);
constexpr auto kHoldOverFields = fields(field::kHold, field::kLastedS);
constexpr auto kElderFields = fields(field::kPid);
constexpr auto kPreparedTransactionFields =
    fields(field::kGid, field::kWaiters, field::kLongestWaitS, field::kHint);
constexpr auto kDrainAnnouncedFields =
    fields(field::kDrain, field::kMode, field::kBegins, field::kEnds, field::kBeginsInS);
constexpr auto kDrainMissedFields = fields(field::kDrain, field::kMode, field::kBegins, field::kEnds);
constexpr auto kDrainBeganFields =
    fields(field::kDrain, field::kMode, field::kBegins, field::kEnds, field::kGate, field::kJoined);
constexpr auto kDrainNoDatabaseFields = fields(field::kDrain, field::kMode, field::kDatabase);
constexpr auto kDrainPhaseFields = fields(field::kDrain, field::kMode, field::kPhase, field::kRemaining);
constexpr auto kDrainEmptyFields =
    fields(field::kDrain, field::kMode, field::kDatabases, field::kAfterS, field::kCancelled,
           field::kTerminated, field::kPreparedTransactions, field::kLogicalSlots, field::kOtherBackends);
constexpr auto kDrainRefilledFields = fields(field::kDrain, field::kMode, field::kRemaining);
constexpr auto kDrainGaveUpFields = fields(field::kDrain, field::kMode, field::kRemaining, field::kThen);
constexpr auto kDrainDoneFields =
    fields(field::kDrain, field::kMode, field::kEmptied, field::kGaveUp, field::kYielded, field::kCancelled,
           field::kTerminated, field::kTookS, field::kReopened, field::kRemaining);
constexpr auto kLoginsUnseenFields = fields(field::kHint);
constexpr auto kGateIntentFields =
    fields(field::kDrain, field::kDatabase, field::kDecision, field::kGate, field::kAccess);
constexpr auto kGateClosedFields = joined(
    fields(field::kDrain, field::kDatabase, field::kDecision, field::kGate, field::kMark, field::kPools),
    shared::kMark);
constexpr auto kGateOpenedFields =
    fields(field::kDrain, field::kDatabase, field::kDecision, field::kOutcome, field::kLimit);
constexpr auto kGateFailedFields =
    joined(fields(field::kDrain, field::kDatabase, field::kRetryS), shared::kError);
constexpr auto kGateRehearsedFields = fields(field::kDrain, field::kDatabase, field::kGate, field::kAccess);
constexpr auto kGateAdoptedFields = joined(fields(field::kDrain, field::kDatabase), shared::kMark);
constexpr auto kGateOverriddenFields = fields(field::kDrain, field::kDatabase);
constexpr auto kGateRenamedFields = fields(field::kDrain, field::kDatabase, field::kRenamedFrom);
constexpr auto kGateGoneFields = fields(field::kDrain, field::kDatabase);
constexpr auto kGateReplacedFields = fields(field::kDrain, field::kDatabase);
constexpr auto kGateLostFields = fields(field::kDrain, field::kDatabase);
constexpr auto kGateFoundFields = joined(fields(field::kDrain, field::kDatabase), shared::kMark);
constexpr auto kGatesLeftFields = fields(field::kHint);
constexpr auto kGateUnclaimedFields =
    joined(fields(field::kDatabase, field::kGate, field::kFile, field::kSystemIdentifier, field::kDrain),
           shared::kMark, fields(field::kHint));
constexpr auto kJournalFailedFields = shared::kError;
constexpr auto kStartedFields =
    fields(field::kVersion, field::kMode, field::kPolicy, field::kServers, field::kRules, field::kDrains);
constexpr auto kReloadFields = fields(field::kMode, field::kPolicy, field::kPolicyBefore, field::kRulesAdded,
                                      field::kRulesRemoved, field::kRulesChanged, field::kDrainsAdded,
                                      field::kDrainsRemoved, field::kDrainsChanged, field::kServers);
constexpr auto kReloadRefusedFields = fields(field::kPolicy);
constexpr auto kConfigurationErrorFields = fields(field::kFile, field::kLine, field::kColumn, field::kHint);
constexpr auto kConfigurationWarningFields = fields(field::kFile, field::kLine, field::kColumn, field::kHint);
constexpr auto kLogLostFields = fields(field::kLost);
constexpr auto kRecordFailedFields = joined(shared::kError, fields(field::kRequired));
constexpr auto kRecordAgainFields = fields(field::kOutageS);
constexpr auto kRecordLostFields = fields(field::kLost);
constexpr auto kRecordShortenedFields = fields(field::kLost, field::kUntil);
constexpr auto kAuditFailedFields = joined(fields(field::kAudit), shared::kError);
constexpr auto kAuditAgainFields = fields(field::kAudit, field::kOutageS);
constexpr auto kAuditLostFields = joined(fields(field::kAudit, field::kLost), shared::kError);
constexpr auto kWebListeningFields = fields(field::kListen, field::kOutageS);
constexpr auto kWebFailedFields = joined(shared::kError, fields(field::kListen));

constexpr std::array<KindEntry, 73> kKinds{{
    {.kind = Kind::kIntent,
     .name = "intent",
     .level = Level::kInfo,
     .message_id = "2e0a8f1e1b5267a2ef45def2eed562b4",
     .meaning = "A step is due, and the server is asked to take it",
     .fields = kIntentFields},
    {.kind = Kind::kOutcome,
     .name = "outcome",
     .level = Level::kInfo,
     .other_levels = {Level::kNotice, Level::kWarning},
     .message_id = "ec818e05c4c4533668e84ee244df1713",
     .can_be_alert = true,
     .meaning = "What came of the step",
     .fields = kOutcomeFields},
    {.kind = Kind::kIntentLate,
     .name = "intent_late",
     .level = Level::kWarning,
     .message_id = "586f2523df3b4163ba8c5c522e05a207",
     .meaning = "An order is sent before its intent is in the record",
     .fields = kIntentLateFields},
    {.kind = Kind::kSparedBlocker,
     .name = "spared_blocker",
     .level = Level::kWarning,
     .message_id = "4a1bc845ccf2dc4c782c87acf6c881d1",
     .can_be_alert = true,
     .meaning = "A session blocks others past the limit of a rule on blockers that may not end it",
     .fields = kSparedBlockerFields},
    {.kind = Kind::kSuperseded,
     .name = "superseded",
     .level = Level::kInfo,
     .message_id = "a010872448ca571fa71a35d80856e258",
     .meaning = "Another rule's or drain's step counts as this one's",
     .fields = kSupersededFields},
    {.kind = Kind::kSkipped,
     .name = "skipped",
     .level = Level::kInfo,
     .message_id = "84f2d1eaff80e2004f6bd9c98eab93f7",
     .meaning = "A cancel was due, but cannot affect the session in its state",
     .fields = kSkippedFields},
    {.kind = Kind::kVerified,
     .name = "verified",
     .level = Level::kInfo,
     .message_id = "6f6f75857d0ca050b2aec82c09a0df66",
     .meaning = "What a later look showed of a signal's effect",
     .fields = kVerifiedFields},
    {.kind = Kind::kUnkillable,
     .name = "unkillable",
     .level = Level::kWarning,
     .other_levels = {Level::kError},
     .message_id = "9a509a837a89ba750423237e400abf95",
     .can_be_alert = true,
     .meaning = "The session has outlived the last step",
     .fields = kUnkillableFields},
    {.kind = Kind::kEnded,
     .name = "ended",
     .level = Level::kInfo,
     .message_id = "b6455ec6250bff3cc7469a75f10be8cb",
     .meaning = "An episode that was logged is over",
     .fields = kEndedFields},
    {.kind = Kind::kRepeat,
     .name = "repeat",
     .level = Level::kWarning,
     .message_id = "59312f83afa50cc83102934b9dc02bab",
     .can_be_alert = true,
     .meaning = "A rule has acted so often that its repeat applies",
     .fields = kRepeatFields},
    {.kind = Kind::kServerUp,
     .name = "server_up",
     .level = Level::kNotice,
     .message_id = "c5682ad041fe5668774bec21b1c34e32",
     .can_be_alert = true,
     .meaning = "Connected",
     .fields = kServerUpFields},
    {.kind = Kind::kPromoted,
     .name = "promoted",
     .level = Level::kNotice,
     .message_id = "2f14297004bcf3d23c1a7c40b2830f97",
     .can_be_alert = true,
     .meaning = "The server was a standby, and a look shows that it is a primary now"},
    {.kind = Kind::kServerDown,
     .name = "server_down",
     .level = Level::kError,
     .message_id = "7b08068eeb470597e70456f4f8638ffa",
     .can_be_alert = true,
     .meaning = "The server is out of reach",
     .fields = kServerDownFields},
    {.kind = Kind::kPrivilegeMissing,
     .name = "privilege_missing",
     .level = Level::kError,
     .message_id = "14740285b54296571508ad22ad60303c",
     .can_be_alert = true,
     .meaning = "The role lacks a privilege",
     .fields = kPrivilegeMissingFields},
    {.kind = Kind::kBlind,
     .name = "blind",
     .level = Level::kError,
     .message_id = "1ccbe7ff5839a75b040768f6ee6de40e",
     .can_be_alert = true,
     .meaning = "There are sessions that the role cannot see",
     .fields = kBlindFields},
    {.kind = Kind::kNameless,
     .name = "nameless",
     .level = Level::kWarning,
     .message_id = "370f435f7dc86c34c1c4472b0fa2f592",
     .can_be_alert = true,
     .meaning = "There are sessions of a database or a role whose name cannot be read",
     .fields = kNamelessFields},
    {.kind = Kind::kLookFailed,
     .name = "look_failed",
     .level = Level::kError,
     .message_id = "85ae8e74d27053902b12d88fe4797363",
     .can_be_alert = true,
     .meaning = "The sessions could not be read",
     .fields = kLookFailedFields},
    {.kind = Kind::kWaitsFailed,
     .name = "waits_failed",
     .level = Level::kError,
     .message_id = "96f7018ab1fb767a42e69a5db1524b29",
     .can_be_alert = true,
     .meaning = "The lock waits of the sessions could not be read",
     .fields = kWaitsFailedFields},
    {.kind = Kind::kLooksAgain,
     .name = "looks_again",
     .level = Level::kNotice,
     .message_id = "80dd09a24bcc7edd7aaddfa1da726617",
     .can_be_alert = true,
     .meaning = "The sessions can be read again",
     .fields = kLooksAgainFields},
    {.kind = Kind::kGatesFailed,
     .name = "gates_failed",
     .level = Level::kWarning,
     .message_id = "5ba527fa7c4bccbc0377a9794a6c010f",
     .can_be_alert = true,
     .meaning = "The gates of databases could not be read, and no drain can turn one",
     .fields = kGatesFailedFields},
    {.kind = Kind::kNamesFailed,
     .name = "names_failed",
     .level = Level::kWarning,
     .message_id = "34cae71bf2cd8685e7c338d1fb65350e",
     .meaning = "The names of databases and roles could not be read",
     .fields = kNamesFailedFields},
    {.kind = Kind::kPulseFailed,
     .name = "pulse_failed",
     .level = Level::kWarning,
     .message_id = "ec8765c74c3229e0f2391d12f8e15d90",
     .meaning = "The server's time could not be read",
     .fields = kPulseFailedFields},
    {.kind = Kind::kServerLogFailed,
     .name = "server_log_failed",
     .level = Level::kWarning,
     .message_id = "f779f50281381e2888be11d835fa472b",
     .meaning = "The server's own log may lack a line",
     .fields = kServerLogFailedFields},
    {.kind = Kind::kClockJump,
     .name = "clock_jump",
     .level = Level::kError,
     .message_id = "dbc53d0646b8b1295529b8992a3425e7",
     .can_be_alert = true,
     .meaning = "The server's clock jumped",
     .fields = kClockJumpFields},
    {.kind = Kind::kClockTrusted,
     .name = "clock_trusted",
     .level = Level::kNotice,
     .message_id = "ecc5358a34e8cee4865fa23af39cfbfd",
     .can_be_alert = true,
     .meaning = "Two looks agree again on the server's clock"},
    {.kind = Kind::kBreakerOpen,
     .name = "breaker_open",
     .level = Level::kError,
     .message_id = "3933bdf8e586ed95067b97ba3ed1ccdd",
     .can_be_alert = true,
     .meaning = "A bound of safety is met",
     .fields = kBreakerOpenFields},
    {.kind = Kind::kBreakerClosed,
     .name = "breaker_closed",
     .level = Level::kNotice,
     .message_id = "9fa7560f5073bc325717761121ca4cfa",
     .can_be_alert = true,
     .meaning = "Signals go on after a bound of safety was met",
     .fields = kBreakerClosedFields},
    {.kind = Kind::kElder,
     .name = "elder",
     .level = Level::kWarning,
     .message_id = "cdf2fcf3366d14492aa55bc92fd880bc",
     .can_be_alert = true,
     .meaning = "Another pgcurfew of the same role has watched the server for longer",
     .fields = kElderFields},
    {.kind = Kind::kHoldOver,
     .name = "hold_over",
     .level = Level::kNotice,
     .message_id = "49720a2c0e4afcdca5271479a62d5007",
     .can_be_alert = true,
     .meaning = "What kept pgcurfew from acting, or from seeing all, is over",
     .fields = kHoldOverFields},
    {.kind = Kind::kPreparedTransaction,
     .name = "prepared_transaction",
     .level = Level::kWarning,
     .message_id = "b5a2fabf5fc5679a67ab7750ff2920e0",
     .can_be_alert = true,
     .meaning = "A prepared transaction blocks",
     .fields = kPreparedTransactionFields},
    {.kind = Kind::kDrainAnnounced,
     .name = "drain_announced",
     .level = Level::kWarning,
     .message_id = "b785f8cf8911c11ec6e8422acf9d3ac7",
     .can_be_alert = true,
     .meaning = "The drain begins soon",
     .fields = kDrainAnnouncedFields},
    {.kind = Kind::kDrainMissed,
     .name = "drain_missed",
     .level = Level::kWarning,
     .message_id = "49fac060b95ad632de17623fd39636fc",
     .can_be_alert = true,
     .meaning = "The drain should have run while this pgcurfew was not watching",
     .fields = kDrainMissedFields},
    {.kind = Kind::kDrainBegan,
     .name = "drain_began",
     .level = Level::kNotice,
     .message_id = "d385aed212522fc5a29574687ad710a4",
     .can_be_alert = true,
     .meaning = "The drain begins",
     .fields = kDrainBeganFields},
    {.kind = Kind::kDrainNoDatabase,
     .name = "drain_no_database",
     .level = Level::kWarning,
     .message_id = "2dda43d46853c6ba81a3882a5e252944",
     .can_be_alert = true,
     .meaning = "There is no database that the drain names",
     .fields = kDrainNoDatabaseFields},
    {.kind = Kind::kDrainPhase,
     .name = "drain_phase",
     .level = Level::kInfo,
     .message_id = "78b2bc2afdda1323c2ce71a9daf9bd94",
     .meaning = "The drain's next phase begins",
     .fields = kDrainPhaseFields},
    {.kind = Kind::kDrainEmpty,
     .name = "drain_empty",
     .level = Level::kNotice,
     .message_id = "faebe3e94cecf106d8e77f0bb471dcd8",
     .can_be_alert = true,
     .meaning = "For the first time, three looks in a row showed no session",
     .fields = kDrainEmptyFields},
    {.kind = Kind::kDrainRefilled,
     .name = "drain_refilled",
     .level = Level::kInfo,
     .message_id = "59428d4035b02f1cb648a65ec2f2bdac",
     .meaning = "A session came in after the drain was empty",
     .fields = kDrainRefilledFields},
    {.kind = Kind::kDrainGaveUp,
     .name = "drain_gave_up",
     .level = Level::kError,
     .message_id = "30c110e24bca12913e78e266a3dd8878",
     .can_be_alert = true,
     .meaning = "The drain was not empty in time",
     .fields = kDrainGaveUpFields},
    {.kind = Kind::kDrainDone,
     .name = "drain_done",
     .level = Level::kNotice,
     .other_levels = {Level::kWarning, Level::kError},
     .message_id = "bf765c9c51ff1886c677651a4c0e1ecf",
     .can_be_alert = true,
     .meaning = "The drain is over",
     .fields = kDrainDoneFields},
    {.kind = Kind::kLoginsUnseen,
     .name = "logins_unseen",
     .level = Level::kWarning,
     .message_id = "0e955d0baa79f2ad05982ec21a169367",
     .can_be_alert = true,
     .meaning = "The role may not read which sessions are still logging in",
     .fields = kLoginsUnseenFields},
    {.kind = Kind::kGateIntent,
     .name = "gate_intent",
     .level = Level::kInfo,
     .other_levels = {Level::kDebug},
     .message_id = "303741f469cd17e00cbb1348acd0b808",
     .meaning = "A gate is about to be closed or opened",
     .fields = kGateIntentFields},
    {.kind = Kind::kGateClosed,
     .name = "gate_closed",
     .level = Level::kNotice,
     .message_id = "18633faec88dfab26795293d7b966f8d",
     .can_be_alert = true,
     .meaning = "The gate is closed",
     .fields = kGateClosedFields},
    {.kind = Kind::kGateOpened,
     .name = "gate_opened",
     .level = Level::kNotice,
     .other_levels = {Level::kWarning},
     .message_id = "0108901e21405cb0f6803c12011c39a6",
     .can_be_alert = true,
     .meaning = "The gate is open",
     .fields = kGateOpenedFields},
    {.kind = Kind::kGateFailed,
     .name = "gate_failed",
     .level = Level::kError,
     .message_id = "be879abbed5a0944b8b0514de3446819",
     .can_be_alert = true,
     .meaning = "The gate could not be closed or opened",
     .fields = kGateFailedFields},
    {.kind = Kind::kGateRehearsed,
     .name = "gate_rehearsed",
     .level = Level::kInfo,
     .other_levels = {Level::kWarning},
     .message_id = "f40d06056f6ab3057d17aa1bb2f86348",
     .meaning = "What a dry run would close",
     .fields = kGateRehearsedFields},
    {.kind = Kind::kGateAdopted,
     .name = "gate_adopted",
     .level = Level::kNotice,
     .message_id = "49b0244f1dd4260cdf13dc141781417d",
     .meaning = "The gate was closed for this drain before, by us or by another instance",
     .fields = kGateAdoptedFields},
    {.kind = Kind::kGateOverridden,
     .name = "gate_overridden",
     .level = Level::kWarning,
     .message_id = "8b450668a8f451b8fb2fe94f54f0de14",
     .can_be_alert = true,
     .meaning = "Another client opened the gate or set another limit",
     .fields = kGateOverriddenFields},
    {.kind = Kind::kGateRenamed,
     .name = "gate_renamed",
     .level = Level::kNotice,
     .message_id = "f7969fee53e587084dc1f629d2a1459b",
     .meaning = "A database was renamed in the window",
     .fields = kGateRenamedFields},
    {.kind = Kind::kGateGone,
     .name = "gate_gone",
     .level = Level::kWarning,
     .message_id = "c60f08dd7cc72ca16cc8657521023400",
     .can_be_alert = true,
     .meaning = "A database was dropped in the window, and with it its gate and its mark",
     .fields = kGateGoneFields},
    {.kind = Kind::kGateReplaced,
     .name = "gate_replaced",
     .level = Level::kWarning,
     .message_id = "82dc4f40054f792839dd6fa72c7adc8b",
     .can_be_alert = true,
     .meaning = "Another database now has the name of one that was drained",
     .fields = kGateReplacedFields},
    {.kind = Kind::kGateLost,
     .name = "gate_lost",
     .level = Level::kWarning,
     .message_id = "370019d00aa0fca811fb2cfb5af8629c",
     .can_be_alert = true,
     .meaning = "A PgBouncer was restarted in the window",
     .fields = kGateLostFields},
    {.kind = Kind::kGateFound,
     .name = "gate_found",
     .level = Level::kNotice,
     .other_levels = {Level::kWarning},
     .message_id = "171a25607efc3240c467b565511fa669",
     .can_be_alert = true,
     .meaning = "A gate is closed for a drain that is not ours",
     .fields = kGateFoundFields},
    {.kind = Kind::kGatesLeft,
     .name = "gates_left",
     .level = Level::kError,
     .message_id = "00ae1d18b11ed4aa307ddd9a36e9bfdd",
     .can_be_alert = true,
     .meaning = "Some gates could not be opened before pgcurfew stopped, or before it stopped watching the "
                "server",
     .fields = kGatesLeftFields},
    {.kind = Kind::kGateUnclaimed,
     .name = "gate_unclaimed",
     .level = Level::kWarning,
     .message_id = "9bc753371b9e5b68d8032acb7e137f1a",
     .can_be_alert = true,
     .meaning = "The journal of gates holds a gate that is not given back",
     .fields = kGateUnclaimedFields},
    {.kind = Kind::kJournalFailed,
     .name = "journal_failed",
     .level = Level::kError,
     .message_id = "bfdc0c2c3748f67651e82d27244f6a6f",
     .can_be_alert = true,
     .meaning = "The journal of gates could not be written or read",
     .fields = kJournalFailedFields},
    {.kind = Kind::kStarted,
     .name = "started",
     .level = Level::kNotice,
     .message_id = "1ac3a47dfcbb4a86b373f3460300fb79",
     .can_be_alert = true,
     .meaning = "The first line of the log",
     .fields = kStartedFields},
    {.kind = Kind::kReload,
     .name = "reload",
     .level = Level::kNotice,
     .message_id = "be31b8aa49978ec3a398377e631fb7af",
     .can_be_alert = true,
     .meaning = "The files were read again and taken",
     .fields = kReloadFields},
    {.kind = Kind::kReloadRefused,
     .name = "reload_refused",
     .level = Level::kError,
     .message_id = "df29e6af14204d44feaa67c3ba1c95f2",
     .can_be_alert = true,
     .meaning = "The files have errors, and nothing has changed",
     .fields = kReloadRefusedFields},
    {.kind = Kind::kConfigurationError,
     .name = "configuration_error",
     .level = Level::kError,
     .message_id = "c1d7dc166f5c4f2871e55ae19478fc7a",
     .meaning = "What is wrong in the files",
     .fields = kConfigurationErrorFields},
    {.kind = Kind::kConfigurationWarning,
     .name = "configuration_warning",
     .level = Level::kWarning,
     .message_id = "22cbc32aa1d7c0cae72824317ffdc526",
     .meaning = "What is suspicious in the files",
     .fields = kConfigurationWarningFields},
    {.kind = Kind::kStartRefused,
     .name = "start_refused",
     .level = Level::kError,
     .message_id = "10f9b46b5b708102f54269f31b09a18c",
     .can_be_alert = true,
     .meaning = "pgcurfew does not start"},
    {.kind = Kind::kServerRemoved,
     .name = "server_removed",
     .level = Level::kNotice,
     .message_id = "7e2b7e44c724e94f79f6c25d4a29eef3",
     .can_be_alert = true,
     .meaning = "The new files do not name this server any more"},
    {.kind = Kind::kLogLost,
     .name = "log_lost",
     .level = Level::kWarning,
     .message_id = "2e8dc38653a32a432cf439dad838e5ea",
     .meaning = "Log lines could not be written",
     .fields = kLogLostFields},
    {.kind = Kind::kRecordFailed,
     .name = "record_failed",
     .level = Level::kError,
     .message_id = "cf909abbb96047669afad4e55e769c02",
     .can_be_alert = true,
     .meaning = "Events cannot be appended to the record",
     .fields = kRecordFailedFields},
    {.kind = Kind::kRecordAgain,
     .name = "record_again",
     .level = Level::kNotice,
     .message_id = "e3557a294a0544349965312b7be220d8",
     .can_be_alert = true,
     .meaning = "Events are appended to the record again",
     .fields = kRecordAgainFields},
    {.kind = Kind::kRecordLost,
     .name = "record_lost",
     .level = Level::kWarning,
     .message_id = "e3a375a3cfc3408a9fb17d927dc61aa8",
     .can_be_alert = true,
     .meaning = "Events were dropped, because too many waited to be appended to the record",
     .fields = kRecordLostFields},
    {.kind = Kind::kRecordShortened,
     .name = "record_shortened",
     .level = Level::kNotice,
     .message_id = "7a9173d0042d447da53f955523bfaa3f",
     .meaning = "Old events were removed from the record before their time, because it has reached its size",
     .fields = kRecordShortenedFields},
    {.kind = Kind::kAuditFailed,
     .name = "audit_failed",
     .level = Level::kWarning,
     .message_id = "80dd01a7a30940799b70aaa24b600013",
     .can_be_alert = true,
     .meaning = "Events cannot be copied from the record to a place of audit",
     .fields = kAuditFailedFields},
    {.kind = Kind::kAuditAgain,
     .name = "audit_again",
     .level = Level::kNotice,
     .message_id = "6eb4b12a27d14aa7ab17567a0b4494b7",
     .can_be_alert = true,
     .meaning = "Events are copied to a place of audit again",
     .fields = kAuditAgainFields},
    {.kind = Kind::kAuditLost,
     .name = "audit_lost",
     .level = Level::kWarning,
     .message_id = "f3eecb4e4bdd4b1fa167feec571b3411",
     .can_be_alert = true,
     .meaning = "Events will not be copied to a place of audit",
     .fields = kAuditLostFields},
    {.kind = Kind::kWebListening,
     .name = "web_listening",
     .level = Level::kNotice,
     .message_id = "095fbca00b114d05acf1df0d713c9cfd",
     .meaning = "The web server answers, for the first time, at a new address, with new files or again",
     .fields = kWebListeningFields},
    {.kind = Kind::kWebFailed,
     .name = "web_failed",
     .level = Level::kWarning,
     .message_id = "09d83b02114b49b69eff19b5b05d3390",
     .can_be_alert = true,
     .meaning = "The web server cannot listen, so there are no metrics, health and status",
     .fields = kWebFailedFields},
    {.kind = Kind::kStopped,
     .name = "stopped",
     .level = Level::kNotice,
     .message_id = "c9f5437d9a7e164d9edda658aee41222",
     .can_be_alert = true,
     .meaning = "The last line of the log"},
}};

constexpr bool has_each_in_its_place() {
  for (std::size_t i = 0; i < kKinds.size(); ++i) {
    if (static_cast<std::size_t>(kKinds[i].kind) != i) return false;
  }
  return kKinds.size() == static_cast<std::size_t>(Kind::kStopped) + 1;
}
static_assert(has_each_in_its_place());

FieldType type_of_value(const FieldValue& value) {
  // in the order of FieldValue
  constexpr std::array<FieldType, std::variant_size_v<FieldValue>> kHolds{
      FieldType::kInteger, FieldType::kReal,     FieldType::kFlag, FieldType::kText,
      FieldType::kQuery,   FieldType::kDuration, FieldType::kTime};
  return kHolds[value.index()];
}

}  // namespace

std::string_view name_of(Level level) {
  switch (level) {
    case Level::kDebug:
      return "DEBUG";
    case Level::kInfo:
      return "INFO";
    case Level::kNotice:
      return "NOTICE";
    case Level::kWarning:
      return "WARNING";
    case Level::kError:
      break;
  }
  return "ERROR";
}

std::span<const KindEntry> all_kinds() {
  return kKinds;
}

const KindEntry& entry_of(Kind kind) {
  return kKinds[static_cast<std::size_t>(kind)];
}

std::string_view name_of(Kind kind) {
  return entry_of(kind).name;
}

Event::Event(Kind what, std::string text)
    : kind(what), level(entry_of(what).level), message(std::move(text)) {}

void Event::add(const Error& error) {
  if (!error.message.empty()) add(field::kError, error.message);
  if (!error.detail.empty()) add(field::kDetail, error.detail);
  if (!error.hint.empty()) add(field::kHint, error.hint);
  if (!error.sqlstate.empty()) add(field::kSqlstate, error.sqlstate);
}

const KindEntry* find_kind(std::string_view name) {
  const auto found =
      std::find_if(kKinds.begin(), kKinds.end(), [&](const KindEntry& entry) { return entry.name == name; });
  return found == kKinds.end() ? nullptr : &*found;
}

std::string fault_of(const Event& event) {
  const auto& kind = entry_of(event.kind);
  if (!kind.has_level(event.level)) return fmt::format("{} is told at another level", kind.name);
  for (std::size_t i = 0; i < event.fields.size(); ++i) {
    const auto& [name, value] = event.fields[i];
    const auto known =
        std::find_if(kind.fields.begin(), kind.fields.end(),
                     [&wanted = name](const EventFieldEntry& field) { return field.name == wanted; });
    if (known == kind.fields.end()) return fmt::format("{} has a field {}", kind.name, name);
    if (known->type != type_of_value(value))
      return fmt::format("{} of {} holds something else", name, kind.name);
    for (std::size_t before = 0; before < i; ++before) {
      if (event.fields[before].first == name) return fmt::format("{} has {} twice", kind.name, name);
    }
  }
  return {};
}

}  // namespace pgcurfew
