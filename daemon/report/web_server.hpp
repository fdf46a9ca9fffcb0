#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "report/web_answer.hpp"

namespace pgcurfew {

/// A certificate with its issuers' and its private key, as PEM.
struct TlsIdentity {
  std::string certificate;
  std::string key;

  bool operator==(const TlsIdentity&) const = default;
};

/// Answers requests over HTTP, or HTTPS, in a thread of its own. Bounded: connections, the time of each, the
/// size of a request's header. A connection serves one request.
class WebServer {
 public:
  /// Takes the listening socket over, also if it fails. `answer` is called in the thread, one call at a time,
  /// and must not throw.
  /// `identity`: one that check() takes. *Errors*: the library refuses the socket, or the system a thread.
  static Result<std::unique_ptr<WebServer>> start(int listening, std::optional<TlsIdentity> identity,
                                                  std::function<WebAnswer(const WebRequest&)> answer);

  /// *Errors*: it is no identity: not PEM, or a key of another certificate.
  static Result<void> check(const TlsIdentity& identity);

  /// Waits for the answer that is being made, and for no client.
  ~WebServer();
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;

  /// Accepts no connection any more, and returns the listening socket, which the caller has to close; -1 if
  /// there is none. Does not wait. Those that it has are answered.
  int stop_listening();

  /// Ends connections that have lasted longer than kLongestConnection: to be called every second or so. Does
  /// not wait.
  void end_overdue(MonotonicTime now);

  static constexpr unsigned kMostConnections = 32;
  static constexpr unsigned kMostOfOneAddress = 8;  ///< with TLS
  static constexpr Duration kLongestConnection = std::chrono::seconds(20);
  static constexpr Duration kLongestSilence = std::chrono::seconds(5);
  /// For a connection's request line and header.
  static constexpr std::size_t kMostMemory = std::size_t{16} << 10U;

 private:
  struct Inside;
  explicit WebServer(std::unique_ptr<Inside> inside);
  std::unique_ptr<Inside> inside_;
};

}  // namespace pgcurfew
