#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "postgres/conninfo.hpp"
#include "postgres/intake.hpp"
#include "postgres/resolver.hpp"

// libpq's own names, so that its header need not be included by ours
struct pg_conn;
using PGconn = pg_conn;
struct pg_result;
using PGresult = pg_result;

namespace pgcurfew {

struct ResultDeleter {
  void operator()(PGresult* result) const;
};
using ResultPtr = std::unique_ptr<PGresult, ResultDeleter>;

/// A connection of libpq's that is made, written and read without ever waiting: to the server, or to
/// PgBouncer's admin console.
///
/// Host names are looked up beside the loop. The hosts whose addresses are known are tried first; a host
/// whose look-up hangs is tried when the look-up ends, unless there is a connection by then.
class Connection {
 public:
  /// What a caller has to wait for; it may change with every call.
  struct Interest {
    int fd = -1;  ///< -1: nothing to wait for
    bool write = false;
    bool may_have_moved = false;  ///< the same number may be another socket than before
  };

  /// The other side: its name in messages, and how much of one reply it may send, in bytes.
  struct Peer {
    std::string_view name;
    std::size_t most_of_a_reply = 0;
  };

  Connection(Conninfo conninfo, Peer peer, std::shared_ptr<LookUps> look_ups = LookUps::of_system());
  ~Connection() = default;
  // libpq holds its address, to report the server's notices
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Begins to connect, after closing what was open.
  void open();
  void close();

  /// Counts and bounds what is received as long as it lives. To be held around calls of the functions below,
  /// and of libpq's functions that send: they read, too, when the socket is full.
  [[nodiscard]] Intake::Reading reading() { return Intake::Reading(intake_); }

  /// Goes on connecting. To be called when the descriptor is ready, and (with `ready` false) once after
  /// open(). True: it is open now. *Errors*: no host could be connected to, for which of several reasons it
  /// was the last time; it is closed then.
  Result<bool> proceed(bool ready);

  /// The server is what was sought: the next open() begins with the first host again. Without it, with the
  /// next host, so that a host that accepts and then says nothing does not keep us from the others for ever.
  void confirm();

  [[nodiscard]] bool is_open() const { return phase_ == Phase::kOpen; }
  /// Whether the peer has closed it, as far as receive() has seen. What had arrived before can still be read.
  [[nodiscard]] bool has_ended() const;
  /// For libpq's functions that send, and those that tell about the server; only while it is open.
  [[nodiscard]] PGconn* handle() const { return conn_.get(); }
  [[nodiscard]] Interest interest() const;

  /// Sends what libpq could not send yet, as far as the socket takes it. *Errors*: of the connection.
  Result<void> flush();

  /// Reads what has arrived. *Errors*: a reply that is too large.
  Result<void> receive();

  /// Whether next_result() has an answer without waiting.
  [[nodiscard]] bool has_result() const;
  /// PQgetResult(): null between two replies.
  ResultPtr next_result();
  /// A reply is complete: what comes now counts as the next one.
  void end_reply();

  /// Why it failed or ended: what the server said last, or else libpq; `fallback` if neither said anything.
  [[nodiscard]] Error error(std::string_view fallback) const;

 private:
  enum class Phase { kClosed, kResolving, kConnecting, kOpen };
  struct ConnDeleter {
    void operator()(PGconn* conn) const;
  };

  Result<void> go_on_resolving();
  Result<void> start(const Resolver::Addresses& addresses, bool with_known);
  Result<void> fail_to_connect();
  Result<void> poll();
  Result<void> fail(Error error);
  [[nodiscard]] Error too_much() const;
  static void receive_notice(void* connection, const PGresult* notice) noexcept;

  Conninfo conninfo_;
  Peer peer_;
  std::shared_ptr<LookUps> look_ups_;
  Phase phase_ = Phase::kClosed;
  std::optional<Resolver> resolver_;  ///< until all names are known
  Resolver::Addresses tried_;         ///< that have been connected to in this attempt
  bool has_begun_ = false;            ///< to connect
  std::optional<Error> look_up_error_;
  std::optional<Error> connect_error_;
  std::unique_ptr<PGconn, ConnDeleter> conn_;
  bool wants_write_ = false;
  bool has_read_end_ = false;
  bool is_out_of_step_ = false;  ///< it has sent what nothing asked for
  bool is_confirmed_ = false;
  std::size_t first_address_ = 0;  ///< which to begin with: the one behind that which brought nothing
  std::string warning_;            ///< libpq's when it began to connect
  Intake intake_;
  std::optional<Error> server_error_;  ///< what the server said since the last reply ended
};

}  // namespace pgcurfew
