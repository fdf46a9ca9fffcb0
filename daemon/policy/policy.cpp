#include "policy/policy.hpp"

namespace pgcurfew {

std::string_view name_of(Mode mode) {
  return mode == Mode::kEnforce ? "enforce" : "dry-run";
}

std::string_view name_of(StepKind kind) {
  switch (kind) {
    case StepKind::kAlert:
      return "alert";
    case StepKind::kCancel:
      return "cancel";
    case StepKind::kTerminate:
      break;
  }
  return "terminate";
}

}  // namespace pgcurfew
