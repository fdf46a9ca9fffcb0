#include "simulation/rule_extras.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/time_zone.hpp"
#include "simulation/server.hpp"

namespace pgcurfew::simulation {

namespace {

using Texts = std::vector<std::string>;
using std::chrono::hours;
using std::chrono::minutes;

const Texts& zone_names() {
  static const Texts kNames{"UTC", "Asia/Kolkata", "Etc/GMT+3", "Europe/Vienna", "Europe/Vienna"};
  return kNames;
}

std::string time_of_day(std::int64_t minute) {
  return fmt::format("\"{:02}:{:02}\"", minute / 60, minute % 60);
}

}  // namespace

std::string RuleExtras::duration(double low, double high) {
  const auto least = static_cast<std::int64_t>(static_cast<double>(wish_.pace.count()) * low);
  const auto most = static_cast<std::int64_t>(static_cast<double>(wish_.pace.count()) * high);
  // whole milliseconds, so that some limits are equal
  return to_text(Duration(std::max<std::int64_t>(random_.between(least, most) / 1000 * 1000, 1000)));
}

std::string RuleExtras::transactions() {
  const auto pace = wish_.pace / Server::kTransaction;
  const auto count = random_.between(std::max<std::int64_t>(pace / 3, 1), pace * 4);
  return count > 5000 ? fmt::format("{}k", count / 1000) : std::to_string(count);
}

RuleExtras::Blocking RuleExtras::blocking() {
  Blocking made;
  const auto add_age = [&](const char* name) {
    made.conditions.push_back(fmt::format("{}: {}", name, duration(0.2, 2)));
    made.ages.emplace_back(name);
  };
  const auto waiter = [&] {
    static const Texts kWho{"user: \"app*\"",         "user: web", "state: active",
                            "application_name: psql", "user: etl", "wait_event_type: Lock"};
    auto text = random_.chance(0.7) ? random_.pick(kWho) : std::string("database: app");
    if (random_.chance(0.6)) text += fmt::format(", blocked_for: {}", duration(0.2, 2));
    if (random_.chance(0.3)) text += fmt::format(", sessions: {}", random_.between(1, 3));
    made.conditions.push_back(fmt::format("blocks: {{ {} }}", text));
  };
  const auto count = [&] { made.conditions.push_back(fmt::format("blocks: {}", random_.between(1, 3))); };
  switch (random_.between(0, 6)) {
    case 0:
      count();
      break;
    case 1:
      add_age("blocks_for");
      break;
    case 2:
      count();
      add_age("blocks_for");
      break;
    case 3:
      waiter();
      break;
    case 4:
      waiter();
      add_age("blocks_for");
      break;
    case 5:
      made.is_for_waiters = true;
      add_age("blocked_for");
      break;
    default:
      made.is_for_waiters = true;
      add_age("blocked_for");
      count();
  }
  return made;
}

std::string RuleExtras::head() {
  std::string text;
  if (wish_.unprotects) {
    static const Texts kNames{"dumps", "backups", "agents", "sync-rep", "concurrent-index", "listeners"};
    auto off = kNames;
    if (random_.chance(0.6)) off = {random_.pick(kNames)};
    text += fmt::format("unprotect: [ {} ]\n", fmt::join(off, ", "));
  }
  has_zone_ = wish_.has_hours && random_.chance(0.5);
  if (has_zone_) text += fmt::format("timezone: {}\n", random_.pick(zone_names()));
  return text;
}

std::string RuleExtras::lines() {
  std::string text;
  if (wish_.has_selection && random_.chance(0.7)) text += selection();
  if (wish_.has_when && random_.chance(0.6)) text += when();
  if (wish_.has_hours && random_.chance(0.8)) {
    const auto kind = random_.between(0, 4);
    if (kind < 4) text += hours(kind < 3 ? "during" : "not_during");
    if (kind == 4) text += hours("during") + hours("not_during");
  }
  if (wish_.has_repeat && random_.chance(0.7)) text += repeat();
  return text;
}

std::string RuleExtras::selection() {
  std::string text;
  if (random_.chance(0.6)) {
    static const Texts kPer{"user", "[ user, application_name ]", "database", "[ client_addr ]",
                            "application_name"};
    if (random_.chance(0.7)) text += fmt::format("    per: {}\n", random_.pick(kPer));
    text += fmt::format("    keep: {}\n", random_.between(1, 4));
    if (random_.chance(0.6)) {
      text += fmt::format("    victims: {}\n", random_.pick(Texts{"oldest", "newest", "newest", "all"}));
    }
  }
  if (random_.chance(0.4)) text += fmt::format("    at_most: {}\n", random_.between(1, 2));
  if (random_.chance(0.35)) text += fmt::format("    pause: {}\n", duration(0.1, 2));
  return text;
}

std::string RuleExtras::when() {
  Texts parts;
  if (random_.chance(0.6)) parts.push_back(fmt::format("connections_used: {}%", random_.between(20, 100)));
  if (parts.empty() || random_.chance(0.4)) {
    parts.emplace_back(random_.chance(0.6) ? "role: primary" : "role: standby");
  }
  return fmt::format("    when: {{ {} }}\n", fmt::join(parts, ", "));
}

std::string RuleExtras::hours(std::string_view key) {
  if (random_.chance(0.6)) return fmt::format("    {}: {}\n", key, window());
  return fmt::format("    {}: [ {}, {} ]\n", key, window(), window());
}

/// Hours that begin and end around the world's time.
std::string RuleExtras::window() {
  Texts parts;
  const bool names_zone = !has_zone_ || random_.chance(0.5);
  const auto& name = random_.pick(zone_names());
  const auto length = length_of_world(wish_.pace);
  const auto begin = Server::kEpoch + wish_.offset + random_.span(-length, length);
  const auto zone = TimeZone::load(names_zone ? name : "UTC").value();
  const auto from = zone.civil_at(begin).since_midnight / minutes(1);
  const auto most = std::max<std::int64_t>(length / minutes(1), 2);
  const auto to = (from + random_.between(1, most)) % (24 * 60);
  const bool has_from = random_.chance(0.85);
  if (has_from) parts.push_back("from: " + time_of_day(from));
  if (!has_from || random_.chance(0.9)) parts.push_back("to: " + time_of_day(to == 0 ? 24 * 60 : to));
  if (random_.chance(0.2)) {
    parts.push_back("days: " +
                    random_.pick(Texts{"mon-fri", "[ sat, sun ]", "fri-mon", "[ mon, wed, thu-sat ]"}));
  }
  if (names_zone) parts.push_back("timezone: " + name);
  return fmt::format("{{ {} }}", fmt::join(parts, ", "));
}

std::string RuleExtras::repeat() {
  const auto within = std::max<Duration>(std::chrono::seconds(1), wish_.pace * random_.between(2, 30));
  auto text = fmt::format("times: {}, within: {}, then: {}", random_.between(1, 4), to_text(within),
                          random_.pick(Texts{"terminate", "terminate", "alert", "pause"}));
  if (random_.chance(0.6)) text += ", per: " + random_.pick(Texts{"user", "application_name", "query_id"});
  return fmt::format("    repeat: {{ {} }}\n", text);
}

}  // namespace pgcurfew::simulation
