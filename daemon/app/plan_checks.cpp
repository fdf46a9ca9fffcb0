#include "app/plan_checks.hpp"

#include <algorithm>
#include <iterator>
#include <vector>

#include <fmt/format.h>

#include "base/words.hpp"
#include "policy/advice/drain_overlaps.hpp"
#include "postgres/conninfo.hpp"

namespace pgcurfew {

namespace {

OwnDatabases own_databases_of(const Policy& policy) {
  OwnDatabases own;
  for (const auto& server : policy.servers) {
    const auto conninfo = Conninfo::parse(server.conninfo);
    if (conninfo && !conninfo->database().empty()) own.emplace(server.name, conninfo->database());
  }
  return own;
}

void check_pgbouncers(const Policy& policy, std::vector<Diagnostic>& diagnostics) {
  for (const auto& drain : policy.drains) {
    if (drain.gate != GateKind::kPgbouncer) continue;
    const auto conninfo = Conninfo::parse(drain.pgbouncer_conninfo);
    // without the line itself: it may hold a password
    if (!conninfo) {
      diagnostics.push_back({Severity::kError,
                             drain.pgbouncer_conninfo_place,
                             conninfo.error().message,
                             conninfo.error().hint,
                             {}});
    }
  }
}

void warn_of_own_database(const Policy& policy, const OwnDatabases& own,
                          std::vector<Diagnostic>& diagnostics) {
  for (const auto& drain : policy.drains) {
    if (drain.gate != GateKind::kConnectionLimit) continue;
    const auto found = std::find_if(own.begin(), own.end(), [&](const auto& entry) {
      return is_for(drain, entry.first) &&
             std::any_of(drain.databases.begin(), drain.databases.end(), [&](const TextPattern& pattern) {
               return pattern.is_exact() && pattern.written() == entry.second;
             });
    });
    if (found == own.end()) continue;
    diagnostics.push_back(
        {Severity::kWarning,
         drain.place,
         fmt::format("drain \"{}\" empties database {}, which our own connection to server {} is in",
                     drain.name, printable(found->second), printable(found->first)),
         fmt::format("Unless its role is a superuser, pgcurfew locks itself out: name another database in "
                     "conninfo, {}.",
                     found->second == "postgres" ? "one that no drain empties" : "such as postgres"),
         {}});
  }
}

}  // namespace

void check_plans(LoadResult& loaded, ServerTime now) {
  if (!loaded.policy) return;
  const auto own = own_databases_of(*loaded.policy);
  std::vector<Diagnostic> found;
  check_pgbouncers(*loaded.policy, found);
  auto overlaps = find_overlaps(*loaded.policy, now, own);
  std::move(overlaps.begin(), overlaps.end(), std::back_inserter(found));
  const bool has_errors = !found.empty();
  warn_of_own_database(*loaded.policy, own, found);
  std::move(found.begin(), found.end(), std::back_inserter(loaded.diagnostics));
  if (has_errors) loaded.policy.reset();
}

}  // namespace pgcurfew
