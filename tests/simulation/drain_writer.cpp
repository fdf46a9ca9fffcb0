#include "simulation/drain_writer.hpp"

#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/time_zone.hpp"

namespace pgcurfew::simulation {

namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

using Texts = std::vector<std::string>;

/// The minutes from one window to the next.
constexpr std::int64_t kPeriod = 10;

/// `3,13,23,33,43,53 * * * *`
std::string schedule_at(std::int64_t phase) {
  Texts all;
  for (auto minute = phase % kPeriod; minute < 60; minute += kPeriod) all.push_back(std::to_string(minute));
  return fmt::format("schedule: \"{} * * * *\"", fmt::join(all, ","));
}

std::string once_at(ServerTime time) {
  const auto civil = TimeZone().civil_at(time);
  const auto minute = civil.since_midnight / minutes(1);
  return fmt::format("at: {:04}-{:02}-{:02} {:02}:{:02}:{:02}, timezone: UTC", civil.year, civil.month,
                     civil.day, minute / 60, minute % 60, civil.since_midnight / seconds(1) % 60);
}

class Writer {
 public:
  Writer(ServerTime begin, Duration length, bool is_apart, Random& random, const KeeperWish* wish)
      : begin_(begin), length_(length), is_apart_(is_apart), random_(random), wish_(wish) {}

  std::string file() {
    std::string text =
        fmt::format("mode: {}\nservers: [ {{ name: s, conninfo: \"host=/x\" }} ]\ntimezone: Europe/Vienna\n",
                    random_.chance(0.06) ? "dry-run" : "enforce");
    if (random_.chance(0.4)) text += "protect: [ { user: etl } ]\n";
    if (random_.chance(0.15)) text += "unprotect: [ dumps ]\n";
    const auto phase = random_.between(0, kPeriod - 1);
    const bool is_alone = random_.chance(0.5);
    const bool is_once = is_alone && random_.chance(0.3);
    text += "drains:\n" + drain(0, phase, is_once);
    if (!is_alone) text += drain(1, phase + kPeriod / 2, false);
    return text;
  }

 private:
  std::string duration(Duration low, Duration high) {
    return to_text(milliseconds(random_.between(low / milliseconds(1), high / milliseconds(1))));
  }

  std::string ladder() {
    Texts steps{fmt::format("wait: {{ for: {} }}", duration(milliseconds(0), seconds(15)))};
    if (random_.chance(0.7)) steps.emplace_back("cancel");
    const auto grace = steps.size() == 1 ? seconds(5) : seconds(12);
    steps.push_back(fmt::format("terminate: {{ after: {} }}", duration(milliseconds(10), grace)));
    return fmt::format("escalate: [ {} ]", fmt::join(steps, ", "));
  }

  std::string databases(int number) {
    if (!is_apart_) return random_.pick(Texts{"app", "[ app, shop ]", "\"app*\"", "app_1", "\"*\""});
    return number == 0 ? random_.pick(Texts{"app", "[ app, shop ]"}) : "app_1";
  }

  std::string drain(int number, std::int64_t phase, bool is_once) {
    Texts parts{fmt::format("name: d{}", number)};
    parts.push_back("databases: " + databases(number));
    parts.push_back(is_once ? once_at(begin_ + random_.span(seconds(20), length_)) : schedule_at(phase));
    parts.push_back("duration: " + duration(seconds(50), minutes(4)));
    if (random_.chance(0.15)) {
      parts.emplace_back("gate: none");
    } else if (wish_ != nullptr && wish_->has_pgbouncer && random_.chance(0.8)) {
      parts.emplace_back("gate: pgbouncer");
      parts.push_back(fmt::format("pgbouncer: {{ conninfo: \"host=/x user=pgbouncer\", by: {} }}",
                                  wish_->disables ? "disable" : "pause"));
    }
    if (wish_ != nullptr && wish_->holds && random_.chance(0.6)) parts.emplace_back("afterwards: hold");
    if (random_.chance(0.5)) parts.push_back("except: [ { user: backup } ]");
    parts.push_back(ladder());
    if (random_.chance(0.2)) parts.emplace_back("while_draining: leave");
    if (random_.chance(0.2)) {
      parts.push_back(fmt::format("give_up: {{ after: {}, then: {} }}", duration(seconds(20), minutes(2)),
                                  random_.pick(Texts{"reopen", "hold", "alert"})));
    }
    if (random_.chance(0.08)) parts.emplace_back("mode: dry-run");
    return fmt::format("  - {{ {} }}\n", fmt::join(parts, ", "));
  }

  ServerTime begin_;
  Duration length_;
  bool is_apart_;
  Random& random_;
  const KeeperWish* wish_;
};

}  // namespace

std::string write_drains(ServerTime begin, Duration length, bool is_apart, Random& random,
                         const KeeperWish* wish) {
  return Writer(begin, length, is_apart, random, wish).file();
}

}  // namespace pgcurfew::simulation
