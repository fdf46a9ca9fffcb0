#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace pgcurfew {

/// An event as the record has it.
struct RecordedEvent {
  std::uint64_t seq = 0;
  std::string text;  ///< its line, a JSON object in ASCII, without the newline
};

/// A place outside the record that receives copies of events. One thread uses it, and may be left behind in
/// it at the end of the process.
class AuditSink {
 public:
  AuditSink() = default;
  AuditSink(const AuditSink&) = delete;
  AuditSink& operator=(const AuditSink&) = delete;
  AuditSink(AuditSink&&) = delete;
  AuditSink& operator=(AuditSink&&) = delete;
  virtual ~AuditSink() = default;

  /// Events that the place will never take.
  struct Refused {
    std::uint64_t count = 0;
    std::optional<Error> why;  ///< of the last one
  };

  /// Takes events in the order of the record; may block. Events that it may have taken before are offered
  /// again after an error and after a crash.
  /// *Errors*: anything; then they are offered again.
  virtual Result<Refused> take(const std::vector<RecordedEvent>& events) = 0;
};

}  // namespace pgcurfew
