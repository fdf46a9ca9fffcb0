#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/pattern.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "drains/gate.hpp"
#include "postgres/connection.hpp"

namespace pgcurfew {

/// One connection to PgBouncer's admin console: one question at a time. It never blocks.
class PgbouncerSession {
 public:
  using Answer = Result<ResultPtr>;
  static constexpr const char* kShowDatabases = "SHOW DATABASES";
  /// In bytes; PgBouncer sends about 200 per database.
  static constexpr std::size_t kMostOfAReply = std::size_t{16} * 1024 * 1024;

  /// Connects with `conninfo`, but to the database `pgbouncer`, and asks.
  PgbouncerSession(const std::string& conninfo, std::string question);

  /// To be called only after an answer.
  void ask(std::string question);

  /// To be called when the descriptor is ready, and once after each of the calls above. Returns the answer,
  /// once.
  std::optional<Answer> proceed(bool ready);

  [[nodiscard]] Connection::Interest interest() const { return connection_.interest(); }

  /// Closes the connection; nothing can be asked any more.
  void hang_up();

 private:
  PgbouncerSession(Result<Conninfo> console, std::string question);
  std::optional<Answer> send();
  std::optional<Answer> receive();
  Answer fail(Error error);
  Answer fail_with_last_error();

  std::optional<Error> wrong_;  ///< in the conninfo
  Connection connection_;
  std::string question_;  ///< not yet sent
  bool is_asking_ = false;
  bool has_hung_up_ = false;
  ResultPtr result_;
};

/// One of PgBouncer's databases.
struct PgbouncerDatabase {
  std::string name;  ///< PgBouncer's own
  std::string host;  ///< as PgBouncer shows it; empty: none is set
  std::string port;
  bool is_closed = false;
};

/// Which of PgBouncer's databases are meant.
struct PgbouncerChoice {
  std::string database;            ///< that they lead to
  std::vector<TextPattern> pools;  ///< by their own names; empty: by where they lead
  std::vector<Conninfo::Host> server;
  bool is_lenient = false;  ///< if it is unclear which are meant, take all
};

/// The databases that are meant, from the answer to kShowDatabases, with the state of their gate of this
/// kind. Without `pools`, if they lead to different hosts or ports, those are meant that have a host and port
/// of the server, letter for letter.
/// *Errors*: this is not PgBouncer; it is unclear which are meant.
Result<std::vector<PgbouncerDatabase>> read_pgbouncer_databases(const PGresult* result,
                                                                const PgbouncerChoice& choice,
                                                                PgbouncerGate gate);

/// A database's gate at PgBouncer, closed or opened: PAUSE and RESUME, or DISABLE and ENABLE, for each of
/// PgBouncer's databases that leads to it.
///
/// PAUSE is answered only when the last client has ended its transaction. The turn does not wait for that:
/// the gate is closed when PgBouncer shows the database as paused.
/// *Source*: PgBouncer's manual, "Admin console"; tested in tests/integration/pgbouncer_gate_test.py.
class PgbouncerTurn {
 public:
  /// `server`: the hosts of the server that the database is on.
  PgbouncerTurn(GateOrder order, std::vector<Conninfo::Host> server, MonotonicTime now);

  /// To be called when a descriptor is ready (`ready` in the order of interests(), empty for none), at
  /// wake_at(), and once at the beginning. Returns the reply, once; the turn is over then.
  std::optional<GateReply> proceed(MonotonicTime now, const std::vector<bool>& ready);

  [[nodiscard]] std::vector<Connection::Interest> interests() const;
  [[nodiscard]] MonotonicTime wake_at() const;
  [[nodiscard]] const GateOrder& order() const { return order_; }

  /// Closes its connections, once the turn is over.
  void hang_up();

  /// Whether a command that changes PgBouncer has been sent.
  [[nodiscard]] bool has_acted() const { return has_acted_; }

  static constexpr Duration kDeadline = std::chrono::seconds(5);
  static constexpr Duration kLookAgain = std::chrono::milliseconds(50);

 private:
  std::optional<GateReply> take(PgbouncerSession::Answer answer, MonotonicTime now);
  std::optional<GateReply> take_databases(const PGresult* result, MonotonicTime now);
  void act(const std::vector<std::string>& names, MonotonicTime now);
  GateReply done(const std::vector<PgbouncerDatabase>& databases);
  GateReply fail(Error error) const;

  GateOrder order_;
  PgbouncerChoice choice_;
  MonotonicTime began_;
  PgbouncerSession console_;
  std::vector<std::unique_ptr<PgbouncerSession>> pausing_;  ///< each waits for the answer to its PAUSE
  std::deque<std::string> questions_;                       ///< still to be sent to the console
  bool is_looking_ = true;                                  ///< the question under way is SHOW DATABASES
  bool has_acted_ = false;
  std::optional<MonotonicTime> look_at_;
  std::optional<Error> complaint_;  ///< the error of a command
};

}  // namespace pgcurfew
