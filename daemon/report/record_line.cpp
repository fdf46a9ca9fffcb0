#include "report/record_line.hpp"

#include <charconv>
#include <system_error>

#include <fmt/format.h>
#include <zlib.h>

#include "base/nesting.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kBegin = R"({"seq":)";
constexpr std::string_view kCrc = R"(,"crc":")";
constexpr std::string_view kEnd = R"("})";
constexpr std::size_t kDigits = 8;

std::string checksum_of(std::string_view text) {
  const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size());
  return fmt::format("{:08x}", crc);
}

}  // namespace

std::string seal(std::string_view event, std::uint64_t seq, std::string_view run) {
  // without its braces
  const auto keys = event.substr(1, event.size() - 2);
  auto line = fmt::format(R"({}{},"run":"{}",{})", kBegin, seq, run, keys);
  const auto checksum = checksum_of(line);
  return line.append(kCrc).append(checksum).append(kEnd);
}

std::optional<std::uint64_t> sequence_of(std::string_view line) {
  constexpr auto kTail = kCrc.size() + kDigits + kEnd.size();
  if (!line.starts_with(kBegin) || !line.ends_with(kEnd) || line.size() < kBegin.size() + kTail)
    return std::nullopt;
  const auto body = line.substr(0, line.size() - kTail);
  if (line.substr(body.size(), kCrc.size()) != kCrc) return std::nullopt;
  if (line.substr(body.size() + kCrc.size(), kDigits) != checksum_of(body)) return std::nullopt;
  std::uint64_t seq = 0;
  const auto [end, error] = std::from_chars(body.data() + kBegin.size(), body.data() + body.size(), seq);
  if (error != std::errc() || end == body.data() + body.size() || seq > kLargestSequence) return std::nullopt;
  // whoever may write to the directory can make a checksum, too
  if (nesting_of(line) > kDeepestNesting) return std::nullopt;
  return seq;
}

std::string_view checksum_in(std::string_view line) {
  return line.substr(line.size() - kEnd.size() - kDigits, kDigits);
}

}  // namespace pgcurfew
