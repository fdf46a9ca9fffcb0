#pragma once

#include <functional>
#include <string>
#include <vector>

#include "events/audit_sink.hpp"

namespace pgcurfew {

/// Events as entries of systemd's journal, with fields of their own. After a crash some may be there twice.
class JournalSink final : public AuditSink {
 public:
  /// Sends one entry, each field as `NAME=value`; may block.
  using Send = std::function<Result<void>(const std::vector<std::string>& fields)>;

  explicit JournalSink(Send send) : send_(std::move(send)) {}

  Result<Refused> take(const std::vector<RecordedEvent>& events) override;

 private:
  Send send_;
  std::string last_;  ///< the last event that was sent of those that are offered again
};

/// An event's fields in the journal: `MESSAGE` (the message, and the hint if there is one), `PRIORITY`,
/// `MESSAGE_ID`, `SYSLOG_IDENTIFIER`, and each key of the event as `PGCURFEW_` with its name in capitals.
/// *Shapes*: `line` is a line of the record; the result is empty for anything else.
std::vector<std::string> journal_fields(const std::string& line);

}  // namespace pgcurfew
