#pragma once

namespace pgcurfew {

/// Exit statuses, as in sysexits.h; part of the interface.
enum ExitCode : int {
  kExitOk = 0,
  kExitUsage = 64,    ///< the command line
  kExitNoInput = 66,  ///< a pid, a database or its mark does not exist (`explain --pid`, `drain`, `reopen`)
  kExitUnavailable = 69,    ///< a server is out of reach, or a gate could not be opened
  kExitSoftware = 70,       ///< a defect of ours, or the system refuses something that we need
  kExitNotEmpty = 75,       ///< a drain was not what its caller asked for (`drain`); pgcurfew(8)
  kExitNoPermission = 77,   ///< a privilege is missing on a server
  kExitConfiguration = 78,  ///< the files
};

}  // namespace pgcurfew
