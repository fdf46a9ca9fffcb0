#include "report/record.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <utility>

#include "report/detached.hpp"
#include "report/unfinished.hpp"
#include "report/wall_clock.hpp"

namespace pgcurfew {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kMostAtOnce = std::size_t{1} << 20U;
constexpr auto kRetry = milliseconds(250);
/// The pause between two syncs that nothing waits for.
constexpr auto kSyncPause = seconds(1);
/// How often it is looked for events of other processes, if it matters.
constexpr auto kOthersPause = seconds(1);
constexpr auto kStopDeadline = milliseconds(500);
constexpr auto kStopInTrouble = milliseconds(100);

}  // namespace

struct Record::Inside {
  Inside(std::unique_ptr<SegmentFiles> where, std::string own_run, const RecordBounds& wanted,
         std::function<void()> call)
      : files(std::move(where)),
        run(std::move(own_run)),
        segments(*files, run),
        bounds(wanted),
        on_progress(std::move(call)) {}

  void append_all();
  void sync_all();
  void append(const std::vector<std::string>& batch, std::unique_lock<std::mutex>& held);
  void remove_old(std::unique_lock<std::mutex>& held);
  void look_for_others(std::unique_lock<std::mutex>& held);
  void note_end();
  void find_unfinished_runs();
  std::vector<std::string> take_batch();
  void note_progress(std::unique_lock<std::mutex>& held);

  std::unique_ptr<SegmentFiles> files;
  const std::string run;
  // of the thread that appends
  Segments segments;
  std::string cleaned;  ///< the segment after whose beginning old ones were removed

  std::mutex mutex;  ///< guards all below
  std::condition_variable changed;
  RecordBounds bounds;
  std::function<void()> on_progress;  ///< empty: it is not called any more
  std::deque<std::string> waiting;
  std::size_t waiting_bytes = 0;
  std::uint64_t handed_over = 0;
  std::uint64_t appended = 0;
  std::uint64_t appended_bytes = 0;
  std::uint64_t synced = 0;
  std::optional<Error> append_trouble;
  std::optional<Error> sync_trouble;
  std::optional<Error> unreported;  ///< a trouble that may be over, and was not reported
  std::set<std::string> to_sync;
  SafeEnd::Position end;  ///< of what was appended
  std::shared_ptr<SafeEnd> safe_end = std::make_shared<SafeEnd>();
  bool is_watched = false;  ///< threads read what is safe
  Removed removed;
  std::vector<Event> unfinished;
  bool is_stopping = false;
  bool has_appended_all = false;  ///< the threads have ended
  bool has_synced_all = false;
};

/// Calls back without the lock: the callback may ask for the progress.
void Record::Inside::note_progress(std::unique_lock<std::mutex>& held) {
  const auto call = on_progress;
  held.unlock();
  changed.notify_all();
  if (call) call();
  held.lock();
}

std::vector<std::string> Record::Inside::take_batch() {
  std::vector<std::string> batch;
  std::size_t bytes = 0;
  while (!waiting.empty() && bytes < kMostAtOnce) {
    bytes += waiting.front().size();
    batch.push_back(std::move(waiting.front()));
    waiting.pop_front();
  }
  return batch;
}

void Record::Inside::append_all() {
  std::unique_lock held(mutex);
  while (true) {
    const auto has_work = [&] { return is_stopping || !waiting.empty(); };
    if (!is_watched) {
      changed.wait(held, [&] { return has_work() || is_watched; });
    } else {
      changed.wait_for(held, kOthersPause, has_work);
    }
    if (is_stopping && waiting.empty()) break;
    if (waiting.empty()) {
      look_for_others(held);
      continue;
    }
    append(take_batch(), held);
    if (append_trouble) break;
  }
  has_appended_all = true;
  note_progress(held);
}

/// Tries again until it succeeds; once more when it is time to stop.
void Record::Inside::append(const std::vector<std::string>& batch, std::unique_lock<std::mutex>& held) {
  while (true) {
    const auto wanted = bounds;
    const bool is_last_try = is_stopping;
    held.unlock();
    // without it another process would take what this one has begun for unfinished
    auto result = files->begin_run(run);
    if (result) result = segments.append(batch, wanted, wall_time_now());
    held.lock();
    if (result) {
      append_trouble.reset();
      appended += batch.size();
      for (const auto& event : batch) {
        waiting_bytes -= event.size();
        appended_bytes += event.size();
      }
      note_end();
      note_progress(held);
      if (cleaned != segments.current()) remove_old(held);
      return;
    }
    append_trouble = unreported = std::move(result.error());
    note_progress(held);
    if (is_last_try) return;
    // the disk may be full
    remove_old(held);
    changed.wait_for(held, kRetry, [&] { return is_stopping; });
  }
}

/// What was appended has to be synced, and is safe then.
void Record::Inside::note_end() {
  const auto& segment = segments.current();
  if (!end.segment.empty()) to_sync.insert(end.segment);
  if (!segment.empty()) to_sync.insert(segment);
  end = {segment, segments.size(), segments.next()};
}

void Record::Inside::look_for_others(std::unique_lock<std::mutex>& held) {
  const auto before = end;
  held.unlock();
  const auto found = segments.look_for_end();
  held.lock();
  // a failure is reported when there is something to append
  if (!found || (segments.current() == before.segment && segments.size() == before.size)) return;
  note_end();
  changed.notify_all();
}

