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
#include "report/record_line.hpp"
#include "report/segments.hpp"

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

/// How far a place is: the number of the next event, and what identifies the one before.
struct Cursor {
  std::uint64_t next = 0;
  std::string before;  ///< its checksum; empty: there is none

  bool operator==(const Cursor&) const = default;
};

std::string text_of(const Cursor& cursor) {
  return fmt::format("{} {}\n", cursor.next, cursor.before);
}

/// Empty if the file is damaged.
std::optional<Cursor> parse_cursor(std::string_view text) {
  Cursor cursor;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cursor.next);
  const auto rest = text.substr(static_cast<std::size_t>(end - text.data()));
  if (error != std::errc() || cursor.next == 0 || !rest.starts_with(' ') || !rest.ends_with('\n'))
    return std::nullopt;
  cursor.before = rest.substr(1, rest.size() - 2);
  return cursor;
}

}  // namespace

struct RecordFollower::Inside {
  Inside(Parts all, std::function<void()> call) : parts(std::move(all)), on_change(std::move(call)) {}

  void run();
  Result<bool> begin(const SafeEnd::Position& end);
  [[nodiscard]] Result<std::uint64_t> find_own_run() const;
  [[nodiscard]] Result<bool> is_of_this_record(const Cursor& at, const SafeEnd::Position& end) const;
  Result<bool> copy_some(const SafeEnd::Position& end);
  Result<void> offer();
  Result<void> write_cursor();
  void note(const Result<void>& result);
  void pause();

  Parts parts;
  // of the thread
  std::optional<RecordReader> reader;
  std::vector<RecordedEvent> waiting;  ///< read, and not taken yet
  Cursor cursor;
  bool is_cursor_written = false;
  std::uint64_t missed_before = 0;  ///< of records that were replaced
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
    // asked before it is read: what comes in between is not slept through
    const bool is_last = stops();
    const auto known = parts.safe_end->get();
    auto some = copy_some(known);
    if (!some) {
      note(tl::make_unexpected(std::move(some.error())));
      if (is_last) break;
      pause();
      continue;
    }
    note({});
    if (*some) continue;
    if (is_last) break;
    parts.safe_end->wait(kLongestWait, [&](const SafeEnd::Position& end) { return end != known || stops(); });
  }
  // closing may block, so it is not left to whoever drops this
  parts.sink.reset();
  const std::unique_lock held(mutex);
  has_ended = true;
  changed.notify_all();
  if (on_change) on_change();
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
  scan.skip_to(parts.run_began_at);
  while (true) {
    const auto lines = scan.read();
    if (!lines) return tl::make_unexpected(lines.error());
    for (const auto& line : *lines) {
      if (line.text.find(own) != std::string::npos) return line.seq;
    }
    if (lines->empty()) return scan.next();
  }
}

/// Whether the record still has the event before the cursor, as far as it can be told: another record may
/// have taken its place.
Result<bool> RecordFollower::Inside::is_of_this_record(const Cursor& at, const SafeEnd::Position& end) const {
  if (at.before.empty()) return true;
  RecordReader probe(*parts.record, at.next - 1);
  const auto lines = probe.read(end);
  if (!lines) return tl::make_unexpected(lines.error());
  if (lines->empty()) return false;
  const auto& first = lines->front();
  // without it, it was removed since: it was old
  return first.seq >= at.next || checksum_in(first.text) == at.before;
}

/// Finds the first event to copy. Returns whether it is known.
Result<bool> RecordFollower::Inside::begin(const SafeEnd::Position& end) {
  if (auto claimed = parts.claim(); !claimed) return tl::make_unexpected(claimed.error());
  if (auto found = parts.cursors->find(); !found) return tl::make_unexpected(found.error());
  const auto text = parts.cursors->read(parts.cursor);
  if (!text) return tl::make_unexpected(text.error());
  if (!text->has_value()) {
    // at once, so that a crash loses no event of this run
    const auto first = find_own_run();
    if (!first) return tl::make_unexpected(first.error());
    cursor = {*first, {}};
    if (auto result = write_cursor(); !result) return tl::make_unexpected(result.error());
  } else {
    if (end.segment.empty()) return false;
    // of a damaged cursor nothing is known: rather all events once more than one never
    cursor = parse_cursor(**text).value_or(Cursor{1, {}});
    const auto is_same = is_of_this_record(cursor, end);
    if (!is_same) return tl::make_unexpected(is_same.error());
    if (!*is_same) cursor = {1, {}};
    // nothing was copied yet: where it was to begin may not have survived
    if (cursor.before.empty() && end.next > 0) cursor.next = std::min(cursor.next, end.next);
    is_cursor_written = true;
  }
  reader.emplace(*parts.record, cursor.next);
  const std::unique_lock held(mutex);
  state.next = cursor.next;
  missed_before = state.missed;
  return true;
}

/// Returns whether there may be more right now.
Result<bool> RecordFollower::Inside::copy_some(const SafeEnd::Position& end) {
  // another record has taken its place
  if (reader && !cursor.before.empty() && end.next > 0 && end.next < cursor.next) {
    reader.reset();
    waiting.clear();
  }
  if (!reader) {
    auto begun = begin(end);
    if (!begun || !*begun) return begun;
  }
  if (!is_cursor_written) {
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
  cursor = {events.back().seq + 1, std::string(checksum_in(events.back().text))};
  waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(events.size()));
  std::function<void()> call;
  {
    const std::unique_lock held(mutex);
    state.next = cursor.next;
    state.copied += events.size() - refused->count;
    const auto missed = missed_before + reader->missed();
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
  auto result = parts.cursors->write(parts.cursor, text_of(cursor));
  is_cursor_written = result.has_value();
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
