#include "report/segments.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "report/record_line.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kPrefix = "record-";
/// A record of its full size is in that many segments, so that what is removed at once is a small part.
constexpr std::int64_t kSegmentsPerSize = 32;
constexpr Duration kLongestSegment = std::chrono::hours(24);
/// Longer than any line: each text in an event is cut at 4 kB, and an event has a few dozen.
constexpr std::size_t kLongestLine = std::size_t{1} << 20U;
constexpr std::size_t kWindow = 2 * kLongestLine;
constexpr std::int64_t kLargestSegment = std::int64_t{64} << 20U;
constexpr std::uint64_t kShortestLine = 32;

template <class Number>
bool read_number(std::string_view& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

class Lock {
 public:
  explicit Lock(SegmentFiles& files) : files_(files), taken_(files.lock()) {}
  ~Lock() {
    if (taken_) files_.unlock();
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  [[nodiscard]] const Result<void>& taken() const { return taken_; }

 private:
  SegmentFiles& files_;
  Result<void> taken_;
};

Duration longest_segment(const RecordBounds& bounds) {
  return std::min<Duration>(kLongestSegment, bounds.keep / 30);
}

}  // namespace

std::string name_of(const SegmentName& segment) {
  // the digits keep the alphabetical order that of the numbers
  return fmt::format("{}{:020}-{}{}", kPrefix, segment.first, segment.created.time_since_epoch().count(),
                     kRecordSuffix);
}

std::optional<SegmentName> parse_segment_name(std::string_view file) {
  if (!file.starts_with(kPrefix) || !file.ends_with(kRecordSuffix)) return std::nullopt;
  auto rest = file.substr(kPrefix.size(), file.size() - kPrefix.size() - kRecordSuffix.size());
  SegmentName segment;
  std::int64_t created = 0;
  if (!read_number(rest, segment.first) || !rest.starts_with('-')) return std::nullopt;
  if (segment.first > kLargestSequence) return std::nullopt;
  rest.remove_prefix(1);
  if (!read_number(rest, created) || !rest.empty()) return std::nullopt;
  segment.created = WallTime(Duration(created));
  return name_of(segment) == file ? std::optional(segment) : std::nullopt;
}

Result<std::vector<std::string>> list_segments(const SegmentFiles& files) {
  auto names = files.list();
  if (!names) return names;
  std::erase_if(*names, [](const std::string& name) { return !parse_segment_name(name); });
  return names;
}

/// What a failed append has left, unless another process has gone on from there.
Result<void> Segments::cut_what_failed() {
  if (!to_cut_) return {};
  const auto size = files_.size(to_cut_->segment);
  if (size && *size == to_cut_->found) {
    if (auto cut = files_.truncate(to_cut_->segment, to_cut_->kept); !cut) return cut;
  }
  to_cut_.reset();
  return {};
}

/// After the start, after a failure, and when another process has appended.
Result<void> Segments::find_end() {
  if (auto cut = cut_what_failed(); !cut) return cut;
  const auto names = list_segments(files_);
  if (!names) return tl::make_unexpected(names.error());
  if (names->empty()) {
    current_.clear();
    size_ = 0;
    next_ = 1;
    is_known_ = true;
    return {};
  }
  const auto& last = names->back();
  const auto size = files_.size(last);
  if (!size) return tl::make_unexpected(size.error());
  if (is_known_ && last == current_ && *size == size_) return {};
  return read_end(last, *size);
}

/// Finds the last line that is whole, and cuts off what follows the last newline. A segment without one in as
/// many bytes as we ever append is not ours: the record goes on in another one, with numbers that it cannot
/// have.
Result<void> Segments::read_end(const std::string& segment, std::uint64_t size) {
  for (std::uint64_t window = kWindow;; window *= 2) {
    const auto from = size - std::min(size, window);
    const auto read = files_.read(segment, from, static_cast<std::size_t>(size - from));
    if (!read) return tl::make_unexpected(read.error());
    const auto tail = std::string_view(read->has_value() ? **read : std::string_view());
    const auto complete = tail.rfind('\n') + 1;  // 0: there is none
    auto rest = tail.substr(0, complete);
    std::optional<std::uint64_t> last;
    std::uint64_t damaged = 0;
    while (!rest.empty() && !last) {
      rest.remove_suffix(1);
      const auto begin = rest.rfind('\n') + 1;
      last = sequence_of(rest.substr(begin));
      if (!last) ++damaged;
      rest = rest.substr(0, begin);
    }
    if (!last && from > 0) {
      if (window < static_cast<std::uint64_t>(kLargestSegment)) continue;
      next_ = std::min(parse_segment_name(segment)->first + size / kShortestLine, kLargestSequence);
      current_.clear();
      size_ = 0;
      is_known_ = true;
      return {};
    }
    if (from + complete < size) {
      if (auto cut = files_.truncate(segment, from + complete); !cut) return cut;
    }
    // damaged lines had numbers, too
    next_ = (last ? *last + 1 : parse_segment_name(segment)->first) + damaged;
    current_ = segment;
    size_ = from + complete;
    is_known_ = true;
    return {};
  }
}

Result<void> Segments::append(const std::vector<std::string>& events, const RecordBounds& bounds,
                              WallTime now) {
  const Lock lock(files_);
  if (!lock.taken()) return lock.taken();
  auto appended = append_locked(events, bounds, now);
  if (!appended) is_known_ = false;
  return appended;
}

Result<void> Segments::look_for_end() {
  const Lock lock(files_);
  if (!lock.taken()) return lock.taken();
  return find_end();
}

Result<void> Segments::append_locked(const std::vector<std::string>& events, const RecordBounds& bounds,
                                     WallTime now) {
  if (auto found = find_end(); !found) return found;
  const auto name = parse_segment_name(current_);
  const auto most = static_cast<std::uint64_t>(std::min(bounds.size / kSegmentsPerSize, kLargestSegment));
  const bool is_old = name && (now - name->created >= longest_segment(bounds) || now < name->created);
  if (!name || size_ >= most || is_old) {
    current_ = name_of({next_, now});
    size_ = 0;
  }
  std::string bytes;
  auto next = next_;
  for (const auto& event : events) bytes.append(seal(event, next++, run_)).push_back('\n');
  if (auto written = files_.append(current_, bytes); !written) {
    if (!files_.truncate(current_, size_)) {
      // whole lines of it may be there, which would be appended a second time
      const auto size = files_.size(current_);
      to_cut_ = {current_, size_, size.value_or(size_)};
    }
    return written;
  }
  size_ += bytes.size();
  next_ = next;
  return {};
}

Result<void> Segments::remove_old(const RecordBounds& bounds, WallTime now, Removed& removed) {
  const Lock lock(files_);
  if (!lock.taken()) return lock.taken();
  const auto names = list_segments(files_);
  if (!names) return tl::make_unexpected(names.error());
  std::vector<std::uint64_t> sizes;
  std::uint64_t total = 0;
  for (const auto& name : *names) {
    const auto size = files_.size(name);
    if (!size) return tl::make_unexpected(size.error());
    sizes.push_back(*size);
    total += *size;
  }
  // an event is older than all later segments; the clock may have been set back since
  std::vector<WallTime> ends(names->size(), WallTime::max());
  for (std::size_t i = names->size(); i-- > 1;) {
    ends[i - 1] = std::min(ends[i], parse_segment_name((*names)[i])->created);
  }
  // the last one is never removed: it has the number of the next event
  for (std::size_t i = 0; i + 1 < names->size(); ++i) {
    const bool is_old = ends[i] + bounds.keep < now;
    if (!is_old && total <= static_cast<std::uint64_t>(bounds.size)) break;
    if (auto gone = files_.remove((*names)[i]); !gone) return gone;
    total -= sizes[i];
    if (is_old) continue;
    const auto next = *parse_segment_name((*names)[i + 1]);
    removed.by_size += next.first - parse_segment_name((*names)[i])->first;
    removed.until = next.created;
  }
  return {};
}

Result<bool> RecordReader::find_segment() {
  const auto names = list_segments(files_);
  if (!names) return tl::make_unexpected(names.error());
  const auto is_later = [&](const std::string& name) {
    const auto segment = *parse_segment_name(name);
    if (segment_.empty() && not_before_) return segment.created > *not_before_;
    return segment.first > next_;
  };
  auto found = std::find_if(names->begin(), names->end(), is_later);
  // the one before may have it
  if (found != names->begin() && (segment_.empty() || *std::prev(found) > segment_)) --found;
  if (found == names->end() || *found == segment_) return false;
  const auto first = parse_segment_name(*found)->first;
  if (segment_.empty() && not_before_) next_ = first;
  if (first > next_) {
    missed_ += first - next_;
    next_ = first;
  }
  segment_ = *found;
  offset_ = 0;
  return true;
}

void RecordReader::take(std::string_view text, std::vector<RecordedEvent>& lines) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const auto seq = sequence_of(line);
    if (!seq) ++damaged_;
    if (!seq || *seq < next_) continue;
    missed_ += *seq - next_;
    next_ = *seq + 1;
    lines.push_back({*seq, std::string(line)});
  }
}

