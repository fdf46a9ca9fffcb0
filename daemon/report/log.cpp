#include "report/log.hpp"

#include <chrono>
#include <cstdio>
#include <ctime>
#include <random>
#include <string>

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/stat.h>

#include "base/iso_time.hpp"
#include "events/fields.hpp"
#include "report/output.hpp"
#include "report/render.hpp"
#include "report/wall_clock.hpp"

namespace pgcurfew {

namespace {

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

std::chrono::sys_time<Duration> system_time_of(WallTime time) {
  return std::chrono::sys_time<Duration>(time.time_since_epoch());
}

std::string time_of_day_text(WallTime time) {
  const auto seconds = std::chrono::system_clock::to_time_t(system_time_of(time));
  tm local{};
  localtime_r(&seconds, &local);
  return fmt::format("{:02}:{:02}:{:02}", local.tm_hour, local.tm_min, local.tm_sec);
}

std::string time_text(WallTime time, LogFormat format) {
  if (format == LogFormat::kBrief) return time_of_day_text(time);
  auto text = iso_8601(time);
  if (format == LogFormat::kText) text[text.find('T')] = ' ';
  return text;
}

}  // namespace

/// Writes lines to an output, and counts those that it could not take.
class Log::Sink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  explicit Sink(int descriptor)
      : base_sink(std::make_unique<spdlog::pattern_formatter>("%v", spdlog::pattern_time_type::utc, "\n")),
        output_(descriptor) {}

  [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }
  void count_lost() noexcept { ++lost_; }
  void set_lost(std::uint64_t lost) noexcept { lost_ = lost; }
  [[nodiscard]] bool is_ready() const noexcept { return output_.is_ready(); }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    // the rest of a torn line must not run into this one
    if (is_torn_) line.push_back('\n');
    formatter_->format(message, line);
    const auto written = output_.write({line.data(), line.size()});
    if (written == line.size()) {
      is_torn_ = false;
      return;
    }
    if (written > 0) is_torn_ = written > 1 || !is_torn_;
    ++lost_;
  }

  void flush_() override {}  // nothing is buffered

 private:
  Output output_;
  bool is_torn_ = false;
  std::uint64_t lost_ = 0;
};

struct Log::Inside {
  explicit Inside(const LogOptions& wanted)
      : options(wanted), sink(std::make_shared<Sink>(wanted.descriptor)), logger("pgcurfew", sink) {
    logger.set_level(wanted.show_debug ? spdlog::level::debug : spdlog::level::info);
    // without this spdlog would report its failures to stderr, and hide them from us
    logger.set_error_handler([lines = sink](const std::string&) { lines->count_lost(); });
  }

  void write(const Event& event) {
    const auto level = spdlog_level(event.level);
    if (!logger.should_log(level)) return;
    const auto time = time_text(event.wall_time, options.format);
    std::string line;
    if (options.journal_prefix) line = {'<', priority_of(event.level), '>'};
    line += text_of(event, time);
    // a string_view without arguments: spdlog prints it as it is, including braces
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
    Event event(Kind::kLogLost, "events could not be written to the log");
    event.add(field::kLost, count);
    event.wall_time = wall_time_now();
    event.id = fmt::format("{}.{}", prefix, ++told);
    write(event);
    if (sink->lost() == before) {
      told_lost = before;
    } else {
      sink->set_lost(before);  // this event itself does not count
    }
  }

  LogOptions options;
  std::string prefix = fmt::format("{:08x}", std::random_device()());  ///< for the ids of its own events
  std::uint64_t told = 0;
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
