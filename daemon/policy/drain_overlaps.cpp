#include "policy/drain_overlaps.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

#include <fmt/format.h>

#include "base/words.hpp"

namespace pgcurfew {

namespace {

constexpr Duration kYear = std::chrono::hours(24 * 366);
/// Of one drain: more than one every hour of a year.
constexpr std::size_t kMostWindows = 10000;
/// Of all drains together; past that each has its next few looked at.
constexpr std::size_t kMostInAll = 1000000;
constexpr std::size_t kFewWindows = 400;
/// Who has more mends these first.
constexpr std::size_t kMostErrors = 20;

bool has_name(const Drain& drain, std::string_view name) {
  return std::any_of(drain.databases.begin(), drain.databases.end(), [&](const TextPattern& pattern) {
    return pattern.is_exact() && pattern.written() == name;
  });
}

/// Whether a wildcard takes in what another drain calls by its name.
bool takes_in(const TextPattern& wildcard, std::string_view name, std::string_view own) {
  constexpr std::string_view kLeftOut[] = {"template0", "template1", "postgres"};
  const bool is_left_out =
      name == own || std::find(std::begin(kLeftOut), std::end(kLeftOut), name) != std::end(kLeftOut);
  return !is_left_out && wildcard.matches(name);
}

/// What two entries have in common, as one would say it; nothing if they have nothing.
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
  // by its name in both, whatever else there is
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

/// The windows of the coming year, each drain's reckoned once, and only if somebody asks.
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
    auto window = window_after(drain, from_ - drain.duration);  // the first that is not over
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

/// The first moment that two have in common.
std::optional<ServerTime> first_common_moment(const std::vector<Interval>& a,
                                              const std::vector<Interval>& b) {
  auto first = a.begin();
  auto second = b.begin();
  while (first != a.end() && second != b.end()) {
    if (first->end <= second->start) {
      ++first;
    } else if (second->end <= first->start) {
      ++second;
    } else {
      return std::max(first->start, second->start);
    }
  }
  return std::nullopt;
}

/// What two drains have in common on any server; the server is empty where none is known.
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
  // a drop-in on its own: what it says of servers may or may not mean the same
  const bool is_same = a.servers.empty() || b.servers.empty() || a.servers == b.servers;
  auto text = is_same ? common_databases(a, b, {}) : std::nullopt;
  return text ? std::optional(Common{{}, std::move(*text)}) : std::nullopt;
}

}  // namespace

std::vector<Diagnostic> find_overlaps(const Policy& policy, ServerTime from, const OwnDatabases& own) {
  std::vector<Diagnostic> found;
  Calendar calendar(policy, from);
  for (std::size_t j = 1; j < policy.drains.size() && found.size() < kMostErrors; ++j) {
    for (std::size_t i = 0; i < j && found.size() < kMostErrors; ++i) {
      const auto& a = policy.drains[i];
      const auto& b = policy.drains[j];
      const auto common = common_of(policy, a, b, own);
      const auto at = common ? first_common_moment(calendar.windows(i), calendar.windows(j)) : std::nullopt;
      if (!at) continue;
      const auto where =
          common->server.empty() ? "" : fmt::format(" on server {}", printable(common->server));
      found.push_back({Severity::kError,
                       b.place,
                       fmt::format("drains \"{}\" and \"{}\" overlap: both empty database {}{} at {}", a.name,
                                   b.name, common->databases, where, b.zone.to_text(*at)),
                       fmt::format("Move one of them, or make them one. {} stands at {}:{}.", a.name,
                                   printable(a.place.file), a.place.line),
                       {}});
    }
  }
  return found;
}

}  // namespace pgcurfew
