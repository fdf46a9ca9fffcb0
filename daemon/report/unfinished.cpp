#include "report/unfinished.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/iso_time.hpp"
#include "base/words.hpp"
#include "events/catalogue.hpp"
#include "events/fields.hpp"
#include "report/history.hpp"
#include "report/segments.hpp"

namespace pgcurfew {

namespace {

using Json = History::Json;

/// Cheaper than to parse each line: it cannot be a text of a client, whose quotes are escaped.
bool is_of_interest(std::string_view line) {
  // literals: the process may end while this runs
  static constexpr std::array<std::string_view, 3> kWanted{R"("event":"intent")", R"("event":"superseded")",
                                                           R"("event":"ended")"};
  return std::any_of(kWanted.begin(), kWanted.end(),
                     [&](std::string_view wanted) { return line.find(wanted) != std::string_view::npos; });
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
    if (auto text = text_in(begun, field.name); !text.empty())
      event.fields.emplace_back(field.name, std::move(text));
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

/// What was begun and has not ended, and what it was last.
class Open {
 public:
  void take(const std::string& line) {
    if (!is_of_interest(line)) return;
    auto event = Json::parse(line, nullptr, false);
    if (!event.is_object()) return;
    auto name = History::episode_of(event);
    if (text_in(event, "event") == name_of(Kind::kEnded)) {
      all_.erase(name);
    } else {
      all_.insert_or_assign(std::move(name), std::move(event));
    }
  }
  void leave_out(const std::function<bool(const std::string& run)>& runs) {
    std::erase_if(all_, [&](const auto& entry) { return runs(text_in(entry.second, "run")); });
  }
  [[nodiscard]] std::vector<Event> ends() const {
    std::vector<Event> ends;
    for (const auto& entry : all_) ends.push_back(end_of(entry.second));
    return ends;
  }

 private:
  std::map<History::EpisodeName, Json> all_;
};

}  // namespace

std::vector<Event> find_unfinished(const SegmentFiles& files, std::string_view own_run,
                                   const std::function<bool()>& is_cancelled) {
  Open open;
  RecordReader reader(files);
  const auto read_on = [&] {
    while (!is_cancelled()) {
      const auto lines = reader.read();
      if (!lines) return false;
      if (lines->empty()) return true;
      for (const auto& line : *lines) open.take(line.text);
    }
    return false;
  };
  // their ends may be in what cannot be read
  if (!read_on()) return {};
  std::map<std::string, bool> runs{{std::string(own_run), true}};
  open.leave_out([&](const std::string& run) {
    const auto [entry, is_new] = runs.try_emplace(run, true);
    if (is_new) entry->second = files.is_running(run);
    return entry->second;
  });
  // a process may have written its ends, and gone, while the record was read
  if (!read_on()) return {};
  open.leave_out([&](const std::string& run) { return !runs.contains(run) || runs.at(run); });
  return open.ends();
}

}  // namespace pgcurfew
