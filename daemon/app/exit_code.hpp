#pragma once

namespace pgcurfew {

/// Exit statuses, as in sysexits.h; part of the interface.
enum ExitCode : int {
  kExitOk = 0,
  kExitUsage = 64,          ///< the command line
  kExitNoInput = 66,        ///< a requested pid or mark does not exist (`explain --pid`, `reopen`)
  kExitUnavailable = 69,    ///< a server is out of reach (`explain`, `check --server`)
  kExitSoftware = 70,       ///< a defect of ours, or the system refuses something that we need
  kExitNotEmpty = 75,       ///< a database was not empty in time (`drain`)
  kExitNoPermission = 77,   ///< a privilege is missing on the server (`explain`, `check --server`)
  kExitConfiguration = 78,  ///< the files
};

}  // namespace pgcurfew
