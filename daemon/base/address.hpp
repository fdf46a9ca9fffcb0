#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pgcurfew {

/// An IPv4 or IPv6 address as `client_addr` shows it.
struct Address {
  bool is_v6 = false;
  std::array<std::uint8_t, 16> bytes{};  ///< network order; IPv4 in the first four

  bool operator==(const Address&) const = default;
};

std::string to_text(const Address& address);

/// What `client_addr:` in a rule takes: one address, a network in CIDR form, or `local`.
class AddressPattern {
 public:
  /// *Errors*: not an address, a prefix length out of range, host bits set to the right of the prefix.
  static Result<AddressPattern> parse(std::string_view written);

  /// Whether the address is in the network. IPv4-mapped IPv6 addresses are compared as IPv4.
  [[nodiscard]] bool matches(const Address& address) const;

  /// Whether this is the Unix-domain socket.
  [[nodiscard]] bool is_local() const { return is_local_; }

  [[nodiscard]] const std::string& written() const { return written_; }

 private:
  std::string written_;
  bool is_local_ = false;
  Address network_;
  unsigned prefix_ = 0;
};

/// *Errors*: the text is not a numeric address.
Result<Address> parse_address(std::string_view text);

}  // namespace pgcurfew
