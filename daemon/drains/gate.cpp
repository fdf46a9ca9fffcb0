#include "drains/gate.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/words.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kForever = "reopen";

std::int64_t microseconds(ServerTime time) {
  return time.time_since_epoch().count();
}

/// The value of `key=` up to the next blank; takes it off the front of `rest`.
std::optional<std::string_view> take(std::string_view& rest, std::string_view key) {
  if (!rest.starts_with(key) || rest.substr(key.size(), 1) != "=") return std::nullopt;
  rest.remove_prefix(key.size() + 1);
  const auto value = rest.substr(0, rest.find(' '));
  rest.remove_prefix(std::min(rest.size(), value.size() + 1));
  if (value.empty()) return std::nullopt;
  return value;
}

template <class Number>
std::optional<Number> number_of(std::optional<std::string_view> text) {
  if (!text) return std::nullopt;
  Number number{};
  const auto* end = text->data() + text->size();
  const auto read = std::from_chars(text->data(), end, number);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return number;
}

/// Names in our marks have no other characters, and a server may refuse to take other bytes back.
bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

/// Whether differences to it overflow nowhere: the database's owner may have written it.
bool is_within_reach(std::int64_t microseconds) {
  constexpr auto kMost = Duration(std::chrono::hours(24 * 365 * 1000)).count();
  return microseconds >= -kMost && microseconds <= kMost;
}

}  // namespace

std::string to_text(const GateMark& mark) {
  return fmt::format("limit={} since={} until={} by={} drain={}", mark.limit, microseconds(mark.since),
                     mark.until ? fmt::format("{}", microseconds(*mark.until)) : std::string(kForever),
                     mark.by, mark.drain);
}

Result<GateMark> parse_gate_mark(std::string_view text) {
  GateMark mark;
  auto rest = text;
  const auto limit = number_of<int>(take(rest, "limit"));
  const auto since = number_of<std::int64_t>(take(rest, "since"));
  const auto until_text = take(rest, "until");
  const auto until = number_of<std::int64_t>(until_text);
  const auto by = take(rest, "by");
  const auto drain = take(rest, "drain");
  const bool has_until = until || (until_text && *until_text == kForever);
  if (!is_plain(text) || !limit || *limit < -1 || !since || !has_until || !by || !drain || !rest.empty() ||
      text.ends_with(' ') || !is_within_reach(*since) || !is_within_reach(until.value_or(0))) {
    return failure("it is no mark of pgcurfew");
  }
  mark.limit = *limit;
  mark.since = ServerTime(Duration(*since));
  if (until) mark.until = ServerTime(Duration(*until));
  mark.by = *by;
  mark.drain = *drain;
  return mark;
}

bool has_malformed_mark(const Gate& gate) {
  return !gate.mark && !gate.mark_text.empty();
}

Error malformed_mark_error(const Gate& gate) {
  return {"the database has a setting pgcurfew.drain that is no mark of pgcurfew",
          fmt::format("It is \"{}\".", printable(gate.mark_text, 80)),
          "Look at its connection limit, then ALTER DATABASE ... RESET pgcurfew.drain.", "55000"};
}

std::string_view name_of(GateAccess access) {
  constexpr std::array<std::string_view, 4> kNames{"none", "journal", "mark", "function"};
  return kNames.at(static_cast<std::size_t>(access));
}

std::string_view name_of(GateOutcome outcome) {
  constexpr std::array<std::string_view, 8> kNames{"closed", "opened", "foreign", "gone",
                                                   "held",   "denied", "failed",  "unknown"};
  return kNames.at(static_cast<std::size_t>(outcome));
}

}  // namespace pgcurfew
