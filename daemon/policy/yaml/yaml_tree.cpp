#include "policy/yaml/yaml_tree.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <map>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "base/words.hpp"
#include "policy/yaml/yaml_text.hpp"

namespace pgcurfew {

namespace {

constexpr std::size_t kDeepest = 64;
constexpr std::size_t kMostNodes = 100'000;

PlaceInText place_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {static_cast<std::size_t>(mark.line) + 1, static_cast<std::size_t>(mark.column) + 1};
}

/// Thrown to end the parsing of a file past the bounds; the reason has been reported.
struct PastBounds : std::exception {};

/// Builds the tree from yaml-cpp's events, and refuses the parts of YAML that the language excludes.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Complaints& complaints) : complaints_(complaints) {}

  [[nodiscard]] int documents() const { return documents_; }
  [[nodiscard]] YamlNode take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& at) override {
    ++documents_;
    if (documents_ < 2) return;
    const auto mark = place_of(at);
    if (complaints_.text_from(mark).starts_with("---")) {
      complaints_.error(mark, "a second document begins here", "Give each document a file of its own.");
    } else {
      complaints_.error(mark, "the file should have ended before this",
                        "Look for a wrong indentation or a bracket too many.");
    }
    throw PastBounds();
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& at, YAML::anchor_t) override { attach(node(YamlNode::Kind::kNothing, at)); }

  void OnAlias(const YAML::Mark& at, YAML::anchor_t) override {
    complaints_.error(place_of(at), "aliases are not allowed", "Write the value out here.");
    attach(node(YamlNode::Kind::kRefused, at));
  }

  void OnAnchor(const YAML::Mark& at, const std::string& name) override {
    const auto mark = place_of(at);
    const auto shown = complaints_.may_be_shown(mark) ? fmt::format(": \"&{}\"", printable(name)) : "";
    complaints_.error(mark, "anchors are not allowed" + shown, "Write the value out at each of its places.");
  }

  void OnScalar(const YAML::Mark& at, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    auto text = node(YamlNode::Kind::kText, at);
    text.text = value;
    text.is_plain = tag == "?";
    check_text(text, tag);
    attach(std::move(text));
  }

  void OnSequenceStart(const YAML::Mark& at, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::kList, at, tag);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& at, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::kMap, at, tag);
  }
  void OnMapEnd() override { close(); }

 private:
  /// An unfinished list or map.
  struct Open {
    YamlNode node;
    std::optional<YamlNode> key;               ///< key of the next value
    std::map<std::string, PlaceInText> known;  ///< keys so far
    bool lost_entries = false;                 ///< some were refused
  };

  YamlNode node(YamlNode::Kind kind, const YAML::Mark& at) {
    const auto mark = place_of(at);
    if (++nodes_ > kMostNodes) {
      complaints_.error(mark, fmt::format("the file has more than {} values", kMostNodes));
      throw PastBounds();
    }
    YamlNode made;
    made.kind = kind;
    made.at = mark;
    return made;
  }

  void open(YamlNode::Kind kind, const YAML::Mark& at, const std::string& tag) {
    auto made = node(kind, at);
    refuse_tag(made, tag);
    if (open_.size() >= kDeepest) {
      complaints_.error(made.at, fmt::format("nested more than {} levels deep", kDeepest));
      throw PastBounds();
    }
    open_.push_back({std::move(made), std::nullopt, {}, false});
  }

  void close() {
    auto made = std::move(open_.back().node);
    // otherwise it would be reported as empty
    if (made.values.empty() && open_.back().lost_entries) made.kind = YamlNode::Kind::kRefused;
    open_.pop_back();
    attach(std::move(made));
  }

  void attach(YamlNode made) {
    if (open_.empty()) {
      root_ = std::move(made);
      return;
    }
    auto& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::kList) {
      // yaml-cpp marks an empty item where the next token is
      if (made.kind == YamlNode::Kind::kNothing) made.at = end_of_text_before(complaints_, made.at);
      parent.node.values.push_back(std::move(made));
    } else if (!parent.key) {
      parent.key = std::move(made);
    } else {
      auto key = *std::exchange(parent.key, std::nullopt);
      add_entry(parent, std::move(key), std::move(made));
    }
  }

  void add_entry(Open& map, YamlNode key, YamlNode value) {
    map.lost_entries = true;
    if (key.kind == YamlNode::Kind::kRefused) return;
    if (key.kind != YamlNode::Kind::kText) {
      complaints_.error(key.at, "a key has to be a text");
      return;
    }
    if (key.text == "<<" && key.is_plain) {
      complaints_.error(key.at, "merge keys are not allowed", "Write the values out here.");
      return;
    }
    const auto [first, is_new] = map.known.emplace(key.text, key.at);
    if (!is_new) {
      const bool is_rest = may_be_rest_of_text(map.node, key.at, complaints_);
      const auto shown = is_rest ? "" : fmt::format(" \"{}\"", printable(key.text));
      complaints_.error(key.at, "duplicate key" + shown,
                        fmt::format("It is already in line {}.", first->second.line));
      return;
    }
    map.lost_entries = false;
    if (value.kind == YamlNode::Kind::kNothing) value.at = key.at;
    map.node.keys.push_back(std::move(key));
    map.node.values.push_back(std::move(value));
  }

  /// yaml-cpp reports a tag `!` like quotes, so the text itself decides.
  bool refuse_tag(const YamlNode& made, const std::string& tag) {
    if (tag == "?" || (tag == "!" && !complaints_.text_from(made.at).starts_with('!'))) return false;
    complaints_.error(made.at, "tags are not allowed",
                      "Quote a text that YAML would take for something else.");
    return true;
  }

  void check_text(YamlNode& made, const std::string& tag) {
    bool is_refused = refuse_tag(made, tag);
    if (made.text.find('\0') != std::string::npos) {
      complaints_.error(made.at, "a text holds a NUL character");
      is_refused = true;
    }
    const auto written = complaints_.text_from(made.at);
    if (made.is_plain) {
      made.is_folded = !written.starts_with(made.text);
    } else if (const auto quoted = length_of_quoted(written)) {
      made.is_folded = written.substr(0, *quoted).find('\n') != std::string_view::npos;
    } else if (written.starts_with('\'') || written.starts_with('"')) {
      // yaml-cpp takes the end of the file for the closing quote
      complaints_.error(made.at, "a quoted text is not closed");
      is_refused = true;
    }
    if (is_refused) made.kind = YamlNode::Kind::kRefused;
  }

  Complaints& complaints_;
  YamlNode root_;
  std::vector<Open> open_;
  std::size_t nodes_ = 0;
  int documents_ = 0;
};

