#include "cli/drain_display.hpp"

#include <algorithm>
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

/// `3 active, 1 idle in transaction; 1 cannot be ended`.
std::string states_text(const std::vector<Remaining>& remaining) {
  std::map<std::string, std::size_t> counts;
  std::size_t stuck = 0;
  for (const auto& entry : remaining) {
    ++counts[entry.state ? std::string(name_of(*entry.state)) : "no state"];
    if (!entry.reason.empty()) ++stuck;
  }
  std::string text;
  for (const auto& [state, count] : counts)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, state);
  if (stuck > 0) text += fmt::format("; {} cannot be ended", stuck);
  return text;
}

std::string_view phase_text(DrainPhase phase) {
  if (phase == DrainPhase::kGating) return "closing the gate";
  return phase == DrainPhase::kReopening ? "opening the gate" : name_of(phase);
}

/// The sessions left, as far as known; empty in phases in which they do not matter.
std::string left_text(const DrainProgress& progress) {
  const auto phase = progress.phase;
  const bool is_ending_them =
      phase == DrainPhase::kWaiting || phase == DrainPhase::kCancelling || phase == DrainPhase::kTerminating;
  if (is_ending_them && !progress.has_looked) return "looking";
  if (progress.hidden > 0 && progress.remaining.empty())
    return fmt::format("{} that our role cannot see", progress.hidden);
  if (!progress.logging_in.empty() && progress.remaining.empty())
    return fmt::format("{} still logging in, pid {}", progress.logging_in.size(), progress.logging_in[0]);
  if (is_ending_them && progress.remaining.empty()) return "no session left";
  if (phase == DrainPhase::kGating || progress.remaining.empty()) return {};
  return fmt::format("{} left: {}", progress.remaining.size(), states_text(progress.remaining));
}

std::string line_of(const Remaining& entry, bool with_database) {
  auto text = fmt::format("pid {:<8} ", entry.session.pid);
  if (with_database) text += fmt::format("{:<16} ", printable(entry.database, 16));
  text += fmt::format("{:<16} {:<20} {}", printable(entry.user.value_or("?"), 16),
                      printable(entry.application_name.value_or(""), 20),
                      entry.state ? name_of(*entry.state) : "-");
  if (!entry.reason.empty()) text += fmt::format("  ({})", printable(entry.reason, 40));
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
  const bool is_closed = progress.phase != DrainPhase::kReopening && progress.phase != DrainPhase::kDone;
  std::string text = progress.mode == Mode::kDryRun ? "DRY-RUN " : "";
  // the time comes first, because a narrow terminal cuts the end
  if (progress.ends && is_closed) text += fmt::format("reopens in {}  ", clock_text(*progress.ends - now));
  text += fmt::format("{}: {}", databases.empty() ? progress.drain : databases, phase_text(progress.phase));
  std::string left = left_text(progress);
  if (progress.next_step && progress.phase != DrainPhase::kEmpty) {
    left += fmt::format("{}{} in {}", left.empty() ? "" : ", ", next_word(progress.phase),
                        clock_text(*progress.next_step - now));
  }
  if (progress.gives_up && (!progress.ends || *progress.gives_up < *progress.ends)) {
    left += fmt::format("{}gives up in {}", left.empty() ? "" : ", ", clock_text(*progress.gives_up - now));
  }
  if (!left.empty()) text += "\n  " + left;
  if (!progress.trouble.empty()) text += fmt::format("\n  {}", printable(progress.trouble, kWidth));
  for (std::size_t i = 0; i < progress.remaining.size() && i < most_sessions; ++i) {
    text += "\n  " + line_of(progress.remaining[i], progress.databases.size() > 1);
  }
  if (progress.remaining.size() > most_sessions) {
    text += fmt::format("\n  and {} more", progress.remaining.size() - most_sessions);
  }
  return text;
}

DrainDisplay::DrainDisplay() : is_on_(isatty(STDOUT_FILENO) != 0), output_(STDOUT_FILENO) {}

void DrainDisplay::draw(std::string_view text, std::size_t lines) {
  // CAN ends an incomplete escape sequence; otherwise go to our first line and erase everything below
  std::string all = is_torn_ ? "\x18\x1b[?7h\r\n" : lines_ > 0 ? fmt::format("\r\x1b[{}A\x1b[J", lines_) : "";
  all += text;
  const auto written = output_.write(all);
  if (written == 0) return;  // the previous text is still there
  is_torn_ = written < all.size();
  lines_ = is_torn_ ? 0 : lines;
}

void DrainDisplay::clear() {
  if (is_on_) draw("", 0);
}

void DrainDisplay::show(const DrainProgress& progress, ServerTime now) {
  if (!is_on_) return;
  const auto text = progress_text(progress, now, kMostSessions);
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  // without line wrap, because a wrapped line would be counted as one
  draw(fmt::format("\x1b[?7l{}\x1b[?7h\n", text), lines);
}

void DrainDisplay::give_way(std::string_view last_words) {
  if (is_on_) draw(fmt::format("{}\n", last_words), 0);
  is_on_ = false;
}

}  // namespace pgcurfew
