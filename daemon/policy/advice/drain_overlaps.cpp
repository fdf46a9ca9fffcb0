#include "policy/advice/drain_overlaps.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/words.hpp"

namespace pgcurfew {

namespace {

constexpr Duration kYear = std::chrono::hours(24 * 366);
/// Windows of one drain: more than one every hour of a year.
constexpr std::size_t kMostWindows = 10000;
/// Windows of all drains together; beyond that only the next few windows of each drain are checked.
constexpr std::size_t kMostInAll = 1000000;
constexpr std::size_t kFewWindows = 400;
/// With more overlaps, fix these first.
constexpr std::size_t kMostErrors = 20;

bool has_name(const Drain& drain, std::string_view name) {
  return std::any_of(drain.databases.begin(), drain.databases.end(), [&](const TextPattern& pattern) {
    return pattern.is_exact() && pattern.written() == name;
  });
}

/// Whether a wildcard matches a database that another drain names.
bool takes_in(const TextPattern& wildcard, std::string_view name, std::string_view own) {
  constexpr std::string_view kLeftOut[] = {"template0", "template1", "postgres"};
  const bool is_left_out =
      name == own || std::find(std::begin(kLeftOut), std::end(kLeftOut), name) != std::end(kLeftOut);
  return !is_left_out && wildcard.matches(name);
}

/// A description of what two entries have in common; empty if they have nothing in common.
std::optional<std::string> common_text(const TextPattern& a, const TextPattern& b, std::string_view own) {
  const auto quoted = [](const TextPattern& pattern) { return printable(pattern.written(), 80); };
  if (a.is_exact() && b.is_exact()) {
    return a.written() == b.written() ? std::optional(quoted(a)) : std::nullopt;
  }
  if (a.is_exact()) return takes_in(b, a.written(), own) ? std::optional(quoted(a)) : std::nullopt;
  if (b.is_exact()) return takes_in(a, b.written(), own) ? std::optional(quoted(b)) : std::nullopt;
  if (a.written() == b.written()) return quoted(a);
  if (!a.matches(b.written()) && !b.matches(a.written())) return std::nullopt;
  return fmt::format("{} and {}", quoted(a), quoted(b));
}

std::optional<std::string> common_databases(const Drain& a, const Drain& b, std::string_view own) {
  // both name the database, whatever else they contain
  for (const auto& pattern : a.databases) {
    if (pattern.is_exact() && has_name(b, pattern.written())) return printable(pattern.written(), 80);
  }
  for (const auto& first : a.databases) {
    for (const auto& second : b.databases) {
      if (auto text = common_text(first, second, own)) return text;
    }
  }
  return std::nullopt;
}

/// The windows of the coming year; each drain's are computed once, and only when needed.
class Calendar {
 public:
  Calendar(const Policy& policy, ServerTime from)
      : policy_(policy), from_(from), windows_(policy.drains.size()) {}

  const std::vector<Interval>& windows(std::size_t drain) {
    auto& known = windows_[drain];
    if (!known) known = reckon(policy_.drains[drain]);
    return *known;
  }

 private:
  [[nodiscard]] std::vector<Interval> reckon(const Drain& drain) {
    std::vector<Interval> found;
    const auto most = std::min(kMostWindows, left_);
    auto window = window_after(drain, from_ - drain.duration);  // the first window that is not over
    while (window && window->start < from_ + kYear && found.size() < most) {
      found.push_back(*window);
      window = window_after(drain, window->start);
    }
    left_ = std::max(left_ - found.size(), kFewWindows);
    return found;
  }

