#include "report/history.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "events/catalogue.hpp"

namespace pgcurfew {

namespace {

using Json = History::Json;

/// What concerns the line, and not the decision.
constexpr std::array<std::string_view, 7> kOfLine{"seq", "run", "crc", "level", "event", "message", "id"};

/// Adds the fields that are not there yet.
void merge(Json& decision, const Json& event) {
  for (const auto& [key, value] : event.items()) {
    if (std::find(kOfLine.begin(), kOfLine.end(), key) != kOfLine.end()) continue;
    if (!decision.contains(key)) decision[key] = value;
  }
}

}  // namespace

std::string to_ascii(const Json& json) {
  constexpr bool kAscii = true;
  return json.dump(-1, ' ', kAscii, Json::error_handler_t::replace);
}

std::string text_in(const Json& event, std::string_view key) {
  const auto found = event.find(std::string(key));
  return found != event.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<double> number_in(const Json& event, std::string_view key) {
  const auto found = event.find(std::string(key));
  return found != event.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
}

History::EpisodeName History::episode_of(const Json& event) {
  return {text_in(event, "episode"), text_in(event, "rule"), text_in(event, "drain")};
}

Json* History::decision_of(const Json& event) {
  const auto found = by_id_.find(text_in(event, "decision"));
  return found == by_id_.end() ? nullptr : &decisions_[found->second];
}

void History::begin(const Json& event) {
  const auto number = decisions_.size();
  by_id_[text_in(event, "decision")] = number;
  by_episode_[episode_of(event)] = number;
  merge(decisions_.emplace_back(Json::object()), event);
}

void History::finish_episode(const Json& event) {
  const auto found = by_episode_.extract(episode_of(event));
  if (found.empty()) return;
  auto& last = decisions_[found.mapped()];
  last["end"] = text_in(event, "end");
  if (event.contains("since_step_s")) last["since_step_s"] = event["since_step_s"];
}

void History::take(std::string_view line) {
  const auto event = Json::parse(line, nullptr, false);
  if (event.is_object()) take_event(event);
}

void History::take_event(const Json& event) {
  const auto kind = text_in(event, "event");
  if (kind == name_of(Kind::kIntent)) return begin(event);
  if (kind == name_of(Kind::kEnded)) return finish_episode(event);
  auto* decision = decision_of(event);
  if (decision == nullptr) return;
  if (kind == name_of(Kind::kOutcome)) merge(*decision, event);
  if (kind == name_of(Kind::kVerified)) (*decision)["effect"] = text_in(event, "effect");
  if (kind == name_of(Kind::kIntentLate)) (*decision)["late"] = true;
  if (kind == name_of(Kind::kUnkillable)) (*decision)["unkillable"] = true;
}

namespace {

bool is_kind(const Json& event, Kind kind) {
  return text_in(event, "event") == name_of(kind);
}

/// The names that the database of this event has had.
std::set<std::string> names_of_database(const std::vector<Json>& events, const Json& of) {
  std::set<std::string> names{text_in(of, "database")};
  for (std::size_t before = 0; before != names.size();) {
    before = names.size();
    for (const auto& event : events) {
      if (!is_kind(event, Kind::kGateRenamed)) continue;
      const auto now = text_in(event, "database");
      const auto then = text_in(event, "renamed_from");
      if (names.contains(now) || names.contains(then)) names.insert({now, then});
    }
  }
  return names;
}

}  // namespace

std::vector<Json> story_of_gate(const std::vector<Json>& events, const Json& of) {
  const auto names = names_of_database(events, of);
  const auto decision = text_in(of, "decision");
  std::vector<Json> story;
  bool has_decision = false;
  bool is_over = false;
  for (const auto& event : events) {
    if (text_in(event, "server") != text_in(of, "server") ||
        text_in(event, "drain") != text_in(of, "drain") || !names.contains(text_in(event, "database")) ||
        !text_in(event, "session_id").empty() || is_kind(event, Kind::kGateRehearsed))
      continue;
    const bool is_it = text_in(event, "decision") == decision;
    // another process may have opened it just before this decision's own answer
    if (is_over && has_decision && !is_it) continue;
    if (is_over && !has_decision) {
      story.clear();
      is_over = false;
    }
    story.push_back(event);
    has_decision = has_decision || is_it;
    is_over = is_over || is_kind(event, Kind::kGateOpened) || is_kind(event, Kind::kGateOverridden) ||
              is_kind(event, Kind::kGateGone);
  }
  return story;
}

}  // namespace pgcurfew
