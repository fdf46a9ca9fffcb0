#include "report/render.hpp"

#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/duration.hpp"
#include "base/iso_time.hpp"
#include "base/words.hpp"
#include "report/history.hpp"
#include "report/redact.hpp"

namespace pgcurfew {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kJsonLimit = 4096;
constexpr std::size_t kLineLimit = 400;
constexpr std::size_t kMessageLimit = 1000;
/// The maximum length read of a query; redact() is safe wherever the text is cut.
constexpr std::size_t kQueryLimit = 65536;

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

std::optional<std::string> shown_query(const RawQuery& query, QueryText query_text) {
  switch (query_text) {
    case QueryText::kRedacted:
      return redact(std::string_view(query.text).substr(0, kQueryLimit));
    case QueryText::kFull:
      return query.text.substr(0, kQueryLimit);
    case QueryText::kNone:
      break;
  }
  return std::nullopt;
}

/// Cuts at a character, if the text is UTF-8; otherwise the rest of the last one is replaced like any bad
/// byte.
std::string cut(std::string_view text) {
  if (text.size() <= kJsonLimit) return std::string(text);
  std::size_t length = kJsonLimit;
  const auto is_continuation = [&](std::size_t at) {
    return (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U;
  };
  while (length > kJsonLimit - 3 && is_continuation(length)) --length;
  return std::string(text.substr(0, length)) + "...";
}

/// The value in JSON; empty for a query that is left out.
std::optional<nlohmann::ordered_json> json_of(const FieldValue& value, QueryText query_text) {
  return std::visit(Overloaded{
                        [](std::int64_t number) -> std::optional<Json> { return Json(number); },
                        [](double number) -> std::optional<Json> { return Json(number); },
                        [](bool flag) -> std::optional<Json> { return Json(flag); },
                        [](const std::string& text) -> std::optional<Json> { return Json(cut(text)); },
                        [&](const RawQuery& query) -> std::optional<Json> {
                          const auto shown = shown_query(query, query_text);
                          if (!shown) return std::nullopt;
                          return Json(cut(*shown));
                        },
                        [](Duration duration) -> std::optional<Json> {
                          return Json(std::chrono::duration<double>(duration).count());
                        },
                        [](ServerTime time) -> std::optional<Json> { return Json(iso_8601(time)); },
                    },
                    value);
}

bool is_plain(std::string_view text) {
  return !text.empty() && text.find_first_of(" \"'=\\") == std::string_view::npos;
}

/// The text as it is if it cannot be misread; otherwise in quotes, with `\` and `"` escaped before
/// printable() adds its own backslashes, so that a client's text can neither end the quotes nor forge an
/// escape.
std::string safe_value(std::string_view text) {
  auto shown = printable(text, kLineLimit);
  // a backslash in it may be printable()'s as well as the text's
  if (is_plain(shown)) return shown;
  std::string escaped;
  // printable() cuts anyway; this only bounds the copy
  for (const char c : text.substr(0, kLineLimit + 4)) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return fmt::format("\"{}\"", printable(escaped, kLineLimit));
}

/// As json_of(), for text output.
std::optional<std::string> text_of(const FieldValue& value, QueryText query_text) {
  using Text = std::optional<std::string>;
  return std::visit(Overloaded{
                        [](std::int64_t number) -> Text { return fmt::format("{}", number); },
                        [](double number) -> Text { return fmt::format("{}", number); },
                        [](bool flag) -> Text { return flag ? "true" : "false"; },
                        [](const std::string& text) -> Text { return safe_value(text); },
                        [&](const RawQuery& query) -> Text {
                          const auto shown = shown_query(query, query_text);
                          if (!shown) return std::nullopt;
                          return safe_value(*shown);
                        },
                        [](Duration duration) -> Text { return safe_value(to_rough_text(duration)); },
                        [](ServerTime time) -> Text { return safe_value(to_text(time)); },
                    },
                    value);
}

std::string_view name_for_people(std::string_view name, const FieldValue& value) {
  if (std::holds_alternative<Duration>(value) && name.ends_with("_s")) name.remove_suffix(2);
  return name;
}

std::string_view colour_of(Level level) {
  switch (level) {
    case Level::kDebug:
      return "\x1b[2m";
    case Level::kInfo:
      return "";
    case Level::kNotice:
      return "\x1b[1;36m";
    case Level::kWarning:
      return "\x1b[1;33m";
    case Level::kError:
      break;
  }
  return "\x1b[1;31m";
}

}  // namespace

std::string to_json(const Event& event, std::string_view timestamp, QueryText query_text) {
  nlohmann::ordered_json object;
  object.emplace("ts", std::string(timestamp));
  object.emplace("level", std::string(name_of(event.level)));
  object.emplace("event", name_of(event.kind));
  object.emplace("message", cut(event.message));
  if (!event.server.empty()) object.emplace("server", cut(event.server));
  for (const auto& [name, value] : event.fields) {
    auto json = json_of(value, query_text);
    if (json) object.emplace(std::string(name), std::move(*json));
  }
  if (!event.id.empty()) object.emplace("id", event.id);
  if (event.server_time) object.emplace("server_time", iso_8601(*event.server_time));
  return to_ascii(object);
}

std::string to_line(const Event& event, std::string_view timestamp, QueryText query_text, bool colour) {
  const auto paint = colour ? colour_of(event.level) : std::string_view();
  const std::string_view end_of_paint = paint.empty() ? "" : "\x1b[0m";
  auto line = fmt::format("{} {}{:<7}{} {}", timestamp, paint, name_of(event.level), end_of_paint,
                          printable(event.message, kMessageLimit));
  std::string_view gap = "  ";
  if (!event.server.empty()) {
    line += fmt::format("  server={}", safe_value(event.server));
    gap = " ";
  }
  for (const auto& [name, value] : event.fields) {
    const auto text = text_of(value, query_text);
    if (!text) continue;
    line += fmt::format("{}{}={}", gap, name_for_people(name, value), *text);
    gap = " ";
  }
  return line;
}

std::string to_brief_line(const Event& event, std::string_view timestamp, bool colour) {
  const auto paint = colour ? colour_of(event.level) : std::string_view();
  auto line = fmt::format("{} ", timestamp);
  if (event.level != Level::kInfo) {
    line += fmt::format("{}{}:{} ", paint, name_of(event.level), paint.empty() ? "" : "\x1b[0m");
  }
  line += printable(event.message, kMessageLimit);
  for (const auto& [name, value] : event.fields) {
    const auto* text = std::get_if<std::string>(&value);
    if (name == "hint" && text != nullptr) line += fmt::format("\n  hint: {}", printable(*text, kLineLimit));
  }
  return line;
}

char priority_of(Level level) {
  switch (level) {
    case Level::kDebug:
      return '7';
    case Level::kInfo:
      return '6';
    case Level::kNotice:
      return '5';
    case Level::kWarning:
      return '4';
    case Level::kError:
      break;
  }
  return '3';
}

}  // namespace pgcurfew
