#pragma once

#include <optional>
#include <string>
#include <vector>

#include "policy/diagnostic.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

struct LoadResult {
  std::optional<Policy> policy;         ///< only if no diagnostic is an error
  std::vector<Diagnostic> diagnostics;  ///< of all files, in the order of the files and of their lines
  [[nodiscard]] bool has_errors() const { return !policy.has_value(); }
};

/// The main file and its drop-ins, in the order in which they apply.
/// *Errors*: every error of every file; as far as possible, none hides another.
LoadResult load_policy(const Source& main, const std::vector<Source>& drop_ins);

/// Reads a drop-in on its own, as `check` does with a ready policy: `rules`, `drains` and `protect` only, as
/// if the main file's mode were `enforce`.
LoadResult load_drop_in(const Source& file);

/// Whether the file has keys of the main file (such as `mode` and `servers`) at its top level.
bool looks_like_main_file(const Source& file);

}  // namespace pgcurfew
