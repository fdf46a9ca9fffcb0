#pragma once

#include <cstdint>

namespace pgcurfew {

/// PostgreSQL's epoch, 2000-01-01 00:00 UTC, in Unix time.
/// *Units*: seconds.
inline constexpr std::int64_t kPostgresEpoch = 946'684'800;

}  // namespace pgcurfew
