#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/time.hpp"
#include "postgres/pooler.hpp"

namespace pgcurfew {

/// How a gate at PgBouncer stands that was closed.
enum class PoolerState {
  kUnknown,  ///< it did not answer
  kClosed,
  kOpened,  ///< by somebody: the process that showed it as closed shows it as open
  kLost,    ///< open, and not closed by this process: PgBouncer was restarted
};

/// Asks PgBouncer from time to time how a database's gate stands. The connection is held in between: as long
/// as it lasts, it is the same PgBouncer, which opens no gate by itself. *Source*: tried in
/// tests/integration/pooler_gate_test.py.
class PoolerLook {
 public:
  PoolerLook(std::string conninfo, PoolerChoice choice, PoolerGate gate)
      : conninfo_(std::move(conninfo)), choice_(std::move(choice)), gate_(gate) {}

  /// Does nothing while a question is under way.
  void ask(MonotonicTime now);

  /// To be called when the descriptor is ready, at wake_at(), and once after ask(). The answer, once.
  std::optional<PoolerState> proceed(MonotonicTime now, bool ready);

  /// Nothing to wait for while it is not asking.
  [[nodiscard]] PoolerSession::Interest interest() const;
  [[nodiscard]] std::optional<MonotonicTime> wake_at() const;

  static constexpr Duration kDeadline = std::chrono::seconds(5);

 private:
  void connect();
  PoolerState take(const PGresult* result);

  std::string conninfo_;
  PoolerChoice choice_;
  PoolerGate gate_;
  std::unique_ptr<PoolerSession> session_;
  bool is_held_ = false;          ///< it has answered before
  std::set<std::string> closed_;  ///< what it has shown as closed, by its own names
  std::optional<MonotonicTime> asked_;
};

}  // namespace pgcurfew
