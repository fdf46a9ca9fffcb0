#include "app/recorder.hpp"

#include <chrono>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/iso_time.hpp"
#include "base/words.hpp"
#include "events/fields.hpp"
#include "report/render.hpp"
#include "system/disk_segments.hpp"
#include "system/state_files.hpp"

namespace pgcurfew {

namespace {

/// A disk that takes longer is as good as one that fails.
constexpr Duration kLongestStall = std::chrono::seconds(5);

Event failed_event(const Error& error, bool is_required) {
  Event event(Kind::kRecordFailed,
              fmt::format("the record cannot be written: {}; {}", printable(error.message, 400),
                          is_required ? "it is required, so no signal is sent and no gate is closed"
                                      : "signals are still sent"));
  event.add(error);
  event.add(field::kRequired, is_required);
  return event;
}

Event shortened_event(const Removed& removed) {
  Event event(Kind::kRecordShortened,
              fmt::format("the record has reached its size: {} events from before {} were removed",
                          removed.by_size, iso_8601(removed.until)));
  event.add(field::kLost, removed.by_size);
  event.add(field::kUntil, server_time_of(removed.until));
  return event;
}

}  // namespace

Recorder::Recorder(Loop& loop, const Policy& policy, Listener listener)
    : listener_(std::move(listener)),
      wakeup_(loop, [this] { hear(); }),
      timer_(loop, [this] { hear(); }),
      query_text_(policy.query_text),
      bounds_(policy.record),
      run_(fmt::format("{:08x}", std::random_device()())),
      began_at_(Loop::wall_time()),
      directory_(find_state_directory(kRecordSuffix)),
      record_(directory_ && wakeup_.is_open()
                  ? std::make_unique<Record>(std::make_unique<DiskSegments>(*directory_), run_, bounds_,
                                             wakeup_.caller())
                  : nullptr) {
  state_.trouble = find_trouble();
  // the listener may not be complete yet
  timer_.arm(Loop::now());
}

std::uint64_t Recorder::append(const Event& event) {
  ++handed_over_;
  if (!record_) return handed_over_;
  const auto number = record_->append(to_json(event, iso_8601(event.wall_time), query_text_));
  if (!number) {
    ++lost_;
    is_full_ = true;
    timer_.arm(Loop::now());
    return handed_over_;
  }
  waiting_.emplace_back(*number, handed_over_);
  if (waiting_.size() > 1) return handed_over_;
  waits_since_ = Loop::now();
  if (!state_.trouble) timer_.arm(waits_since_ + kLongestStall);
  return handed_over_;
}

void Recorder::replace_policy(const Policy& policy) {
  query_text_ = policy.query_text;
  bounds_ = policy.record;
  if (record_) record_->set_bounds(bounds_);
  timer_.arm(Loop::now());
}

std::shared_ptr<SafeEnd> Recorder::watch_safe_end() {
  return record_ ? record_->watch_safe_end() : nullptr;
}

void Recorder::finish_earlier_runs() {
  if (record_) record_->find_unfinished_runs();
}

void Recorder::hear() {
  if (!record_) return settle();
  auto progress = record_->progress();
  while (!waiting_.empty() && waiting_.front().first <= progress.done) {
    state_.done = waiting_.front().second;
    waiting_.pop_front();
    waits_since_ = Loop::now();
  }
  own_trouble_ = std::move(progress.trouble);
  settle();
  // only now: whoever waits for what was lost has heard of the trouble
  if (is_full_ && waiting_.empty()) {
    is_full_ = false;
    settle();
  }
  for (auto& event : progress.unfinished) listener_.tell(std::move(event));
  if (progress.removed.by_size > 0) listener_.tell(shortened_event(progress.removed));
}

RecordPicture Recorder::picture() const {
  RecordPicture picture;
  if (record_) picture.counts = record_->counts();
  picture.lost = record_ ? lost_ : handed_over_;
  picture.is_required = bounds_.is_required;
  if (state_.trouble) picture.trouble = state_.trouble->message;
  return picture;
}

std::optional<Error> Recorder::find_trouble() const {
  if (!record_) {
    return failure("there is no directory for it", {},
                   "Set STATE_DIRECTORY to a directory that pgcurfew may write to.")
        .value();
  }
  if (own_trouble_) return own_trouble_;
  if (is_full_) return failure("too many events wait to be written").value();
  if (!waiting_.empty() && Loop::now() >= waits_since_ + kLongestStall)
    return failure(fmt::format("the disk has not answered for {}", to_text(kLongestStall))).value();
  return std::nullopt;
}

void Recorder::settle() {
  state_.trouble = find_trouble();
  listener_.changed(state_);
  const auto now = Loop::now();
  if (state_.trouble) {
    if (!failed_at_) failed_at_ = now;
    if (told_required_ != bounds_.is_required) {
      told_required_ = bounds_.is_required;
      listener_.tell(failed_event(*state_.trouble, bounds_.is_required));
    }
    return;
  }
  if (failed_at_) {
    Event event(Kind::kRecordAgain, "the record is written again");
    event.add(field::kOutageS, now - *failed_at_);
    failed_at_.reset();
    told_required_.reset();
    listener_.tell(std::move(event));
  }
  if (lost_ > told_lost_) {
    Event event(Kind::kRecordLost,
                fmt::format("{} events are not in the record: too many waited for it", lost_ - told_lost_));
    event.add(field::kLost, lost_ - told_lost_);
    told_lost_ = lost_;
    listener_.tell(std::move(event));
  }
  if (!waiting_.empty()) timer_.arm(waits_since_ + kLongestStall);
}

}  // namespace pgcurfew
