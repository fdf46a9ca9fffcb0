#pragma once

namespace pgcurfew {

/// argv to a command to an exit status (exit_code.hpp).
int run_command_line(int argc, const char* const* argv);

}  // namespace pgcurfew
