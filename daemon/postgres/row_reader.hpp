#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "base/address.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

namespace pgcurfew {

template <class Integer>
Integer from_network(const char* bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i)
    value = (value << 8) | static_cast<unsigned char>(bytes[i]);
  return static_cast<Integer>(value);
}

/// Reads one row, column by column from the left, and records whether any column had an unexpected shape.
class RowReader {
 public:
  RowReader(const PGresult* result, int row) : result_(result), row_(row) {}

  std::optional<std::string> text() {
    const int column = column_++;
    if (PQgetisnull(result_, row_, column) != 0) return std::nullopt;
    return std::string(PQgetvalue(result_, row_, column), length(column));
  }
  template <class Integer>
  std::optional<Integer> integer() {
    const int column = column_++;
    if (PQgetisnull(result_, row_, column) != 0) return std::nullopt;
    if (length(column) != sizeof(Integer)) {
      is_good_ = false;
      return std::nullopt;
    }
    return from_network<Integer>(PQgetvalue(result_, row_, column));
  }
  std::optional<ServerTime> time() {
    const auto microseconds = integer<std::int64_t>();
    if (!microseconds) return std::nullopt;
    return ServerTime(Duration(*microseconds));
  }
  /// inet: family, bits, is_cidr, length, bytes.
  std::optional<Address> address() {
    const int column = column_++;
    if (PQgetisnull(result_, row_, column) != 0) return std::nullopt;
    const std::string_view bytes(PQgetvalue(result_, row_, column), length(column));
    constexpr std::size_t kHeader = 4;
    const bool is_v4 = bytes.size() == kHeader + 4;
    if (!is_v4 && bytes.size() != kHeader + 16) {
      is_good_ = false;
      return std::nullopt;
    }
    Address address;
    address.is_v6 = !is_v4;
    for (std::size_t i = kHeader; i < bytes.size(); ++i) {
      address.bytes[i - kHeader] = static_cast<std::uint8_t>(bytes[i]);
    }
    return address;
  }
  std::optional<bool> boolean() {
    const auto byte = integer<std::uint8_t>();
    if (!byte) return std::nullopt;
    return *byte != 0;
  }
  /// An array of one dimension or none: dimensions, has nulls, the elements' oid, then for each dimension its
  /// size and lower bound, then the elements, each with its length before it.
  std::vector<std::string> elements() {
    const int column = column_++;
    std::vector<std::string> found;
    if (PQgetisnull(result_, row_, column) != 0) return found;
    std::string_view rest(PQgetvalue(result_, row_, column), length(column));
    const auto next = [&rest] {
      const auto number = from_network<std::int32_t>(rest.data());
      rest.remove_prefix(sizeof number);
      return number;
    };
    constexpr std::size_t kHeader = 3 * sizeof(std::int32_t);
    constexpr std::size_t kDimension = 2 * sizeof(std::int32_t);
    is_good_ = is_good_ && rest.size() >= kHeader;
    if (!is_good_) return found;
    const auto dimensions = next();
    rest.remove_prefix(kHeader - sizeof dimensions);
    if (dimensions == 0) return found;
    is_good_ = dimensions == 1 && rest.size() >= kDimension;
    if (!is_good_) return found;
    const auto count = next();
    next();
    for (std::int32_t i = 0; i < count && is_good_; ++i) {
      is_good_ = rest.size() >= sizeof(std::int32_t);
      if (!is_good_) break;
      const auto size = next();
      is_good_ = size >= 0 && static_cast<std::size_t>(size) <= rest.size();
      if (!is_good_) break;
      found.emplace_back(rest.substr(0, static_cast<std::size_t>(size)));
      rest.remove_prefix(static_cast<std::size_t>(size));
    }
    is_good_ = is_good_ && rest.empty();
    return found;
  }
  std::vector<std::int32_t> integers() {
    std::vector<std::int32_t> numbers;
    for (const auto& element : elements()) {
      is_good_ = is_good_ && element.size() == sizeof(std::int32_t);
      if (is_good_) numbers.push_back(from_network<std::int32_t>(element.data()));
    }
    return numbers;
  }
  [[nodiscard]] bool is_good() const { return is_good_; }

 private:
  [[nodiscard]] std::size_t length(int column) const {
    return static_cast<std::size_t>(PQgetlength(result_, row_, column));
  }
  const PGresult* result_;
  int row_;
  int column_ = 0;
  bool is_good_ = true;
};

inline tl::unexpected<Error> misshapen(std::string_view what) {
  return failure(fmt::format("the server's {} has an unexpected shape", what), {},
                 "Check that this is PostgreSQL, and not another server that speaks its protocol.");
}

}  // namespace pgcurfew
