#include "postgres/pooler_look.hpp"

#include <utility>

namespace pgcurfew {

void PoolerLook::connect() {
  session_ = std::make_unique<PoolerSession>(conninfo_, PoolerSession::kShowDatabases);
  is_held_ = false;
  closed_.clear();
}

void PoolerLook::ask(MonotonicTime now) {
  if (asked_) return;
  asked_ = now;
  if (session_) {
    session_->ask(PoolerSession::kShowDatabases);
  } else {
    connect();
  }
}

std::optional<MonotonicTime> PoolerLook::wake_at() const {
  if (!asked_) return std::nullopt;
  return *asked_ + kDeadline;
}

PoolerSession::Interest PoolerLook::interest() const {
  return asked_ ? session_->interest() : PoolerSession::Interest{};
}

std::optional<PoolerState> PoolerLook::proceed(MonotonicTime now, bool ready) {
  if (!asked_) return std::nullopt;
  auto answer = session_->proceed(ready);
  if (answer && !*answer && is_held_) {
    // it may be there again under the same address
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
  return PoolerState::kUnknown;
}

PoolerState PoolerLook::take(const PGresult* result) {
  const auto databases = read_pooler_databases(result, choice_, gate_);
  if (!databases) return PoolerState::kUnknown;
  auto state = databases->empty() ? PoolerState::kLost : PoolerState::kClosed;
  for (const auto& database : *databases) {
    if (database.is_closed) {
      closed_.insert(database.name);
    } else if (closed_.contains(database.name)) {
      return PoolerState::kOpened;
    } else {
      state = PoolerState::kLost;
    }
  }
  return state;
}

}  // namespace pgcurfew
