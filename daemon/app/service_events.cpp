#include "app/service_events.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "app/mode_text.hpp"
#include "base/counted.hpp"
#include "base/words.hpp"
#include "events/fields.hpp"
#include "policy/fingerprint.hpp"

namespace pgcurfew {

namespace {

std::size_t count_errors(const std::vector<Diagnostic>& diagnostics) {
  const auto errors = std::count_if(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& diagnostic) {
    return diagnostic.severity == Severity::kError;
  });
  return static_cast<std::size_t>(errors);
}

template <class Items>
std::string names_of(const Items& items) {
  std::string text;
  for (const auto& item : items) text += (text.empty() ? "" : ", ") + item.name;
  return text.empty() ? "none" : text;
}

/// ", 2 drains"; empty if there are none.
std::string drains_text(const Policy& policy) {
  return policy.drains.empty() ? std::string() : ", " + counted(policy.drains.size(), "drain");
}

/// What changed in rules or drains, by name.
struct Changes {
  std::string added;
  std::string removed;
  std::string changed;
};

template <class Item, class IsSame>
Changes compare(const std::vector<Item>& before, const std::vector<Item>& after, IsSame is_same) {
  Changes changes;
  const auto note = [](std::string& list, const std::string& name) {
    list += (list.empty() ? "" : ", ") + name;
  };
  const auto find = [](const std::vector<Item>& items, const std::string& name) {
    return std::find_if(items.begin(), items.end(), [&](const Item& item) { return item.name == name; });
  };
  for (const auto& item : after) {
    const auto old = find(before, item.name);
    if (old == before.end()) {
      note(changes.added, item.name);
    } else if (!is_same(*old, item)) {
      note(changes.changed, item.name);
    }
  }
  for (const auto& item : before) {
    if (find(after, item.name) == after.end()) note(changes.removed, item.name);
  }
  return changes;
}

}  // namespace

Event started_event(const Policy& policy) {
  const auto dry = std::count_if(policy.rules.begin(), policy.rules.end(),
                                 [](const Rule& rule) { return rule.mode == Mode::kDryRun; });
  Event event(
      Kind::kStarted,
      fmt::format("mode {}: {}, {}{}{}", capitals(policy.mode), counted(policy.servers.size(), "server"),
                  counted(policy.rules.size(), "rule"),
                  policy.mode == Mode::kEnforce && dry > 0 ? fmt::format(", {} of them dry", dry) : "",
                  drains_text(policy)));
  event.add(field::kVersion, PGCURFEW_VERSION);
  event.add(field::kMode, name_of(policy.mode));
  event.add(field::kPolicy, policy.version);
  event.add(field::kServers, names_of(policy.servers));
  event.add(field::kRules, names_of(policy.rules));
  event.add(field::kDrains, names_of(policy.drains));
  return event;
}

Event reload_event(const Policy& before, const Policy& policy) {
  const auto rules = compare(before.rules, policy.rules, [](const Rule& old, const Rule& rule) {
    return old.fingerprint == rule.fingerprint && old.mode == rule.mode;
  });
  const auto drains = compare(before.drains, policy.drains, [](const Drain& old, const Drain& drain) {
    return fingerprint_of(old) == fingerprint_of(drain);
  });
  Event event(Kind::kReload, fmt::format("reloaded, mode {}: {}, {}{}", capitals(policy.mode),
                                         counted(policy.servers.size(), "server"),
                                         counted(policy.rules.size(), "rule"), drains_text(policy)));
  event.add(field::kMode, name_of(policy.mode));
  event.add(field::kPolicy, policy.version);
  event.add(field::kPolicyBefore, before.version);
  event.add(field::kRulesAdded, rules.added);
  event.add(field::kRulesRemoved, rules.removed);
  event.add(field::kRulesChanged, rules.changed);
  event.add(field::kDrainsAdded, drains.added);
  event.add(field::kDrainsRemoved, drains.removed);
  event.add(field::kDrainsChanged, drains.changed);
  event.add(field::kServers, names_of(policy.servers));
  return event;
}

Event reload_refused_event(const std::vector<Diagnostic>& diagnostics, const std::string& policy) {
  Event event(Kind::kReloadRefused,
              fmt::format("the new configuration has {}; the previous one stays in force",
                          counted(count_errors(diagnostics), "error")));
  event.add(field::kPolicy, policy);
  return event;
}

Event gates_left_event(const std::string& server) {
  Event event(Kind::kGatesLeft, fmt::format("gates of {} are left closed: they could not be opened in time",
                                            printable(server)));
  event.server = server;
  event.add(field::kHint, "\"pgcurfew reopen\" opens them.");
  return event;
}

}  // namespace pgcurfew
