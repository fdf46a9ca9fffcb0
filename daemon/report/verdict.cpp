#include "report/verdict.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/duration.hpp"

namespace pgcurfew {

namespace {

std::string count_of(std::uint64_t number, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", number, number == 1 ? one : many);
}

std::string signals_text(const RuleSummary& rule) {
  std::vector<std::string> parts;
  if (rule.cancelled > 0)
    parts.push_back(fmt::format("cancelled {}", count_of(rule.cancelled, "query", "queries")));
  if (rule.terminated > 0)
    parts.push_back(fmt::format("terminated {}", count_of(rule.terminated, "session", "sessions")));
  const bool is_dry = rule.mode == "dry-run";
  if (parts.empty()) return is_dry ? "Enforced, it would have sent no signal." : "It has sent no signal.";
  return fmt::format("{} {}.", is_dry ? "Enforced, it would have" : "It has", fmt::join(parts, " and "));
}

}  // namespace

std::vector<std::string> verdict_of(const RuleSummary& rule) {
  std::vector<std::string> sentences{signals_text(rule)};
  const auto episodes = [](std::uint64_t number) { return count_of(number, "episode", "episodes"); };
  if (rule.only_alerted > 0)
    sentences.push_back(fmt::format("In {} it only alerted.", episodes(rule.only_alerted)));
  if (rule.not_acted > 0) {
    sentences.push_back(
        fmt::format("In {} no step was taken, because the session had changed or could not be signalled.",
                    episodes(rule.not_acted)));
  }
  if (rule.within_grace > 0) {
    sentences.push_back(fmt::format("{} ended by {} within the grace, before the next step.",
                                    episodes(rule.within_grace),
                                    rule.within_grace == 1 ? "itself" : "themselves"));
  }
  if (const auto count = rule.lived_on.count(); count > 0) {
    const auto longest = rough_text(rule.lived_on.longest_s());
    sentences.push_back(count == 1
                            ? fmt::format("1 episode went on for another {} and ended by itself.", longest)
                            : fmt::format("{} went on, for another {} at the median and {} at most, and "
                                          "ended by themselves.",
                                          episodes(count), rough_text(rule.lived_on.median_s()), longest));
  }
  if (rule.held_back > 0) {
    sentences.push_back(fmt::format(
        "In {} of these the next step was due, and was held back: by a bound, a hold, an outage, or "
        "the rule's own hours, at_most, pause, keep or when.",
        rule.held_back));
  }
  if (rule.if_still > 0)
    sentences.push_back(fmt::format("In {} a later step came due, too.", episodes(rule.if_still)));
  if (rule.unkillable > 0)
    sentences.push_back(fmt::format("In {} the session outlived the last step.", episodes(rule.unkillable)));
  return sentences;
}

std::string title_of(const RuleSummary& rule) {
  return fmt::format("{} {}", rule.is_drain ? "drain" : "rule", rule.name);
}

std::string limit_of(const RuleSummary& rule) {
  if (!rule.limit_s) return {};
  const auto limit = duration_of_seconds(*rule.limit_s);
  return fmt::format("{} {}", rule.clock, limit ? to_text(*limit) : "?");
}

std::string rough_text(double seconds) {
  const auto duration = duration_of_seconds(seconds);
  return duration ? to_rough_text(*duration) : "?";
}

}  // namespace pgcurfew
