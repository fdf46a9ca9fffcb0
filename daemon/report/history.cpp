#include "report/history.hpp"

#include <algorithm>
#include <array>
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

}  // namespace pgcurfew
