#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"
#include "events/audit_sink.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// The place in messages: `journald`, `file /var/log/events.json`, `table audit dbname=dba`.
std::string name_of(const AuditTarget& target);

/// The name of the small file that says how far copying to it is; the same for as long as it is the same
/// place, however it is used.
std::string cursor_of(const AuditTarget& target);

std::unique_ptr<AuditSink> open_sink(const AuditTarget& target);

/// Whether the place can be used, as far as this machine shows it: not whether a server is there.
/// *Errors*: why it cannot be used now.
Result<void> check_place(const AuditTarget& target);

}  // namespace pgcurfew
