#include "policy/reader/rule_parts_reader.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/words.hpp"
#include "policy/grammar/grammar.hpp"
#include "policy/grammar/synonyms.hpp"
#include "policy/reader/values.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kWhenExample = "It is written as in { connections_used: 85%, role: primary }.";
constexpr std::string_view kRepeatExample =
    "It is written as in { times: 3, within: 10min, then: terminate }.";
constexpr std::string_view kSelectorExample =
    "Servers are chosen as in [orders, \"orders-*\", { env: prod }].";

const KeyEntry& key_of_rule(std::string_view name) {
  return key_of(Mapping::kRule, name);
}

std::vector<Field> read_per(const YamlNode& node, Complaints& complaints) {
  std::vector<Field> fields;
  for (const auto* value : one_or_many(node, "per", complaints)) {
    const auto& key = key_of_rule("per");
    const auto index = read_choice(*value, key, complaints);
    if (!index) continue;
    const auto field = *field_of(key.choices[*index]);
    if (std::find(fields.begin(), fields.end(), field) != fields.end()) {
      complaints.error(value->at, fmt::format("\"{}\" appears twice in \"per\"", key.choices[*index]));
      continue;
    }
    fields.push_back(field);
  }
  return fields;
}

/// All labels of the servers: `env: prod, env: test`.
std::string labels_text(const std::vector<Server>& servers) {
  std::vector<std::string> all;
  for (const auto& server : servers) {
    for (const auto& label : server.labels) all.push_back(fmt::format("{}: {}", label.first, label.second));
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return fmt::format("{}", fmt::join(all, ", "));
}

using Selects = std::function<bool(const Server&)>;

/// Adds the selected servers, each once; false if there are none.
bool add_selected(const std::vector<Server>& known, const Selects& selects, std::vector<std::string>& names) {
  bool any = false;
  for (const auto& server : known) {
    if (!selects(server)) continue;
    any = true;
    if (std::find(names.begin(), names.end(), server.name) == names.end()) names.push_back(server.name);
  }
  return any;
}

void select_by_labels(const YamlNode& node, const std::vector<Server>* known, std::vector<std::string>& names,
                      Complaints& complaints) {
  if (!expect_map(node, "servers", kSelectorExample, complaints)) return;
  std::map<std::string, std::string> wanted;
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const auto key = read_text(node.keys[i], "servers", complaints);
    const auto value = read_text(node.values[i], printable(node.keys[i].text, 80), complaints);
    if (!key || !value) return;
    wanted.emplace(*key, *value);
  }
  std::vector<std::string> written;
  written.reserve(wanted.size());
  for (const auto& label : wanted) written.push_back(fmt::format("{}: {}", label.first, label.second));
  const auto text = fmt::format("{}", fmt::join(written, ", "));
  if (known == nullptr) return names.push_back(text);
  const auto selects = [&](const Server& server) {
    return std::all_of(wanted.begin(), wanted.end(), [&](const auto& label) {
      const auto found = server.labels.find(label.first);
      return found != server.labels.end() && found->second == label.second;
    });
  };
  if (add_selected(*known, selects, names)) return;
  const auto labels = labels_text(*known);
  complaints.error(node.at, fmt::format("no server has the labels {}", printable(text, 80)),
                   labels.empty() ? "No server of the main file has labels."
                                  : fmt::format("The servers' labels are {}.", printable(labels)));
}

void select_by_name(const YamlNode& node, const std::vector<Server>* known, std::vector<std::string>& names,
                    Complaints& complaints) {
  const auto text = read_text(node, "servers", complaints);
  if (!text) return;
  const auto pattern = TextPattern::parse(*text);
  if (!pattern) return complaints.error(node.at, pattern.error());
  if (known == nullptr) return names.push_back(*text);
  if (add_selected(
          *known, [&](const Server& server) { return pattern->matches(server.name); }, names))
    return;
  std::vector<std::string_view> all;
  for (const auto& server : *known) all.push_back(server.name);
  auto hint = pattern->is_exact() ? did_you_mean(*text, all, {}) : std::string();
  if (hint.empty()) hint = fmt::format("The servers are {}.", fmt::join(all, ", "));
  complaints.error(node.at, fmt::format("no server is named \"{}\"", printable(*text, 80)), std::move(hint));
}

}  // namespace

