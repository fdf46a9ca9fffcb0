#include "simulation/policy_writer.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "policy/reader/load.hpp"
#include "simulation/rule_extras.hpp"
#include "simulation/server.hpp"

namespace pgcurfew::simulation {

namespace {

using Texts = std::vector<std::string>;

constexpr std::array kPaces{Duration(100'000),    Duration(1'000'000),  Duration(1'000'000),
                            Duration(10'000'000), Duration(10'000'000), Duration(60'000'000),
                            Duration(600'000'000)};

/// Writes matches with some of the possible fields.
class Writer {
 public:
  Writer(const PolicyWish& wish, Random& random) : wish_(wish), random_(random), extras_(wish, random) {}

  std::string file() {
    std::string text = fmt::format("mode: {}\nservers: [ {{ name: s, conninfo: \"host=/x\" }} ]\n",
                                   wish_.is_dry ? "dry-run" : "enforce");
    text += safety();
    text += extras_.head();
    if (random_.chance(0.5)) {
      text += "protect:\n";
      for (auto left = random_.between(1, 2); left > 0; --left) {
        text += fmt::format("  - {{ {} }}\n", fmt::join(identity(1, true), ", "));
      }
    }
    return text + rules();
  }

  std::string rules() {
    std::string text = "rules:\n";
    const auto count = random_.between(1, 4);
    for (std::int64_t i = 0; i < count; ++i) text += rule(i);
    return text;
  }

  std::string bounds_and_rules() {
    auto text = safety();
    return text + rules();
  }

 private:
  std::string safety() {
    if (wish_.is_strict) {
      return fmt::format(
          "safety: {{ signals: {} per {}, share: {}%, quiet: {} }}\n", random_.between(4, 12),
          to_text(std::max<Duration>(std::chrono::seconds(10), wish_.pace * random_.between(2, 6))),
          random_.between(5, 100),
          to_text(std::max<Duration>(std::chrono::seconds(30), wish_.pace * random_.between(3, 9))));
    }
    if (!wish_.is_tight) return "safety: { signals: 10000 per 1s, share: 100% }\n";
    return fmt::format(
        "safety: {{ signals: {} per {}, share: {}%, quiet: {} }}\n", random_.between(1, 30),
        to_text(std::max<Duration>(std::chrono::seconds(1), wish_.pace * random_.between(1, 6))),
        random_.between(5, 100),
        to_text(std::max<Duration>(std::chrono::seconds(1), wish_.pace * random_.between(1, 3))));
  }

  std::string duration(double low, double high) { return extras_.duration(low, high); }

  std::string list(const Texts& of) {
    const auto& one = random_.pick(of);
    if (random_.chance(0.7)) return fmt::format("\"{}\"", one);
    return fmt::format("[ \"{}\", \"{}\" ]", one, random_.pick(of));
  }

  /// Conditions on the identity of a session, at least `least`.
  Texts identity(int least, bool is_protect) {
    Texts parts;
    while (static_cast<int>(parts.size()) < least) {
      if (random_.chance(0.4))
        parts.push_back("user: " + list({"app", "etl", "backup*", "web", "/^a/", "app*"}));
      if (random_.chance(0.2)) parts.push_back("database: " + list({"app", "app_?", "shop", "post*"}));
      if (random_.chance(0.2)) {
        parts.push_back("application_name: " + list({"psql", "nightly-*", "/^(jdbc|web)/", "pg_dump*"}));
      }
      if (random_.chance(0.1)) {
        parts.push_back("client_addr: " + list({"10.0.0.0/8", "local", "10.1.2.3", "fd00::/8"}));
      }
      if (random_.chance(is_protect ? 0.1 : 0.03))
        parts.push_back("query: " + list({"copy", "^select", "etl"}));
      if (random_.chance(0.03)) parts.emplace_back("query_id: [ 1, -2 ]");
      if (random_.chance(is_protect ? 0.06 : 0.02))
        parts.push_back("wait_event_type: " + list({"Lock", "IO"}));
    }
    return parts;
  }

  std::string rule(std::int64_t number) {
    Texts match;
    Texts ages;
    // 0: active, 1: idle in transaction, 2: some other, 3: none
    auto kind = random_.between(0, 3);
    RuleExtras::Blocking blocking;
    if (wish_.locks > 0 && random_.chance(0.7)) blocking = extras_.blocking();
    const bool is_about_locks = !blocking.conditions.empty();
    // there are only few blockers
    if (is_about_locks && random_.chance(0.8)) kind = blocking.is_for_waiters || random_.chance(0.6) ? 3 : 1;
    if (blocking.is_for_waiters && (kind == 1 || kind == 2)) kind = 0;
    const bool can_cancel = kind == 0 || kind == 3;
    if (kind == 0) match.emplace_back("state: active");
    if (kind == 1) match.emplace_back("state: [ idle in transaction, idle in transaction (aborted) ]");
    if (kind == 2) match.push_back("state: " + list({"idle", "idle in transaction", "disabled"}));
    if (random_.chance(is_about_locks ? 0.1 : 0.3)) {
      for (auto& part : identity(1, false)) match.push_back(std::move(part));
    }
    const auto is_new = [&](std::string_view key) {
      return std::none_of(match.begin(), match.end(),
                          [&](const auto& part) { return part.starts_with(key); });
    };
    if (random_.chance(0.1) && is_new("wait_event_type"))
      match.push_back("wait_event_type: " + list({"Lock", "Client", "IO"}));
    if (random_.chance(0.05))
      match.push_back("wait_event: " + list({"ClientRead", "ClientWrite", "transactionid"}));
    if (random_.chance(0.1) && is_new("query:"))
      match.push_back("query: " + list({"select", "^copy", "etl", "fetch"}));
    if (kind == 3 && random_.chance(0.15))
      match.emplace_back("backend_type: [ client backend, autovacuum worker ]");
    for (const auto& condition : blocking.conditions) match.push_back(condition);
    if (wish_.has_xmin && random_.chance(0.6)) match.push_back("xmin_age: " + extras_.transactions());
    constexpr std::array<std::string_view, 4> kClocks{"query_age", "transaction_age", "state_age",
                                                      "session_age"};
    const auto first = static_cast<std::size_t>(random_.between(0, 3));
    const bool has_other_limit = is_about_locks || wish_.has_xmin;
    if (!match.empty() && random_.chance(has_other_limit ? 0.6 : 0.06)) {
      // a rule without one of the session's own ages
    } else {
      ages.emplace_back(kClocks[first]);
      const auto second = static_cast<std::size_t>(random_.between(0, 3));
      if (second != first && random_.chance(0.2)) ages.emplace_back(kClocks[second]);
    }
    for (const auto& age : ages) match.push_back(fmt::format("{}: {}", age, duration(0.3, 4)));
    std::string text = fmt::format("  - name: r{}\n    match: {{ {} }}\n", number, fmt::join(match, ", "));
    ages.insert(ages.end(), blocking.ages.begin(), blocking.ages.end());
    text += exceptions(ages);
    text += extras_.lines();
    text += fmt::format("    escalate: [ {} ]\n", fmt::join(ladder(can_cancel), ", "));
    if (!wish_.is_dry && random_.chance(0.12)) text += "    mode: dry-run\n";
    return text;
  }

  std::string exceptions(const Texts& ages) {
    if (!random_.chance(0.35)) return {};
    std::string text = "    except:\n";
    for (auto left = random_.between(1, 2); left > 0; --left) {
      auto parts = identity(1, false);
      if (!ages.empty() && random_.chance(0.5)) {
        parts.push_back(fmt::format("{}: {}", random_.pick(ages), duration(4.1, 8)));
      }
      text += fmt::format("      - {{ {} }}\n", fmt::join(parts, ", "));
    }
    return text;
  }

  Texts ladder(bool can_cancel) {
    Texts steps;
    const auto step = [&](std::string_view name) {
      if (random_.chance(steps.empty() ? 0.85 : 0.1)) {
        steps.emplace_back(name);
      } else {
        steps.push_back(fmt::format("{}: {{ after: {} }}", name, duration(0.05, 2)));
      }
    };
    if (random_.chance(0.2)) step("alert");
    if (can_cancel && random_.chance(0.7)) step("cancel");
    if (random_.chance(0.1)) step("alert");
    if (steps.empty() || random_.chance(0.75)) step("terminate");
    return steps;
  }

  const PolicyWish& wish_;
  Random& random_;
  RuleExtras extras_;
};

}  // namespace

PolicyWish draw_wish(Random& random) {
  PolicyWish wish;
  wish.pace = random.pick(kPaces);
  wish.is_tight = random.chance(0.2);
  wish.is_dry = random.chance(0.15);
  const double eagerness = random.chance(0.3) ? 0 : random.chance(0.7) ? 0.15 : 0.4;
  const auto has = [&] { return random.chance(eagerness); };
  if (random.chance(eagerness * 1.5)) wish.locks = static_cast<double>(random.between(5, 60)) / 100;
  wish.has_xmin = has();
  wish.has_selection = has();
  wish.has_when = has();
  wish.has_hours = has();
  wish.has_repeat = has();
  wish.unprotects = random.chance(eagerness + 0.1);
  wish.offset = random.span(-std::chrono::hours(100), std::chrono::hours(100));
  if (wish.has_hours && random.chance(0.4)) {
    // the clocks in Vienna change during this world: 2026-03-29 or 2026-10-25, 01:00 UTC
    const std::int64_t day = random.chance(0.5) ? 9584 : 9794;
    const ServerTime change(std::chrono::hours(24 * day + 1));
    wish.offset = change - Server::kEpoch - random.span(Duration(0), length_of_world(wish.pace));
  }
  wish.is_strict = wish.is_tight && random.chance(0.5);
  return wish;
}

const std::vector<std::string>& part_names() {
  static const std::vector<std::string> kNames{"locks", "xmin",   "selection", "when",
                                               "hours", "repeat", "unprotect", "bounds"};
  return kNames;
}

void use_part(PolicyWish& wish, const std::string& part) {
  if (part == "locks") wish.locks = std::max(wish.locks, 0.4);
  wish.has_xmin |= part == "xmin";
  wish.has_selection |= part == "selection";
  wish.has_when |= part == "when";
  wish.has_hours |= part == "hours";
  wish.has_repeat |= part == "repeat";
  wish.unprotects |= part == "unprotect";
  wish.is_strict |= part == "bounds";
}

Duration length_of_world(Duration pace) {
  return std::clamp<Duration>(pace * 60, std::chrono::minutes(1), std::chrono::hours(6));
}

std::string write_policy(const PolicyWish& wish, Random& random) {
  return Writer(wish, random).file();
}

std::string write_rules(Random& random) {
  PolicyWish wish;
  wish.pace = std::chrono::seconds(random.pick(std::array{1, 5, 20}));
  wish.is_tight = random.chance(0.3);
  wish.has_selection = random.chance(0.2);
  wish.has_repeat = random.chance(0.2);
  return Writer(wish, random).bounds_and_rules();
}

std::shared_ptr<const Policy> load_text(const std::string& text) {
  auto loaded = load_policy({"sim.yaml", text}, {});
  if (loaded.policy) return std::make_shared<const Policy>(std::move(*loaded.policy));
  std::string all = text;
  for (const auto& diagnostic : loaded.diagnostics) all += render(diagnostic);
  throw std::logic_error("the policy writer wrote what is not legal:\n" + all);
}

const std::vector<std::string>& user_names() {
  static const std::vector<std::string> kNames{"app", "app", "app", "web", "etl", "backup", "app2"};
  return kNames;
}
const std::vector<std::string>& database_names() {
  static const std::vector<std::string> kNames{"app", "app", "app_1", "shop", "postgres"};
  return kNames;
}
const std::vector<std::string>& application_names() {
  static const std::vector<std::string> kNames{"psql",
                                               "psql",
                                               "psql",
                                               "psql",
                                               "jdbc",
                                               "jdbc",
                                               "web-1",
                                               "nightly-7",
                                               "pg_dump",
                                               "",
                                               "",
                                               "Patroni restapi",
                                               "pgBackRest [backup]"};
  return kNames;
}
const std::vector<std::string>& query_texts() {
  static const std::vector<std::string> kTexts{"select 1",           "select pg_sleep(10)",
                                               "update t set x = 1", "copy t to stdout",
                                               "select etl()",       "delete from shop"};
  return kTexts;
}

const std::vector<std::string>& lone_texts() {
  static const std::vector<std::string> kTexts{"create index concurrently i on t (x)",
                                               "REINDEX (VERBOSE) TABLE CONCURRENTLY t", "listen jobs",
                                               "listen jobs"};
  return kTexts;
}

}  // namespace pgcurfew::simulation
