#include <libpq-fe.h>

#include "postgres/link.hpp"
#include "postgres/statements.hpp"

/// The part of the link that processes replies.
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
    case RequestKind::kServerLog:
      return finish_line(result.get());
    case RequestKind::kGates:
      return finish_gates(request, result.get());
    case RequestKind::kTurn:
      return finish_turn(request, result.get());
  }
}

void Link::finish_set_up(const Request& request, const ResultPtr& result) {
  if (!is_good(result.get())) return lose(error_of(result.get()));
  if (request.kind == RequestKind::kFacts) {
    auto facts = read_facts(result.get(), PQserverVersion(connection_.handle()));
    if (!facts) return lose(facts.error());
    facts_ = std::move(*facts);
    if (PQbackendPID(connection_.handle()) != facts_.backend_pid) {
      return lose({"there is a connection pooler between us and the server",
                   {},
                   "Name the server itself in conninfo: signals and ages need a session of their own.",
                   {}});
    }
  }
  if (requests_.empty() && !is_ready_) {
    is_ready_ = true;
    connection_.confirm();
    happened_.emplace_back(happening::Connected{facts_});
  }
}

void Link::finish_names(const Request& request, const ResultPtr& result, MonotonicTime now) {
  if (is_good(result.get())) {
    const bool of_databases = request.kind == RequestKind::kDatabaseNames;
    auto names = of_databases ? read_database_names(result.get()) : read_role_names(result.get());
    if (!names) return lose(names.error());
    names_.take(of_databases ? &NameCache::databases : &NameCache::roles, std::move(*names), now);
  } else if (!is_ready_) {
    return lose(error_of(result.get()));
  } else {
    // perhaps a lock on the catalog; the previous names remain in use
    names_.take_failure(now);
    happened_.emplace_back(happening::NamesFailed{error_of(result.get())});
  }
  if (request.kind != RequestKind::kRoleNames) return;
  look_.take_names(facts_, names_, now);
  deliver_look();
}

void Link::finish_look(const Request& request, ResultPtr result, MonotonicTime now) {
  if (!is_good(result.get())) {
    happened_.emplace_back(happening::LookFailed{error_of(result.get())});
    return;
  }
  const auto missing = look_.take_rows(std::move(result), request.look, facts_, names_, now);
  if (missing.waits) request_prepared(statement::kWaits, *missing.waits, {RequestKind::kWaits});
  if (missing.names) read_names();
  deliver_look();
}

void Link::finish_waits(const ResultPtr& result) {
  auto waits = is_good(result.get()) ? read_waits(result.get()) : tl::make_unexpected(error_of(result.get()));
  if (waits) {
    waits_failed_ = 0;
  } else if (++waits_failed_ == kWaitsFailuresToTell) {
    happened_.emplace_back(happening::WaitsFailed{waits.error()});
  }
  look_.take_waits(waits ? std::optional(std::move(*waits)) : std::nullopt);
  deliver_look();
}

void Link::deliver_look() {
  auto look = look_.take_finished();
  if (!look) return;
  if (*look) {
    happened_.emplace_back(happening::LookTaken{std::move(**look)});
  } else {
    happened_.emplace_back(happening::LookFailed{look->error()});
  }
}

void Link::finish_line(const PGresult* result) {
  if (is_good(result)) {
    lines_.pop_front();
    if (!lines_.empty()) request_line();
  } else {
    lines_.clear();
    happened_.emplace_back(happening::ServerLogFailed{error_of(result)});
  }
}

void Link::finish_order(const Request& request, const PGresult* result) {
  Reply reply;
  if (!is_good(result)) {
    reply.error = error_of(result);
    reply.kind = reply.error.sqlstate == "42501" ? ReplyKind::kDenied : ReplyKind::kFailed;
  } else if (auto verdict = read_verdict(result)) {
    reply = std::move(*verdict);
    // a name may belong to another object now; the next look must not use the old ones
    if (reply.kind == ReplyKind::kMovedOn) names_.doubt();
  } else {
    reply.kind = ReplyKind::kFailed;
    reply.error = verdict.error();
  }
  happened_.emplace_back(happening::Replied{request.decision, std::move(reply)});
}

}  // namespace pgcurfew
