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

// libpq's names, so that this header need not include libpq's
struct pg_conn;
using PGconn = pg_conn;
struct pg_result;
using PGresult = pg_result;

namespace pgcurfew {

struct ResultDeleter {
  void operator()(PGresult* result) const;
};
using ResultPtr = std::unique_ptr<PGresult, ResultDeleter>;

/// A libpq connection to the server, or to PgBouncer's admin console, that never blocks.
///
/// Host names are looked up on other threads. The hosts whose addresses are known are tried first; a host
/// whose look-up hangs is tried when the look-up ends, unless there is a connection by then.
class Connection {
 public:
  /// What a caller has to wait for; it may change with every call.
  struct Interest {
    int fd = -1;  ///< -1: nothing to wait for
    bool write = false;
    bool may_have_moved = false;  ///< the same number may be a different socket now
  };

  /// The other side: its name in messages, and the maximum size of one of its replies, in bytes.
  struct Peer {
    std::string_view name;
    std::size_t most_of_a_reply = 0;
  };

  Connection(Conninfo conninfo, Peer peer, std::shared_ptr<LookUps> look_ups = LookUps::of_system());
  ~Connection() = default;
  // libpq keeps the address of this object, to report notices
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Begins to connect. An open connection is closed first.
  void open();
  void close();

  /// Counts and limits received bytes during its lifetime. It must exist during calls of the functions below
  /// and of libpq's functions that send, because those also read when the socket is full.
  [[nodiscard]] Intake::Reading reading() { return Intake::Reading(intake_); }

  /// Continues to connect. To be called when the descriptor is ready, and (with `ready` false) once after
  /// open(). Returns whether the connection is open now. *Errors*: could not connect to any host (the reason
  /// is that of the last one tried); the connection is closed then.
  Result<bool> proceed(bool ready);

  /// The server is usable: the next open() begins with the first host again. Without this call it begins with
  /// the next host, so that a host that accepts connections but never answers does not keep us from the
  /// others.
  void confirm();

  [[nodiscard]] bool is_open() const { return phase_ == Phase::kOpen; }
  /// Whether the peer has closed the connection, as far as receive() has seen. Data that arrived before can
  /// still be read.
  [[nodiscard]] bool has_ended() const;
  /// For libpq's functions that send, and those that report on the server; only while the connection is open.
  [[nodiscard]] PGconn* handle() const { return conn_.get(); }
  [[nodiscard]] Interest interest() const;

  /// Sends libpq's pending output, as far as the socket accepts it. *Errors*: those of the connection.
  Result<void> flush();

  /// Reads what has arrived. *Errors*: a reply that is too large.
  Result<void> receive();

  /// Whether next_result() would not block.
  [[nodiscard]] bool has_result() const;
  /// PQgetResult(): null between two replies.
  ResultPtr next_result();
  /// A reply is complete: bytes received from now on count as the next one.
  void end_reply();

  /// Why the connection failed or ended: the server's last message, or else libpq's; `fallback` if there is
  /// neither.
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
  std::optional<Resolver> resolver_;  ///< until all look-ups have ended
  Resolver::Addresses tried_;         ///< already tried in this attempt
  bool has_begun_ = false;            ///< to connect
  std::optional<Error> look_up_error_;
  std::optional<Error> connect_error_;
  std::unique_ptr<PGconn, ConnDeleter> conn_;
  bool wants_write_ = false;
  bool has_read_end_ = false;
  bool is_out_of_step_ = false;  ///< the peer has sent data that was not requested
  bool is_confirmed_ = false;
  std::size_t first_address_ = 0;  ///< number of the address to begin with; moves on after a failed attempt
  std::string warning_;            ///< libpq's, from the beginning of the attempt
  Intake intake_;
  std::optional<Error> server_error_;  ///< the server's last error since the last reply ended
};

}  // namespace pgcurfew
