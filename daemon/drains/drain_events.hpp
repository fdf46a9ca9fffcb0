#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "drains/drain_progress.hpp"
#include "drains/gate.hpp"
#include "engine/session.hpp"
#include "events/event.hpp"

namespace pgcurfew {

// The events of drains; each names the drain. Their signals have the events of engine/narrate.hpp, as those
// of rules.

/// What prevents a DROP DATABASE although it is not a client's session.
struct InTheWay {
  std::vector<std::string> prepared;  ///< names of prepared transactions
  std::vector<std::string> slots;     ///< names of logical replication slots
  std::vector<std::string> backends;  ///< `pid 4711 (walsender)`
};

Event drain_announced_event(const Drain& plan, const Interval& window, ServerTime now);
Event drain_missed_event(const Drain& plan, const Interval& window);
Event drain_began_event(const Drain& plan, const Interval& window, bool is_joined);
/// A database that a drain names does not exist.
Event drain_no_database_event(const Drain& plan, std::string_view pattern);
/// Our role may not read which sessions are logging in to a database.
Event logins_unseen_event();
/// Waiting, cancelling or terminating begins.
Event drain_phase_event(const Drain& plan, const DrainProgress& progress);
/// `after`: since the gates closed.
Event drain_empty_event(const Drain& plan, const DrainProgress& progress, Duration after,
                        const InTheWay& in_the_way);
/// A session came in after the drain was empty.
Event drain_refilled_event(const Drain& plan, const DrainProgress& progress);
Event drain_gave_up_event(const Drain& plan, const DrainProgress& progress);
/// How a drain ended.
struct DrainEnd {
  std::string why;
  bool was_gated = false;      ///< all of its gates were closed
  bool leaves_closed = false;  ///< one of them stays closed
};
Event drain_done_event(const Drain& plan, const DrainProgress& progress, const DrainEnd& end, Duration took);

/// `is_retry`: after a failure that was logged.
Event gate_intent_event(const Drain& plan, const GateOrder& order, bool is_retry);
Event gate_rehearsed_event(const Drain& plan, const std::string& database, GateAccess access);
Event gate_closed_event(const Drain& plan, const std::string& database, const GateReply& reply);
/// The gate was closed for this drain already, by us before a restart or by another instance.
Event gate_adopted_event(const Drain& plan, const std::string& database, const GateMark& mark,
                         std::string_view by);
Event gate_opened_event(std::string_view drain, const std::string& database, GateKind kind,
                        const GateReply& reply);
Event gate_lost_event(const Drain& plan, const std::string& database);
/// A database was renamed in the window: its gate is opened under the new name.
Event gate_renamed_event(const Drain& plan, const std::string& database, const std::string& now);
/// A database was dropped in the window.
Event gate_gone_event(const Drain& plan, const std::string& database);
/// Another database now has the name of one that was drained: it is closed, too.
Event gate_replaced_event(const Drain& plan, const std::string& database);
Event gate_overridden_event(const Drain& plan, const std::string& database);
Event gate_failed_event(std::string_view drain, const std::string& database, bool closes, const Error& error,
                        Duration retry);
/// A gate that another drain holds.
Event gate_found_event(const Gate& gate);
/// A gate that was left closed past its time, and is opened, even in a dry run.
Event gate_overdue_event(const Gate& gate, Mode mode);

/// The remaining sessions, for messages: `3 sessions: pid 4711 app@orders (protected: dumps), ...`, and how
/// many more there may be.
std::string remaining_text(const DrainProgress& progress);

}  // namespace pgcurfew
