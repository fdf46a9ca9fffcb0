#include "base/listen_address.hpp"

#include <charconv>
#include <optional>
#include <system_error>

#include <fmt/format.h>

#include "base/lower_case.hpp"
#include "base/words.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kUnix = "unix:";
constexpr std::string_view kForm =
    "It is written as in 127.0.0.1:9187, [::1]:9187 or unix:/run/pgcurfew/web.sock.";
/// The size of sockaddr_un.sun_path, with its final NUL.
constexpr std::size_t kLongestPath = 107;

/// 127.0.0.0/8 and ::1.
bool is_loopback(const Address& address) {
  if (!address.is_v6) return address.bytes[0] == 127;
  Address loopback;
  loopback.is_v6 = true;
  loopback.bytes[15] = 1;
  return address == loopback;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  unsigned port = 0;
  const auto* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, port);
  const bool is_whole = error == std::errc() && end == last && text.front() != '0';
  if (!is_whole || port > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(port);
}

/// A host as it is written before a port: a name, an IPv4 address, or an IPv6 address in brackets.
std::optional<Address> parse_host(std::string_view host) {
  const bool has_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  const auto address = parse_address(has_brackets ? host.substr(1, host.size() - 2) : host);
  if (!address || address->is_v6 != has_brackets) return std::nullopt;
  return *address;
}

/// The part of a text before its port, if it has one.
std::string_view without_port(std::string_view text) {
  const auto colon = text.rfind(':');
  // the colons of an IPv6 address in brackets lead to no port
  const bool has_port = colon != std::string_view::npos && text.find(']', colon) == std::string_view::npos;
  return has_port ? text.substr(0, colon) : text;
}

Result<ListenAddress> parse_unix(std::string_view path) {
  if (!path.starts_with('/') || path.ends_with('/') || path.find('\0') != path.npos)
    return failure(fmt::format("\"{}\" is not the absolute path of a socket", printable(path, 120)), {},
                   std::string(kForm));
  if (path.size() > kLongestPath)
    return failure(fmt::format("the path of a socket has at most {} bytes", kLongestPath));
  ListenAddress address;
  address.path = path;
  return address;
}

}  // namespace

std::string to_text(const ListenAddress& address) {
  if (address.is_unix()) return fmt::format("{}{}", kUnix, address.path);
  const auto host = to_text(address.address);
  return address.address.is_v6 ? fmt::format("[{}]:{}", host, address.port)
                               : fmt::format("{}:{}", host, address.port);
}

Result<ListenAddress> parse_listen_address(std::string_view text) {
  if (text.starts_with(kUnix)) return parse_unix(text.substr(kUnix.size()));
  const auto wrong = [&] {
    return failure(fmt::format("\"{}\" is not an address and a port", printable(text, 120)), {},
                   std::string(kForm));
  };
  const auto host = without_port(text);
  if (host.size() == text.size()) return wrong();
  const auto port = parse_port(text.substr(host.size() + 1));
  const auto found = parse_host(host == "localhost" ? "127.0.0.1" : host);
  if (!port || !found) return wrong();
  ListenAddress address;
  address.address = *found;
  address.port = *port;
  return address;
}

bool ListenAddress::is_local() const {
  return is_unix() || is_loopback(address);
}

bool is_host_of(const ListenAddress& address, std::string_view host) {
  if (address.is_unix() || !address.is_local()) return true;
  const auto name = without_port(host);
  if (name.size() < host.size() && !parse_port(host.substr(name.size() + 1))) return false;
  if (lower_case(name) == "localhost") return true;
  const auto found = parse_host(name);
  return found && (is_loopback(*found) || *found == address.address);
}

}  // namespace pgcurfew
