#pragma once

#include <chrono>

#include "events/audit_sink.hpp"
#include "postgres/connection.hpp"
#include "postgres/conninfo.hpp"

namespace pgcurfew {

/// Events as rows of a table, on any server, each exactly once: an event that is there already is passed
/// over. One thread uses it, and waits there for the server.
class AuditTable final : public AuditSink {
 public:
  explicit AuditTable(Conninfo conninfo);

  /// *Shapes*: all of the events in one statement, which is one transaction.
  /// *Errors*: could not connect, or no reply, within the deadline; the server's.
  Result<Refused> take(const std::vector<RecordedEvent>& events) override;

  /// For all that one call does with the server.
  static constexpr auto kDeadline = std::chrono::seconds(10);

 private:
  using Deadline = std::chrono::steady_clock::time_point;

  Result<void> connect(Deadline deadline);
  Result<void> insert(const std::vector<RecordedEvent>& events, Deadline deadline);
  Result<void> send(const std::string& rows, Deadline deadline);
  Result<void> receive(Deadline deadline);
  Result<void> wait(Deadline deadline, std::string_view what) const;

  Connection connection_;
};

}  // namespace pgcurfew
