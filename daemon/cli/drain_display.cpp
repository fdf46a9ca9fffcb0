#include "cli/drain_display.hpp"

#include <algorithm>
#include <cstdio>
#include <map>

#include <fmt/format.h>
#include <unistd.h>

#include "base/words.hpp"

namespace pgcurfew {

namespace {

constexpr std::size_t kMostSessions = 8;
constexpr std::size_t kWidth = 100;

/// `1:02:03`, `44:12`.
std::string clock_text(Duration wait) {
  const auto seconds = std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::seconds>(wait).count());
  const auto minutes = seconds / 60;
  if (minutes < 60) return fmt::format("{}:{:02}", minutes, seconds % 60);
  return fmt::format("{}:{:02}:{:02}", minutes / 60, minutes % 60, seconds % 60);
}

/// `3 active, 1 idle in transaction`.
std::string states_text(const std::vector<Remaining>& remaining) {
  std::map<std::string, std::size_t> counts;
  for (const auto& entry : remaining) {
    ++counts[entry.state ? std::string(name_of(*entry.state)) : "no state"];
  }
  std::string text;
  for (const auto& [state, count] : counts)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, state);
  return text;
}

std::string_view next_word(DrainPhase phase) {
  return phase == DrainPhase::kWaiting ? "the first signal" : "the next step";
}

}  // namespace

std::string progress_text(const DrainProgress& progress, ServerTime now, std::size_t most_sessions) {
  std::string databases;
  for (const auto& name : progress.databases)
    databases += (databases.empty() ? "" : ", ") + printable(name, 40);
  auto text = fmt::format("{}{}: {}", progress.mode == Mode::kDryRun ? "DRY-RUN " : "",
                          databases.empty() ? progress.drain : databases, name_of(progress.phase));
  if (progress.phase != DrainPhase::kGating && !progress.remaining.empty()) {
    text += fmt::format(", {} left ({})", progress.remaining.size(), states_text(progress.remaining));
  }
  if (progress.next_step && progress.phase != DrainPhase::kEmpty) {
    text += fmt::format(", {} in {}", next_word(progress.phase), clock_text(*progress.next_step - now));
  }
  if (progress.ends) text += fmt::format(", reopens in {}", clock_text(*progress.ends - now));
  if (!progress.trouble.empty()) text += fmt::format("\n  {}", printable(progress.trouble, kWidth));
  for (std::size_t i = 0; i < progress.remaining.size() && i < most_sessions; ++i) {
    const auto& entry = progress.remaining[i];
    text += fmt::format("\n  pid {:<8} {:<16} {:<20} {}", entry.session.pid,
                        printable(entry.user.value_or("?"), 16),
                        printable(entry.application_name.value_or(""), 20),
                        entry.state ? name_of(*entry.state) : std::string_view("-"));
    if (!entry.reason.empty()) text += fmt::format("  ({})", printable(entry.reason, 40));
  }
  if (progress.remaining.size() > most_sessions) {
    text += fmt::format("\n  and {} more", progress.remaining.size() - most_sessions);
  }
  return text;
}

DrainDisplay::DrainDisplay() : is_on_(isatty(STDOUT_FILENO) != 0) {}

void DrainDisplay::clear() {
  if (!is_on_ || lines_ == 0) return;
  // to the first of our lines, and everything below it away
  fmt::print("\r\x1b[{}A\x1b[J", lines_);
  std::fflush(stdout);
  lines_ = 0;
}

void DrainDisplay::show(const DrainProgress& progress, ServerTime now) {
  if (!is_on_) return;
  clear();
  const auto text = progress_text(progress, now, kMostSessions);
  lines_ = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  // a line that is too long would wrap, and be counted once
  fmt::print("\x1b[?7l{}\x1b[?7h\n", text);
  std::fflush(stdout);
}

}  // namespace pgcurfew
