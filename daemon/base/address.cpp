#include "base/address.hpp"

#include <algorithm>
#include <charconv>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "base/words.hpp"

namespace pgcurfew {

namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
constexpr unsigned kMappedBits = 96;

bool is_mapped(const Address& address) {
  return address.is_v6 && std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.bytes.begin());
}

Address without_mapping(const Address& address) {
  if (!is_mapped(address)) return address;
  Address plain;
  std::copy(address.bytes.begin() + 12, address.bytes.end(), plain.bytes.begin());
  return plain;
}

bool bit(const Address& address, unsigned index) {
  return ((address.bytes[index / 8] >> (7 - index % 8)) & 1) != 0;
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  const std::string copy(text);
  Address address;
  // a NUL would end the text for inet_pton
  const bool is_whole = copy.find('\0') == std::string::npos;
  if (is_whole && inet_pton(AF_INET, copy.c_str(), address.bytes.data()) == 1) return address;
  address.is_v6 = true;
  if (is_whole && inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) == 1) return address;
  return failure(fmt::format("\"{}\" is not an address", printable(text)), {},
                 "An address is written in numbers, as in 10.0.0.7, 10.0.0.0/8, fd00::/8, or local for the "
                 "Unix-domain socket.");
}

std::string to_text(const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  inet_ntop(address.is_v6 ? AF_INET6 : AF_INET, address.bytes.data(), buffer.data(), buffer.size());
  return buffer.data();
}

Result<AddressPattern> AddressPattern::parse(std::string_view written) {
  AddressPattern pattern;
  pattern.written_ = written;
  if (written == "local") {
    pattern.is_local_ = true;
    return pattern;
  }
  const auto slash = written.find('/');
  const auto address = parse_address(written.substr(0, slash));
  if (!address) return tl::unexpected(address.error());
  const unsigned width = address->is_v6 ? 128 : 32;
  pattern.network_ = *address;
  pattern.prefix_ = width;
  if (slash != std::string_view::npos) {
    const auto digits = written.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), pattern.prefix_);
    if (error != std::errc() || end != digits.data() + digits.size() || pattern.prefix_ > width) {
      return failure(fmt::format("invalid prefix length in \"{}\"", printable(written)), {},
                     fmt::format("It is a number from 0 to {}.", width));
    }
  }
  for (unsigned i = pattern.prefix_; i < width; ++i) {
    if (bit(pattern.network_, i)) {
      return failure(
          fmt::format("network \"{}\" has bits set to the right of its prefix", printable(written)), {},
          "Correct either the address or the prefix length.");
    }
  }
  if (is_mapped(pattern.network_) && pattern.prefix_ >= kMappedBits) {
    pattern.network_ = without_mapping(pattern.network_);
    pattern.prefix_ -= kMappedBits;
  }
  return pattern;
}

bool AddressPattern::matches(const Address& address) const {
  if (is_local_) return false;
  const auto plain = without_mapping(address);
  if (plain.is_v6 != network_.is_v6) return false;
  for (unsigned i = 0; i < prefix_; ++i) {
    if (bit(plain, i) != bit(network_, i)) return false;
  }
  return true;
}

}  // namespace pgcurfew
