#include "report/unfinished.hpp"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/iso_time.hpp"
#include "base/words.hpp"
#include "events/catalogue.hpp"
#include "events/fields.hpp"
#include "report/segments.hpp"

namespace pgcurfew {

namespace {

using Json = nlohmann::json;

std::string text_in(const Json& event, std::string_view key) {
  const auto found = event.find(key);
  return found != event.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// One claim on one session: several claims can have the same id, that of the order that counted for all.
using EpisodeName = std::tuple<std::string, std::string, std::string>;

EpisodeName episode_of(const Json& event) {
  return {text_in(event, "episode"), text_in(event, "rule"), text_in(event, "drain")};
}

/// Cheaper than to parse each line: it cannot be a text of a client, whose quotes are escaped.
bool is_of_interest(std::string_view line) {
  static const std::array kWanted{
      fmt::format(R"("event":"{}")", name_of(Kind::kIntent)),
      fmt::format(R"("event":"{}")", name_of(Kind::kSuperseded)),
      fmt::format(R"("event":"{}")", name_of(Kind::kEnded)),
  };
  return std::any_of(kWanted.begin(), kWanted.end(),
                     [&](const std::string& wanted) { return line.find(wanted) != std::string_view::npos; });
}

Event end_of(const Json& begun) {
  const auto pid = begun.value("pid", Json(0)).is_number_integer() ? begun.value("pid", 0) : 0;
  const auto rule = text_in(begun, "rule");
  const auto drain = text_in(begun, "drain");
  Event event(Kind::kEnded,
              fmt::format("pid {}, {} {}: pgcurfew ended before it saw what became of it", pid,
                          drain.empty() ? "rule" : "drain", printable(drain.empty() ? rule : drain)));
  event.server = text_in(begun, "server");
  const auto copy = [&](EventField<std::string> field) {
    if (auto text = text_in(begun, field.name); !text.empty()) event.add(field, std::move(text));
  };
  copy(field::kDecision);
  copy(field::kRule);
  copy(field::kDrain);
  copy(field::kPolicy);
  event.add(field::kPid, pid);
  copy(field::kSessionId);
  if (const auto start = parse_iso_8601(text_in(begun, field::kBackendStart.name)))
    event.add(field::kBackendStart, server_time_of(*start));
  copy(field::kMode);
  copy(field::kStep);
  copy(field::kEpisode);
  event.add(field::kEnd, "daemon_stopped");
  copy(field::kDatabase);
  copy(field::kUser);
  return event;
}

}  // namespace

std::vector<Event> find_unfinished(const SegmentFiles& files, std::string_view own_run) {
  std::map<EpisodeName, Json> open;  ///< what each was last
  RecordReader reader(files);
  while (true) {
    const auto lines = reader.read();
    if (!lines || lines->empty()) break;
    for (const auto& line : *lines) {
      if (!is_of_interest(line.text)) continue;
      auto event = Json::parse(line.text, nullptr, false);
      if (!event.is_object()) continue;
      auto name = episode_of(event);
      if (text_in(event, "event") == name_of(Kind::kEnded)) {
        open.erase(name);
      } else {
        open.insert_or_assign(std::move(name), std::move(event));
      }
    }
  }
  std::map<std::string, bool> runs;
  std::vector<Event> ends;
  for (const auto& [name, begun] : open) {
    const auto run = text_in(begun, "run");
    if (run == own_run) continue;
    const auto [entry, is_new] = runs.try_emplace(run, false);
    if (is_new) entry->second = files.is_running(run);
    if (!entry->second) ends.push_back(end_of(begun));
  }
  return ends;
}

}  // namespace pgcurfew
