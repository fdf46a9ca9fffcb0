#include "policy/reader/values.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <system_error>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/size.hpp"
#include "base/words.hpp"
#include "policy/grammar/synonyms.hpp"
#include "policy/yaml/yaml_text.hpp"

namespace pgcurfew {

namespace {

bool is_identifier_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '.';
}

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7F;
}

std::string_view name_of(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a mapping";
    case YamlNode::Kind::kText:
      return "a single value";
    default:
      return "nothing";
  }
}

bool expect_kind(const YamlNode& node, YamlNode::Kind kind, std::string_view name, std::string_view example,
                 Complaints& complaints) {
  if (node.kind == YamlNode::Kind::kRefused) return false;
  if (node.kind == YamlNode::Kind::kNothing) {
    complaints.error(node.at, fmt::format("\"{}\" has no value", name), std::string(example));
    return false;
  }
  if (node.kind != kind) {
    complaints.error(node.at,
                     fmt::format("\"{}\" has to be {}, not {}", name, name_of(kind), name_of(node.kind)),
                     std::string(example));
    return false;
  }
  if (node.values.empty()) {
    complaints.error(node.at, fmt::format("\"{}\" is empty", name), std::string(example));
    return false;
  }
  return true;
}

/// In plain notation: no sign, no leading zeros. A number that is far out of range is treated as out of
/// range.
std::optional<std::int64_t> parse_count(std::string_view text) {
  const bool is_number = !text.empty() &&
                         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
                         (text.size() == 1 || text.front() != '0');
  if (!is_number) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() ? number : std::numeric_limits<std::int64_t>::max();
}

}  // namespace

bool expect_map(const YamlNode& node, std::string_view name, std::string_view example,
                Complaints& complaints) {
  return expect_kind(node, YamlNode::Kind::kMap, name, example, complaints);
}

bool expect_list(const YamlNode& node, std::string_view name, std::string_view example,
                 Complaints& complaints) {
  return expect_kind(node, YamlNode::Kind::kList, name, example, complaints);
}

void check_keys(const YamlNode& map, Mapping mapping, std::string_view owner, Complaints& complaints) {
  const auto known = key_names_of(mapping);
  for (const auto& key : map.keys) {
    if (std::find(known.begin(), known.end(), key.text) != known.end()) continue;
    if (may_be_rest_of_text(map, key.at, complaints)) {
      complaints.error(key.at, fmt::format("unknown key in {}", owner),
                       "A text that holds a comma is written in quotes.");
    } else {
      complaints.error(key.at, fmt::format("unknown key \"{}\" in {}", printable(key.text, 80), owner),
                       hint_for_key(key.text, known, entry_of(mapping).synonyms));
    }
  }
}

void check_keys(const YamlNode& map, Mapping mapping, Complaints& complaints) {
  check_keys(map, mapping, entry_of(mapping).name, complaints);
}

std::optional<std::string> read_plain(const YamlNode& node, std::string_view name, Complaints& complaints) {
  switch (node.kind) {
    case YamlNode::Kind::kRefused:
      return std::nullopt;
    case YamlNode::Kind::kNothing:
      complaints.error(node.at, fmt::format("\"{}\" has no value", name),
                       "A text that reads ~ or null is written in quotes.");
      return std::nullopt;
    case YamlNode::Kind::kList:
    case YamlNode::Kind::kMap:
      complaints.error(node.at,
                       fmt::format("\"{}\" has to be a single value here, not {}", name, name_of(node.kind)));
      return std::nullopt;
    case YamlNode::Kind::kText:
      break;
  }
  if (node.text.empty()) {
    complaints.error(node.at, fmt::format("\"{}\" is empty", name));
    return std::nullopt;
  }
  return node.text;
}

const YamlNode* find_required(const YamlNode& map, std::string_view owner, std::string_view key,
                              std::string_view hint, Complaints& complaints) {
  const auto* value = map.find(key);
  if (value == nullptr) {
    complaints.error(map.at, fmt::format("{} has no \"{}\"", owner, key), std::string(hint));
  }
  return value;
}

std::string read_path(const YamlNode& node, std::string_view name, std::string_view hint,
                      Complaints& complaints) {
  auto path = read_text(node, name, complaints).value_or("");
  if (path.empty() || (path.starts_with('/') && !path.ends_with('/'))) return path;
  complaints.error(node.at, fmt::format("\"{}\" is not the absolute path of a file", printable(path, 80)),
                   std::string(hint));
  return path;
}

std::optional<std::string> read_text(const YamlNode& node, std::string_view name, Complaints& complaints,
                                     Lines lines) {
  auto text = read_plain(node, name, complaints);
  if (!text) return std::nullopt;
  if (node.is_plain) {
    if (const auto guess = guessed_type(*text)) {
      if (!complaints.may_be_shown(node.at) && lines == Lines::kMany) {
        complaints.error(node.at, fmt::format("\"{}\" is {} without quotes", name, *guess));
        return std::nullopt;
      }
      complaints.error(node.at,
                       fmt::format("\"{}\" is {} without quotes: {}", name, *guess, printable(*text, 80)),
                       fmt::format("Write \"{}\" if it is a text.", printable(*text, 80)));
      return std::nullopt;
    }
  }
  if (lines == Lines::kMany) return text;
  if (node.is_folded) {
    complaints.error(node.at, fmt::format("\"{}\" continues past the end of the line", name),
                     "Look for a missing colon or quote in the next line.");
    return std::nullopt;
  }
  if (std::any_of(text->begin(), text->end(), is_control)) {
    complaints.error(node.at, fmt::format("\"{}\" holds a line break or another control character", name),
                     "A text after | ends with a line break; after |- or >- it does not.");
    return std::nullopt;
  }
  return text;
}

