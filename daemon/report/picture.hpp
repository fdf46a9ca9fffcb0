#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "policy/policy.hpp"
#include "report/record.hpp"
#include "report/tally.hpp"
#include "watch/picture.hpp"

namespace pgcurfew {

/// What the last reload came to.
struct ReloadPicture {
  bool is_refused = false;
  WallTime at{};  ///< or of the start, if there was none
};

/// The record, as far as the loop knows.
struct RecordPicture {
  Record::Counts counts;
  std::uint64_t lost = 0;
  bool is_required = false;
  std::string trouble;  ///< why it cannot be written; empty: it can
};

/// A place that events are copied to. The counts are since the start.
struct PlacePicture {
  std::string name;  ///< `journald`, `file /var/log/events.json`, `table audit dbname=dba`
  std::uint64_t copied = 0;
  std::uint64_t lost = 0;     ///< events that it will not get
  std::uint64_t waiting = 0;  ///< events that it has not got yet, as far as known
  std::optional<WallTime> fails_since;
  std::string trouble;  ///< why it fails; empty: it does not
};

/// What the daemon is, knows and has done, at one instant: the loop draws it, and whoever shows it has
/// nothing else. It does not change any more.
struct Picture {
  std::string version;   ///< of pgcurfew
  std::string instance;  ///< `<host>:<pid>`
  WallTime started{};
  WallTime drawn_at{};
  MonotonicTime drawn{};
  Mode mode = Mode::kDryRun;
  std::string policy;  ///< its version
  bool is_stopping = false;
  /// What is wrong with pgcurfew itself, as the status line has it: `the last reload was refused`.
  std::vector<std::string> warnings;
  bool is_web_failing = false;  ///< one of them is the web server's
  std::vector<ServerPicture> servers;
  Tally tally;
  ReloadPicture reload;
  RecordPicture record;
  std::vector<PlacePicture> audit;
};

/// What the kernel counts for this process.
struct ProcessFacts {
  double cpu_s = 0;
  double resident_bytes = 0;
  double open_descriptors = 0;
  double most_descriptors = 0;
};

}  // namespace pgcurfew
