#include "report/record.hpp"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "report/unfinished.hpp"

namespace pgcurfew {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kMostAtOnce = std::size_t{1} << 20U;
constexpr auto kRetry = milliseconds(250);
/// The pause between two syncs that nothing waits for.
constexpr auto kSyncPause = seconds(1);
constexpr auto kStopDeadline = seconds(1);

WallTime wall_time_now() {
  return WallTime(std::chrono::floor<Duration>(std::chrono::system_clock::now().time_since_epoch()));
}

/// Threads inherit what is blocked: signals are for the loop's thread, which may not have asked for them yet.
class NoSignals {
 public:
  NoSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~NoSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;

 private:
  sigset_t before_{};
};

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
  void remove_old();
  void finish_earlier_runs();
  std::vector<std::string> take_batch();
  void note_progress(std::unique_lock<std::mutex>& held);

  std::unique_ptr<SegmentFiles> files;
  const std::string run;
  Segments segments;  ///< of the thread that appends

  std::mutex mutex;  ///< guards all below
  std::condition_variable changed;
  RecordBounds bounds;
  std::function<void()> on_progress;  ///< empty: nobody listens any more
  std::deque<std::string> waiting;
  std::size_t waiting_bytes = 0;
  std::uint64_t handed_over = 0;
  std::uint64_t appended = 0;
  std::uint64_t synced = 0;
  std::uint64_t lost = 0;
  std::optional<Error> append_trouble;
  std::optional<Error> sync_trouble;
  std::set<std::string> to_sync;
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
  std::vector<std::string> batch;
  while (true) {
    changed.wait(held, [&] { return is_stopping || !waiting.empty(); });
    if (waiting.empty()) break;
    batch = take_batch();
    while (true) {
      const auto wanted = bounds;
      const bool was_last_try = is_stopping;
      held.unlock();
      const auto before = segments.current();
      auto result = segments.append(batch, wanted, wall_time_now());
      held.lock();
      if (result) {
        append_trouble.reset();
        appended += batch.size();
        for (const auto& event : batch) waiting_bytes -= event.size();
        to_sync.insert(segments.current());
        const bool is_new = segments.current() != before;
        note_progress(held);
        if (is_new) {
          held.unlock();
          remove_old();
          held.lock();
        }
        break;
      }
      append_trouble = std::move(result.error());
      note_progress(held);
      if (was_last_try) break;
      changed.wait_for(held, kRetry, [&] { return is_stopping; });
    }
    if (append_trouble) break;
  }
  has_appended_all = true;
  note_progress(held);
}

void Record::Inside::remove_old() {
  std::unique_lock held(mutex);
  const auto wanted = bounds;
  held.unlock();
  const auto gone = segments.remove_old(wanted, wall_time_now());
  if (!gone || gone->by_size == 0) return;  // the next segment will try again
  held.lock();
  removed.by_size += gone->by_size;
  removed.until = gone->until;
  note_progress(held);
}

void Record::Inside::sync_all() {
  finish_earlier_runs();
  std::unique_lock held(mutex);
  while (true) {
    changed.wait(held, [&] { return has_appended_all || !to_sync.empty(); });
    if (to_sync.empty()) break;
    if (!bounds.is_required)
      changed.wait_for(held, kSyncPause, [&] { return is_stopping || bounds.is_required; });
    const auto names = std::exchange(to_sync, {});
    const auto until = appended;
    held.unlock();
    std::optional<Error> trouble;
    for (const auto& name : names) {
      if (auto result = files->sync(name); !result) trouble = std::move(result.error());
    }
    held.lock();
    // what could not be synced will never count as synced: the kernel may have dropped it. What is appended
    // later, and synced with success, does not depend on it.
    sync_trouble = std::move(trouble);
    if (!sync_trouble) synced = until;
    note_progress(held);
  }
  has_synced_all = true;
  note_progress(held);
}

void Record::Inside::finish_earlier_runs() {
  auto ends = find_unfinished(*files, run);
  std::unique_lock held(mutex);
  unfinished = std::move(ends);
  if (!unfinished.empty()) note_progress(held);
}

Record::Record(std::unique_ptr<SegmentFiles> files, std::string run, const RecordBounds& bounds,
               std::function<void()> on_progress)
    : inside_(std::make_shared<Inside>(std::move(files), std::move(run), bounds, std::move(on_progress))) {
  // without it another process may report what this one has begun as unfinished
  [[maybe_unused]] const auto begun = inside_->files->begin_run(inside_->run);
  const NoSignals no_signals;
  const auto start = [&](void (Inside::*work)()) {
    std::thread([inside = inside_, work] { (inside.get()->*work)(); }).detach();
  };
  try {
    start(&Inside::append_all);
  } catch (const std::system_error& error) {
    inside_->append_trouble = failure(std::string("could not start a thread: ") + error.what()).value();
    inside_->has_appended_all = true;
  }
  try {
    start(&Inside::sync_all);
  } catch (const std::system_error& error) {
    inside_->sync_trouble = failure(std::string("could not start a thread: ") + error.what()).value();
    inside_->has_synced_all = true;
  }
}

Record::~Record() {
  std::unique_lock held(inside_->mutex);
  inside_->is_stopping = true;
  inside_->on_progress = nullptr;
  inside_->changed.notify_all();
  const bool has_ended = inside_->changed.wait_for(
      held, kStopDeadline, [&] { return inside_->has_appended_all && inside_->has_synced_all; });
  if (has_ended) inside_->files->end_run();
}

std::optional<std::uint64_t> Record::append(std::string event) {
  const std::unique_lock held(inside_->mutex);
  if (inside_->waiting_bytes + event.size() > kMostWaiting || inside_->has_appended_all) {
    ++inside_->lost;
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

Record::Progress Record::progress() {
  const std::unique_lock held(inside_->mutex);
  Progress progress;
  progress.done = inside_->bounds.is_required ? inside_->synced : inside_->appended;
  progress.lost = inside_->lost;
  progress.trouble = inside_->append_trouble ? inside_->append_trouble : inside_->sync_trouble;
  progress.removed = std::exchange(inside_->removed, {});
  progress.unfinished = std::exchange(inside_->unfinished, {});
  return progress;
}

}  // namespace pgcurfew