/// How much may be read of the present segment at once.
std::size_t RecordReader::window(const std::optional<SafeEnd::Position>& end) const {
  if (!end || segment_ < end->segment) return kWindow;
  if (segment_ > end->segment || offset_ >= end->size) return 0;
  return static_cast<std::size_t>(std::min<std::uint64_t>(kWindow, end->size - offset_));
}

Result<std::vector<RecordedEvent>> RecordReader::read(const std::optional<SafeEnd::Position>& end) {
  std::vector<RecordedEvent> lines;
  if (segment_.empty()) {
    const auto found = find_segment();
    if (!found) return tl::make_unexpected(found.error());
    if (!*found) return lines;
  }
  while (lines.empty()) {
    const auto most = window(end);
    if (most == 0) break;
    const auto read = files_.read(segment_, offset_, most);
    if (!read) return tl::make_unexpected(read.error());
    const auto text = std::string_view(read->has_value() ? **read : std::string_view());
    const auto complete = text.rfind('\n') + 1;
    if (complete > 0) {
      take(text.substr(0, complete), lines);
      offset_ += complete;
      continue;
    }
    if (text.size() == kWindow) {
      // longer than any line
      ++damaged_;
      offset_ += text.size();
      continue;
    }
    // it may have been removed; the next one is complete, or the present end
    const auto found = find_segment();
    if (!found) return tl::make_unexpected(found.error());
    if (!*found) break;
  }
  return lines;
}

}  // namespace pgcurfew
