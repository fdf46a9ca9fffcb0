#include "policy/reader/settings_reader.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/words.hpp"
#include "policy/reader/values.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kServersExample =
    "A server is written as in - { name: orders, conninfo: \"host=db1\" }.";
constexpr std::string_view kLabelsExample = "Labels are written as in { env: prod }.";

constexpr std::string_view kSafetyExample =
    "Bounds are written as in { signals: 20 per 1min, share: 25%, quiet: 1min }.";

constexpr std::string_view kRecordExample = "It is written as in { keep: 30d, size: 1GB, required: false }.";
constexpr std::string_view kReportExample =
    "It is written as in { query_text: redacted, server_log: false }.";

constexpr Duration kShortestWindow = std::chrono::seconds(1);
constexpr Duration kLongestWindow = std::chrono::hours(24);

std::map<std::string, std::string> read_labels(const YamlNode& node, Complaints& complaints) {
  std::map<std::string, std::string> labels;
  if (!expect_map(node, "labels", kLabelsExample, complaints)) return labels;
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    auto key = read_text(node.keys[i], "labels", complaints);
    auto value = read_text(node.values[i], printable(node.keys[i].text, 80), complaints);
    if (key && value) labels.emplace(std::move(*key), std::move(*value));
  }
  return labels;
}

std::optional<Server> read_server(const YamlNode& node, Complaints& complaints) {
  if (!expect_map(node, "servers", kServersExample, complaints)) return std::nullopt;
  check_keys(node, Mapping::kServer, complaints);
  Server server;
  server.place = complaints.place(node.at);
  if (const auto* name = node.find("name")) {
    server.name = read_identifier(*name, "name", complaints).value_or("");
  } else {
    complaints.error(node.at, "a server has no \"name\"", std::string(kServersExample));
  }
  if (const auto* conninfo = node.find("conninfo")) {
    server.conninfo = read_text(*conninfo, "conninfo", complaints, Lines::kMany).value_or("");
    server.conninfo_place = complaints.place(conninfo->at);
  } else {
    complaints.error(node.at, "a server has no \"conninfo\"", std::string(kServersExample));
  }
  if (const auto* labels = node.find("labels")) server.labels = read_labels(*labels, complaints);
  return server;
}

/// `20 per 1min`, in its two halves.
std::optional<std::pair<int, Duration>> parse_rate(std::string_view text) {
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc()) return std::nullopt;
  auto rest = text.substr(static_cast<std::size_t>(end - text.data()));
  constexpr std::string_view kPer = " per ";
  if (!rest.starts_with(kPer)) return std::nullopt;
  rest.remove_prefix(kPer.size());
  const auto window = parse_duration(rest);
  if (!window) return std::nullopt;
  return std::pair(count, *window);
}

void read_signals(const YamlNode& node, Safety& safety, Complaints& complaints) {
  const auto text = read_plain(node, "signals", complaints);
  if (!text) return;
  const auto rate = parse_rate(*text);
  if (!rate) {
    complaints.error(node.at,
                     fmt::format("\"{}\" is not a number of signals in a time", printable(*text, 80)),
                     "It is written as in 20 per 1min.");
    return;
  }
  const auto [count, window] = *rate;
  const auto& key = key_of(Mapping::kSafety, "signals");
  if (count < key.least || count > key.most || window < kShortestWindow || window > kLongestWindow) {
    complaints.error(node.at, fmt::format("\"signals\" of {} is out of range", printable(*text, 80)),
                     "It takes 1 to 10000 signals per 1s to 1d.");
    return;
  }
  safety.signals = count;
  safety.per = window;
}

}  // namespace

std::vector<Server> read_servers(const YamlNode& node, Complaints& complaints) {
  std::vector<Server> servers;
  if (!expect_list(node, "servers", kServersExample, complaints)) return servers;
  std::map<std::string, std::size_t> lines;
  for (const auto& value : node.values) {
    auto server = read_server(value, complaints);
    if (!server) continue;
    if (!server->name.empty()) {
      const auto [first, is_new] = lines.emplace(server->name, server->place.line);
      if (!is_new) {
        complaints.error(value.find("name")->at, fmt::format("duplicate server \"{}\"", server->name),
                         fmt::format("The other one is in line {}.", first->second));
      }
    }
    servers.push_back(std::move(*server));
  }
  return servers;
}

Safety read_safety(const YamlNode& node, Complaints& complaints) {
  Safety safety;
  if (!expect_map(node, "safety", kSafetyExample, complaints)) return safety;
  check_keys(node, Mapping::kSafety, complaints);
  if (const auto* signals = node.find("signals")) read_signals(*signals, safety, complaints);
  if (const auto* share = node.find("share")) {
    safety.share = read_percentage(*share, key_of(Mapping::kSafety, "share"),
                                   "It is a share of the client sessions, from 1% to 100%.", complaints)
                       .value_or(safety.share);
  }
  if (const auto* quiet = node.find("quiet")) {
    safety.quiet =
        read_duration(*quiet, key_of(Mapping::kSafety, "quiet"), complaints).value_or(safety.quiet);
  }
  return safety;
}

RecordBounds read_record(const YamlNode& node, Complaints& complaints) {
  RecordBounds record;
  if (!expect_map(node, "record", kRecordExample, complaints)) return record;
  check_keys(node, Mapping::kRecord, complaints);
  const auto key = [](std::string_view name) -> const KeyEntry& { return key_of(Mapping::kRecord, name); };
  if (const auto* keep = node.find("keep")) {
    record.keep = read_duration(*keep, key("keep"), complaints).value_or(record.keep);
  }
  if (const auto* size = node.find("size")) {
    record.size = read_size(*size, key("size"), complaints).value_or(record.size);
  }
  if (const auto* required = node.find("required")) {
    record.is_required = read_flag(*required, key("required"), complaints).value_or(record.is_required);
  }
  return record;
}

void read_report(const YamlNode& node, Policy& policy, Complaints& complaints) {
  if (!expect_map(node, "report", kReportExample, complaints)) return;
  check_keys(node, Mapping::kReport, complaints);
  if (const auto* text = node.find("query_text")) {
    constexpr std::array<QueryText, 3> kTexts{QueryText::kRedacted, QueryText::kFull, QueryText::kNone};
    const auto index = read_choice(*text, key_of(Mapping::kReport, "query_text"), complaints);
    if (index) policy.query_text = kTexts[*index];
  }
  if (const auto* told = node.find("server_log")) {
    policy.tells_server_log = read_flag(*told, key_of(Mapping::kReport, "server_log"), complaints)
                                  .value_or(policy.tells_server_log);
  }
}

std::vector<std::string> read_unprotect(const YamlNode& node, Complaints& complaints) {
  std::vector<std::string> names;
  for (const auto* value : one_or_many(node, "unprotect", complaints)) {
    const auto& key = key_of(Mapping::kMainFile, "unprotect");
    const auto index = read_choice(*value, key, complaints, "built-in protection");
    if (!index) continue;
    std::string name(key.choices[*index]);
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      complaints.error(value->at, fmt::format("\"{}\" appears twice in \"unprotect\"", name));
      continue;
    }
    names.push_back(std::move(name));
  }
  return names;
}

}  // namespace pgcurfew
