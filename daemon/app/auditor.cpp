#include "app/auditor.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "app/audit_place.hpp"
#include "base/words.hpp"
#include "events/fields.hpp"
#include "system/disk_segments.hpp"
#include "system/file_lock.hpp"
#include "system/state_files.hpp"

namespace pgcurfew {

namespace {

/// How often it is checked that no place hangs.
constexpr Duration kCheckInterval = std::chrono::seconds(5);
/// A place that takes longer to answer is as good as one that fails.
constexpr auto kLongestAnswer = std::chrono::seconds(15);
constexpr Duration kLeaveInterval = std::chrono::milliseconds(100);
/// The least time between two reports of refused events.
constexpr Duration kRefusedInterval = std::chrono::minutes(1);
constexpr auto kFinishDeadline = std::chrono::milliseconds(500);

}  // namespace

Auditor::Auditor(Loop& loop, Recorder& recorder, const std::vector<AuditTarget>& targets, Listener listener)
    : recorder_(recorder),
      listener_(std::move(listener)),
      wakeup_(loop, [this] { hear(); }),
      timer_(loop, [this] { hear(); }) {
  replace_targets(targets);
}

bool Auditor::finish() {
  const auto deadline = std::chrono::steady_clock::now() + kFinishDeadline;
  for (auto& copy : copies_) {
    if (copy.follower) leaving_.push_back(std::move(copy));
  }
  copies_.clear();
  for (const auto& gone : leaving_) gone.follower->stop();
  std::erase_if(leaving_, [&](const Copy& gone) { return gone.follower->wait(deadline); });
  return leaving_.empty();
}

void Auditor::replace_targets(const std::vector<AuditTarget>& targets) {
  auto before = std::exchange(copies_, {});
  for (const auto& target : targets) {
    const auto same = std::find_if(before.begin(), before.end(),
                                   [&](const Copy& copy) { return is_same(copy.target, target); });
    if (same == before.end()) {
      add(target);
      continue;
    }
    copies_.push_back(std::move(*same));
    before.erase(same);
  }
  for (auto& gone : before) {
    if (!gone.follower) continue;
    gone.follower->stop();
    const auto state = gone.follower->state();
    auto& counted = counted_[gone.name];
    counted.copied += state.copied;
    counted.lost += state.missed + state.refused.count;
    leaving_.push_back(std::move(gone));
  }
  if (!copies_.empty() || !leaving_.empty()) timer_.arm(Loop::now());
}

void Auditor::add(const AuditTarget& target) {
  auto& copy = copies_.emplace_back();
  copy.target = target;
  copy.name = name_of(target);
  copy.cursor = cursor_of(target);
  copy.wanted_at = Loop::now();
}

void Auditor::start(Copy& copy) {
  // one at a time writes to a place
  const bool is_busy = std::any_of(leaving_.begin(), leaving_.end(),
                                   [&](const Copy& gone) { return gone.cursor == copy.cursor; });
  if (is_busy) return;
  if (!safe_end_) safe_end_ = recorder_.watch_safe_end();
  if (!safe_end_) return;
  const auto& directory = *recorder_.directory();
  RecordFollower::Parts parts;
  parts.record = std::make_unique<DiskSegments>(directory);
  parts.cursors = StateFiles::owned_in(directory);
  parts.cursor = copy.cursor;
  parts.claim = [lock = std::make_shared<FileLock>(directory + "/" + copy.cursor + ".lock")] {
    return lock->take();
  };
  parts.run = recorder_.run();
  parts.run_began_at = recorder_.began_at();
  parts.safe_end = safe_end_;
  parts.sink = open_sink(copy.target);
  copy.follower = std::make_unique<RecordFollower>(std::move(parts), wakeup_.caller());
}

void Auditor::hear() {
  std::erase_if(leaving_, [](const Copy& gone) { return gone.follower->wait({}); });
  for (auto& copy : copies_) {
    if (!copy.follower) start(copy);
    settle(copy);
  }
  if (!copies_.empty() || !leaving_.empty())
    timer_.arm(Loop::now() + (leaving_.empty() ? kCheckInterval : kLeaveInterval));
  listener_.changed();
}

std::optional<Error> Auditor::trouble_of(const Copy& copy, const RecordFollower::State& state) const {
  if (state.trouble) return state.trouble;
  if (state.offers_since && std::chrono::steady_clock::now() >= *state.offers_since + kLongestAnswer)
    return failure(fmt::format("no answer within {} s", kLongestAnswer.count())).value();
  if (copy.follower) return std::nullopt;
  if (!safe_end_) return failure("there is no record to copy from").value();
  if (Loop::now() < copy.wanted_at + kCheckInterval) return std::nullopt;
  return failure("it has not answered since before its settings changed").value();
}

void Auditor::settle(Copy& copy) {
  const auto state = copy.follower ? copy.follower->state() : RecordFollower::State();
  const auto trouble = trouble_of(copy, state);
  copy.trouble = trouble ? printable(trouble->message, 400) : std::string();
  if (trouble && !copy.failed_at) {
    copy.failed_at = Loop::now();
    copy.fails_since = Loop::wall_time();
    Event event(Kind::kAuditFailed, fmt::format("events cannot be copied to {}, and wait in the record: {}",
                                                copy.name, printable(trouble->message, 400)));
    event.add(field::kAudit, copy.name);
    event.add(*trouble);
    listener_.tell(std::move(event));
  } else if (!trouble && copy.failed_at) {
    Event event(Kind::kAuditAgain, fmt::format("events are copied to {} again", copy.name));
    event.add(field::kAudit, copy.name);
    event.add(field::kOutageS, Loop::now() - *copy.failed_at);
    copy.failed_at.reset();
    copy.fails_since.reset();
    listener_.tell(std::move(event));
  }
  tell_lost(copy, state);
}

void Auditor::tell_lost(Copy& copy, const RecordFollower::State& state) {
  const auto tell = [&](std::uint64_t lost, std::string message, const std::optional<Error>& why) {
    Event event(Kind::kAuditLost, std::move(message));
    event.add(field::kAudit, copy.name);
    event.add(field::kLost, lost);
    if (why) event.add(*why);
    listener_.tell(std::move(event));
  };
  if (state.missed > copy.told_missed) {
    const auto lost = state.missed - std::exchange(copy.told_missed, state.missed);
    tell(lost,
         fmt::format("{} events were not copied to {}: they are no longer in the record, or damaged there",
                     lost, copy.name),
         std::nullopt);
  }
  // its own event may be refused, too
  const auto now = Loop::now();
  const bool may_tell = !copy.told_refused_at || now >= *copy.told_refused_at + kRefusedInterval;
  if (state.refused.count > copy.told_refused && may_tell) {
    copy.told_refused_at = now;
    const auto lost = state.refused.count - std::exchange(copy.told_refused, state.refused.count);
    const auto& why = state.refused.why;
    tell(lost,
         fmt::format("{} events were not copied to {}: it refuses them{}{}", lost, copy.name, why ? ": " : "",
                     why ? printable(why->message, 400) : ""),
         why);
  }
}

std::vector<PlacePicture> Auditor::places() const {
  const auto end = safe_end_ ? safe_end_->get().next : 0;
  std::vector<PlacePicture> places;
  for (const auto& copy : copies_) {
    const auto state = copy.follower ? copy.follower->state() : RecordFollower::State();
    const auto before = counted_.find(copy.name);
    auto& place = places.emplace_back(before == counted_.end() ? PlacePicture() : before->second);
    place.name = copy.name;
    place.copied += state.copied;
    place.lost += state.missed + state.refused.count;
    place.waiting = state.next > 0 && end > state.next ? end - state.next : 0;
    place.fails_since = copy.fails_since;
    place.trouble = copy.trouble;
  }
  return places;
}

}  // namespace pgcurfew
