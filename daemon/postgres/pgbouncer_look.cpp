#include "postgres/pgbouncer_look.hpp"

#include <utility>

namespace pgcurfew {

void PgbouncerLook::connect() {
  session_ = std::make_unique<PgbouncerSession>(conninfo_, PgbouncerSession::kShowDatabases);
  is_held_ = false;
  closed_.clear();
}

void PgbouncerLook::ask(MonotonicTime now) {
  if (asked_) return;
  asked_ = now;
  if (session_) {
    session_->ask(PgbouncerSession::kShowDatabases);
  } else {
    connect();
  }
}

std::optional<MonotonicTime> PgbouncerLook::wake_at() const {
  if (!asked_) return std::nullopt;
  return *asked_ + kDeadline;
}

Connection::Interest PgbouncerLook::interest() const {
  return asked_ ? session_->interest() : Connection::Interest{};
}

std::optional<PgbouncerState> PgbouncerLook::proceed(MonotonicTime now, bool ready) {
  if (!asked_) return std::nullopt;
  auto answer = session_->proceed(ready);
  if (answer && !*answer && is_held_) {
    // PgBouncer may have been restarted at the same address
    connect();
    answer = session_->proceed(false);
  }
  const bool is_late = now - *asked_ >= kDeadline;
  if (!answer && !is_late) return std::nullopt;
  asked_.reset();
  if (answer && *answer) {
    is_held_ = true;
    return take((*answer)->get());
  }
  session_.reset();
  return PgbouncerState::kUnknown;
}

PgbouncerState PgbouncerLook::take(const PGresult* result) {
  const auto databases = read_pgbouncer_databases(result, choice_, gate_);
  if (!databases) return PgbouncerState::kUnknown;
  auto state = databases->empty() ? PgbouncerState::kLost : PgbouncerState::kClosed;
  for (const auto& database : *databases) {
    if (database.is_closed) {
      closed_.insert(database.name);
    } else if (closed_.contains(database.name)) {
      return PgbouncerState::kOpened;
    } else {
      state = PgbouncerState::kLost;
    }
  }
  return state;
}

}  // namespace pgcurfew
