#include "engine/narrate.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/words.hpp"
#include "engine/ledger.hpp"
#include "engine/narrate_fields.hpp"
#include "events/fields.hpp"

namespace pgcurfew {

namespace {

struct ClaimantName {
  ClaimantKind kind = ClaimantKind::kRule;
  std::string_view name;
};

ClaimantName claimant_of(const Order& order) {
  if (order.drain.empty()) return {ClaimantKind::kRule, order.rule};
  return {ClaimantKind::kDrain, order.drain};
}

ClaimantName claimant_of(const EpisodeKey& key, const Episode& episode) {
  return {key.claimant.kind(), episode.claimant};
}

/// `rule limit`, `drain nightly`.
std::string text_of(const ClaimantName& claimant) {
  return fmt::format("{} {}", claimant.kind == ClaimantKind::kRule ? "rule" : "drain", claimant.name);
}

std::string subject_of(const EpisodeKey& key, const Episode& episode) {
  return fmt::format("{} ({})", session_text(key.session, episode.user, episode.database),
                     text_of(claimant_of(key, episode)));
}

void add_claimant(Event& event, const ClaimantName& claimant) {
  if (claimant.kind == ClaimantKind::kRule) {
    event.add(field::kRule, claimant.name);
  } else {
    event.add(field::kDrain, claimant.name);
  }
}

/// The session's fields, as the look showed them.
void add_names(Event& event, const Order& order) {
  event.add(field::kDatabase, order.database);
  event.add(field::kUser, order.user);
  event.add(field::kApplicationName, order.application_name);
  event.add(field::kClientAddr, order.client_addr);
  event.add(field::kQueryId, order.query_id);
}

void add_decision(Event& event, const Order& order) {
  event.add(field::kDecision, order.decision);
  add_claimant(event, claimant_of(order));
  event.add(field::kPolicy, order.policy);
  add_session(event, order.guard.session);
  event.add(field::kMode, name_of(order.mode));
  event.add(field::kStep, name_of(order.step));
}

/// All fields of an order except its outcome.
void add_order(Event& event, const Order& order) {
  add_decision(event, order);
  event.add(field::kEpisode, order.episode);
  if (order.if_still) event.add(field::kIfStill, true);
}

void add_decision(Event& event, const EpisodeKey& key, const Episode& episode) {
  event.add(field::kDecision, episode.decision);
  add_claimant(event, claimant_of(key, episode));
  event.add(field::kPolicy, episode.policy);
  add_session(event, key.session);
  event.add(field::kMode, name_of(episode.mode));
  event.add(field::kStep, name_of(episode.ordered_kind));
  if (!episode.id.empty()) event.add(field::kEpisode, episode.id);
}

std::string_view clock_text(const Order& order) {
  return clock_text(order.clock, order.is_waiters_age);
}

/// What the rule relies on besides an age.
void add_grounds(Event& event, const Order& order) {
  const auto& grounds = order.grounds;
  event.add(field::kBlocks, grounds.blocks);
  if (grounds.longest_waiter) {
    event.add(field::kLongestWaiter, grounds.longest_waiter->pid);
    event.add(field::kLongestWaiterUser, grounds.longest_waiter_user);
    event.add(field::kLongestWaiterApplicationName, grounds.longest_waiter_application_name);
  }
  event.add(field::kXminAge, grounds.xmin_age);
  event.add(field::kGroup, grounds.group);
  event.add(field::kGroupSize, grounds.group_size);
  event.add(field::kKeep, grounds.keep);
  if (grounds.connections_used) {
    // in thousandths, so that it reads well
    event.add(field::kConnectionsUsed, std::round(*grounds.connections_used * 1000) / 1000);
  }
  if (grounds.server_role) event.add(field::kServerRole, name_of(*grounds.server_role));
  event.add(field::kOpenUntil, grounds.open_until);
  event.add(field::kRepeated, grounds.repeated);
  if (grounds.has_skipped_cancel) event.add(field::kSkipped, "cancel");
}

std::string age_text(const Order& order) {
  return fmt::format("{} {} of limit {}", clock_text(order), to_rough_text(order.age), to_text(order.limit));
}

std::string grounds_text(const Order& order) {
  const auto& grounds = order.grounds;
  std::vector<std::string> parts;
  if (grounds.blocks)
    parts.push_back(fmt::format("blocks {} session{}", *grounds.blocks, *grounds.blocks == 1 ? "" : "s"));
  if (grounds.xmin_age) parts.push_back(fmt::format("xmin_age {}", *grounds.xmin_age));
  if (grounds.keep) {
    parts.push_back(fmt::format("one of {}{}{} that are due, keep is {}", *grounds.group_size,
                                grounds.group ? " of " : "", printable(grounds.group.value_or(""), 160),
                                *grounds.keep));
  }
  if (grounds.connections_used) {
    parts.push_back(fmt::format("connections_used {:.1f}%", *grounds.connections_used * 100));
  }
  if (grounds.server_role) parts.push_back(fmt::format("on a {}", name_of(*grounds.server_role)));
  if (grounds.open_until) parts.emplace_back("within its hours");
  if (grounds.repeated && *grounds.repeated > 0) {
    parts.push_back(fmt::format("has acted {} time{} within {} on {} {}", *grounds.repeated,
                                *grounds.repeated == 1 ? "" : "s", to_text(order.repeat->within),
                                entry_of(order.repeat->per).name, printable(order.repeat_key->value, 80)));
  }
  if (grounds.has_skipped_cancel) parts.emplace_back("a cancel could not affect it");
  if (order.limit > Duration(0)) parts.push_back(age_text(order));
  return parts.empty() ? "it matches" : fmt::format("{}", fmt::join(parts, ", "));
}

/// Empty for a rule without an age.
void add_age(Event& event, const Order& order, Duration age) {
  if (order.limit == Duration(0)) return;
  event.add(field::kClock, clock_text(order));
  event.add(field::kAgeS, age);
  event.add(field::kLimitS, order.limit);
}

std::string_view verb(StepKind step) {
  switch (step) {
    case StepKind::kAlert:
      return "alert about";
    case StepKind::kCancel:
      return "cancel";
    case StepKind::kTerminate:
      break;
  }
  return "terminate";
}

std::string_view past(StepKind step) {
  switch (step) {
    case StepKind::kAlert:
      return "alerted about";
    case StepKind::kCancel:
      return "sent cancel to";
    case StepKind::kTerminate:
      break;
  }
  return "sent terminate to";
}

Level level_of(const Order& order, ReplyKind kind) {
  switch (kind) {
    case ReplyKind::kSignalled:
      if (order.step != StepKind::kAlert) return Level::kNotice;
      return order.if_still ? Level::kInfo : Level::kWarning;
    case ReplyKind::kDenied:
    case ReplyKind::kFailed:
    case ReplyKind::kUnknown:
    case ReplyKind::kNotSent:
    case ReplyKind::kStale:
      return Level::kWarning;
    default:
      return Level::kInfo;
  }
}

std::string_view if_still_text(const Order& order) {
  return order.if_still ? ", if it were still there" : "";
}

std::string outcome_message(const Order& order, const Reply& reply) {
  const auto subject = subject_of(order);
  switch (reply.kind) {
    case ReplyKind::kSignalled:
      if (order.mode == Mode::kDryRun && order.step != StepKind::kAlert) {
        return fmt::format("would have sent {} to {}{}", verb(order.step), subject, if_still_text(order));
      }
      return fmt::format("{} {}{}", past(order.step), subject, if_still_text(order));
    case ReplyKind::kMovedOn:
      return fmt::format("spared {}: it has moved on", subject);
    case ReplyKind::kGone:
      return fmt::format("nothing to {}: {} is gone", verb(order.step), subject);
    case ReplyKind::kEarly:
      return fmt::format("{} is not due yet by the server's clock", subject);
    case ReplyKind::kShifted:
      return fmt::format("the server's list of backends changed before {} was signalled; trying again",
                         subject);
    case ReplyKind::kNotSent:
      return fmt::format("did not {} {}: {}", verb(order.step), subject, printable(reply.error.message));
    case ReplyKind::kStale:
      return fmt::format("spared {}: the order reached the server too late, or its clock jumped", subject);
    case ReplyKind::kSyncRep:
      return fmt::format("spared {}: it waits for synchronous replication", subject);
    case ReplyKind::kDenied:
      return fmt::format("may not {} {}: {}", verb(order.step), subject, printable(reply.error.message));
    case ReplyKind::kFailed:
      return fmt::format("could not {} {}: {}", verb(order.step), subject, printable(reply.error.message));
    case ReplyKind::kUnknown:
      break;
  }
  return fmt::format("outcome unknown of {} for {}: {}", name_of(order.step), subject,
                     printable(reply.error.message));
}

}  // namespace

std::string subject_of(const Order& order) {
  return fmt::format("{} ({})", session_text(order.guard.session, order.user, order.database),
                     text_of(claimant_of(order)));
}

std::string server_log_line(const Order& order) {
  const auto line = fmt::format("pgcurfew {} {} ({}, decision {})", past(order.step),
                                session_text(order.guard.session, order.user, order.database),
                                text_of(claimant_of(order)), order.decision);
  return order.drain.empty() ? fmt::format("{}: {}", line, grounds_text(order)) : line;
}

Event intent_event(const Order& order) {
  const auto about = fmt::format("{} {} {}{}", order.mode == Mode::kDryRun ? "would now" : "about to",
                                 verb(order.step), subject_of(order), if_still_text(order));
  const bool is_drains = !order.drain.empty();
  Event event(Kind::kIntent, is_drains ? about : fmt::format("{}: {}", about, grounds_text(order)));
  add_order(event, order);
  event.add(field::kNextAfterS, order.next_after);
  if (!is_drains) add_age(event, order, order.age);
  add_grounds(event, order);
  add_names(event, order);
  if (order.state) event.add(field::kState, name_of(*order.state));
  return event;
}

Event outcome_event(const Order& order, const Reply& reply) {
  Event event(Kind::kOutcome, outcome_message(order, reply));
  event.level = level_of(order, reply.kind);
  add_order(event, order);
  event.add(field::kOutcome, outcome_of(order, reply.kind));
  if (order.drain.empty())
    add_age(event, order, reply.server_time ? *reply.server_time - order.clock_start : order.age);
  add_names(event, order);
  if (reply.state) event.add(field::kState, name_of(*reply.state));
  event.add(field::kWaitEventType, reply.wait_event_type);
  event.add(field::kWaitEvent, reply.wait_event);
  if (reply.query) event.add(field::kQuery, RawQuery{*reply.query});
  if (!reply.error.message.empty()) event.add(field::kError, reply.error.message);
  if (!reply.error.detail.empty()) event.add(field::kDetail, reply.error.detail);
  if (!reply.error.sqlstate.empty()) event.add(field::kSqlstate, reply.error.sqlstate);
  return event;
}

std::string_view outcome_of(const Order& order, ReplyKind kind) {
  if (kind != ReplyKind::kSignalled || order.is_signal()) return name_of(kind);
  return order.step == StepKind::kAlert ? "alerted" : "would_signal";
}

Event skipped_event(const Rule& rule, const std::string& policy, const Session& session) {
  const auto state = session.state ? name_of(*session.state) : "unknown";
  Event event(Kind::kSkipped,
              fmt::format("cancel of rule {} is skipped for {}: it cannot affect a session in state {}",
                          rule.name, session_text(session), state));
  event.add(field::kRule, rule.name);
  event.add(field::kPolicy, policy);
  add_session(event, session.key);
  event.add(field::kMode, name_of(rule.mode));
  event.add(field::kStep, name_of(StepKind::kCancel));
  event.add(field::kState, state);
  add_names(event, session);
  return event;
}

Event superseded_event(const Order& order, const EpisodeKey& key, const Episode& episode) {
  const auto claimant = claimant_of(order);
  Event event(Kind::kSuperseded,
              fmt::format("{} of {} for {} is superseded by {}", name_of(episode.ordered_kind),
                          text_of(claimant_of(key, episode)),
                          session_text(order.guard.session, order.user, order.database), text_of(claimant)));
  add_decision(event, key, episode);
  event.add(field::kSupersededBy, claimant.name);
  add_names(event, order);
  return event;
}

Event verified_event(const EpisodeKey& key, const Episode& episode, std::string_view effect) {
  const auto subject = subject_of(key, episode);
  auto message = effect == "ended"         ? fmt::format("{} has ended", subject)
                 : effect == "query_ended" ? fmt::format("the query of {} has ended", subject)
                 : effect == "moved_on"    ? fmt::format("{} has moved on", subject)
                 : effect == "unseen"      ? fmt::format("{} can no longer be seen", subject)
                                           : fmt::format("{} is still there", subject);
  Event event(Kind::kVerified, std::move(message));
  add_decision(event, key, episode);
  event.add(field::kEffect, effect);
  event.add(field::kDatabase, episode.database);
  event.add(field::kUser, episode.user);
  return event;
}

Event unkillable_event(const EpisodeKey& key, const Session& session, const Episode& episode) {
  const auto claimant = claimant_of(key, episode);
  Event event(Kind::kUnkillable,
              fmt::format("{} has outlived the last step of {}", session_text(session), text_of(claimant)));
  // for a drain, it keeps the whole database from being empty
  if (claimant.kind == ClaimantKind::kDrain) event.level = Level::kError;
  add_decision(event, key, episode);
  if (session.state) event.add(field::kState, name_of(*session.state));
  event.add(field::kWaitEventType, session.wait_event_type.value_or("none"));
  event.add(field::kWaitEvent, session.wait_event.value_or("none"));
  add_names(event, session);
  return event;
}

std::string_view name_of(End end) {
  switch (end) {
    case End::kByUs:
      return "by_us";
    case End::kByAnotherClaim:
      return "by_another_claim";
    case End::kByItself:
      return "by_itself";
    case End::kGone:
      return "gone";
    case End::kUnseen:
      return "unseen";
    case End::kSpared:
      return "spared";
    case End::kDenied:
      return "denied";
    case End::kUnkillable:
      return "unkillable";
    case End::kRuleRemoved:
      return "rule_removed";
    case End::kDrainOver:
      return "drain_over";
    case End::kConnectionLost:
      return "connection_lost";
    case End::kStopped:
      break;
  }
  return "stopped";
}

namespace {

std::string_view text_of(End end) {
  switch (end) {
    case End::kByUs:
      return "has ended after our signal";
    case End::kByAnotherClaim:
      return "has ended after the signal of another rule or drain";
    case End::kByItself:
      return "has moved on by itself";
    case End::kGone:
      return "is gone, and no signal of ours ended it";
    case End::kUnseen:
      return "can no longer be seen";
    case End::kSpared:
      return "is spared now";
    case End::kDenied:
      return "may not be signalled by us";
    case End::kUnkillable:
      return "is left alone: it has outlived the last step";
    case End::kRuleRemoved:
      return "is no longer watched: its rule has changed or is gone";
    case End::kDrainOver:
      return "is left alone: the drain is over";
    case End::kConnectionLost:
      return "is no longer watched: the server was restarted, or is another one";
    case End::kStopped:
      break;
  }
  return "is no longer watched: pgcurfew stops";
}

/// `, 12s after it would have been sent cancel`.
std::string since_text(const Episode& episode, Duration since) {
  return fmt::format(", {} after it {} sent {}", to_rough_text(since),
                     episode.mode == Mode::kDryRun ? "would have been" : "was", name_of(episode.acted_first));
}

}  // namespace

Event ended_event(const EpisodeKey& key, const Episode& episode, End end, std::optional<ServerTime> now) {
  std::optional<Duration> since;
  if (now && episode.acted_at) since = std::max(Duration(0), *now - *episode.acted_at);
  Event event(Kind::kEnded, fmt::format("{} {}{}", subject_of(key, episode), text_of(end),
                                        since ? since_text(episode, *since) : ""));
  add_decision(event, key, episode);
  event.add(field::kEnd, name_of(end));
  event.add(field::kSinceStepS, since);
  event.add(field::kDatabase, episode.database);
  event.add(field::kUser, episode.user);
  return event;
}

void tell_end(const EpisodeKey& key, Episode& episode, End end, std::optional<ServerTime> now,
              std::vector<Event>& events) {
  if (episode.id.empty()) return;
  events.push_back(ended_event(key, episode, end, now));
  episode.id.clear();
}

Event repeat_event(const Order& order, std::size_t times) {
  const auto& repeat = *order.repeat;
  const auto per = entry_of(repeat.per).name;
  const auto consequence = repeat.then == RepeatAction::kTerminate
                               ? std::string("the next such session is terminated at once")
                           : repeat.then == RepeatAction::kPause
                               ? fmt::format("it leaves these sessions alone for {}", to_text(repeat.within))
                               : fmt::format("look at what this {} keeps sending", per);
  Event event(Kind::kRepeat,
              fmt::format("rule {} has acted {} times within {} on {} {}: {}", order.rule, times,
                          to_text(repeat.within), per, printable(order.repeat_key->value, 80), consequence));
  add_decision(event, order);
  event.add(field::kPer, per);
  event.add(field::kValue, order.repeat_key->value);
  event.add(field::kTimes, times);
  event.add(field::kWithinS, repeat.within);
  event.add(field::kThen, name_of(repeat.then));
  return event;
}

}  // namespace pgcurfew
