#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"

namespace pgcurfew {

/// A parameter's value in PostgreSQL's binary format; empty for NULL.
using Bytes = std::optional<std::string>;

std::string to_bytes(std::int32_t value);
std::string to_bytes(std::int64_t value);
std::string to_bytes(ServerTime value);
std::string to_bytes(bool value);

// *Source*: pg_type.dat; the OIDs of built-in types never change
inline constexpr std::int32_t kInt4Oid = 23;
inline constexpr std::int32_t kTextOid = 25;
inline constexpr std::int32_t kTimestamptzOid = 1184;

/// An array of one dimension.
std::string to_bytes(std::int32_t element_oid, const std::vector<Bytes>& elements);

}  // namespace pgcurfew
