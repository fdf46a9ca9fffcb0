#include "cli/check.hpp"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/words.hpp"
#include "cli/configuration.hpp"
#include "cli/exit_code.hpp"
#include "engine/breaker.hpp"
#include "policy/describe.hpp"
#include "postgres/conninfo.hpp"

namespace pgcurfew {

namespace {

void print_policy(const Policy& policy) {
  // a file of rules on its own has neither mode nor bounds
  const bool is_main = !policy.servers.empty();
  if (is_main) fmt::print("mode: {}\n", name_of(policy.mode));
  for (const auto& server : policy.servers) {
    const auto conninfo = Conninfo::parse(server.conninfo);
    fmt::print("server {}: {}\n", printable(server.name), conninfo ? conninfo->describe() : "?");
  }
  for (const auto& match : policy.protect) fmt::print("never touched: {}\n", phrase_of(match));
  for (const auto& rule : policy.rules) fmt::print("{}\n", sentence_of(rule));
  if (!is_main) return;
  fmt::print(
      "bounds per server: at most {} signals per {}, at most {:.0f}% of all client sessions at once ({} "
      "always "
      "pass)\n",
      policy.safety.signals, to_text(policy.safety.per), policy.safety.share * 100, Breaker::kAlwaysPass);
}

}  // namespace

int check(const std::vector<std::string>& paths) {
  bool good = true;
  for (const auto& path : paths) {
    const auto loaded = read_any(path);
    for (const auto& diagnostic : loaded.diagnostics) fmt::print(stderr, "{}", render(diagnostic));
    if (paths.size() > 1) fmt::print("{}{}:\n", path == paths.front() ? "" : "\n", printable(path));
    if (loaded.has_errors()) {
      good = false;
      const auto errors =
          std::count_if(loaded.diagnostics.begin(), loaded.diagnostics.end(),
                        [](const auto& diagnostic) { return diagnostic.severity == Severity::kError; });
      fmt::print(stderr, "{}: {} error{}\n", printable(path), errors, errors == 1 ? "" : "s");
      continue;
    }
    print_policy(*loaded.policy);
  }
  return good ? kExitOk : kExitConfiguration;
}

}  // namespace pgcurfew
