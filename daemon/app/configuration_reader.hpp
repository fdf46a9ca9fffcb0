#pragma once

#include <functional>
#include <string>
#include <thread>

#include "app/web_place.hpp"
#include "policy/reader/load.hpp"
#include "system/wakeup.hpp"

namespace pgcurfew {

/// Reads the configuration, and the files that its web server needs, on a thread beside the loop: checking a
/// year of a thousand drains takes seconds, and a file may be on a disk that hangs.
class ConfigurationReader {
 public:
  /// The loop calls `done`.
  ConfigurationReader(Loop& loop, std::string path, std::function<void(LoadResult, Result<WebSecrets>)> done);
  /// Waits for a read in progress.
  ~ConfigurationReader();
  ConfigurationReader(const ConfigurationReader&) = delete;
  ConfigurationReader& operator=(const ConfigurationReader&) = delete;

  /// Begins to read. During a read it reads again after that, and only then calls `done`.
  void read();

 private:
  void start();
  void finish();

  std::string path_;
  std::function<void(LoadResult, Result<WebSecrets>)> done_;
  std::thread thread_;
  LoadResult result_;           ///< owned by the thread, until it is joined
  Result<WebSecrets> secrets_;  ///< likewise
  bool is_reading_ = false;
  bool must_read_again_ = false;
  Wakeup finished_;  ///< wakes the loop when the thread has finished
};

}  // namespace pgcurfew
