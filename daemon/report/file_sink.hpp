#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "events/audit_sink.hpp"

namespace pgcurfew {

/// Events in a file, one on each line as in the record, each once. The file is renamed when it has its size:
/// `events.json` becomes `events.1.json`, and so on.
class FileSink final : public AuditSink {
 public:
  /// *Units*: `rotate` is in bytes; `keep` is the number of renamed files.
  FileSink(std::string path, std::int64_t rotate, std::size_t keep);
  ~FileSink() override;

  Result<Refused> take(const std::vector<RecordedEvent>& events) override;

 private:
  class Writer;  // keeps spdlog out of this header
  /// The last event that the file has.
  struct Last {
    std::uint64_t seq = 0;
    std::string run;
    std::string ts;
  };

  Result<void> open();
  Result<void> repair_end();
  [[nodiscard]] bool has(const RecordedEvent& event) const;

  std::string path_;
  std::int64_t rotate_;
  std::size_t keep_;
  std::unique_ptr<Writer> writer_;
  std::optional<Last> last_;
};

/// Why a file for events could not be used at this path, as far as that can be known before.
/// *Errors*: there is no such directory, or it may not be written to; something else than a file is there.
Result<void> check_event_file(const std::string& path);

}  // namespace pgcurfew
