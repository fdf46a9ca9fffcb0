#include "cli/diagnostics.hpp"

#include "cli/printing.hpp"

namespace pgcurfew {

void print_diagnostics(const LoadResult& loaded) {
  for (const auto& diagnostic : loaded.diagnostics) {
    const auto urgency = diagnostic.severity == Severity::kError ? Urgency::kError : Urgency::kWarning;
    print_error_text(render(diagnostic), urgency);
  }
}

void say_diagnostics(const LoadResult& loaded) {
  for (const auto& diagnostic : loaded.diagnostics) say_text(render(diagnostic));
}

}  // namespace pgcurfew
