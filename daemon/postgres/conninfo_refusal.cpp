#include "postgres/conninfo_refusal.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "base/words.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kMessage = "invalid connection string";
constexpr std::string_view kQuotesHint =
    "A value that holds a blank is written in single quotes, ' and \\ in it as \\' and \\\\.";
constexpr std::string_view kUriHint =
    "In a URI's user, password and database @ is written as %40, / as %2F, : as %3A, % as %25.";

std::vector<std::string> known_keywords() {
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconninfoParse("", nullptr),
                                                                             &PQconninfoFree);
  std::vector<std::string> keywords;
  for (const auto* option = options.get(); option != nullptr && option->keyword != nullptr; ++option) {
    keywords.emplace_back(option->keyword);
  }
  return keywords;
}

struct Refusal {
  explicit Refusal(std::vector<std::string> words) : keywords(std::move(words)) {}

  std::vector<std::string> keywords;
  std::string last_known = {};  ///< the last keyword before the current position

  [[nodiscard]] bool knows(std::string_view word) const {
    return std::find(keywords.begin(), keywords.end(), word) != keywords.end();
  }

  [[nodiscard]] Error error(std::string_view what, std::string_view hint) const {
    return {fmt::format("{}: {}", kMessage, what), {}, std::string(hint), {}};
  }

  [[nodiscard]] std::string behind() const {
    return last_known.empty() ? "at its beginning" : fmt::format("behind \"{}\"", last_known);
  }

  [[nodiscard]] Error unknown(std::string_view word) const {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kSynonyms{{
        {"hostname", "host"},
        {"server", "host"},
        {"addr", "hostaddr"},
        {"database", "dbname"},
        {"db", "dbname"},
        {"username", "user"},
        {"role", "user"},
        {"pass", "password"},
        {"pwd", "password"},
        {"passwd", "password"},
        {"timeout", "connect_timeout"},
        {"ssl", "sslmode"},
    }};
    const auto* const synonym = std::find_if(kSynonyms.begin(), kSynonyms.end(),
                                             [&](const auto& entry) { return entry.first == word; });
    const std::vector<std::string_view> views(keywords.begin(), keywords.end());
    const auto meant =
        synonym != kSynonyms.end() ? std::optional(synonym->second) : nearest_word(word, views);
    if (!meant) return error(fmt::format("unknown keyword {}", behind()), kQuotesHint);
    return error(fmt::format("unknown keyword \"{}\"", printable(word)),
                 fmt::format("Did you mean \"{}\"?", *meant));
  }
};

bool is_blank(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}

/// Parses pairs of keyword and value as libpq does, up to the first error.
Error why_pairs_refused(std::string_view text, Refusal refusal) {
  std::size_t at = 0;
  const auto skip_blanks = [&] {
    while (at < text.size() && is_blank(text[at])) ++at;
  };
  for (skip_blanks(); at < text.size(); skip_blanks()) {
    const auto begin = at;
    while (at < text.size() && text[at] != '=' && !is_blank(text[at])) ++at;
    const auto keyword = text.substr(begin, at - begin);
    skip_blanks();
    if (at == text.size() || text[at] != '=') {
      return refusal.error(fmt::format("\"=\" is missing after a word {}", refusal.behind()), kQuotesHint);
    }
    ++at;
    skip_blanks();
    const bool is_quoted = at < text.size() && text[at] == '\'';
    if (is_quoted) ++at;
    const auto is_end = [&] { return is_quoted ? text[at] == '\'' : is_blank(text[at]); };
    while (at < text.size() && !is_end()) at += text[at] == '\\' ? std::size_t{2} : std::size_t{1};
    if (!refusal.knows(keyword)) return refusal.unknown(keyword);
    refusal.last_known = keyword;
    if (is_quoted && at >= text.size()) {
      return refusal.error(fmt::format("the quotes after \"{}\" are not closed", keyword), kQuotesHint);
    }
    at = std::min(text.size(), at + (is_quoted ? std::size_t{1} : std::size_t{0}));
  }
  return refusal.error("libpq cannot parse it", kQuotesHint);
}

Error why_uri_refused(std::string_view text, Refusal refusal) {
  const auto at = text.find('@');
  // a ? in the password does not begin the parameters
  const auto query = text.find('?', at == std::string_view::npos ? 0 : at);
  auto rest = query == std::string_view::npos ? std::string_view() : text.substr(query + 1);
  while (!rest.empty()) {
    const auto end = std::min(rest.find('&'), rest.size());
    const auto parameter = rest.substr(0, end);
    const auto keyword = parameter.substr(0, parameter.find('='));
    if (!refusal.knows(keyword) && keyword != "ssl") return refusal.unknown(keyword);
    refusal.last_known = keyword;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return refusal.error("the URI is malformed", kUriHint);
}

/// The part after the scheme; empty if this is not a URI.
std::optional<std::string_view> of_uri(std::string_view conninfo) {
  for (const std::string_view scheme : {"postgresql://", "postgres://"}) {
    if (conninfo.starts_with(scheme)) return conninfo.substr(scheme.size());
  }
  return std::nullopt;
}

}  // namespace

Error why_refused(const std::string& conninfo) {
  Refusal refusal(known_keywords());
  if (const auto uri = of_uri(conninfo)) return why_uri_refused(*uri, std::move(refusal));
  return why_pairs_refused(conninfo, std::move(refusal));
}

Result<void> check_uri(const std::string& conninfo) {
  const auto uri = of_uri(conninfo);
  if (!uri) return {};
  const auto at = uri->find('@');
  const auto slash = uri->find('/');
  const auto is_far = at != std::string_view::npos && slash < at && uri->find('?', slash) > at;
  const auto authority = uri->substr(0, std::min(slash, uri->find('?', std::min(at, uri->size()))));
  if (!is_far && std::count(authority.begin(), authority.end(), '@') < 2) return {};
  return failure(fmt::format("{}: a character of the URI has to be percent-encoded", kMessage), {},
                 std::string(kUriHint));
}

}  // namespace pgcurfew
