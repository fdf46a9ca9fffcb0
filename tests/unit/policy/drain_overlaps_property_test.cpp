// Overlaps of drains as find_overlaps() finds them, against a slow comparison of each pair.
#include <algorithm>
#include <chrono>
#include <optional>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/words.hpp"
#include "policy/advice/drain_overlaps.hpp"
#include "policy/loading.hpp"

namespace pgcurfew::testing {
namespace {

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

std::vector<Interval> windows_of(const Drain& drain, ServerTime from) {
  std::vector<Interval> found;
  auto window = window_after(drain, from - drain.duration);
  while (window && window->start < from + std::chrono::hours(24 * 366)) {
    found.push_back(*window);
    window = window_after(drain, window->start);
  }
  return found;
}

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

std::vector<std::string> found_slowly(const Policy& policy, ServerTime from, const OwnDatabases& own) {
  std::vector<std::string> found;
  std::vector<std::vector<Interval>> windows;
  for (const auto& drain : policy.drains) windows.push_back(windows_of(drain, from));
  for (std::size_t j = 1; j < policy.drains.size(); ++j) {
    for (std::size_t i = 0; i < j && found.size() < 20; ++i) {
      const auto& a = policy.drains[i];
      const auto& b = policy.drains[j];
      const auto common = common_of(policy, a, b, own);
      const auto at = first_common_moment(windows[i], windows[j]);
      if (!common || !at) continue;
      const auto where = common->server.empty() ? "" : fmt::format(" on server {}", common->server);
      found.push_back(fmt::format("drains \"{}\" and \"{}\" overlap: both empty database {}{} at {}", a.name,
                                  b.name, common->databases, where, b.zone.to_text(*at)));
    }
  }
  return found;
}

/// Also in the first tries, which rapidcheck makes small.
int any_below(int bound) {
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(0, bound));
}

std::string any_drain(int number) {
  const auto one_of = [](std::vector<std::string> texts) { return *rc::gen::elementOf(std::move(texts)); };
  const auto databases = one_of({"a", "b", "[ a, b ]", "[ b, ab ]", "'a*'", "'*b'", "'*'", "[ '*', mine ]",
                                 "mine", "postgres", "[ 'a?', c ]", "c"});
  const auto servers = one_of({"", "", ", servers: one", ", servers: [ one, two ]", ", servers: two"});
  const auto begins = fmt::format("{} {} * {} {}", any_below(60), any_below(3), one_of({"*", "3", "10-11"}),
                                  one_of({"*", "sun", "mon-wed", "fri,sat"}));
  return fmt::format(
      "- {{ name: d{}, databases: {}, schedule: \"{}\", timezone: {}, duration: {}min, escalate: [ terminate "
      "]{} "
      "}}\n",
      number, databases, begins, one_of({"UTC", "Europe/Vienna"}), 1 + any_below(120), servers);
}

RC_GTEST_PROP(DrainOverlapsProperty, AreThoseOfEachTwoHeldTogether, ()) {
  std::string text;
  if (any_below(4) > 0) text = "servers:\n- { name: one, conninfo: x }\n- { name: two, conninfo: x }\n";
  const bool is_drop_in = text.empty();
  text += "drains:\n";
  const int count = 2 + any_below(20);
  for (int i = 0; i < count; ++i) text += any_drain(i);
  const auto policy = taken(is_drop_in ? load(text) : load_main(text));
  const auto own = *rc::gen::element(OwnDatabases{}, OwnDatabases{{"one", "mine"}},
                                     OwnDatabases{{"one", "mine"}, {"two", "mine"}});
  const auto from = TimeZone().first_instant_of({2026, 11, 23, std::chrono::hours(12)});
  const auto expected = found_slowly(policy, from, own);
  RC_CLASSIFY(expected.empty(), "none");
  RC_CLASSIFY(expected.size() == 20, "as many as are told");
  std::vector<std::string> found;
  for (const auto& error : find_overlaps(policy, from, own)) found.push_back(error.message);
  RC_ASSERT(found == expected);
}

}  // namespace
}  // namespace pgcurfew::testing
