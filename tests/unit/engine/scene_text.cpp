// A scene and its decisions as text.
#include <algorithm>
#include <ostream>

#include <fmt/format.h>

#include "engine/scene.hpp"

namespace pgcurfew::testing {

namespace {

std::string text_of_seconds(std::optional<ServerTime> time) {
  if (!time) return "NULL";
  return fmt::format("{:.6f}", std::chrono::duration<double>(*time - kStart).count());
}

std::string text_of(const EpisodeKey& key, const Episode& e) {
  return fmt::format("  episode ({} of {}, r{}): anchor {} next_step {} stepped_at {} look_needed {}{}{}{}\n",
                     key.session.pid, text_of_seconds(key.session.backend_start), key.claimant.rule,
                     text_of_seconds(e.anchor), e.next_step, text_of_seconds(e.stepped_at), e.look_needed,
                     e.in_flight ? " in flight" : "", e.is_carried ? " carried" : "",
                     e.is_closed ? " closed" : "");
}

template <class T>
bool is_unchanged(const Unchanged<T>& guarded, const std::optional<T>& row) {
  return !guarded.has_value() || *guarded == row;
}

}  // namespace

void open_wide(Policy& policy) {
  policy.safety.signals = 1000000;
  policy.safety.share = 1000000;
}

DueSteps take_due(Desk& desk, Duration now) {
  const auto before = desk.ledger.episodes;
  (void)desk.decide_at(now);
  DueSteps due;
  for (const auto& [key, episode] : desk.ledger.episodes) {
    const auto earlier = before.find(key);
    const bool is_old =
        earlier != before.end() && earlier->second.in_flight && earlier->second.decision == episode.decision;
    if (episode.in_flight && !is_old) due.emplace(key.session, key.claimant.rule, episode.ordered_step);
  }
  return due;
}

bool is_subset(const DueSteps& some, const DueSteps& all) {
  return std::includes(all.begin(), all.end(), some.begin(), some.end());
}

bool guard_holds(const Guard& guard, const Session& row, ServerTime moment) {
  if (row.key != guard.session || row.is_own || row.backend_type != guard.backend_type) return false;
  if (row.wait_event == "SyncRep") return false;
  if (moment < guard.not_before || moment > guard.not_after) return false;
  expect_only(guard, {Field::kWaitEventType, Field::kWaitEvent, Field::kApplicationName}, {Field::kQueryId});
  return is_unchanged(guard.xact_start, row.xact_start) && is_unchanged(guard.query_start, row.query_start) &&
         is_unchanged(guard.state_change, row.state_change) && holds_state(guard, row.state) &&
         holds(guard, Field::kWaitEventType, row.wait_event_type) &&
         holds(guard, Field::kWaitEvent, row.wait_event) &&
         holds(guard, Field::kApplicationName, row.application_name) &&
         holds(guard, Field::kQueryId, row.query_id);
}

std::string text_of(const Session& s) {
  return fmt::format(
      "  pid {} backend_start {} xact_start {} query_start {} state_change {} state {} {} db {} user {} app "
      "{} wait {}/{} query {} query_id {}{}{}{}\n",
      s.key.pid, text_of_seconds(s.key.backend_start), text_of_seconds(s.xact_start),
      text_of_seconds(s.query_start), text_of_seconds(s.state_change), s.state ? name_of(*s.state) : "NULL",
      s.backend_type, s.database.value_or("NULL"), s.user.value_or("NULL"),
      s.application_name.value_or("NULL"), s.wait_event_type.value_or("NULL"), s.wait_event.value_or("NULL"),
      s.query.value_or("NULL"), s.query_id ? std::to_string(*s.query_id) : "NULL", s.is_local ? " local" : "",
      s.is_own ? " own" : "", s.leader_pid ? " worker" : "");
}

void showValue(const PolicySpec& spec, std::ostream& out) {
  out << yaml_of(spec);
}

void showValue(const Scene& scene, std::ostream& out) {
  out << "now " << text_of_seconds(at(scene.now)) << ", look " << scene.desk.seen.number << " of "
      << scene.desk.ledger.looks_sent << ", at most " << scene.desk.policy.safety.signals << " signals\n"
      << yaml_of(scene.spec);
  for (const auto& session : scene.desk.seen.sessions) out << text_of(session);
  for (const auto& [key, episode] : scene.desk.ledger.episodes) out << text_of(key, episode);
  for (const auto& [key, look] : scene.desk.ledger.touched)
    out << "  touched: pid " << key.pid << ", look " << look << '\n';
  for (const auto& key : scene.desk.ledger.denied) out << "  denied: pid " << key.pid << '\n';
}

}  // namespace pgcurfew::testing
