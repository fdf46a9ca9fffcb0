#include "cli/printing.hpp"

#include <cstdio>

#include <unistd.h>

#include "report/output.hpp"

namespace pgcurfew {

namespace {

// who does not read it does not want it: nothing to end for, and nowhere to tell
void write_to(std::FILE* file, std::string_view text) noexcept {
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), file));
}

}  // namespace

void print_text(std::string_view text) noexcept {
  write_to(stdout, text);
}

void print_error_text(std::string_view text) noexcept {
  write_to(stderr, text);
}

void say_text(std::string_view text) noexcept {
  static Output standard_error(STDERR_FILENO);
  static_cast<void>(standard_error.write(text));
}

}  // namespace pgcurfew