Selection read_selection(const YamlNode& rule, Complaints& complaints) {
  Selection selection;
  if (const auto* per = rule.find("per")) selection.per = read_per(*per, complaints);
  const auto* keep = rule.find("keep");
  if (keep != nullptr) selection.keep = read_count(*keep, key_of_rule("keep"), complaints);
  if (const auto* victims = rule.find("victims")) {
    constexpr std::array<Victims, 3> kVictims{Victims::kOldest, Victims::kNewest, Victims::kAll};
    const auto index = read_choice(*victims, key_of_rule("victims"), complaints);
    if (index) selection.victims = kVictims[*index];
  }
  if (const auto* at_most = rule.find("at_most")) {
    selection.at_most = read_count(*at_most, key_of_rule("at_most"), complaints);
  }
  if (const auto* pause = rule.find("pause")) {
    selection.pause = read_duration(*pause, key_of_rule("pause"), complaints).value_or(Duration::zero());
  }
  for (const auto& key : rule.keys) {
    if (keep != nullptr || (key.text != "per" && key.text != "victims")) continue;
    complaints.error(key.at, fmt::format("\"{}\" has no effect without \"keep\"", key.text),
                     "Add keep: with the number of sessions that are left alone.");
  }
  return selection;
}

When read_when(const YamlNode& node, Complaints& complaints) {
  When when;
  if (!expect_map(node, "when", kWhenExample, complaints)) return when;
  YamlNode rest;
  for (const auto& key : node.keys) {
    if (!field_of(key.text)) {
      rest.keys.push_back(key);
      continue;
    }
    complaints.error(key.at, fmt::format("unknown key \"{}\" in when", key.text),
                     "Conditions on sessions belong in match; when is about the server.");
  }
  check_keys(rest, Mapping::kWhen, complaints);
  if (const auto* used = node.find("connections_used")) {
    when.connections_used = read_percentage(*used, key_of(Mapping::kWhen, "connections_used"),
                                            "It is a share of the connections, from 1% to 100%.", complaints);
  }
  if (const auto* role = node.find("role")) {
    const auto index = read_choice(*role, key_of(Mapping::kWhen, "role"), complaints);
    if (index) when.role = *index == 0 ? Role::kPrimary : Role::kStandby;
  }
  return when;
}

std::optional<Repeat> read_repeat(const YamlNode& node, Complaints& complaints) {
  if (!expect_map(node, "repeat", kRepeatExample, complaints)) return std::nullopt;
  check_keys(node, Mapping::kRepeat, complaints);
  for (const auto& key : keys_of(Mapping::kRepeat)) {
    if (!key.is_required || node.find(key.name) != nullptr) continue;
    complaints.error(node.at, fmt::format("\"repeat\" has no \"{}\"", key.name), std::string(kRepeatExample));
  }
  Repeat repeat;
  if (const auto* times = node.find("times")) {
    repeat.times = read_count(*times, key_of(Mapping::kRepeat, "times"), complaints).value_or(0);
  }
  if (const auto* within = node.find("within")) {
    const auto& key = key_of(Mapping::kRepeat, "within");
    repeat.within = read_duration(*within, key, complaints).value_or(Duration::zero());
  }
  if (const auto* per = node.find("per")) {
    const auto& key = key_of(Mapping::kRepeat, "per");
    if (const auto index = read_choice(*per, key, complaints)) {
      repeat.per = *field_of(key.choices[*index]);
    }
  }
  if (const auto* then = node.find("then")) {
    constexpr std::array<RepeatAction, 3> kActions{RepeatAction::kTerminate, RepeatAction::kAlert,
                                                   RepeatAction::kPause};
    const auto index = read_choice(*then, key_of(Mapping::kRepeat, "then"), complaints);
    if (index) repeat.then = kActions[*index];
  }
  return repeat;
}

std::vector<std::string> read_server_selection(const YamlNode& node, const std::vector<Server>* known,
                                               Complaints& complaints) {
  std::vector<std::string> names;
  for (const auto* value : one_or_many(node, "servers", complaints)) {
    if (value->kind == YamlNode::Kind::kMap) {
      select_by_labels(*value, known, names, complaints);
    } else {
      select_by_name(*value, known, names, complaints);
    }
  }
  return names;
}

}  // namespace pgcurfew
