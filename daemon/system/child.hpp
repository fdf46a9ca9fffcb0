#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "base/result.hpp"

namespace pgcurfew {

/// A command that we run and wait for.
class Child {
 public:
  /// Starts `argv` (found by PATH, no shell) with our environment and these variables, which replace others
  /// of the same name; signal dispositions are as a shell would set them.
  /// *Errors*: there is no such command, or the kernel refuses.
  static Result<Child> start(const std::vector<std::string>& argv,
                             const std::vector<std::pair<std::string, std::string>>& variables);

  /// Its exit status as in a shell (128 plus the signal's number, if a signal ended it) once it has ended;
  /// does not wait.
  std::optional<int> status();

  void signal(int number) const;

 private:
  explicit Child(pid_t pid) : pid_(pid) {}
  pid_t pid_;
  std::optional<int> status_;
};

}  // namespace pgcurfew
