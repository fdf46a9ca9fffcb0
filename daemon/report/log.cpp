#include "report/log.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdio>
#include <ctime>
#include <string>

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/stat.h>

#include "report/render.hpp"

namespace pgcurfew {

namespace {

constexpr int kPatienceMs = 20;

/// Keeps a write to a broken pipe from raising SIGPIPE, whatever the process does with that signal, and
/// without touching what other code has set up for it; libpq does the same.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigemptyset(&sigpipe_);
    sigaddset(&sigpipe_, SIGPIPE);
    sigset_t pending;
    sigemptyset(&pending);
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
  }
  ~NoSigpipe() {
    if (!was_pending_) {
      const timespec at_once{};
      while (sigtimedwait(&sigpipe_, nullptr, &at_once) == -1 && errno == EINTR) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

 private:
  sigset_t sigpipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

bool is_writable(int descriptor, int patience_ms) {
  pollfd ready{descriptor, POLLOUT, 0};
  // an interrupted wait counts as over: it is bounded either way
  return poll(&ready, 1, patience_ms) == 1 && (ready.revents & POLLOUT) != 0;
}

char priority_of(Level level) {  // syslog's
  switch (level) {
    case Level::kDebug:
      return '7';
    case Level::kInfo:
      return '6';
    case Level::kNotice:
      return '5';
    case Level::kWarning:
      return '4';
    case Level::kError:
      break;
  }
  return '3';
}

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
    case Level::kNotice:  // spdlog has none
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      break;
  }
  return spdlog::level::err;
}

std::string time_of_day_text() {
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  tm local{};
  localtime_r(&now, &local);
  return fmt::format("{:02}:{:02}:{:02}", local.tm_hour, local.tm_min, local.tm_sec);
}

std::string wall_clock_text(LogFormat format) {
  using namespace std::chrono;
  if (format == LogFormat::kBrief) return time_of_day_text();
  const auto now = floor<milliseconds>(system_clock::now());
  const auto day = floor<days>(now);
  const year_month_day date(day);
  const hh_mm_ss clock(now - day);
  return fmt::format("{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     format == LogFormat::kJson ? 'T' : ' ', clock.hours().count(), clock.minutes().count(),
                     clock.seconds().count(), clock.subseconds().count());
}

}  // namespace

/// Writes lines to a descriptor without ever waiting for long. Pieces of at most PIPE_BUF bytes, each after
/// poll(): a pipe or socket that is writable takes such a piece without blocking, although the descriptor may
/// be a blocking one. (Making it non-blocking would do so for all who share it, the user's shell first.)
class Log::Sink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  explicit Sink(int descriptor)
      : base_sink(std::make_unique<spdlog::pattern_formatter>("%v", spdlog::pattern_time_type::utc, "\n")),
        descriptor_(descriptor) {}

  [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }
  void count_lost() noexcept { ++lost_; }
  void set_lost(std::uint64_t lost) noexcept { lost_ = lost; }
  [[nodiscard]] bool is_ready() const noexcept { return is_writable(descriptor_, 0); }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    // the rest of a line that was torn must not run into this one
    if (is_torn_) line.push_back('\n');
    formatter_->format(message, line);
    const auto written = write_all({line.data(), line.size()});
    if (written == line.size()) {
      is_torn_ = false;
      is_stalled_ = false;
      return;
    }
    if (written > 0) is_torn_ = written > 1 || !is_torn_;
    is_stalled_ = true;
    ++lost_;
  }

  void flush_() override {}  // nothing is buffered

 private:
  /// How much of it was taken.
  std::size_t write_all(std::string_view bytes) {
    const NoSigpipe guard;
    const auto patience_end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
    std::size_t written = 0;
    while (written < bytes.size()) {
      const auto rest =
          std::chrono::ceil<std::chrono::milliseconds>(patience_end - std::chrono::steady_clock::now());
      // who kept us waiting for one line does not do so for the next
      const int patience_ms = is_stalled_ ? 0 : std::clamp(static_cast<int>(rest.count()), 0, kPatienceMs);
      if (!is_writable(descriptor_, patience_ms)) break;
      const auto piece = bytes.substr(written, PIPE_BUF);
      const auto count = ::write(descriptor_, piece.data(), piece.size());
      if (count > 0) {
        written += static_cast<std::size_t>(count);
      } else if (count == 0 || errno != EINTR) {
        break;  // EPIPE, ENOSPC, EAGAIN, ...: counted by the caller, there is nowhere to tell
      }
    }
    return written;
  }

  int descriptor_;
  bool is_torn_ = false;
  bool is_stalled_ = false;
  std::uint64_t lost_ = 0;
};

struct Log::Inside {
  explicit Inside(const LogOptions& wanted)
      : options(wanted), sink(std::make_shared<Sink>(wanted.descriptor)), logger("pgcurfew", sink) {
    logger.set_level(wanted.show_debug ? spdlog::level::debug : spdlog::level::info);
    // without this spdlog would write of its failures to stderr, and swallow them
    logger.set_error_handler([lines = sink](const std::string&) { lines->count_lost(); });
  }

  void write(const Event& event) {
    const auto level = spdlog_level(event.level);
    if (!logger.should_log(level)) return;
    const auto time = wall_clock_text(options.format);
    std::string line;
    if (options.journal_prefix) line = {'<', priority_of(event.level), '>'};
    line += text_of(event, time);
    // a string_view and no arguments: spdlog takes it as it is, braces and all
    logger.log(level, spdlog::string_view_t(line));
  }

  std::string text_of(const Event& event, std::string_view time) const {
    switch (options.format) {
      case LogFormat::kJson:
        return to_json(event, time, options.query_text);
      case LogFormat::kText:
        return to_line(event, time, options.query_text, options.colour);
      case LogFormat::kBrief:
        break;
    }
    return to_brief_line(event, time, options.colour);
  }

  void tell_of_lost_lines() {
    const auto count = sink->lost() - told_lost;
    if (count == 0 || !sink->is_ready()) return;
    const auto before = sink->lost();
    Event event;
    event.level = Level::kWarning;
    event.kind = "log_lost";
    event.message = "events could not be written to the log";
    event.fields.emplace_back("lost", static_cast<std::int64_t>(count));
    write(event);
    if (sink->lost() == before) {
      told_lost = before;
    } else {
      sink->set_lost(before);  // nobody misses this one
    }
  }

  LogOptions options;
  std::shared_ptr<Sink> sink;
  spdlog::logger logger;
  std::uint64_t told_lost = 0;
};

bool is_journal(int descriptor, const char* journal_stream) noexcept {
  if (journal_stream == nullptr) return false;
  struct stat status {};
  if (fstat(descriptor, &status) != 0) return false;
  // compared as text: the kernel's numbers are unsigned, and a malformed value equals nothing
  char expected[64] = {};
  const int length =
      std::snprintf(expected, sizeof expected, "%ju:%ju", static_cast<std::uintmax_t>(status.st_dev),
                    static_cast<std::uintmax_t>(status.st_ino));
  return length > 0 && std::string_view(expected) == journal_stream;
}

Log::Log(const LogOptions& options) : inside_(std::make_unique<Inside>(options)) {}
Log::~Log() = default;

void Log::write(const Event& event) noexcept {
  try {
    inside_->tell_of_lost_lines();
    inside_->write(event);
  } catch (...) {  // out of memory; enforcement goes on without this line
    inside_->sink->count_lost();
  }
}

void Log::set_query_text(QueryText query_text) noexcept {
  inside_->options.query_text = query_text;
}

std::uint64_t Log::lost() const noexcept {
  return inside_->sink->lost();
}

}  // namespace pgcurfew
