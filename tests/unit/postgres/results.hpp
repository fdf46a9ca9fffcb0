#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <libpq-fe.h>

namespace pgcurfew {

/// Numbers and arrays as the server sends them.
namespace wire {
template <class Integer>
std::string number(Integer value) {
  std::string bytes;
  for (int shift = 8 * (static_cast<int>(sizeof value) - 1); shift >= 0; shift -= 8) {
    bytes += static_cast<char>((static_cast<std::uint64_t>(value) >> shift) & 0xFF);
  }
  return bytes;
}
inline std::string int4(std::int32_t value) {
  return number(value);
}
inline std::string time(std::int64_t microseconds) {
  return number(microseconds);
}
inline std::string boolean(bool value) {
  return {value ? '\1' : '\0'};
}
inline std::string array(std::int32_t oid, const std::vector<std::optional<std::string>>& elements) {
  bool has_nulls = false;
  std::string body;
  for (const auto& element : elements) {
    has_nulls = has_nulls || !element;
    body += int4(element ? static_cast<std::int32_t>(element->size()) : -1) + element.value_or("");
  }
  if (elements.empty()) return int4(0) + int4(0) + int4(oid);
  return int4(1) + int4(has_nulls ? 1 : 0) + int4(oid) + int4(static_cast<std::int32_t>(elements.size())) +
         int4(1) + body;
}
}  // namespace wire

using Column = std::optional<std::string>;
using Row = std::vector<Column>;
struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using MadeResult = std::unique_ptr<PGresult, ClearResult>;

/// A result in binary, made without a server.
inline MadeResult make_result(const std::vector<Row>& rows, std::size_t columns) {
  MadeResult made(PQmakeEmptyPGresult(nullptr, PGRES_TUPLES_OK));
  std::vector<PGresAttDesc> attributes(columns);
  static char name[] = "column";
  for (auto& attribute : attributes) {
    attribute.name = name;
    attribute.format = 1;
  }
  PQsetResultAttrs(made.get(), static_cast<int>(columns), attributes.data());
  for (std::size_t row = 0; row < rows.size(); ++row) {
    for (std::size_t column = 0; column < columns; ++column) {
      auto value = rows[row][column];
      PQsetvalue(made.get(), static_cast<int>(row), static_cast<int>(column), value ? value->data() : nullptr,
                 value ? static_cast<int>(value->size()) : -1);
    }
  }
  return made;
}

}  // namespace pgcurfew