/// Whether it contains a connection string without quotes.
bool holds_plain_connection(const YamlNode& node) {
  if (node.is_plain) {
    return node.text.find('=') != std::string::npos || node.text.find("://") != std::string::npos;
  }
  return std::any_of(node.values.begin(), node.values.end(), holds_plain_connection);
}

/// The line that contains this byte, without its end.
std::string_view line_around(std::string_view text, std::size_t at) {
  at = std::min(at, text.size());
  const auto end = std::min(text.find('\n', at), text.size());
  const auto before = at == 0 ? std::string_view::npos : text.rfind('\n', at - 1);
  const auto begin = before == std::string_view::npos ? 0 : before + 1;
  return text.substr(begin, end - begin);
}

bool is_indented_by_tab(std::string_view line) {
  return line.substr(0, line.find_first_not_of(" \t")).find('\t') != std::string_view::npos;
}

/// `user:app`: a letter right after the first colon, and no other colon that YAML would take for a separator.
bool lacks_blank_after_colon(std::string_view line) {
  const auto colon = line.find(':');
  return colon != std::string_view::npos && colon + 1 < line.size() && line[colon + 1] != ' ' &&
         line.find(": ") == std::string_view::npos;
}

/// The likely cause of a syntax error that yaml-cpp reported in `line`.
std::string hint_for(std::string_view message, std::string_view line, std::string_view line_before) {
  if (is_indented_by_tab(line) || is_indented_by_tab(line_before) || message.starts_with("illegal tab")) {
    return "Indent with spaces, never with tabs.";
  }
  const bool may_lack_blank = message == "illegal map value" || message.starts_with("end of ");
  for (const auto& suspect : {line_before, line}) {
    if (may_lack_blank && lacks_blank_after_colon(suspect))
      return "A blank follows the colon: \"key: value\".";
  }
  struct Known {
    std::string_view message;
    std::string_view hint;
  };
  constexpr std::array<Known, 8> kKnown{{
      {"alias not found after *", "A text that begins with * or & is written in quotes: \"*\"."},
      {"the referenced anchor is not defined",
       "A text that begins with * or & is written in quotes: \"*_app\"."},
      {"illegal map value", "A text that holds a colon and a blank is written in quotes."},
      {"unknown token", "A text that begins with @, `, % or a tab is written in quotes."},
      {"end of map not found", "Look for a wrong indentation, or for text after a closing quote."},
      {"end of sequence not found", "Look for a wrong indentation, or for text after a closing quote."},
      {"end of map flow not found", "A { is not closed, or a comma is missing."},
      {"end of sequence flow not found", "A [ is not closed, or a comma is missing."},
  }};
  for (const auto& known : kKnown) {
    if (message == known.message) return std::string(known.hint);
  }
  return {};
}

std::string hint_at(const Complaints& complaints, const YAML::Exception& error) {
  const auto rest = complaints.text_from(place_of(error.mark));
  const auto text = complaints.text();
  const auto at = text.size() - rest.size();
  const auto line = line_around(text, at);
  const auto begin = static_cast<std::size_t>(line.data() - text.data());
  return hint_for(error.msg, line, begin == 0 ? std::string_view() : line_around(text, begin - 1));
}

}  // namespace

bool may_be_rest_of_text(const YamlNode& map, PlaceInText key, const Complaints& complaints) {
  const auto before = complaints.text_before(key);
  const auto last = before.find_last_not_of(" \t\r\n");
  if (last == std::string_view::npos || before[last] != ',') return false;
  return std::any_of(map.values.begin(), map.values.end(), [&](const YamlNode& value) {
    const bool is_before = std::pair(value.at.line, value.at.column) < std::pair(key.line, key.column);
    return is_before && holds_plain_connection(value);
  });
}

const YamlNode* YamlNode::find(std::string_view key) const {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].text == key) return &values[i];
  }
  return nullptr;
}

std::optional<YamlNode> parse_yaml(Complaints& complaints) {
  if (!check_bytes(complaints)) return std::nullopt;
  TreeBuilder builder(complaints);
  try {
    std::istringstream in{std::string(complaints.text())};
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const PastBounds&) {
    return std::nullopt;
  } catch (const YAML::Exception& error) {
    complaints.error(place_of(error.mark), fmt::format("not valid YAML: {}", printable(error.msg)),
                     hint_at(complaints, error));
    return std::nullopt;
  } catch (const std::exception& error) {
    complaints.error({}, fmt::format("could not be read: {}", printable(error.what())));
    return std::nullopt;
  }
  auto root = builder.take_root();
  if (builder.documents() == 0 || root.kind == YamlNode::Kind::kNothing) {
    complaints.error({}, "the file is empty", "Remove the file if it is meant to have no rules.");
    return std::nullopt;
  }
  return root;
}

}  // namespace pgcurfew
