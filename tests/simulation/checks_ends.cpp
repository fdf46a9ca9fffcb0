// Every reported beginning has exactly one end, and that is the right one.

#include <algorithm>

#include "simulation/checks.hpp"

namespace pgcurfew::simulation {

Checks::EpisodeName Checks::episode_of(const Order& order) {
  return {order.episode, order.rule + order.drain};
}

Checks::EpisodeName Checks::episode_of(const Event& event) {
  return {
      field_of<std::string>(event, "episode").value_or(""),
      field_of<std::string>(event, "rule").value_or("") + field_of<std::string>(event, "drain").value_or("")};
}

/// Every reported beginning has exactly one end.
void Checks::note_end(Book& book, const Event& event) {
  const auto key = episode_of(event);
  if (key.first.empty()) return;
  const bool is_outcome = event.kind == Kind::kOutcome;
  if (is_outcome && book.ended.contains(key)) throw Violation("one-end", "it had ended: " + event.message);
  if (event.kind == Kind::kIntent || event.kind == Kind::kSuperseded) {
    if (book.ended.contains(key)) throw Violation("one-end", "it had ended: " + event.message);
    book.open.insert(key);
  }
  if (event.kind != Kind::kEnded) return;
  ++tally_.ends[field_of<std::string>(event, "end").value_or("")];
  if (book.open.erase(key) == 0) throw Violation("one-end", "nothing was to end: " + event.message);
  book.ended.insert(key);
  book.ended_now.insert(key);
  check_end(book, event);
}

/// The reported end does not contradict the world.
void Checks::check_end(const Book& book, const Event& event) const {
  const auto end = field_of<std::string>(event, "end").value_or("");
  const auto pid = field_of<std::int64_t>(event, "pid").value_or(0);
  const auto row =
      !book.look ? nullptr : row_of(*book.look, pid, field_of<ServerTime>(event, "backend_start"));
  if ((end == "gone" || end == "unseen") && row != nullptr)
    throw Violation("false-claim", event.message + ", and it is there");
  if ((end == "by_itself" || end == "spared" || end == "unkillable") && row == nullptr)
    throw Violation("false-claim", event.message + ", and it is not there");
  const auto found = book.signals_of.find(episode_of(event));
  const auto sent = found == book.signals_of.end() ? EpisodeSignals() : found->second;
  if (end == "by_us" && sent.ordered == sent.refused)
    throw Violation("false-claim", event.message + ", and none was sent");
  if ((end == "by_itself" || end == "gone") && sent.signalled > 0)
    throw Violation("false-claim", event.message + ", and one was sent");
  const auto others = others_signals(book, event);
  if ((end == "by_itself" || end == "gone") && others == Others::kSignalled)
    throw Violation("false-claim", event.message + ", and another claim's signal was sent");
  if (end == "by_another_claim" && others == Others::kNone)
    throw Violation("false-claim", event.message + ", and no other claim has sent one");
}

/// What other claims have sent to the event's session. For claims that were in force until this turn this is
/// known; earlier ones may have sent a signal.
Checks::Others Checks::others_signals(const Book& book, const Event& event) {
  const auto pid = field_of<std::int64_t>(event, "pid").value_or(0);
  const auto backend_start = field_of<ServerTime>(event, "backend_start");
  if (!backend_start) return Others::kMayHaveSignalled;
  const auto found = book.ordered_for.find({static_cast<std::int32_t>(pid), *backend_start});
  auto most = Others::kNone;
  if (found == book.ordered_for.end()) return most;
  for (const auto& name : found->second) {
    const auto& sent = book.signals_of.at(name);
    if (name == episode_of(event) || sent.ordered == sent.refused) continue;
    const bool stood = book.open.contains(name) || book.ended_now.contains(name);
    most = std::max(most, stood && sent.signalled > 0 ? Others::kSignalled : Others::kMayHaveSignalled);
  }
  return most;
}

const Backend* Checks::row_of(const LookCopy& look, std::int64_t pid,
                              std::optional<ServerTime> backend_start) {
  const auto found = std::find_if(look.rows.begin(), look.rows.end(), [&](const auto& entry) {
    return entry.first.pid == pid && entry.first.backend_start == backend_start;
  });
  return found == look.rows.end() ? nullptr : &found->second;
}

/// Every episode that was reported and has not ended is still in the ledger.
void Checks::check_open(const Book& book, const Watch& watch, bool is_look) {
  std::size_t open = 0;
  for (const auto& [key, episode] : watch.ledger().episodes) {
    if (episode.id.empty()) continue;
    ++open;
    if (!book.open.contains({episode.id, episode.claimant}))
      throw Violation("one-end", "nothing was told of episode " + episode.id);
    const bool is_settled = book.look && !episode.in_flight && !book.taken_back_now.contains(episode.id) &&
                            episode.look_needed <= book.look->number;
    if (!is_look || !is_settled || book.look_asked.at(book.look->number) < book.policy_since) continue;
    if (!book.look->rows.contains(key.session))
      throw Violation("one-end",
                      fmt::format("pid {} is gone, and episode {} goes on", key.session.pid, episode.id));
  }
  open += watch.ledger().leaving.size();
  if (open != book.open.size()) {
    throw Violation("one-end", fmt::format("{} episodes were told of and have no end, and {} go on",
                                           book.open.size(), open));
  }
}

void Checks::on_stopped(int instance) {
  const auto& book = books_[instance];
  if (book.open.empty()) return;
  throw Violation("one-end", fmt::format("episode {} of {} has no end, and the instance has stopped",
                                         book.open.begin()->first, book.open.begin()->second));
}

}  // namespace pgcurfew::simulation
