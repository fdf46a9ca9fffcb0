#include "report/follower.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "report/detached.hpp"
#include "report/segments.hpp"
#include "report/wall_clock.hpp"

namespace pgcurfew {

namespace {

using std::chrono::milliseconds;

/// The most events and bytes that are offered at once.
constexpr std::size_t kMostOffered = 500;
constexpr std::size_t kMostBytesOffered = std::size_t{256} << 10U;
constexpr auto kFirstRetry = milliseconds(500);
constexpr auto kLastRetry = milliseconds(30'000);
/// The record is read again at least this often.
constexpr auto kLongestWait = milliseconds(10'000);

/// The number in a cursor; empty if the file is damaged.
std::optional<std::uint64_t> parse_cursor(std::string_view text) {
  std::uint64_t next = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), next);
  const auto rest = text.substr(static_cast<std::size_t>(end - text.data()));
  return error == std::errc() && next > 0 && rest == "\n" ? std::optional(next) : std::nullopt;
}

}  // namespace

struct RecordFollower::Inside {
  Inside(Parts all, std::function<void()> call) : parts(std::move(all)), on_change(std::move(call)) {}

  void run();
  Result<bool> begin(const SafeEnd::Position& end);
  [[nodiscard]] Result<std::uint64_t> find_own_run() const;
  [[nodiscard]] Result<bool> has_reached(std::uint64_t seq, const SafeEnd::Position& end) const;
  Result<bool> copy_some();
  Result<void> offer();
  Result<void> write_cursor();
  void note(const Result<void>& result);
  void pause();

  const Parts parts;
  const WallTime began_at = wall_time_now();
  // of the thread
  std::optional<RecordReader> reader;
  std::vector<RecordedEvent> waiting;  ///< read, and not taken yet
  std::uint64_t taken_until = 0;       ///< the number after the last event that was taken
  std::uint64_t written = 0;           ///< the number in the cursor
  milliseconds retry = kFirstRetry;

  mutable std::mutex mutex;  ///< guards all below
  mutable std::condition_variable changed;
  State state;
  std::function<void()> on_change;  ///< empty: it is not called any more
  bool is_stopping = false;
  bool has_ended = false;