void Record::Inside::remove_old(std::unique_lock<std::mutex>& held) {
  const auto wanted = bounds;
  held.unlock();
  Removed gone;
  const auto result = segments.remove_old(wanted, wall_time_now(), gone);
  held.lock();
  if (result) cleaned = segments.current();
  if (gone.by_size == 0) return;
  removed.by_size += gone.by_size;
  removed.until = gone.until;
  note_progress(held);
}

void Record::Inside::sync_all() {
  std::unique_lock held(mutex);
  while (true) {
    changed.wait(held, [&] { return has_appended_all || !to_sync.empty(); });
    if (to_sync.empty()) break;
    if (!bounds.is_required)
      changed.wait_for(held, kSyncPause, [&] { return is_stopping || bounds.is_required; });
    const bool is_last_try = is_stopping;
    const auto names = std::exchange(to_sync, {});
    const auto until = appended;
    const auto safe = end;
    held.unlock();
    std::optional<Error> trouble;
    for (const auto& name : names) {
      if (auto result = files->sync(name); !result) trouble = std::move(result.error());
    }
    held.lock();
    sync_trouble = std::move(trouble);
    if (!sync_trouble) {
      synced = until;
      safe_end->set(safe);
      note_progress(held);
      continue;
    }
    // the kernel may have dropped what could not be written: whoever waits for it hears of the trouble before
    // it counts as synced
    unreported = sync_trouble;
    note_progress(held);
    if (is_last_try) break;
    to_sync.insert(names.begin(), names.end());
    changed.wait_for(held, kRetry, [&] { return is_stopping; });
  }
  has_synced_all = true;
  note_progress(held);
}

void Record::Inside::find_unfinished_runs() {
  auto ends = find_unfinished(*files, run, [this] {
    const std::unique_lock held(mutex);
    return is_stopping;
  });
  files->forget_dead_runs(run);
  std::unique_lock held(mutex);
  unfinished = std::move(ends);
  if (!unfinished.empty()) note_progress(held);
}

Record::Record(std::unique_ptr<SegmentFiles> files, std::string run, const RecordBounds& bounds,
               std::function<void()> on_progress)
    : inside_(std::make_shared<Inside>(std::move(files), std::move(run), bounds, std::move(on_progress))) {
  if (const auto started = start_thread(&Inside::append_all); !started) {
    inside_->append_trouble = started.error();
    inside_->has_appended_all = true;
  }
  if (const auto started = start_thread(&Inside::sync_all); !started) {
    inside_->sync_trouble = started.error();
    inside_->has_synced_all = true;
  }
}

Result<void> Record::start_thread(void (Inside::*work)()) {
  return start_detached([inside = inside_, work] { (inside.get()->*work)(); });
}

void Record::find_unfinished_runs() {
  // without a thread they are found at the next start
  [[maybe_unused]] const auto started = start_thread(&Inside::find_unfinished_runs);
}

Record::~Record() {
  std::unique_lock held(inside_->mutex);
  inside_->is_stopping = true;
  inside_->on_progress = nullptr;
  inside_->changed.notify_all();
  const bool is_in_trouble = inside_->append_trouble || inside_->sync_trouble;
  const bool has_ended = inside_->changed.wait_for(held, is_in_trouble ? kStopInTrouble : kStopDeadline, [&] {
    return inside_->has_appended_all && inside_->has_synced_all;
  });
  if (has_ended) inside_->files->end_run();
}

std::optional<std::uint64_t> Record::append(std::string event) {
  const std::unique_lock held(inside_->mutex);
  if (inside_->waiting_bytes + event.size() > kMostWaiting || inside_->has_appended_all) {
    return std::nullopt;
  }
  inside_->waiting_bytes += event.size();
  inside_->waiting.push_back(std::move(event));
  inside_->changed.notify_all();
  return ++inside_->handed_over;
}

void Record::set_bounds(const RecordBounds& bounds) {
  const std::unique_lock held(inside_->mutex);
  inside_->bounds = bounds;
  inside_->changed.notify_all();
}

std::shared_ptr<SafeEnd> Record::watch_safe_end() {
  const std::unique_lock held(inside_->mutex);
  inside_->is_watched = true;
  inside_->changed.notify_all();
  return inside_->safe_end;
}

Record::Progress Record::progress() {
  const std::unique_lock held(inside_->mutex);
  Progress progress;
  progress.done = inside_->bounds.is_required ? inside_->synced : inside_->appended;
  progress.trouble = inside_->append_trouble ? inside_->append_trouble : inside_->sync_trouble;
  if (!progress.trouble) progress.trouble = inside_->unreported;
  inside_->unreported.reset();
  progress.removed = std::exchange(inside_->removed, {});
  progress.unfinished = std::exchange(inside_->unfinished, {});
  // what is over now is reported as over by the next call
  if (progress.trouble && !inside_->append_trouble && !inside_->sync_trouble && inside_->on_progress) {
    inside_->on_progress();
  }
  return progress;
}

Record::Counts Record::counts() const {
  const std::unique_lock held(inside_->mutex);
  return {inside_->handed_over, inside_->appended, inside_->synced, inside_->appended_bytes,
          inside_->waiting_bytes};
}

}  // namespace pgcurfew
