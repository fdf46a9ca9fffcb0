#include "postgres/binary.hpp"

#include <algorithm>

namespace pgcurfew {

namespace {

template <class Integer>
std::string to_network(Integer value) {
  std::string bytes(sizeof(Integer), '\0');
  auto rest = static_cast<std::uint64_t>(value);
  for (std::size_t i = sizeof(Integer); i-- > 0; rest >>= 8) bytes[i] = static_cast<char>(rest & 0xFF);
  return bytes;
}

}  // namespace

std::string to_bytes(std::int32_t value) {
  return to_network(value);
}

std::string to_bytes(std::int64_t value) {
  return to_network(value);
}

std::string to_bytes(ServerTime value) {
  return to_network(static_cast<std::int64_t>(value.time_since_epoch().count()));
}

std::string to_bytes(bool value) {
  return std::string(1, value ? '\1' : '\0');
}

std::string to_bytes(std::int32_t element_oid, const std::vector<Bytes>& elements) {
  const bool has_nulls = std::find(elements.begin(), elements.end(), std::nullopt) != elements.end();
  std::string bytes;
  for (const std::int32_t number :
       {1, has_nulls ? 1 : 0, element_oid, static_cast<std::int32_t>(elements.size()), 1}) {
    bytes += to_network(number);
  }
  for (const auto& element : elements) {
    bytes += to_network(element ? static_cast<std::int32_t>(element->size()) : std::int32_t{-1});
    if (element) bytes += *element;
  }
  return bytes;
}

}  // namespace pgcurfew
