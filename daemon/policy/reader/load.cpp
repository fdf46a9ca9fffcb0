#include "policy/reader/load.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <iterator>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "policy/advice/rule_warnings.hpp"
#include "policy/fingerprint.hpp"
#include "policy/grammar/grammar.hpp"
#include "policy/protections.hpp"
#include "policy/reader/audit_reader.hpp"
#include "policy/reader/drain_reader.hpp"
#include "policy/reader/hours_reader.hpp"
#include "policy/reader/match_reader.hpp"
#include "policy/reader/rule_reader.hpp"
#include "policy/reader/settings_reader.hpp"
#include "policy/reader/values.hpp"
#include "policy/reader/web_reader.hpp"
#include "policy/yaml/complaints.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kProtectExample =
    "Write each entry of the list after a dash, as in - { user: backup }.";
constexpr std::string_view kDrainsExample = "Write each drain of the list after a dash.";
constexpr std::string_view kRulesExample = "Write each rule of the list after a dash.";

bool has_key(Mapping mapping, std::string_view key) {
  const auto keys = keys_of(mapping);
  return std::any_of(keys.begin(), keys.end(), [&](const KeyEntry& entry) { return entry.name == key; });
}

bool is_main_only(std::string_view key) {
  return has_key(Mapping::kMainFile, key) && !has_key(Mapping::kDropIn, key);
}

/// The state of reading all files of one policy.
class Loader {
 public:
  /// Reads one file's text; read_settings() and read_rules() interpret it.
  void add(const Source& source, bool is_main) {
    auto& file = files_.emplace_back(File{Complaints(source), std::nullopt, is_main});
    file.root = parse_yaml(file.complaints);
    texts_.push_back(source.text);
    if (!file.root) return;
    if (!expect_map(*file.root, "the file", "It begins with keys such as rules: and protect:.",
                    file.complaints)) {
      file.root.reset();
      return;
    }
    if (is_main) {
      check_keys(*file.root, Mapping::kMainFile, file.complaints);
    } else {
      check_drop_in_keys(file);
    }
  }

  /// Reads `mode` first, because the rules of all files depend on it. If it is unreadable, it hides none of
  /// their errors.
  void read_settings() {
    auto& main = files_.front();
    if (!main.is_main || !main.root) {
      context_.mode = policy_.mode = Mode::kEnforce;
      context_.zone = {TimeZone(), !main.is_main};
      protect_by_default();
      return;
    }
    const auto& root = *main.root;
    if (const auto* mode = root.find("mode")) {
      policy_.mode = read_mode(*mode, main.complaints).value_or(Mode::kEnforce);
    }
    if (const auto* servers = root.find("servers")) {
      policy_.servers = read_servers(*servers, main.complaints);
    } else {
      main.complaints.error({}, "the main file names no \"servers\"",
                            "Add servers: with a name and a conninfo for each.");
    }
    if (const auto* safety = root.find("safety")) policy_.safety = read_safety(*safety, main.complaints);
    if (const auto* record = root.find("record")) policy_.record = read_record(*record, main.complaints);
    if (const auto* audit = root.find("audit")) policy_.audit = read_audit(*audit, main.complaints);
    if (const auto* web = root.find("web")) policy_.web = read_web(*web, main.complaints);
    if (const auto* report = root.find("report")) read_report(*report, policy_, main.complaints);
    context_.mode = policy_.mode;
    // servers that could not be read are not also reported as missing
    if (!main.complaints.has_errors()) context_.servers = &policy_.servers;
    if (const auto* zone = root.find("timezone")) {
      // if unreadable, it is not reported again for every window
      context_.zone.zone = read_time_zone(*zone, main.complaints).value_or(TimeZone());
      policy_.timezone = context_.zone.zone->name();
    }
    if (const auto* names = root.find("unprotect")) {
      policy_.unprotect = read_unprotect(*names, main.complaints);
    }
    protect_by_default();
  }

  /// Reads drains too.
  void read_rules() {
    for (auto& file : files_) {
      if (!file.root) continue;
      if (const auto* protect = file.root->find("protect")) read_protect(*protect, file.complaints);
      if (const auto* rules = file.root->find("rules")) read_rule_list(*rules, file.complaints);
      if (const auto* drains = file.root->find("drains")) read_drain_list(*drains, file.complaints);
    }
    // only now is all of `protect` known
    const bool has_errors = std::any_of(files_.begin(), files_.end(),
                                        [](const File& file) { return file.complaints.has_errors(); });
    for (std::size_t i = 0; i < policy_.rules.size() && !has_errors; ++i) {
      warn_of_protected(policy_.rules[i], spots_[i].match, policy_.protect, *spots_[i].complaints);
    }
    auto& main = files_.front();
    const bool has_any = std::any_of(files_.begin(), files_.end(), [](const File& file) {
      return file.root && (file.root->find("rules") != nullptr || file.root->find("drains") != nullptr);
    });
    if (main.is_main && main.root && !has_any) {
      main.complaints.warn({}, "there are neither rules nor drains, so nothing will be done");
    }
  }

