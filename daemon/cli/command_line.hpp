#pragma once

namespace pgcurfew {

/// Runs the command that argv names. Returns the exit status (exit_code.hpp).
int run_command_line(int argc, const char* const* argv);

}  // namespace pgcurfew
