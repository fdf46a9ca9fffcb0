#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace pgcurfew {

/// Whether entries can be sent.
/// *Errors*: journald does not run on this machine.
Result<void> check_journal();

/// Sends one entry to systemd's journal, each field as `NAME=value`. Blocks while journald does not read, so
/// it is not for the loop's thread.
/// *Errors*: journald does not run on this machine, or has refused the entry.
/// *Source*: sd_journal_sendv(3), which takes an entry without journald for sent.
Result<void> send_to_journal(const std::vector<std::string>& fields);

}  // namespace pgcurfew
