#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "postgres/gate_rows.hpp"
#include "postgres/gate_statements.hpp"
#include "postgres/link.hpp"

/// The part of the link that reads gates and turns them.
namespace pgcurfew {

namespace {

std::string in_hex(std::string_view bytes) {
  std::string digits;
  for (const char byte : bytes) digits += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return digits;
}

std::string microseconds(ServerTime time) {
  return fmt::format("{}", time.time_since_epoch().count());
}

std::string until_text(const GateMark& mark) {
  return mark.until ? microseconds(*mark.until) : "reopen";
}

std::string oid_text(const GateOrder& order) {
  return order.oid == 0 ? "" : fmt::format("{}", order.oid);
}

constexpr unsigned kWithoutLocks = 2;
constexpr unsigned kWithoutBoth = 3;

/// A statement of a turn, with its parameters in text.
using Step = std::pair<std::string, std::vector<std::string>>;

std::vector<Step> steps_of(const GateOrder& order) {
  const auto& mark = order.mark;
  std::vector<Step> steps{{statement::begin_turn(), {}}};
  const bool goes_to_journal = order.closes ? order.access == GateAccess::kJournal : order.in_journal;
  if (order.access == GateAccess::kFunction && !goes_to_journal) {
    steps.push_back({statement::function_arguments(), {}});
    if (order.closes) {
      steps.push_back({statement::call_close_gate(),
                       {in_hex(order.database), oid_text(order), mark.drain, mark.by,
                        microseconds(mark.since), until_text(mark)}});
    } else {
      steps.push_back(
          {statement::call_open_gate(), {in_hex(order.database), oid_text(order), order.mark_text}});
    }
    return steps;
  }
  if (order.closes) {
    steps.push_back({statement::closing_arguments(),
                     {in_hex(order.database), oid_text(order), mark.drain, mark.by, microseconds(mark.since),
                      until_text(mark), goes_to_journal ? fmt::format("{}", mark.limit) : ""}});
    steps.push_back({statement::closing_block(), {}});
  } else {
    steps.push_back({statement::opening_arguments(),
                     {in_hex(order.database), oid_text(order), order.mark_text, goes_to_journal ? "t" : "f",
                      order.is_theirs ? "t" : "f"}});
    steps.push_back({statement::opening_block(), {}});
  }
  steps.push_back({statement::turn_result(), {}});
  return steps;
}

/// Another session wrote the same row at the same time: the SQLSTATEs of `tuple concurrently updated` and of
/// two sessions that each add the first setting of one database.
bool is_collision(const Error& error) {
  return error.sqlstate == "XX000" || error.sqlstate == "23505";
}

}  // namespace

/// The privileges to read the system identifier and the locks may have been revoked from PUBLIC. After a
/// refusal the gates are read without the former, then without the latter, then without both; only that
/// information is lost.
void Link::read_gates(bool with_logins) {
  if (!is_ready_) return;
  const bool may_identify = gates_refused_ % 2 == 0;
  const bool may_read_locks = gates_refused_ < kWithoutLocks;
  Request request{RequestKind::kGates};
  request.with_logins = with_logins;
  request_sql(
      statement::gates(PQserverVersion(connection_.handle()), may_identify, with_logins && may_read_locks),
      std::move(request), true);
}

void Link::turn_gate(const GateOrder& order) {
  send_turn(order, false);
}

void Link::send_turn(const GateOrder& order, bool is_repeated) {
  if (!is_ready_) return;
  bool sent = true;
  // they share one Sync, and so one transaction: an error undoes all of it
  for (const auto& [sql, values] : steps_of(order)) {
    std::vector<const char*> pointers;
    for (const auto& value : values) pointers.push_back(value.c_str());
    sent = sent && PQsendQueryParams(connection_.handle(), sql.c_str(), static_cast<int>(pointers.size()),
                                     nullptr, pointers.data(), nullptr, nullptr, 0) == 1;
  }
  Request request{RequestKind::kTurn};
  request.turn = std::make_shared<const GateOrder>(order);
  request.is_repeated = is_repeated;
  finish_request(sent, std::move(request));
}

void Link::finish_gates(const Request& request, const PGresult* result) {
  if (!is_good(result)) {
    const auto error = error_of(result);
    if (error.sqlstate == "42501" && gates_refused_ < kWithoutBoth) {
      ++gates_refused_;
      return read_gates(request.with_logins);
    }
    gates_refused_ = 0;
    happened_.emplace_back(happening::GatesFailed{error});
  } else if (auto gates = read_gate_rows(result)) {
    gates->has_asked_logins = request.with_logins;
    gates->may_not_see_logins = request.with_logins && gates_refused_ >= kWithoutLocks;
    happened_.emplace_back(happening::GatesRead{std::move(*gates)});
  } else {
    happened_.emplace_back(happening::GatesFailed{gates.error()});
  }
}

void Link::finish_turn(const Request& request, const PGresult* result) {
  GateReply reply;
  if (is_good(result)) {
    if (auto read = read_turn(result)) {
      reply = std::move(*read);
    } else {
      reply.outcome = GateOutcome::kFailed;
      reply.error = read.error();
    }
    reply.in_journal =
        request.turn->in_journal || (request.turn->closes && reply.outcome == GateOutcome::kClosed &&
                                     request.turn->access == GateAccess::kJournal);
  } else {
    reply.error = error_of(result);
    if (is_collision(reply.error) && !request.is_repeated) return send_turn(*request.turn, true);
    const bool is_denied = reply.error.sqlstate == "42501";
    reply.outcome = is_denied ? GateOutcome::kDenied : GateOutcome::kFailed;
    if (is_denied && reply.error.hint.empty()) {
      reply.error.hint = "A superuser can allow it with what \"pgcurfew setup-sql\" prints.";
    } else if (reply.error.sqlstate == "55P03" && reply.error.hint.empty()) {
      reply.error.hint = "Another transaction holds a lock on its row of pg_database, or on its settings.";
    }
  }
  reply.id = request.turn->id;
  happened_.emplace_back(happening::GateTurned{std::move(reply)});
}

}  // namespace pgcurfew
