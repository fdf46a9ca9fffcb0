#include "base/duration.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include <fmt/format.h>

#include "base/words.hpp"

namespace pgcurfew {

namespace {

struct Unit {
  std::string_view name;
  std::int64_t microseconds;
};

constexpr std::array<Unit, 6> kUnits{{{"d", 86'400'000'000},
                                      {"h", 3'600'000'000},
                                      {"min", 60'000'000},
                                      {"s", 1'000'000},
                                      {"ms", 1'000},
                                      {"us", 1}}};
constexpr std::int64_t kLongest = 10'000 * 86'400'000'000;
constexpr std::string_view kUnitHint = "The units are us, ms, s, min, h and d, as in 10min or 1h 30min.";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

std::string_view take_while(std::string_view& rest, bool (*fits)(char)) {
  std::size_t n = 0;
  while (n < rest.size() && fits(rest[n])) ++n;
  const auto taken = rest.substr(0, n);
  rest.remove_prefix(n);
  return taken;
}

Result<Unit> find_unit(std::string_view name, std::string_view text) {
  for (const auto& unit : kUnits) {
    if (unit.name == name) return unit;
  }
  const auto shown = printable(text);
  if (name.empty())
    return failure(fmt::format("duration \"{}\" lacks a unit", shown), {}, std::string(kUnitHint));
  if (name == "m" || name == "M") {
    return failure(fmt::format("unknown unit \"{}\" in duration \"{}\"", name, shown), {},
                   "Minutes are written min.");
  }
  const auto nearest = nearest_word(name, {"us", "ms", "s", "min", "h", "d"});
  return failure(fmt::format("unknown unit \"{}\" in duration \"{}\"", name, shown), {},
                 nearest ? fmt::format("Did you mean {}?", *nearest) : std::string(kUnitHint));
}

/// The value of `whole.fraction` units in microseconds.
Result<std::int64_t> scaled(std::string_view whole, std::string_view fraction, const Unit& unit,
                            std::string_view text) {
  if (whole.size() > 15 || fraction.size() > 15) {
    return failure(fmt::format("duration \"{}\" has too many digits", printable(text)));
  }
  std::int64_t value = 0;
  for (const char c : whole) value = value * 10 + (c - '0');
  if (value > kLongest / unit.microseconds) {
    return failure(fmt::format("duration \"{}\" is out of range", printable(text)), {},
                   "The longest duration is 10000d.");
  }
  // From the last digit to the first: each tenth must be a whole number, otherwise the sum is not.
  std::int64_t part = 0;
  for (auto digit = fraction.rbegin(); digit != fraction.rend(); ++digit) {
    part += (*digit - '0') * unit.microseconds;
    if (part % 10 != 0) {
      return failure(fmt::format("duration \"{}\" is finer than a microsecond", printable(text)));
    }
    part /= 10;
  }
  return value * unit.microseconds + part;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  std::int64_t total = 0;
  std::int64_t last_unit = INT64_MAX;
  auto rest = text;
  take_while(rest, is_blank);
  if (rest.empty()) return failure("a duration is empty", {}, std::string(kUnitHint));
  if (rest.front() == '-') return failure(fmt::format("duration \"{}\" is negative", printable(text)));
  while (!rest.empty()) {
    const auto whole = take_while(rest, is_digit);
    std::string_view fraction;
    if (!rest.empty() && rest.front() == '.') {
      rest.remove_prefix(1);
      fraction = take_while(rest, is_digit);
      if (fraction.empty())
        return failure(fmt::format("\"{}\" is not a duration", printable(text)), {}, std::string(kUnitHint));
    }
    if (whole.empty())
      return failure(fmt::format("\"{}\" is not a duration", printable(text)), {}, std::string(kUnitHint));
    take_while(rest, is_blank);
    const auto unit = find_unit(take_while(rest, is_letter), text);
    if (!unit) return tl::unexpected(unit.error());
    if (unit->microseconds >= last_unit) {
      return failure(
          fmt::format("duration \"{}\" does not name its units from large to small", printable(text)));
    }
    last_unit = unit->microseconds;
    const auto part = scaled(whole, fraction, *unit, text);
    if (!part) return tl::unexpected(part.error());
    total += *part;
    take_while(rest, is_blank);
  }
  if (total > kLongest) {
    return failure(fmt::format("duration \"{}\" is out of range", printable(text)), {},
                   "The longest duration is 10000d.");
  }
  return Duration(total);
}

std::string to_text(Duration duration) {
  auto rest = duration.count();
  if (rest == 0) return "0s";
  std::string text = rest < 0 ? "-" : "";
  // -INT64_MIN does not exist; no duration here comes near it
  rest = std::abs(rest);
  for (const auto& unit : kUnits) {
    const auto count = rest / unit.microseconds;
    if (count == 0) continue;
    rest -= count * unit.microseconds;
    if (text.size() > 1) text += ' ';
    text += fmt::format("{}{}", count, unit.name);
  }
  return text;
}

std::optional<Duration> duration_of_seconds(double seconds) {
  constexpr double kMost = 1e12;
  if (!(std::abs(seconds) < kMost)) return std::nullopt;
  return std::chrono::round<Duration>(std::chrono::duration<double>(seconds));
}

std::string to_rough_text(Duration duration) {
  using namespace std::chrono_literals;
  // what is rounded is also rounded up
  constexpr auto kMost = Duration::max() / 4;
  if (duration < 0us) return "-" + to_rough_text(-std::max(duration, -kMost));
  if (duration > kMost) return to_rough_text(kMost);
  using std::chrono::round;
  using Tenths = std::chrono::duration<std::int64_t, std::deci>;
  if (duration < 1ms) return fmt::format("{}us", duration.count());
  // a value that is rounded up to the next unit is shown in that unit
  if (const auto ms = round<std::chrono::milliseconds>(duration); ms < 1s) {
    return fmt::format("{}ms", ms.count());
  }
  if (const auto tenths = round<Tenths>(duration); tenths < 1min) {
    return fmt::format("{}.{}s", tenths.count() / 10, tenths.count() % 10);
  }
  if (const auto whole = round<std::chrono::seconds>(duration); whole < 1h) return to_text(whole);
  return to_text(round<std::chrono::minutes>(duration));
}

}  // namespace pgcurfew
