// Throws bytes at the redaction of query texts: strangers write them. Built with -DPGCURFEW_FUZZ=ON and
// clang.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "report/redact.hpp"

namespace {
void require(bool holds) {
  if (!holds) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const std::string_view query(reinterpret_cast<const char*>(data), size);
  const auto once = pgcurfew::redact(query);
  require(once.size() <= 2 * size + 8);
  require(pgcurfew::redact(once) == once);
  // an apostrophe survives in a quoted name only
  if (query.find('"') == std::string_view::npos) require(once.find('\'') == std::string_view::npos);
  return 0;
}