std::optional<Duration> read_duration(const YamlNode& node, std::string_view name, Complaints& complaints) {
  const auto text = read_plain(node, name, complaints);
  if (!text) return std::nullopt;
  const auto duration = parse_duration(*text);
  if (!duration) {
    complaints.error(node.at, duration.error());
    return std::nullopt;
  }
  return *duration;
}

std::optional<Duration> read_duration(const YamlNode& node, const KeyEntry& key, Complaints& complaints) {
  const auto duration = read_duration(node, key.name, complaints);
  if (!duration || (duration->count() >= key.least && duration->count() <= key.most)) return duration;
  complaints.error(node.at, fmt::format("\"{}\" of {} is out of range", key.name, to_text(*duration)),
                   fmt::format("It takes {}.", range_text_of(key)));
  return std::nullopt;
}

std::optional<std::size_t> read_count(const YamlNode& node, const KeyEntry& key, Complaints& complaints,
                                      std::string_view or_else) {
  const auto text = read_plain(node, key.name, complaints);
  if (!text) return std::nullopt;
  const auto hint = fmt::format("It takes {}{}.", range_text_of(key), or_else);
  const auto number = parse_count(*text);
  if (!number) {
    complaints.error(node.at, fmt::format("\"{}\" is not a whole number", printable(*text, 80)), hint);
    return std::nullopt;
  }
  if (*number < key.least || *number > key.most) {
    complaints.error(node.at, fmt::format("\"{}\" of {} is out of range", key.name, printable(*text, 80)),
                     hint);
    return std::nullopt;
  }
  return static_cast<std::size_t>(*number);
}

std::optional<std::int64_t> read_size(const YamlNode& node, const KeyEntry& key, Complaints& complaints) {
  const auto text = read_plain(node, key.name, complaints);
  if (!text) return std::nullopt;
  const auto size = parse_size(*text);
  if (!size) {
    complaints.error(node.at, size.error().message, size.error().hint);
    return std::nullopt;
  }
  if (*size >= key.least && *size <= key.most) return *size;
  complaints.error(node.at, fmt::format("\"{}\" of {} is out of range", key.name, size_text(*size)),
                   fmt::format("It takes {}.", range_text_of(key)));
  return std::nullopt;
}

std::optional<bool> read_flag(const YamlNode& node, const KeyEntry& key, Complaints& complaints) {
  const auto text = read_plain(node, key.name, complaints);
  if (!text) return std::nullopt;
  if (node.is_plain && *text == "true") return true;
  if (node.is_plain && *text == "false") return false;
  complaints.error(node.at, fmt::format("\"{}\" is neither true nor false", printable(*text, 80)),
                   "It takes true or false, without quotes.");
  return std::nullopt;
}

std::optional<double> read_percentage(const YamlNode& node, const KeyEntry& key, std::string_view hint,
                                      Complaints& complaints) {
  const auto text = read_plain(node, key.name, complaints);
  if (!text) return std::nullopt;
  double percent = 0;
  const auto [end, error] =
      std::from_chars(text->data(), text->data() + text->size(), percent, std::chars_format::fixed);
  const std::string_view rest(end, static_cast<std::size_t>(text->data() + text->size() - end));
  if (error != std::errc() || rest != "%") {
    complaints.error(node.at, fmt::format("\"{}\" is not a percentage", printable(*text, 80)),
                     std::string(hint));
    return std::nullopt;
  }
  // also false for a NaN
  if (!(percent * 100 >= static_cast<double>(key.least) && percent * 100 <= static_cast<double>(key.most))) {
    complaints.error(node.at, fmt::format("\"{}\" of {} is out of range", key.name, printable(*text, 80)),
                     std::string(hint));
    return std::nullopt;
  }
  return percent / 100;
}

std::optional<std::size_t> read_choice(const YamlNode& node, const KeyEntry& key, Complaints& complaints,
                                       std::string_view name) {
  const auto& choices = key.choices;
  const auto text = read_plain(node, name.empty() ? key.name : name, complaints);
  if (!text) return std::nullopt;
  const auto found = std::find(choices.begin(), choices.end(), *text);
  if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
  auto hint = did_you_mean(*text, choices, key.synonyms);
  if (hint.empty()) hint = fmt::format("It is {}.", or_list(choices));
  complaints.error(node.at,
                   fmt::format("unknown {} \"{}\"", name.empty() ? key.name : name, printable(*text, 80)),
                   std::move(hint));
  return std::nullopt;
}

std::vector<const YamlNode*> one_or_many(const YamlNode& node, std::string_view name,
                                         Complaints& complaints) {
  if (node.kind != YamlNode::Kind::kList) return {&node};
  std::vector<const YamlNode*> values;
  if (!expect_list(node, name, "Leave the key out if it should not matter.", complaints)) return values;
  for (const auto& value : node.values) values.push_back(&value);
  return values;
}

std::optional<std::string> read_identifier(const YamlNode& node, std::string_view name,
                                           Complaints& complaints) {
  auto text = read_text(node, name, complaints);
  if (!text) return std::nullopt;
  if (text->size() > 63 || !std::all_of(text->begin(), text->end(), is_identifier_letter)) {
    // a connection string under the wrong key
    const bool is_secret = !complaints.may_be_shown(node.at) && text->find('=') != std::string::npos;
    const auto shown = is_secret ? "" : fmt::format(" \"{}\"", printable(*text, 80));
    complaints.error(node.at, fmt::format("invalid {}{}", name, shown),
                     "It takes letters, digits, _, - and ., at most 63 of them.");
    return std::nullopt;
  }
  return text;
}

}  // namespace pgcurfew
