#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "events/audit_sink.hpp"

namespace pgcurfew {

/// Events in a file, one on each line as in the record, each once, and synced. The file is renamed when it
/// has its size: `events.json` becomes `events.1.json`, and so on.
class FileSink final : public AuditSink {
 public:
  /// *Units*: `rotate` is in bytes; `keep` is the number of renamed files.
  FileSink(std::string path, std::int64_t rotate, std::size_t keep);
  ~FileSink() override;

  Result<Refused> take(const std::vector<RecordedEvent>& events) override;

 private:
  class Writer;  // keeps spdlog out of this header
  Result<void> open();
  Result<void> read_end();
  [[nodiscard]] Result<void> check_renaming(const std::vector<RecordedEvent>& events) const;

  std::string path_;
  std::int64_t rotate_;
  std::size_t keep_;
  std::unique_ptr<Writer> writer_;
  /// The last lines of the file when it was opened: of events that are offered again, it may have some.
  std::set<std::string, std::less<>> has_;
};

/// Why a file for events could not be used at this path, as far as that can be known before.
/// *Errors*: there is no such directory, or it may not be written to; something else than a file of our own
/// is there.
Result<void> check_event_file(const std::string& path);

}  // namespace pgcurfew
