#pragma once

#include <functional>
#include <string>
#include <thread>

#include "policy/reader/load.hpp"
#include "system/loop.hpp"

namespace pgcurfew {

/// Reads the configuration beside the loop: a year of a thousand drains takes seconds to check.
class ConfigurationReader {
 public:
  /// `done` is called by the loop.
  ConfigurationReader(Loop& loop, std::string path, std::function<void(LoadResult)> done);
  /// Waits for what is being read.
  ~ConfigurationReader();
  ConfigurationReader(const ConfigurationReader&) = delete;
  ConfigurationReader& operator=(const ConfigurationReader&) = delete;

  /// Begins to read. While it reads already: reads again after that, and only then is done.
  void read();

 private:
  void start();
  void finish();

  std::string path_;
  std::function<void(LoadResult)> done_;
  int finished_;  ///< readable when the thread is through
  std::thread thread_;
  LoadResult result_;  ///< the thread's, until it is joined
  bool is_reading_ = false;
  bool must_read_again_ = false;
  Readiness readiness_;
};

}  // namespace pgcurfew
