#include "base/size.hpp"

#include <array>
#include <charconv>
#include <limits>
#include <system_error>

#include <fmt/format.h>

#include "base/words.hpp"

namespace pgcurfew {

namespace {

struct SizeUnit {
  std::string_view name;
  std::int64_t bytes;
};
constexpr std::array<SizeUnit, 4> kSizeUnits{{{"TB", std::int64_t{1} << 40U},
                                              {"GB", std::int64_t{1} << 30U},
                                              {"MB", std::int64_t{1} << 20U},
                                              {"kB", std::int64_t{1} << 10U}}};

}  // namespace

Result<std::int64_t> parse_size(std::string_view text) {
  const auto refuse = [&] {
    return failure(fmt::format("\"{}\" is not a size", printable(text, 80)), {},
                   "It is written as a whole number with kB, MB, GB or TB, as in 100MB.");
  };
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return refuse();
  auto unit_name = text.substr(static_cast<std::size_t>(end - text.data()));
  if (unit_name.starts_with(' ')) unit_name.remove_prefix(1);
  for (const auto& unit : kSizeUnits) {
    if (unit.name != unit_name) continue;
    if (number > std::numeric_limits<std::int64_t>::max() / unit.bytes) return refuse();
    return number * unit.bytes;
  }
  return refuse();
}

std::string size_text(std::int64_t bytes) {
  for (const auto& unit : kSizeUnits) {
    if (bytes != 0 && bytes % unit.bytes == 0) return fmt::format("{}{}", bytes / unit.bytes, unit.name);
  }
  return fmt::format("{} bytes", bytes);
}

}  // namespace pgcurfew
