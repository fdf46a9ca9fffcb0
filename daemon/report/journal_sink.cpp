#include "report/journal_sink.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "base/words.hpp"
#include "events/catalogue.hpp"
#include "report/history.hpp"
#include "report/render.hpp"

namespace pgcurfew {

namespace {

using OrderedJson = History::Json;

constexpr std::size_t kLongestMessage = 2000;

std::string field_name(std::string_view key) {
  std::string name = "PGCURFEW_";
  for (const char c : key) name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return name;
}

std::string text_of(const OrderedJson& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

char priority_at(const OrderedJson& event) {
  const auto name = text_in(event, "level");
  for (const auto level : {Level::kDebug, Level::kInfo, Level::kNotice, Level::kWarning}) {
    if (name == name_of(level)) return priority_of(level);
  }
  return priority_of(Level::kError);
}

}  // namespace

std::vector<std::string> journal_fields(const std::string& line) {
  const auto event = OrderedJson::parse(line, nullptr, false);
  if (!event.is_object()) return {};
  auto message = text_in(event, "message");
  if (const auto hint = text_in(event, "hint"); !hint.empty()) message += " (" + hint + ")";
  std::vector<std::string> fields{"MESSAGE=" + printable(message, kLongestMessage),
                                  std::string("PRIORITY=") + priority_at(event),
                                  "SYSLOG_IDENTIFIER=pgcurfew"};
  if (const auto* kind = find_kind(text_in(event, "event"))) {
    fields.push_back("MESSAGE_ID=" + std::string(kind->message_id));
  }
  for (const auto& [key, value] : event.items()) {
    if (key == "message" || key == "level" || key == "crc") continue;
    fields.push_back(field_name(key) + "=" + text_of(value));
  }
  return fields;
}

Result<AuditSink::Refused> JournalSink::take(const std::vector<RecordedEvent>& events) {
  Refused refused;
  // after an error the same are offered again
  auto next = std::find_if(events.begin(), events.end(),
                           [&](const RecordedEvent& event) { return event.text == last_; });
  next = next == events.end() ? events.begin() : std::next(next);
  for (; next != events.end(); ++next) {
    const auto fields = journal_fields(next->text);
    if (fields.empty()) {
      ++refused.count;
      continue;
    }
    if (auto sent = send_(fields); !sent) return tl::make_unexpected(sent.error());
    last_ = next->text;
  }
  return refused;
}

}  // namespace pgcurfew
