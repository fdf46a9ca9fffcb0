#include "cli/printing.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <unistd.h>

#include "report/log.hpp"
#include "report/output.hpp"

namespace pgcurfew {

namespace {

// a failed write is no reason to end, and cannot be reported anywhere
void write_to(std::FILE* file, std::string_view text) noexcept {
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), file));
}

/// `<3>` in front of each line, if systemd reads it.
std::string with_priority(std::string_view text, Urgency urgency) {
  static const bool kIsJournal = is_journal(STDERR_FILENO, std::getenv("JOURNAL_STREAM"));
  if (!kIsJournal) return std::string(text);
  std::string lines;
  while (!text.empty()) {
    const auto length = std::min(text.find('\n'), text.size() - 1) + 1;
    lines += urgency == Urgency::kError ? "<3>" : "<4>";
    lines += text.substr(0, length);
    text.remove_prefix(length);
  }
  return lines;
}

}  // namespace

void print_text(std::string_view text) noexcept {
  write_to(stdout, text);
}

void print_error_text(std::string_view text, Urgency urgency) {
  write_to(stderr, with_priority(text, urgency));
}

void say_text(std::string_view text) {
  static Output standard_error(STDERR_FILENO);
  static_cast<void>(standard_error.write(with_priority(text, Urgency::kError)));
}

}  // namespace pgcurfew
