#include "policy/yaml/complaints.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/words.hpp"
#include "policy/yaml/secret_lines.hpp"

namespace pgcurfew {

namespace {

constexpr std::size_t kMostDiagnostics = 200;
constexpr std::size_t kLongestSourceLine = 4096;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string_view without_byte_order_mark(std::string_view text) {
  return text.substr(text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0);
}

std::size_t count_characters(std::string_view text) {
  std::size_t count = 0;
  while (!text.empty()) {
    text.remove_prefix(std::max<std::size_t>(1, utf8_length(text)));
    ++count;
  }
  return count;
}

}  // namespace

Complaints::Complaints(const Source& source)
    : name_(source.name),
      text_(without_byte_order_mark(source.text)),
      line_starts_{0},
      near_secrets_(lines_near_secrets(text_)) {
  for (std::size_t i = 0; i < text_.size(); ++i) {
    if (text_[i] == '\n') line_starts_.push_back(i + 1);
  }
}

void Complaints::error(PlaceInText at, const std::string& message, std::string hint) {
  ++errors_;
  add(Severity::kError, at, message, std::move(hint));
}

void Complaints::error(PlaceInText at, const Error& error) {
  this->error(at, error.detail.empty() ? error.message : fmt::format("{}: {}", error.message, error.detail),
              error.hint);
}

void Complaints::warn(PlaceInText at, const std::string& message, std::string hint) {
  add(Severity::kWarning, at, message, std::move(hint));
}

void Complaints::add(Severity severity, PlaceInText at, const std::string& message, std::string hint) {
  if (diagnostics_.size() >= kMostDiagnostics) {
    is_full_ = true;
    return;
  }
  const auto written = line(at.line).substr(0, kLongestSourceLine);
  const auto shown = without_secrets(may_be_shown(at) ? std::string(written) : harmless_part(written));
  diagnostics_.push_back({severity, place(at), without_secrets(message), std::move(hint), shown});
}

bool Complaints::may_be_shown(PlaceInText at) const {
  return at.line == 0 || at.line > near_secrets_.size() || !near_secrets_[at.line - 1];
}

std::string_view Complaints::line(std::size_t number) const {
  if (number == 0 || number > line_starts_.size()) return {};
  const auto start = line_starts_[number - 1];
  const auto end = number < line_starts_.size() ? line_starts_[number] - 1 : text_.size();
  auto text = text_.substr(start, end - start);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

std::string_view Complaints::text_from(PlaceInText at) const {
  if (at.line == 0 || at.line > line_starts_.size()) return {};
  const auto offset = line_starts_[at.line - 1] + (at.column == 0 ? 0 : at.column - 1);
  return offset < text_.size() ? text_.substr(offset) : std::string_view{};
}

std::string_view Complaints::text_before(PlaceInText at) const {
  return text_.substr(0, text_.size() - text_from(at).size());
}

Place Complaints::place(PlaceInText at) const {
  if (at.line == 0) return {name_, 0, 0};
  const auto before = line(at.line).substr(0, at.column == 0 ? 0 : at.column - 1);
  // past the part of a line that is ever shown, bytes suffice
  const auto shown = before.substr(0, kLongestSourceLine);
  return {name_, at.line, count_characters(shown) + (before.size() - shown.size()) + 1};
}

std::vector<Diagnostic> Complaints::sorted() const {
  auto all = diagnostics_;
  std::stable_sort(all.begin(), all.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::pair(a.place.line, a.place.column) < std::pair(b.place.line, b.place.column);
  });
  if (is_full_) {
    const auto severity = has_errors() ? Severity::kError : Severity::kWarning;
    all.push_back({severity,
                   place({}),
                   "there are more messages than are shown here",
                   fmt::format("The first {} are shown.", kMostDiagnostics),
                   {}});
  }
  return all;
}

}  // namespace pgcurfew
