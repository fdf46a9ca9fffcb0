#include "policy/grammar/grammar.hpp"

#include <algorithm>
#include <chrono>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "policy/loading.hpp"
#include "policy/processor_time.hpp"

namespace pgcurfew::testing {
namespace {

/// A main file with one key of a mapping and its value, and the other keys that the mapping needs.
std::string file_with(Mapping mapping, std::string_view key, std::string_view value) {
  const auto entry = fmt::format("{}: {}", key, value);
  const auto file = [](std::string_view servers, std::string_view more, std::string_view rule) {
    return fmt::format(
        "mode: enforce\nservers: {}\n{}\nrules:\n- {{ name: r, match: {{ user: a, query_age: 1s, blocks_for: "
        "1s, "
        "blocked_for: 1s, state_age: 1s, transaction_age: 1s, session_age: 1s }}, escalate: [ alert ]{} }}\n",
        servers, more, rule);
  };
  constexpr std::string_view kServers =
      "[ { name: orders, conninfo: x, labels: { env: prod } }, { name: orders-2, conninfo: x } ]";
  const auto rule = [&](std::string_view more) {
    return fmt::format("mode: enforce\nservers: {}\ntimezone: UTC\nrules:\n- {{ {} }}\n", kServers, more);
  };
  // once a year, so that no duration and no announcement is too long for it
  const auto drain = [&](std::string more) {
    for (const std::string_view other :
         {"name: d", "databases: a", "schedule: \"0 2 1 1 *\"", "duration: 7d"}) {
      const auto name = other.substr(0, other.find(':') + 1);
      const bool is_there = more.starts_with(name) ||
                            more.find(fmt::format(", {}", name)) != std::string::npos ||
                            (more.starts_with("at:") && name == "schedule:");
      if (!is_there) more += fmt::format(", {}", other);
    }
    return fmt::format(
        "mode: enforce\nservers: {}\ntimezone: UTC\nrules: [ {{ name: r, match: {{ user: a }}, "
        "escalate: [ alert ] }} ]\ndrains:\n- {{ {} }}\n",
        kServers, more);
  };
  switch (mapping) {
    case Mapping::kMainFile:
      if (key == "mode")
        return fmt::format(
            "{}\nservers: {}\nrules: [ {{ name: r, match: {{ user: a }}, escalate: [ alert ] }} ]\n", entry,
            kServers);
      if (key == "servers")
        return fmt::format(
            "servers: {}\nrules: [ {{ name: r, match: {{ user: a }}, escalate: [ alert ] }} ]\n", value);
      if (key == "rules") return fmt::format("servers: {}\nrules: {}\n", kServers, value);
      return file(kServers, entry, "");
    case Mapping::kServer:
      return file(fmt::format("[ {{ {}{}{} }} ]", key == "name" ? "" : "name: s, ",
                              key == "conninfo" ? "" : "conninfo: x, ", entry),
                  "", "");
    case Mapping::kRule: {
      std::string more = entry;
      for (const auto* other :
           {"name: r", "match: { query_age: 1s }", "escalate: [ cancel, alert ]", "keep: 1"}) {
        if (!std::string_view(other).starts_with(fmt::format("{}:", key))) more += fmt::format(", {}", other);
      }
      return rule(more);
    }
    case Mapping::kMatch:
      return rule(fmt::format("name: r, match: {{ {} }}, escalate: [ alert ]", entry));
    case Mapping::kBlocks:
      return rule(fmt::format("name: r, match: {{ blocks: {{ {} }} }}, escalate: [ alert ]", entry));
    case Mapping::kException:
      return file(kServers, "",
                  fmt::format(", except: [ {{ {}{} }} ]", key == "user" ? "" : "user: b, ", entry));
    case Mapping::kProtection:
      return file(kServers, fmt::format("protect: [ {{ {} }} ]", entry), "");
    case Mapping::kWhen:
      return file(kServers, "", fmt::format(", when: {{ {} }}", entry));
    case Mapping::kWindow:
      return file(kServers, key == "timezone" ? "" : "timezone: UTC",
                  fmt::format(", during: {{ {}{} }}", key == "days" ? "" : "days: mon, ", entry));
    case Mapping::kRepeat: {
      std::string more = entry;
      for (const auto* other : {"times: 1", "within: 1min", "then: alert"}) {
        if (!std::string_view(other).starts_with(fmt::format("{}:", key))) more += fmt::format(", {}", other);
      }
      return rule(fmt::format(
          "name: r, match: {{ query_age: 1s }}, escalate: [ cancel, alert ], repeat: {{ {} }}", more));
    }
    case Mapping::kStep:
      return rule(fmt::format("name: r, match: {{ query_age: 1s }}, escalate: [ alert: {{ {} }} ]", entry));
    case Mapping::kDrain:
      // keys that have an effect only beside another key
      if (key == "pgbouncer") return drain(entry + ", gate: pgbouncer");
      if (key == "schedule") return drain(entry + ", duration: 1h");
      if (key == "gate" && value == "pgbouncer") return drain(entry + ", pgbouncer: { conninfo: x }");
      if (key == "duration") {
        return drain(entry + ", escalate: [ wait: { for: 0s }, terminate: { after: 0s } ]");
      }
      return drain(entry);
    case Mapping::kDrainException:
      return drain(fmt::format("except: [ {{ {} }} ]", entry));
    case Mapping::kPgbouncer:
      return drain(fmt::format("gate: pgbouncer, pgbouncer: {{ {}{} }}",
                               key == "conninfo" ? "" : "conninfo: x, ", entry));
    case Mapping::kWait:
      // as long as the drain itself, it is too long for any step behind it
      return drain(fmt::format("escalate: [ wait: {{ {} }} ], while_draining: leave", entry));
    case Mapping::kGiveUp:
      return drain(fmt::format("give_up: {{ {}{} }}", key == "after" ? "" : "after: 1min, ", entry));
    case Mapping::kSafety:
      return file(kServers, fmt::format("safety: {{ {} }}", entry), "");
    case Mapping::kReport:
      return file(kServers, fmt::format("report: {{ {} }}", entry), "");
    case Mapping::kRecord:
      return file(kServers, fmt::format("record: {{ {} }}", entry), "");
    case Mapping::kAudit:
      return file(kServers, fmt::format("audit: [ {{ {} }} ]", entry), "");
    case Mapping::kAuditFile:
      return file(kServers,
                  fmt::format("audit: [ file: {{ {}{} }} ]", key == "path" ? "" : "path: /x/y, ", entry), "");
    case Mapping::kAuditTable:
      return file(kServers, fmt::format("audit: [ table: {{ {} }} ]", entry), "");
    case Mapping::kWeb:
      return file(
          kServers,
          fmt::format("web: {{ {}{} }}", key == "listen" ? "" : "listen: \"127.0.0.1:9187\", ", entry), "");
    case Mapping::kWebTls:
      return file(kServers,
                  fmt::format("web: {{ listen: \"127.0.0.1:9187\", tls: {{ {}{} }} }}", entry,
                              key == "key" ? ", certificate: /x/y" : ", key: /x/y"),
                  "");
    case Mapping::kWebBasicAuth:
      return file(kServers,
                  fmt::format("web: {{ listen: \"127.0.0.1:9187\", basic_auth: {{ {}{} }} }}", entry,
                              key == "user" ? ", password_file: /x/y" : ", user: x"),
                  "");
    case Mapping::kDropIn:
    case Mapping::kSelector:
    case Mapping::kLabels:
      break;
  }
  return {};
}

bool has_no_errors(std::string_view text) {
  const auto result = load_main(std::string(text));
  for (const auto& said : result.diagnostics) {
    if (said.severity == Severity::kError) return false;
  }
  return result.policy.has_value();
}

TEST(Grammar, EveryExampleIsAccepted) {
  std::size_t count = 0;
  for (const auto& mapping : all_mappings()) {
    for (const auto& key : keys_of(mapping.mapping)) {
      auto text = file_with(mapping.mapping, key.name, key.example);
      if (text.empty()) continue;
      EXPECT_TRUE(has_no_errors(text)) << all_of(load_main(text));
      ++count;
    }
  }
  EXPECT_GT(count, 120U);
}

TEST(Grammar, EveryChoiceIsAccepted) {
  for (const auto& mapping : all_mappings()) {
    for (const auto& key : keys_of(mapping.mapping)) {
      if (key.takes != Takes::kChoice && key.takes != Takes::kChoices) continue;
      for (const auto choice : key.choices) {
        const auto text = file_with(mapping.mapping, key.name, choice);
        EXPECT_TRUE(has_no_errors(text)) << all_of(load_main(text));
      }
      EXPECT_FALSE(has_no_errors(file_with(mapping.mapping, key.name, "no-such-word"))) << key.name;
    }
  }
}

std::string bound_text(const KeyEntry& key, std::int64_t bound) {
  switch (key.takes) {
    case Takes::kDuration:
    case Takes::kDurations:
      return fmt::format("{}us", bound);
    case Takes::kPercentage:
      return fmt::format("{}.{:02}%", bound / 100, bound % 100);
    case Takes::kTimeOfDay: {
      const auto minutes = bound / 60'000'000;
      return fmt::format("\"{:02}:{:02}\"", minutes / 60, minutes % 60);
    }
    case Takes::kRate:
      return fmt::format("{} per 1min", bound);
    case Takes::kSize:
      return fmt::format("{}kB", bound / 1024);
    default:
      return std::to_string(bound);
  }
}

TEST(Grammar, TheBoundsOfTheTableAreThoseOfTheReader) {
  for (const auto& mapping : all_mappings()) {
    for (const auto& key : keys_of(mapping.mapping)) {
      if (key.most == 0) continue;
      const auto step = key.takes == Takes::kTimeOfDay ? 60'000'000 : key.takes == Takes::kSize ? 1024 : 1;
      const auto accepts = [&](std::int64_t bound) {
        return has_no_errors(file_with(mapping.mapping, key.name, bound_text(key, bound)));
      };
      const bool is_exception_age = mapping.mapping == Mapping::kException;  // also bound by the rule's own
      EXPECT_TRUE(is_exception_age || accepts(key.least)) << mapping.name << " " << key.name;
      EXPECT_TRUE(accepts(key.most)) << mapping.name << " " << key.name;
      EXPECT_FALSE(accepts(key.most + step)) << mapping.name << " " << key.name;
      EXPECT_FALSE(key.least > 0 && accepts(key.least - step)) << mapping.name << " " << key.name;
      EXPECT_FALSE(range_text_of(key).empty());
    }
  }
}

TEST(Grammar, EveryKeyIsDescribedOnce) {
  for (const auto& mapping : all_mappings()) {
    std::set<std::string_view> names;
    for (const auto& key : keys_of(mapping.mapping)) {
      EXPECT_TRUE(names.insert(key.name).second) << key.name;
      EXPECT_FALSE(key.meaning.empty() || key.meaning.ends_with('.')) << key.name;
      EXPECT_FALSE(key.example.empty()) << key.name;
      EXPECT_FALSE(values_text_of(key).empty()) << key.name;
      EXPECT_FALSE(key.is_required && !key.fallback.empty()) << key.name;
      const bool has_mapping = key.takes == Takes::kMapping || key.takes == Takes::kMappings ||
                               key.takes == Takes::kOneOrManyMappings ||
                               key.takes == Takes::kCountOrMapping || key.takes == Takes::kSteps ||
                               key.takes == Takes::kServers || key.takes == Takes::kChoicesOrMappings;
      EXPECT_EQ(key.mapping.has_value(), has_mapping) << key.name;
      EXPECT_EQ(key.choices.empty(), key.takes != Takes::kChoice && key.takes != Takes::kChoices &&
                                         key.takes != Takes::kSteps && key.takes != Takes::kChoicesOrMappings)
          << key.name;
    }
    EXPECT_EQ(names.empty(), mapping.takes_any_key) << mapping.name;
    EXPECT_EQ(entry_of(mapping.mapping).name, mapping.name);
  }
}

TEST(Grammar, RequiredKeysAreRequired) {
  const std::string servers = "servers: [ { name: a, conninfo: x } ]\n";
  const std::string rules = "rules: [ { name: r, match: { user: a }, escalate: [ alert ] } ]\n";
  EXPECT_TRUE(has_no_errors(servers + rules));
  EXPECT_FALSE(has_no_errors(rules));
  for (const auto& key : keys_of(Mapping::kRule)) {
    if (!key.is_required) continue;
    std::string rule;
    for (const auto* part : {"name: r", "match: { user: a }", "escalate: [ alert ]"}) {
      if (!std::string_view(part).starts_with(key.name))
        rule += fmt::format("{}{}", rule.empty() ? "" : ", ", part);
    }
    EXPECT_FALSE(has_no_errors(servers + "rules: [ { " + rule + " } ]\n")) << key.name;
  }
}

/// This number of rules, which are all different and use most of the language.
std::string many_rules(std::size_t count) {
  std::string text =
      "servers: [ { name: a, conninfo: x, labels: { env: prod } } ]\ntimezone: Europe/Vienna\nrules:\n";
  for (std::size_t i = 0; i < count; ++i) {
    text += fmt::format(
        "- name: r{0}\n  servers: [ {{ env: prod }} ]\n  match: {{ database: [ app{0}, \"app_*\" ], state: "
        "active, "
        "query: '^select {0}', query_age: 10min }}\n  except: [ {{ user: etl{0}, query_age: 2h }} ]\n"
        "  during: {{ days: [ mon-fri ], from: \"08:00\", to: \"18:00\" }}\n  escalate: [ cancel, terminate "
        "]\n",
        i);
  }
  return text;
}

/// Processor time: other work of the machine does not count.
std::chrono::nanoseconds time_to_load(std::size_t count) {
  const auto text = many_rules(count);
  const auto start = processor_time();
  const auto result = load_main(text);
  const auto end = processor_time();
  EXPECT_TRUE(result.policy) << all_of(result);
  EXPECT_EQ(result.policy ? result.policy->rules.size() : 0, count);
  return end - start;
}

TEST(Grammar, AThousandRulesAreReadInLinearTime) {
  const auto some = time_to_load(500);
  const auto many = time_to_load(2000);
  // with sanitizers
  EXPECT_LT(many, std::chrono::seconds(20));
  EXPECT_LT(many, some * 16 + std::chrono::milliseconds(500));
}

/// kEnds serves two keys, and of file keys a drop-in has but some.
TEST(Grammar, SynonymsMeanWordsOfTheLanguageAndAreNone) {
  std::set<std::string_view> words;
  for (const auto& entry : all_mappings()) {
    for (const auto& key : keys_of(entry.mapping)) {
      words.insert(key.name);
      words.insert(key.choices.begin(), key.choices.end());
    }
  }
  // days come in ranges, and types of backends are no closed list
  words.insert({"mon-fri", "sat-sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun", "client backend",
                "autovacuum worker"});
  for (const auto& entry : all_mappings()) {
    const auto names = key_names_of(entry.mapping);
    for (const auto& synonym : entry.synonyms) {
      EXPECT_TRUE(words.contains(synonym.meant)) << entry.name << ": " << synonym.written;
      EXPECT_EQ(std::count(names.begin(), names.end(), synonym.written), 0)
          << entry.name << ": " << synonym.written;
    }
    for (const auto& key : keys_of(entry.mapping)) {
      for (const auto& synonym : key.synonyms) {
        EXPECT_TRUE(words.contains(synonym.meant)) << key.name << ": " << synonym.written;
        EXPECT_EQ(std::count(key.choices.begin(), key.choices.end(), synonym.written), 0)
            << key.name << ": " << synonym.written;
      }
    }
  }
}

TEST(Fields, HaveWordsUnlessASentenceHasAPlaceOfItsOwnForThem) {
  for (const auto& entry : all_fields()) {
    const bool has_own_place = entry.kind == ValueKind::kStates || entry.kind == ValueKind::kTransactions ||
                               entry.kind == ValueKind::kBlocks || entry.kind == ValueKind::kAge;
    EXPECT_EQ(entry.words.empty(), has_own_place) << entry.name;
  }
}

}  // namespace
}  // namespace pgcurfew::testing