  [[nodiscard]] bool stops() const {
    const std::unique_lock held(mutex);
    return is_stopping;
  }
};

void RecordFollower::Inside::run() {
  while (true) {
    auto some = copy_some();
    if (!some) {
      note(tl::make_unexpected(std::move(some.error())));
      if (stops()) break;
      pause();
      continue;
    }
    note({});
    if (*some) continue;
    if (stops()) break;
    const auto known = parts.safe_end->get();
    parts.safe_end->wait(kLongestWait, [&](const SafeEnd::Position& end) { return end != known || stops(); });
  }
  const std::unique_lock held(mutex);
  has_ended = true;
  changed.notify_all();
}

void RecordFollower::Inside::pause() {
  std::unique_lock held(mutex);
  changed.wait_for(held, retry, [&] { return is_stopping; });
  retry = std::min(retry * 2, kLastRetry);
}

void RecordFollower::Inside::note(const Result<void>& result) {
  std::function<void()> call;
  {
    const std::unique_lock held(mutex);
    const bool is_news = result.has_value() == state.trouble.has_value() ||
                         (!result && state.trouble->message != result.error().message);
    state.trouble = result ? std::nullopt : std::optional(result.error());
    if (is_news) call = on_change;
  }
  if (result) retry = kFirstRetry;
  if (call) call();
}

/// The first event of our run, or the end if it has none yet.
Result<std::uint64_t> RecordFollower::Inside::find_own_run() const {
  const auto own = fmt::format(R"(,"run":"{}",)", parts.run);
  RecordReader scan(*parts.record);
  scan.skip_to(began_at);
  while (true) {
    const auto lines = scan.read();
    if (!lines) return tl::make_unexpected(lines.error());
    for (const auto& line : *lines) {
      if (line.text.find(own) != std::string::npos) return line.seq;
    }
    if (lines->empty()) return scan.next();
  }
}

/// Whether the record has come to that event: otherwise another record has taken its place.
Result<bool> RecordFollower::Inside::has_reached(std::uint64_t seq, const SafeEnd::Position& end) const {
  RecordReader probe(*parts.record, seq);
  const auto lines = probe.read(end);
  if (!lines) return tl::make_unexpected(lines.error());
  return !lines->empty();
}

/// Finds the first event to copy. Returns whether it is known.
Result<bool> RecordFollower::Inside::begin(const SafeEnd::Position& end) {
  if (auto found = parts.cursors->find(); !found) return tl::make_unexpected(found.error());
  const auto text = parts.cursors->read(parts.cursor);
  if (!text) return tl::make_unexpected(text.error());
  if (!text->has_value()) {
    // at once, so that a crash loses no event of this run
    const auto first = find_own_run();
    if (!first) return tl::make_unexpected(first.error());
    taken_until = *first;
    if (auto result = write_cursor(); !result) return tl::make_unexpected(result.error());
    reader.emplace(*parts.record, *first);
    return true;
  }
  if (end.segment.empty()) return false;
  // of a damaged cursor nothing is known: rather all events once more than one never
  auto next = parse_cursor(**text).value_or(1);
  if (next > 1) {
    const auto reached = has_reached(next - 1, end);
    if (!reached) return tl::make_unexpected(reached.error());
    if (!*reached) next = 1;
  }
  taken_until = written = next;
  reader.emplace(*parts.record, next);
  return true;
}

/// Returns whether there may be more right now.
Result<bool> RecordFollower::Inside::copy_some() {
  const auto end = parts.safe_end->get();
  if (!reader) {
    const auto begun = begin(end);
    if (!begun || !*begun) return begun;
  }
  if (written != taken_until) {
    if (auto result = write_cursor(); !result) return tl::make_unexpected(result.error());
  }
  if (waiting.empty()) {
    auto lines = reader->read(end);
    if (!lines) return tl::make_unexpected(lines.error());
    if (lines->empty()) return false;
    waiting = std::move(*lines);
  }
  if (auto offered = offer(); !offered) return tl::make_unexpected(offered.error());
  return true;
}

Result<void> RecordFollower::Inside::offer() {
  std::vector<RecordedEvent> events;
  std::size_t bytes = 0;
  for (const auto& event : waiting) {
    bytes += event.text.size();
    if (!events.empty() && (events.size() == kMostOffered || bytes > kMostBytesOffered)) break;
    events.push_back(event);
  }
  const auto set_since = [&](std::optional<std::chrono::steady_clock::time_point> since) {
    const std::unique_lock held(mutex);
    state.offers_since = since;
  };
  set_since(std::chrono::steady_clock::now());
  auto refused = parts.sink->take(events);
  set_since(std::nullopt);
  if (!refused) return tl::make_unexpected(refused.error());
  taken_until = events.back().seq + 1;
  waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(events.size()));
  std::function<void()> call;
  {
    const std::unique_lock held(mutex);
    state.next = taken_until;
    state.copied += events.size() - refused->count;
    const auto missed = reader->missed();
    const bool has_lost = missed > state.missed || refused->count > 0;
    state.missed = missed;
    state.refused.count += refused->count;
    if (refused->why) state.refused.why = refused->why;
    if (has_lost) call = on_change;
  }
  if (call) call();
  return write_cursor();
}

Result<void> RecordFollower::Inside::write_cursor() {
  auto result = parts.cursors->write(parts.cursor, fmt::format("{}\n", taken_until));
  if (result) written = taken_until;
  return result;
}

RecordFollower::RecordFollower(Parts parts, std::function<void()> on_change)
    : inside_(std::make_shared<Inside>(std::move(parts), std::move(on_change))) {
  const auto started = start_detached([inside = inside_] { inside->run(); });
  if (started) return;
  const std::unique_lock held(inside_->mutex);
  inside_->state.trouble = started.error();
  inside_->has_ended = true;
}

RecordFollower::~RecordFollower() {
  stop();
  const std::unique_lock held(inside_->mutex);
  inside_->on_change = nullptr;
}

RecordFollower::State RecordFollower::state() const {
  const std::unique_lock held(inside_->mutex);
  return inside_->state;
}

void RecordFollower::stop() {
  {
    const std::unique_lock held(inside_->mutex);
    inside_->is_stopping = true;
    inside_->changed.notify_all();
  }
  inside_->parts.safe_end->wake();
}

bool RecordFollower::wait(std::chrono::steady_clock::time_point deadline) const {
  std::unique_lock held(inside_->mutex);
  return inside_->changed.wait_until(held, deadline, [&] { return inside_->has_ended; });
}

}  // namespace pgcurfew
