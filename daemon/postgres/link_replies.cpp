#include <libpq-fe.h>

#include "postgres/link.hpp"
#include "postgres/statements.hpp"

/// The half of the link that makes something of the answers.
namespace pgcurfew {

void Link::finish(const Request& request, ResultPtr result, MonotonicTime now) {
  switch (request.kind) {
    case RequestKind::kSetUp:
    case RequestKind::kFacts:
      return finish_set_up(request, result);
    case RequestKind::kDatabaseNames:
    case RequestKind::kRoleNames:
      return finish_names(request, result, now);
    case RequestKind::kLook:
      return finish_look(request, std::move(result), now);
    case RequestKind::kWaits:
      return finish_waits(result);
    case RequestKind::kPulse: {
      const auto time = read_time(result.get(), 0, 0);
      if (time) {
        happened_.emplace_back(happening::Pulsed{*time});
      } else {
        happened_.emplace_back(
            happening::PulseFailed{is_good(result.get()) ? time.error() : error_of(result.get())});
      }
      return;
    }
    case RequestKind::kOrder:
      return finish_order(request, result.get());
    case RequestKind::kGates:
      return finish_gates(request, result.get());
    case RequestKind::kTurn:
      return finish_turn(request, result.get());
  }
}

void Link::finish_set_up(const Request& request, const ResultPtr& result) {
  if (!is_good(result.get())) return lose(error_of(result.get()));
  if (request.kind == RequestKind::kFacts) {
    auto facts = read_facts(result.get(), PQserverVersion(conn_.get()));
    if (!facts) return lose(facts.error());
    facts_ = std::move(*facts);
    if (PQbackendPID(conn_.get()) != facts_.backend_pid) {
      return lose({"there is a connection pooler between us and the server",
                   {},
                   "Name the server itself in conninfo: signals and ages need a session of their own.",
                   {}});
    }
  }
  if (requests_.empty() && phase_ == Phase::kPreparing) {
    phase_ = Phase::kReady;
    first_address_ = 0;
    happened_.emplace_back(happening::Connected{facts_});
  }
}

void Link::finish_names(const Request& request, const ResultPtr& result, MonotonicTime now) {
  if (is_good(result.get())) {
    const bool of_databases = request.kind == RequestKind::kDatabaseNames;
    auto names = of_databases ? read_database_names(result.get()) : read_role_names(result.get());
    if (!names) return lose(names.error());
    (of_databases ? names_.databases : names_.roles) = std::move(*names);
    names_.nameless.clear();
    names_refreshed_ = now;
  } else if (phase_ == Phase::kPreparing) {
    return lose(error_of(result.get()));
  } else {
    // a lock on the catalog: the names of before will do
    names_failed_ = now;
    happened_.emplace_back(happening::NamesFailed{error_of(result.get())});
  }
  if (request.kind != RequestKind::kRoleNames || !waiting_look_ || !waiting_look_->needs_names) return;
  waiting_look_->needs_names = false;
  const bool both_came = names_refreshed_ == now && (!names_failed_ || now - *names_failed_ >= kNamesPause);
  if (both_came) {
    if (auto rows = read_look(waiting_look_->result.get(), names_, facts_))
      names_.nameless.merge(rows->unknown);
  }
  if (!waiting_look_->needs_waits) deliver_waiting_look();
}

void Link::finish_look(const Request& request, ResultPtr result, MonotonicTime now) {
  if (!is_good(result.get())) {
    happened_.emplace_back(happening::LookFailed{error_of(result.get())});
    return;
  }
  auto rows = read_look(result.get(), names_, facts_);
  const bool outdated = !names_refreshed_ || now - *names_refreshed_ >= kNamesLifetime;
  const bool may_try = !names_failed_ || now - *names_failed_ >= kNamesPause;
  const bool needs_names = may_try && (outdated || (rows && !rows->unknown.empty()));
  std::optional<Parameters> waiters;
  if (rows && request.look.with_waits) waiters = Parameters::of_waits(rows->look);
  if (!needs_names && !waiters)
    return deliver_look(std::move(rows), request.look.number, std::vector<LockWait>());
  waiting_look_ = WaitingLook{std::move(result), request.look.number, needs_names, waiters.has_value()};
  if (!waiters) waiting_look_->waits.emplace();
  must_refresh_names_ = needs_names;
  if (waiters) request_prepared(statement::kWaits, *waiters, {RequestKind::kWaits});
}

void Link::finish_waits(const ResultPtr& result) {
  if (!waiting_look_) return;
  auto waits = is_good(result.get()) ? read_waits(result.get()) : tl::make_unexpected(error_of(result.get()));
  if (waits) {
    waits_failed_ = 0;
    waiting_look_->waits = std::move(*waits);
  } else if (++waits_failed_ == kWaitsFailuresToTell) {
    happened_.emplace_back(happening::WaitsFailed{waits.error()});
  }
  waiting_look_->needs_waits = false;
  if (!waiting_look_->needs_names) deliver_waiting_look();
}

void Link::deliver_waiting_look() {
  auto look = std::move(*waiting_look_);
  waiting_look_.reset();
  deliver_look(read_look(look.result.get(), names_, facts_), look.number, std::move(look.waits));
}

void Link::deliver_look(Result<LookRows> rows, std::uint64_t number,
                        std::optional<std::vector<LockWait>> waits) {
  if (!rows) {
    happened_.emplace_back(happening::LookFailed{rows.error()});
    return;
  }
  rows->look.number = number;
  rows->look.waits_failed = !waits;
  rows->look.waits = std::move(waits).value_or(std::vector<LockWait>());
  happened_.emplace_back(happening::LookTaken{std::move(rows->look)});
}

void Link::finish_order(const Request& request, const PGresult* result) {
  Reply reply;
  if (!is_good(result)) {
    reply.error = error_of(result);
    reply.kind = reply.error.sqlstate == "42501" ? ReplyKind::kDenied : ReplyKind::kFailed;
  } else if (auto verdict = read_verdict(result)) {
    reply = std::move(*verdict);
    // perhaps a name has changed hands: the next look shall not go by the old ones
    if (reply.kind == ReplyKind::kMovedOn) names_refreshed_.reset();
  } else {
    reply.kind = ReplyKind::kFailed;
    reply.error = verdict.error();
  }
  happened_.emplace_back(happening::Replied{request.decision, std::move(reply)});
}

}  // namespace pgcurfew
