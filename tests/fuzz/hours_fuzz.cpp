// Hours: the lines are days, from, to and timezone of one window; an empty line leaves its key out. What is
// taken is written in its shortest form, and read back to the same.
#include <array>

#include <fmt/format.h>

#include "fuzz.hpp"
#include "policy/reader/load.hpp"

namespace {

using namespace pgcurfew;
using fuzz::require;

struct Lines {
  std::string days;
  std::string from;
  std::string to;
  std::string timezone;
};

LoadResult load(const Lines& lines) {
  std::string text = "rules:\n- name: r\n  match: { user: app }\n  escalate: [ alert ]\n  during:\n    {";
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) text += fmt::format(" {}: {},", key, value);
  };
  add("days", lines.days);
  add("from", lines.from);
  add("to", lines.to);
  add("timezone", lines.timezone);
  const Source source{"x.yaml", text + " }\n"};
  return load_drop_in(source);
}

/// `[mon, wed]`.
std::string days_text(std::bitset<7> days) {
  constexpr std::array<const char*, 7> kNames{"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
  std::string text;
  for (std::size_t day = 0; day < kNames.size(); ++day) {
    if (days.test(day)) text += fmt::format("{}{}", text.empty() ? "[" : ", ", kNames[day]);
  }
  return text + "]";
}

std::string time_text(Duration since_midnight) {
  const auto minutes = std::chrono::floor<std::chrono::minutes>(since_midnight).count();
  return fmt::format("\"{:02}:{:02}\"", minutes / 60, minutes % 60);
}

void check(const Window& window) {
  require(window.days.any(), "it begins on some day");
  require(window.from >= Duration(0) && window.from < std::chrono::hours(24), "it begins within the day");
  require(window.to >= Duration(0) && window.to <= std::chrono::hours(24), "it ends within the day");
  const auto again =
      load({days_text(window.days), time_text(window.from), time_text(window.to), window.zone.name()});
  require(again.policy.has_value(), "what is written in its shortest form is taken");
  const auto& read = again.policy->rules.front().hours.during.front();
  require(read.days == window.days && read.from == window.from && read.to == window.to, "it is the same");
  require(read.zone.name() == window.zone.name(), "it has the same zone");
  const Hours hours{{window}, {}};
  // some moments of 2026 and later
  for (int days = 0; days < 400; days += 37) {
    const ServerTime time(std::chrono::hours(24 * (365 * 26 + 7 + days)));
    const auto next = hours.next_open(time);
    require(next.has_value(), "a window opens within a year");
    require(next->start >= time && next->end > next->start, "a stretch goes forward");
    require(hours.is_open(time) == (next->start == time), "is_open and next_open say the same");
  }
}

std::string line_of(std::string_view& rest) {
  const auto line = fuzz::next_part(rest, '\n');
  if (line.empty() || line.front() == '[') return std::string(line);
  return fuzz::quoted(line);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto rest = fuzz::text_of(data, size);
  Lines lines;
  lines.days = line_of(rest);
  lines.from = line_of(rest);
  lines.to = line_of(rest);
  lines.timezone = line_of(rest);
  const auto loaded = load(lines);
  for (const auto& said : loaded.diagnostics) require(!said.message.empty(), "a diagnostic has a message");
  if (!loaded.policy) return 0;
  for (const auto& rule : loaded.policy->rules) {
    for (const auto& window : rule.hours.during) check(window);
  }
  return 0;
}
