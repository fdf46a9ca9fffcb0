#pragma once

#include <string>

#include "base/listen_address.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

namespace pgcurfew {

struct HttpReply {
  long status = 0;
  std::string body;
};

/// A server, usually on this machine.
struct HttpServer {
  ListenAddress address;
  std::string certificate = {};  ///< PEM, for TLS: that of the server comes first; empty: none
  std::string user = {};         ///< of basic authentication; empty: none
  std::string password = {};
  bool trusts_any_certificate = false;  ///< TLS without `certificate`: for requests without a secret
};

/// Gets a path from a server. Waits for `deadline` altogether; follows no redirection and
/// uses no proxy.
/// *Errors*: nothing listens there, no reply in time, a reply of more than 64 MB; a Unix-domain socket that
/// we may not use.
Result<HttpReply> http_get(const HttpServer& server, const std::string& path, Duration deadline);

}  // namespace pgcurfew
