#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "postgres/connection.hpp"
#include "postgres/look_assembly.hpp"
#include "postgres/parameters.hpp"
#include "postgres/rows.hpp"
#include "watch/watch.hpp"

namespace pgcurfew {

/// The one permanent connection to a server. It is asynchronous and never blocks.
///
/// Carries out a Watch's commands and reports what happened. All requests go through one pipeline, each with
/// its own Sync, so that each is a separate transaction and sees current data.
class Link {
 public:
  explicit Link(Conninfo conninfo, std::shared_ptr<LookUps> look_ups = LookUps::of_system());

  void connect();
  void disconnect();
  void take_look(const command::TakeLook& what);
  void take_pulse();
  void send(const std::vector<Order>& orders);
  /// Writes a line to the server's own log; an empty one only tries whether that is possible. One line at a
  /// time, so that at most one comes before what is requested next; all that wait are left out after a
  /// failure. More than kMostLines are a failure. Waits a millisecond at most for a lock on a catalog, but
  /// the server has no bound for the writing itself.
  void tell_server_log(std::string line);
  void read_gates(bool with_logins);
  void turn_gate(const GateOrder& order);

  /// To be called when the descriptor is ready, and (with `ready` false) after each of the calls above, to
  /// send their pending output. Returns what happened since the last call, in order.
  std::vector<Happening> proceed(MonotonicTime now, bool ready);

  [[nodiscard]] Connection::Interest interest() const { return connection_.interest(); }

  /// The maximum size of one reply, in bytes: that of a look at 15,000 sessions with the longest texts. A
  /// larger one ends the connection.
  static constexpr std::size_t kMostOfAReply = std::size_t{256} * 1024 * 1024;

  /// Lines for the server's own log that wait at most.
  static constexpr std::size_t kMostLines = 1000;

  /// Consecutive failures to read lock waits before one is reported.
  static constexpr int kWaitsFailuresToTell = 3;

 private:
  enum class RequestKind {
    kSetUp,
    kFacts,
    kDatabaseNames,
    kRoleNames,
    kLook,
    kWaits,
    kPulse,
    kOrder,
    kServerLog,
    kGates,
    kTurn
  };
  struct Request {
    RequestKind kind;
    std::string decision = {};    ///< of an order
    command::TakeLook look = {};  ///< of a look, and of the waits that belong to it
    std::shared_ptr<const GateOrder> turn = {};
    bool is_repeated = false;  ///< of a turn: the second attempt, after a collision
    bool with_logins = false;  ///< of a reading of the gates
  };

  void set_up();
  void read_replies(MonotonicTime now);
  void finish(const Request& request, ResultPtr result, MonotonicTime now);
  void finish_set_up(const Request& request, const ResultPtr& result);
  void finish_look(const Request& request, ResultPtr result, MonotonicTime now);
  void finish_waits(const ResultPtr& result);
  void deliver_look();
  void finish_names(const Request& request, const ResultPtr& result, MonotonicTime now);
  void read_names();
  void finish_order(const Request& request, const PGresult* result);
  void finish_line(const PGresult* result);
  void send_turn(const GateOrder& order, bool is_repeated);
  void finish_gates(const Request& request, const PGresult* result);
  void finish_turn(const Request& request, const PGresult* result);

  void request_line();

  void request_settings(int server_version);
  void request_sql(const std::string& sql, Request request, bool in_binary = false);
  void request_prepare(const char* name, const std::string& sql);
  void request_prepared(const char* name, const Parameters& parameters, Request request);
  void request_bare(const char* name, Request request);
  void finish_request(bool sent, Request request);
  void lose(Error error);
  void lose_connection(std::string_view fallback) { lose(connection_.error(fallback)); }

  Connection connection_;
  bool is_ready_ = false;  ///< the connection is open, and all statements are prepared
  std::deque<Request> requests_;
  /// The reply to the first request, until its Sync: its first error, or its last result.
  ResultPtr current_;
  ServerFacts facts_;
  NameBook names_;
  LookAssembly look_;
  unsigned gates_refused_ = 0;     ///< which ways to read the gates were refused, see read_gates
  std::deque<std::string> lines_;  ///< for the server's own log; the first one was sent
  int waits_failed_ = 0;           ///< how often in a row
  std::vector<Happening> happened_;
};

}  // namespace pgcurfew
