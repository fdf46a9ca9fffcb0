#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/time.hpp"
#include "postgres/pgbouncer.hpp"

namespace pgcurfew {

/// Asks PgBouncer from time to time how a database's gate stands. The connection is held in between: as long
/// as it lasts, it is the same PgBouncer, which opens no gate by itself. *Source*: tried in
/// tests/integration/pgbouncer_gate_test.py.
class PgbouncerLook {
 public:
  PgbouncerLook(std::string conninfo, PgbouncerChoice choice, PgbouncerGate gate)
      : conninfo_(std::move(conninfo)), choice_(std::move(choice)), gate_(gate) {}

  /// Does nothing while a question is under way.
  void ask(MonotonicTime now);

  /// To be called when the descriptor is ready, at wake_at(), and once after ask(). The answer, once.
  std::optional<PgbouncerState> proceed(MonotonicTime now, bool ready);

  /// Nothing to wait for while it is not asking.
  [[nodiscard]] Connection::Interest interest() const;
  [[nodiscard]] std::optional<MonotonicTime> wake_at() const;

  static constexpr Duration kDeadline = std::chrono::seconds(5);

 private:
  void connect();
  PgbouncerState take(const PGresult* result);

  std::string conninfo_;
  PgbouncerChoice choice_;
  PgbouncerGate gate_;
  std::unique_ptr<PgbouncerSession> session_;
  bool is_held_ = false;          ///< it has answered before
  std::set<std::string> closed_;  ///< what it has shown as closed, by its own names
  std::optional<MonotonicTime> asked_;
};

}  // namespace pgcurfew
