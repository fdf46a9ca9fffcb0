#pragma once

#include <string>
#include <vector>

namespace pgcurfew {

/// `pgcurfew check --server`: takes one look at every server of the main files, which must be without errors,
/// and prints how many of its sessions each rule would act on. Signals no session. *Errors*: 64 if a file is
/// not a main file, 69 if a server is out of reach, 77 if a privilege is missing there.
int check_servers(const std::vector<std::string>& paths);

}  // namespace pgcurfew
