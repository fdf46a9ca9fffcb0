#include "simulation/policy_writer.hpp"

#include <stdexcept>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "policy/load.hpp"

namespace pgcurfew::simulation {

namespace {

using Texts = std::vector<std::string>;

constexpr std::array kPaces{Duration(100'000),    Duration(1'000'000),  Duration(1'000'000),
                            Duration(10'000'000), Duration(10'000'000), Duration(60'000'000),
                            Duration(600'000'000)};

/// A part of the fields that a match can be made of.
class Writer {
 public:
  Writer(const PolicyWish& wish, Random& random) : wish_(wish), random_(random) {}

  std::string file() {
    std::string text = fmt::format("mode: {}\nservers: [ {{ name: s, conninfo: \"host=/x\" }} ]\n",
                                   wish_.is_dry ? "dry-run" : "enforce");
    text += safety();
    if (random_.chance(0.5)) {
      text += "protect:\n";
      for (auto left = random_.between(1, 2); left > 0; --left) {
        text += fmt::format("  - {{ {} }}\n", fmt::join(identity(1, true), ", "));
      }
    }
    text += "rules:\n";
    const auto rules = random_.between(1, 4);
    for (std::int64_t i = 0; i < rules; ++i) text += rule(i);
    return text;
  }

 private:
  std::string safety() {
    if (!wish_.is_tight) return "safety: { signals: 10000 per 1s, share: 100% }\n";
    return fmt::format(
        "safety: {{ signals: {} per {}, share: {}%, quiet: {} }}\n", random_.between(1, 30),
        to_text(std::max<Duration>(std::chrono::seconds(1), wish_.pace * random_.between(1, 6))),
        random_.between(5, 100),
        to_text(std::max<Duration>(std::chrono::seconds(1), wish_.pace * random_.between(1, 3))));
  }

  std::string duration(double low, double high) {
    const auto least = static_cast<std::int64_t>(static_cast<double>(wish_.pace.count()) * low);
    const auto most = static_cast<std::int64_t>(static_cast<double>(wish_.pace.count()) * high);
    // whole milliseconds, so that two limits are equal at times
    return to_text(Duration(std::max<std::int64_t>(random_.between(least, most) / 1000 * 1000, 1000)));
  }

  std::string list(const Texts& of) {
    const auto& one = random_.pick(of);
    if (random_.chance(0.7)) return fmt::format("\"{}\"", one);
    return fmt::format("[ \"{}\", \"{}\" ]", one, random_.pick(of));
  }

  /// Conditions on who a session is. At least `least`.
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
    std::string clocks;
    Texts match;
    Texts ages;
    // 0: active, 1: idle in transaction, 2: some other, 3: none
    const auto kind = random_.between(0, 3);
    const bool can_cancel = kind == 0 || kind == 3;
    if (kind == 0) match.emplace_back("state: active");
    if (kind == 1) match.emplace_back("state: [ idle in transaction, idle in transaction (aborted) ]");
    if (kind == 2) match.push_back("state: " + list({"idle", "idle in transaction", "disabled"}));
    if (random_.chance(0.5)) {
      for (auto& part : identity(0, false)) match.push_back(std::move(part));
    }
    if (random_.chance(0.1)) match.push_back("wait_event_type: " + list({"Lock", "Client", "IO"}));
    if (random_.chance(0.05))
      match.push_back("wait_event: " + list({"ClientRead", "ClientWrite", "transactionid"}));
    if (random_.chance(0.1)) match.push_back("query: " + list({"select", "^copy", "etl", "fetch"}));
    if (kind == 3 && random_.chance(0.15))
      match.emplace_back("backend_type: [ client backend, autovacuum worker ]");
    constexpr std::array<std::string_view, 4> kClocks{"query_age", "transaction_age", "state_age",
                                                      "session_age"};
    const auto first = static_cast<std::size_t>(random_.between(0, 3));
    if (!match.empty() && random_.chance(0.06)) {
      // a rule without an age
    } else {
      ages.emplace_back(kClocks[first]);
      const auto second = static_cast<std::size_t>(random_.between(0, 3));
      if (second != first && random_.chance(0.2)) ages.emplace_back(kClocks[second]);
    }
    for (const auto& age : ages) match.push_back(fmt::format("{}: {}", age, duration(0.3, 4)));
    std::string text = fmt::format("  - name: r{}\n    match: {{ {} }}\n", number, fmt::join(match, ", "));
    text += exceptions(ages);
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
};

}  // namespace

PolicyWish draw_wish(Random& random) {
  return {random.pick(kPaces), random.chance(0.2), random.chance(0.15)};
}

std::string write_policy(const PolicyWish& wish, Random& random) {
  return Writer(wish, random).file();
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
  static const std::vector<std::string> kNames{"psql", "psql", "jdbc", "web-1", "nightly-7", "pg_dump", ""};
  return kNames;
}
const std::vector<std::string>& query_texts() {
  static const std::vector<std::string> kTexts{"select 1",           "select pg_sleep(10)",
                                               "update t set x = 1", "copy t to stdout",
                                               "select etl()",       "delete from shop"};
  return kTexts;
}

}  // namespace pgcurfew::simulation
