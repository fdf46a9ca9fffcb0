#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/audit_sink.hpp"
#include "postgres/connection.hpp"
#include "postgres/conninfo.hpp"

namespace pgcurfew {

/// Events as rows of a table, on any server, each exactly once: an event that is there already is passed
/// over. One thread uses it, and waits there for the server.
class AuditTable final : public AuditSink {
 public:
  explicit AuditTable(Conninfo conninfo);

  /// *Shapes*: all of the events in one transaction; those that the server refuses for what is in them are
  /// found by halves. Without events it only shows whether the table can be added to.
  /// *Errors*: could not connect, or no reply, within the deadline; the server's.
  Result<Refused> take(const std::vector<RecordedEvent>& events) override;

  /// For all of one transaction.
  static constexpr auto kDeadline = std::chrono::seconds(10);

 private:
  using Deadline = std::chrono::steady_clock::time_point;

  Result<void> add(const std::vector<RecordedEvent>& events, Deadline deadline);
  Result<void> connect(Deadline deadline);
  Result<void> run_transaction(const std::string& rows, Deadline deadline);
  /// The first value of its last row; empty if there is none, or if it is NULL.
  using Value = std::optional<std::string>;
  Result<Value> run(const std::string& statement, Deadline deadline, const char* parameter = nullptr);
  Result<void> flush(Deadline deadline);
  Result<Value> receive(Deadline deadline);
  Result<void> wait(Deadline deadline, std::string_view what) const;

  Connection connection_;
};

}  // namespace pgcurfew
