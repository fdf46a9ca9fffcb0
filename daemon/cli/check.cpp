#include "cli/check.hpp"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "app/configuration.hpp"
#include "app/exit_code.hpp"
#include "app/wall_clock.hpp"
#include "base/duration.hpp"
#include "base/words.hpp"
#include "cli/check_places.hpp"
#include "cli/diagnostics.hpp"
#include "cli/printing.hpp"
#include "engine/breaker.hpp"
#include "policy/advice/claims.hpp"
#include "policy/prose/describe.hpp"
#include "policy/prose/describe_drain.hpp"
#include "policy/protections.hpp"
#include "postgres/conninfo.hpp"

namespace pgcurfew {

namespace {

/// The fields by which any client can claim the protection, as text; empty if there are none.
std::string claim_of(const Match& match) {
  const auto fields = claimable_fields(match);
  return fields.empty() ? fields : fmt::format(" (by {}: any client can claim it)", fields);
}

void print_protections(const Policy& policy, bool with_built_in) {
  for (const auto& match : policy.protect) {
    const auto* built_in = protection_named(match.protection);
    if (built_in != nullptr && !with_built_in) continue;
    print("protected{}{}: {}{}\n", built_in == nullptr ? "" : " ", match.protection,
          built_in == nullptr ? phrase_of(match) : std::string(built_in->meaning), claim_of(match));
  }
  for (const auto& name : policy.unprotect) {
    print("not protected: {} ({})\n", name, protection_named(name)->meaning);
  }
}

/// Returns whether each place can be used now, see check_places().
bool print_policy(const Policy& policy) {
  // a file with only rules has neither mode nor bounds
  const bool is_main = !policy.servers.empty();
  if (is_main) print("mode: {}\n", name_of(policy.mode));
  if (!policy.timezone.empty()) print("timezone: {}\n", policy.timezone);
  for (const auto& server : policy.servers) {
    const auto conninfo = Conninfo::parse(server.conninfo);
    print("server {}: {}\n", printable(server.name), conninfo ? conninfo->describe() : "?");
  }
  print_protections(policy, is_main);
  for (const auto& rule : policy.rules) print("{}\n", sentence_of(rule));
  for (const auto& drain : policy.drains) print("drain {}\n", sentence_of(drain, wall_clock()));
  if (!is_main) return true;
  const bool is_usable = check_places(policy);
  const auto signals = static_cast<std::size_t>(policy.safety.signals);
  print(
      "bounds per server: at most {} signals per {}, {} of them to one role; within a second at most {:g}% "
      "of all client sessions, rounded down, three quarters of that to one role, but at least {}; past "
      "either bound no signals for {}; if more sessions than that share fall due together, no signal before "
      "that "
      "time has passed\n",
      signals, to_text(policy.safety.per), signals - Breaker::reserve_of(signals), policy.safety.share * 100,
      Breaker::kAlwaysPass, to_text(policy.safety.quiet));
  return is_usable;
}

}  // namespace

int check(const std::vector<std::string>& paths, CheckScope scope) {
  bool good = true;
  bool is_usable = true;
  for (const auto& path : paths) {
    const auto loaded = read_any(path);
    print_diagnostics(loaded);
    if (paths.size() > 1) print("{}{}:\n", path == paths.front() ? "" : "\n", printable(path));
    if (loaded.has_errors()) {
      good = false;
      const auto errors =
          std::count_if(loaded.diagnostics.begin(), loaded.diagnostics.end(),
                        [](const auto& diagnostic) { return diagnostic.severity == Severity::kError; });
      print_error("{}: {} error{}\n", printable(path), errors, errors == 1 ? "" : "s");
      continue;
    }
    is_usable = print_policy(*loaded.policy) && is_usable;
  }
  if (!good) return kExitConfiguration;
  return is_usable || scope == CheckScope::kFiles ? kExitOk : kExitUnavailable;
}

}  // namespace pgcurfew