  const Policy& policy_;
  ServerTime from_;
  std::vector<std::optional<std::vector<Interval>>> windows_;
  std::size_t left_ = kMostInAll;
};

/// What two drains have in common on any server; the server is empty if none is known.
struct Common {
  std::string server;
  std::string databases;
};

std::optional<Common> common_of(const Policy& policy, const Drain& a, const Drain& b,
                                const OwnDatabases& own) {
  for (const auto& server : policy.servers) {
    if (!is_for(a, server.name) || !is_for(b, server.name)) continue;
    const auto found = own.find(server.name);
    if (auto text = common_databases(a, b, found == own.end() ? std::string() : found->second)) {
      return Common{server.name, std::move(*text)};
    }
  }
  if (!policy.servers.empty()) return std::nullopt;
  // a drop-in on its own: its selections of servers may or may not mean the same servers
  const bool is_same = a.servers.empty() || b.servers.empty() || a.servers == b.servers;
  auto text = is_same ? common_databases(a, b, {}) : std::nullopt;
  return text ? std::optional(Common{{}, std::move(*text)}) : std::nullopt;
}

/// Drains by their index, in its order.
using Group = std::vector<std::size_t>;

/// The drains that name each database, and those with a wildcard that matches its name.
std::vector<Group> groups_by_database(const Policy& policy) {
  std::map<std::string_view, std::set<std::size_t>> named;
  std::map<std::string_view, const TextPattern*> wildcards;
  for (std::size_t i = 0; i < policy.drains.size(); ++i) {
    for (const auto& pattern : policy.drains[i].databases) {
      named[pattern.written()].insert(i);
      if (!pattern.is_exact()) wildcards[pattern.written()] = &pattern;
    }
  }
  std::vector<Group> groups;
  for (const auto& [text, drains] : named) {
    auto all = drains;
    for (const auto& [written, wildcard] : wildcards) {
      if (wildcard->matches(text)) all.insert(named[written].begin(), named[written].end());
    }
    if (all.size() > 1) groups.emplace_back(all.begin(), all.end());
  }
  return groups;
}

/// The part of a group for each server or, if no server is known, for each selection of servers.
std::vector<Group> parts_by_server(const Policy& policy, const Group& group) {
  std::vector<Group> parts;
  const auto add = [&](auto belongs) {
    auto& part = parts.emplace_back();
    std::copy_if(group.begin(), group.end(), std::back_inserter(part),
                 [&](std::size_t i) { return belongs(policy.drains[i]); });
  };
  for (const auto& server : policy.servers) {
    add([&](const Drain& drain) { return is_for(drain, server.name); });
  }
  if (!policy.servers.empty()) return parts;
  std::set<std::vector<std::string>> selections;
  for (const auto i : group) selections.insert(policy.drains[i].servers);
  for (const auto& selection : selections) {
    add([&](const Drain& drain) { return drain.servers.empty() || drain.servers == selection; });
  }
  return parts;
}

/// Groups of drains: two drains with something in common are in one group, but not all drains in a group have
/// something in common.
std::set<Group> groups_of(const Policy& policy) {
  std::set<Group> groups;
  for (const auto& group : groups_by_database(policy)) {
    for (auto& part : parts_by_server(policy, group)) {
      if (part.size() > 1) groups.insert(std::move(part));
    }
  }
  return groups;
}

/// The first pairs that overlap, in the order of the later one, then of the earlier one.
class Overlaps {
 public:
  struct Overlap {
    ServerTime at;  ///< the first moment
    Common common;
  };
  using Pair = std::pair<std::size_t, std::size_t>;  ///< later one, earlier one

  Overlaps(const Policy& policy, const OwnDatabases& own) : policy_(policy), own_(own) {}

  /// Two drains whose windows first overlap at this moment.
  void note(std::size_t one, std::size_t other, ServerTime at) {
    const Pair pair{std::max(one, other), std::min(one, other)};
    if (!is_wanted(pair) || found_.contains(pair) || apart_.contains(pair)) return;
    auto common = common_of(policy_, policy_.drains[pair.second], policy_.drains[pair.first], own_);
    if (!common) {
      apart_.insert(pair);
      return;
    }
    found_.emplace(pair, Overlap{at, std::move(*common)});
    if (found_.size() > kMostErrors) found_.erase(std::prev(found_.end()));
  }

  /// Whether an overlap of this drain with an earlier one can still be among the first pairs.
  [[nodiscard]] bool is_wanted(std::size_t drain) const { return is_wanted(Pair{drain, 0}); }

  [[nodiscard]] const std::map<Pair, Overlap>& found() const { return found_; }

 private:
  [[nodiscard]] bool is_wanted(const Pair& pair) const {
    return found_.size() < kMostErrors || pair < found_.rbegin()->first;
  }

  const Policy& policy_;
  const OwnDatabases& own_;
  std::map<Pair, Overlap> found_;
  std::set<Pair> apart_;
};

/// Goes through the windows of a group in the order of their beginnings.
void sweep(const Group& group, Calendar& calendar, Overlaps& overlaps) {
  struct Entry {
    Interval window;
    std::size_t drain;
  };
  std::vector<Entry> entries;
  for (const auto drain : group) {
    if (!overlaps.is_wanted(drain)) break;
    for (const auto& window : calendar.windows(drain)) entries.push_back({window, drain});
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.window.start < b.window.start; });
  std::vector<Entry> open;
  for (const auto& entry : entries) {
    std::erase_if(open, [&](const Entry& other) {
      return other.window.end <= entry.window.start || !overlaps.is_wanted(other.drain);
    });
    for (const auto& other : open) {
      if (other.drain != entry.drain) overlaps.note(other.drain, entry.drain, entry.window.start);
    }
    open.push_back(entry);
  }
}

Diagnostic error_of(const Drain& a, const Drain& b, const Overlaps::Overlap& overlap) {
  const auto& server = overlap.common.server;
  return {Severity::kError,
          b.place,
          fmt::format("drains \"{}\" and \"{}\" overlap: both empty database {}{} at {}", a.name, b.name,
                      overlap.common.databases,
                      server.empty() ? "" : fmt::format(" on server {}", printable(server)),
                      b.zone.to_text(overlap.at)),
          fmt::format("Move one of them, or merge them. {} is at {}:{}.", a.name, printable(a.place.file),
                      a.place.line),
          {}};
}

}  // namespace

std::vector<Diagnostic> find_overlaps(const Policy& policy, ServerTime from, const OwnDatabases& own) {
  Calendar calendar(policy, from);
  Overlaps overlaps(policy, own);
  for (const auto& group : groups_of(policy)) sweep(group, calendar, overlaps);
  std::vector<Diagnostic> errors;
  for (const auto& [pair, overlap] : overlaps.found()) {
    errors.push_back(error_of(policy.drains[pair.second], policy.drains[pair.first], overlap));
  }
  return errors;
}

}  // namespace pgcurfew
