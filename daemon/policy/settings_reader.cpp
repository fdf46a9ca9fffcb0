#include "policy/settings_reader.hpp"

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
#include "policy/values.hpp"

namespace pgcurfew {

namespace {

constexpr std::array<std::string_view, 3> kServerKeys{"name", "conninfo", "labels"};
constexpr std::array<Synonym, 11> kServerSynonyms{{
    {"dsn", "conninfo"},
    {"connection", "conninfo"},
    {"connection_string", "conninfo"},
    {"uri", "conninfo"},
    {"url", "conninfo"},
    {"host", "conninfo"},
    {"port", "conninfo"},
    {"user", "conninfo"},
    {"dbname", "conninfo"},
    {"tags", "labels"},
    {"id", "name"},
}};
constexpr std::string_view kServersExample =
    "A server is written as in - { name: orders, conninfo: \"host=db1\" }.";
constexpr std::string_view kLabelsExample = "Labels are written as in { env: prod }.";

constexpr std::array<std::string_view, 3> kSafetyKeys{"signals", "share", "quiet"};
constexpr std::array<Synonym, 5> kSafetySynonyms{{{"rate", "signals"},
                                                  {"max_signals", "signals"},
                                                  {"percent", "share"},
                                                  {"pause", "quiet"},
                                                  {"cooldown", "quiet"}}};
constexpr std::string_view kSafetyExample =
    "Bounds are written as in { signals: 20 per 1min, share: 25%, quiet: 1min }.";

constexpr std::array<std::string_view, 1> kReportKeys{"query_text"};
constexpr std::string_view kReportExample = "It is written as in { query_text: redacted }.";

constexpr Duration kShortestWindow = std::chrono::seconds(1);
constexpr Duration kLongestWindow = std::chrono::hours(24);
constexpr int kMostSignals = 10'000;

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
  check_keys(node, "a server", kServerKeys, kServerSynonyms, complaints);
  Server server;
  server.place = complaints.place(node.mark);
  if (const auto* name = node.find("name")) {
    server.name = read_identifier(*name, "name", complaints).value_or("");
  } else {
    complaints.error(node.mark, "a server has no \"name\"", std::string(kServersExample));
  }
  if (const auto* conninfo = node.find("conninfo")) {
    server.conninfo = read_text(*conninfo, "conninfo", complaints, Lines::kMany).value_or("");
    server.conninfo_place = complaints.place(conninfo->mark);
  } else {
    complaints.error(node.mark, "a server has no \"conninfo\"", std::string(kServersExample));
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
    complaints.error(node.mark,
                     fmt::format("\"{}\" is not a number of signals in a time", printable(*text, 80)),
                     "It is written as in 20 per 1min.");
    return;
  }
  const auto [count, window] = *rate;
  if (count < 1 || count > kMostSignals || window < kShortestWindow || window > kLongestWindow) {
    complaints.error(node.mark, fmt::format("\"signals\" of {} is out of range", printable(*text, 80)),
                     "It takes 1 to 10000 signals per 1s to 1d.");
    return;
  }
  safety.signals = count;
  safety.per = window;
}

void read_share(const YamlNode& node, Safety& safety, Complaints& complaints) {
  const auto text = read_plain(node, "share", complaints);
  if (!text) return;
  constexpr std::string_view kHint = "It is a part of the client sessions, from 1% to 100%.";
  double percent = 0;
  const auto [end, error] =
      std::from_chars(text->data(), text->data() + text->size(), percent, std::chars_format::fixed);
  const std::string_view rest(end, static_cast<std::size_t>(text->data() + text->size() - end));
  if (error != std::errc() || rest != "%") {
    complaints.error(node.mark, fmt::format("\"{}\" is not a percentage", printable(*text, 80)),
                     std::string(kHint));
    return;
  }
  // also false for a NaN
  if (!(percent >= 1 && percent <= 100)) {
    complaints.error(node.mark, fmt::format("\"share\" of {} is out of range", printable(*text, 80)),
                     std::string(kHint));
    return;
  }
  safety.share = percent / 100;
}

void read_quiet(const YamlNode& node, Safety& safety, Complaints& complaints) {
  const auto quiet = read_duration(node, "quiet", complaints);
  if (!quiet) return;
  if (*quiet < kShortestWindow || *quiet > kLongestWindow) {
    complaints.error(node.mark, fmt::format("\"quiet\" of {} is out of range", to_text(*quiet)),
                     "It takes 1s to 1d.");
    return;
  }
  safety.quiet = *quiet;
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
        complaints.error(value.find("name")->mark, fmt::format("duplicate server \"{}\"", server->name),
                         fmt::format("The other one stands in line {}.", first->second));
      }
    }
    servers.push_back(std::move(*server));
  }
  return servers;
}

Safety read_safety(const YamlNode& node, Complaints& complaints) {
  Safety safety;
  if (!expect_map(node, "safety", kSafetyExample, complaints)) return safety;
  check_keys(node, "safety", kSafetyKeys, kSafetySynonyms, complaints);
  if (const auto* signals = node.find("signals")) read_signals(*signals, safety, complaints);
  if (const auto* share = node.find("share")) read_share(*share, safety, complaints);
  if (const auto* quiet = node.find("quiet")) read_quiet(*quiet, safety, complaints);
  return safety;
}

QueryText read_report(const YamlNode& node, Complaints& complaints) {
  if (!expect_map(node, "report", kReportExample, complaints)) return QueryText::kRedacted;
  check_keys(node, "report", kReportKeys, {}, complaints);
  const auto* text = node.find("query_text");
  if (text == nullptr) return QueryText::kRedacted;
  constexpr std::array<std::string_view, 3> kChoices{"redacted", "full", "none"};
  const auto index = read_choice(*text, "query_text", kChoices, {}, complaints);
  constexpr std::array<QueryText, 3> kTexts{QueryText::kRedacted, QueryText::kFull, QueryText::kNone};
  return index ? kTexts[*index] : QueryText::kRedacted;
}

}  // namespace pgcurfew
