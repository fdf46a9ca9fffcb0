#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/time.hpp"
#include "postgres/pgbouncer.hpp"

namespace pgcurfew {

/// Asks PgBouncer from time to time for the state of a database's gate. The connection stays open in between:
/// as long as it lasts, it is the same PgBouncer process, which opens no gate by itself. *Source*: tested in
/// tests/integration/pgbouncer_gate_test.py.
class PgbouncerLook {
 public:
  PgbouncerLook(std::string conninfo, PgbouncerChoice choice, PgbouncerGate gate)
      : conninfo_(std::move(conninfo)), choice_(std::move(choice)), gate_(gate) {}

  /// Does nothing while a question is under way.
  void ask(MonotonicTime now);

  /// To be called when the descriptor is ready, at wake_at(), and once after ask(). Returns the answer, once.
  std::optional<PgbouncerState> proceed(MonotonicTime now, bool ready);

  /// No descriptor unless a question is under way.
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
  std::set<std::string> closed_;  ///< databases that it has shown as closed, by its own names
  std::optional<MonotonicTime> asked_;
};

}  // namespace pgcurfew
