#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/address.hpp"
#include "base/result.hpp"

namespace pgcurfew {

/// Where a server of this machine listens: an address and a port, or a Unix-domain socket.
struct ListenAddress {
  std::string path;  ///< of the Unix-domain socket, absolute; empty: TCP
  Address address;
  std::uint16_t port = 0;

  [[nodiscard]] bool is_unix() const { return !path.empty(); }
  /// Whether other machines cannot reach it: a Unix-domain socket, or the loopback interface.
  [[nodiscard]] bool is_local() const;
  bool operator==(const ListenAddress&) const = default;
};

/// `127.0.0.1:9187`, `[::1]:9187`, `unix:/run/pgcurfew/web.sock`.
std::string to_text(const ListenAddress& address);

/// Reads what to_text() writes, and `localhost:9187`, which is 127.0.0.1.
/// *Errors*: neither form; a port that is not 1 to 65535; a path that is relative or too long for a socket.
Result<ListenAddress> parse_listen_address(std::string_view text);

/// Whether a request that names this host (the `Host` header, with or without a port) may be answered. A page
/// of another site can make a browser send requests here under that site's name, once its name leads to our
/// address; so the name must be one of this machine's. A Unix-domain socket is out of a browser's reach. At
/// an address that is not local any name will do: there the certificate and the password keep such pages out.
bool is_host_of(const ListenAddress& address, std::string_view host);

}  // namespace pgcurfew
