#include "policy/fingerprint.hpp"

#include <cstdint>

#include <fmt/format.h>

#include "policy/condition.hpp"

namespace pgcurfew {

namespace {

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3ULL;
  }
  return hash;
}

/// With its length before it, so that no two lists of texts read the same.
void append(std::string& all, std::string_view text) {
  all += fmt::format("{}:{};", text.size(), text);
}

void append(std::string& all, const Match& match) {
  append(all, fmt::format("match {} {}", match.conditions.size(), match.ages.size()));
  for (const auto& condition : match.conditions) {
    const auto values = values_of(condition);
    append(all, fmt::format("{} {}", entry_of(condition.field).name, values.size()));
    for (const auto& value : values) append(all, value);
  }
  for (const auto& age : match.ages) append(all, fmt::format("{} {}", name_of(age.clock), age.limit.count()));
}

}  // namespace

std::string fingerprint_of(const Rule& rule, const std::vector<Match>& protect) {
  std::string all;
  append(all, rule.name);
  append(all, name_of(rule.mode));
  append(all, rule.match);
  append(all, fmt::format("except {}", rule.except.size()));
  for (const auto& exception : rule.except) append(all, exception.match);
  append(all, fmt::format("escalate {}", rule.escalate.size()));
  for (const auto& step : rule.escalate) {
    append(all, fmt::format("{} {}", name_of(step.kind), step.after.count()));
  }
  for (const auto& match : protect) append(all, match);
  return fmt::format("{:016x}", fnv1a(all));
}

std::string version_of(std::span<const std::string_view> texts) {
  std::string all;
  for (const auto text : texts) append(all, text);
  return fmt::format("{:016x}", fnv1a(all)).substr(0, 12);
}

}  // namespace pgcurfew