  LoadResult finish() {
    LoadResult result;
    bool has_errors = false;
    for (const auto& file : files_) {
      has_errors = has_errors || file.complaints.has_errors();
      auto diagnostics = file.complaints.sorted();
      std::move(diagnostics.begin(), diagnostics.end(), std::back_inserter(result.diagnostics));
    }
    if (has_errors) return result;
    const auto protect = digest_of(policy_.protect);
    for (auto& rule : policy_.rules) rule.fingerprint = fingerprint_of(rule, protect);
    policy_.version = version_of(texts_);
    result.policy = std::move(policy_);
    return result;
  }

 private:
  struct File {
    Complaints complaints;
    std::optional<YamlNode> root;
    bool is_main = false;
  };

  struct Spot {
    Complaints* complaints = nullptr;
    PlaceInText match;
  };

  static void check_drop_in_keys(File& file) {
    YamlNode rest;
    for (const auto& key : file.root->keys) {
      if (is_main_only(key.text)) {
        file.complaints.error(key.at, fmt::format("\"{}\" is not allowed in a drop-in", key.text),
                              "It belongs in the main file.");
      } else {
        rest.keys.push_back(key);
      }
    }
    check_keys(rest, Mapping::kDropIn, file.complaints);
  }

  void protect_by_default() {
    for (const auto& protection : all_protections()) {
      const auto& off = policy_.unprotect;
      if (std::find(off.begin(), off.end(), protection.name) == off.end()) {
        policy_.protect.push_back(protection.match);
      }
    }
  }

  void read_protect(const YamlNode& node, Complaints& complaints) {
    if (!expect_list(node, "protect", kProtectExample, complaints)) return;
    for (const auto& value : node.values) {
      if (auto read = read_match(value, MatchOwner::kProtect, complaints)) {
        warn_of_protection(value, read->match, complaints);
        policy_.protect.push_back(std::move(read->match));
      }
    }
  }

  void read_rule_list(const YamlNode& node, Complaints& complaints) {
    if (!expect_list(node, "rules", kRulesExample, complaints)) return;
    for (const auto& value : node.values) {
      auto rule = read_rule(value, context_, complaints);
      if (!rule) continue;
      const auto [first, is_new] = names_.emplace(rule->name, rule->place);
      if (!is_new) {
        complaints.error(value.find("name")->at, fmt::format("duplicate rule \"{}\"", rule->name),
                         fmt::format("The other one is at {}:{}.", first->second.file, first->second.line));
      }
      policy_.rules.push_back(std::move(*rule));
      const auto* match = value.find("match");
      spots_.push_back({&complaints, match != nullptr ? match->at : value.at});
    }
  }

  void read_drain_list(const YamlNode& node, Complaints& complaints) {
    if (!expect_list(node, "drains", kDrainsExample, complaints)) return;
    for (const auto& value : node.values) {
      auto drain = read_drain(value, context_, complaints);
      if (!drain) continue;
      const auto [first, is_new] = drain_names_.emplace(drain->name, drain->place);
      if (!is_new) {
        complaints.error(value.find("name")->at, fmt::format("duplicate drain \"{}\"", drain->name),
                         fmt::format("The other one is at {}:{}.", first->second.file, first->second.line));
      }
      policy_.drains.push_back(std::move(*drain));
    }
  }

  std::deque<File> files_;
  std::vector<std::string_view> texts_;
  std::map<std::string, Place> names_;  ///< of the rules
  std::map<std::string, Place> drain_names_;
  std::vector<Spot> spots_;  ///< of the rules
  Policy policy_;
  RuleContext context_;
};

LoadResult finish_loading(Loader& loader) {
  loader.read_settings();
  loader.read_rules();
  return loader.finish();
}

}  // namespace

LoadResult load_policy(const Source& main, const std::vector<Source>& drop_ins) {
  Loader loader;
  loader.add(main, true);
  for (const auto& drop_in : drop_ins) loader.add(drop_in, false);
  return finish_loading(loader);
}

LoadResult load_drop_in(const Source& file) {
  Loader loader;
  loader.add(file, false);
  return finish_loading(loader);
}

bool looks_like_main_file(const Source& file) {
  Complaints complaints(file);
  if (const auto root = parse_yaml(complaints)) {
    return std::any_of(root->keys.begin(), root->keys.end(),
                       [](const YamlNode& key) { return is_main_only(key.text); });
  }
  // no tree: the lines decide
  for (std::size_t number = 1; !complaints.text_from({number, 1}).empty(); ++number) {
    const auto line = complaints.line(number);
    const auto colon = line.find(':');
    if (colon != std::string_view::npos && is_main_only(line.substr(0, colon))) return true;
  }
  return false;
}

}  // namespace pgcurfew
