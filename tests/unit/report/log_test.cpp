#include "report/log.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <regex>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "events/fields.hpp"

namespace pgcurfew {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::ordered_json;

/// A pipe whose writing end blocks, as stdout's does.
class Pipe {
 public:
  Pipe() {
    if (pipe(ends_) != 0) std::abort();
    fcntl(ends_[0], F_SETFL, O_NONBLOCK);
  }
  ~Pipe() {
    close_reader();
    close(ends_[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  [[nodiscard]] int writer() const { return ends_[1]; }

  void close_reader() {
    if (ends_[0] >= 0) close(ends_[0]);
    ends_[0] = -1;
  }

  /// The present content of the pipe.
  std::string read_all() {
    std::string text;
    char buffer[4096];
    for (ssize_t count = 0; (count = read(ends_[0], buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(count));
    }
    return text;
  }

 private:
  int ends_[2] = {-1, -1};
};

LogOptions options_for(const Pipe& pipe) {
  LogOptions options;
  options.descriptor = pipe.writer();
  return options;
}

Event event_of(Level level, std::string message = "message") {
  Event event(Kind::kOutcome, std::move(message));
  event.level = level;
  event.id = "1a2b3c4d.7";
  event.wall_time = WallTime(std::chrono::days(20000) + 4h + 5min + 6s + 123456us);
  return event;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t begin = 0;
  for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

TEST(Log, WritesEachEventAtOnceAsOneLineWithTheTime) {
  Pipe pipe;
  auto options = options_for(pipe);
  Log json(options);
  json.write(event_of(Level::kNotice));
  const std::regex json_line(
      R"(\{"ts":"2024-10-04T04:05:06\.123Z","level":"NOTICE","event":"outcome","message":"message","id":"1a2b3c4d\.7"\}\n)");
  EXPECT_TRUE(std::regex_match(pipe.read_all(), json_line));

  options.format = LogFormat::kText;
  Log text(options);
  text.write(event_of(Level::kNotice));
  const std::regex text_line(R"(2024-10-04 04:05:06\.123Z NOTICE  message\n)");
  EXPECT_TRUE(std::regex_match(pipe.read_all(), text_line));
}

TEST(Log, HidesDebugEventsUnlessAsked) {
  Pipe pipe;
  auto options = options_for(pipe);
  Log quiet(options);
  quiet.write(event_of(Level::kDebug));
  EXPECT_EQ(pipe.read_all(), "");
  EXPECT_EQ(quiet.lost(), 0U);
  quiet.write(event_of(Level::kInfo));
  EXPECT_NE(pipe.read_all(), "");

  options.show_debug = true;
  Log talkative(options);
  talkative.write(event_of(Level::kDebug));
  EXPECT_NE(pipe.read_all(), "");
}

TEST(Log, PutsSyslogPrioritiesInFrontForTheJournal) {
  Pipe pipe;
  auto options = options_for(pipe);
  options.journal_prefix = true;
  options.show_debug = true;
  Log log(options);
  for (const auto level : {Level::kError, Level::kWarning, Level::kNotice, Level::kInfo, Level::kDebug}) {
    log.write(event_of(level));
  }
  std::string priorities;
  for (const auto& line : lines_of(pipe.read_all())) priorities += line.substr(0, 4);
  EXPECT_EQ(priorities, "<3>{<4>{<5>{<6>{<7>{");
}

TEST(Log, TakesNoTextForAFormat) {
  Pipe pipe;
  Log log(options_for(pipe));
  log.write(event_of(Level::kInfo, "{} {:d} {0} %v %n %"));
  EXPECT_EQ(Json::parse(pipe.read_all())["message"], "{} {:d} {0} %v %n %");
  EXPECT_EQ(log.lost(), 0U);
}

TEST(Log, ShowsQueriesAsTheReloadedPolicySays) {
  Pipe pipe;
  Log log(options_for(pipe));
  auto event = event_of(Level::kInfo);
  event.add(field::kQuery, RawQuery{"select 1"});
  log.write(event);
  EXPECT_EQ(Json::parse(pipe.read_all())["query"], "select ?");
  log.set_query_text(QueryText::kFull);
  log.write(event);
  EXPECT_EQ(Json::parse(pipe.read_all())["query"], "select 1");
  log.set_query_text(QueryText::kNone);
  log.write(event);
  EXPECT_FALSE(Json::parse(pipe.read_all()).contains("query"));
}

TEST(Log, SurvivesAReaderThatWentAwayAndCountsWhatIsLost) {
  // its default would end the test
  signal(SIGPIPE, SIG_DFL);
  Pipe pipe;
  Log log(options_for(pipe));
  pipe.close_reader();
  log.write(event_of(Level::kError));
  log.write(event_of(Level::kError));
  EXPECT_EQ(log.lost(), 2U);
  sigset_t pending;
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
}

TEST(Log, SurvivesAFullDiskAndAClosedDescriptor) {
  LogOptions options;
  options.descriptor = open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(options.descriptor, 0);
  {
    Log log(options);
    log.write(event_of(Level::kError));
    EXPECT_EQ(log.lost(), 1U);
  }
  close(options.descriptor);
  Log log(options);
  log.write(event_of(Level::kError));
  EXPECT_EQ(log.lost(), 1U);
}

TEST(Log, IsNotHeldUpByAReaderThatDoesNotRead) {
  // A busy machine takes longer now and then, so the quickest of some logs counts. One that waits on purpose,
  // be it for its first line alone or for a millisecond at each, is never that quick.
  auto quickest = std::chrono::steady_clock::duration::max();
  for (int round = 0; round < 5 && quickest >= 1s; ++round) {
    Pipe pipe;
    Log log(options_for(pipe));
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 1000; ++i) log.write(event_of(Level::kInfo, std::string(300, 'x')));
    quickest = std::min(quickest, std::chrono::steady_clock::now() - begin);
    EXPECT_GT(log.lost(), 700U);
  }
  EXPECT_LT(quickest, 1s);
}

TEST(Log, TellsHowMuchWasLostWhenItsReaderReadsAgain) {
  Pipe pipe;
  Log log(options_for(pipe));
  // longer than a pipe takes at once, so that a line is torn
  for (int i = 0; i < 100; ++i) log.write(event_of(Level::kInfo, std::string(20000, '\x1b')));
  const auto lost = log.lost();
  ASSERT_GT(lost, 0U);
  const auto before = lines_of(pipe.read_all());

  log.write(event_of(Level::kInfo, "again"));
  const auto after = pipe.read_all();
  auto lines = lines_of(after);
  // what was torn ends where the next line begins
  if (after.starts_with('\n')) lines.erase(lines.begin());
  ASSERT_EQ(lines.size(), 2U);
  const auto told = Json::parse(lines[0]);
  EXPECT_EQ(told["event"], "log_lost");
  EXPECT_EQ(told["level"], "WARNING");
  EXPECT_EQ(told["lost"], lost);
  EXPECT_EQ(Json::parse(lines[1])["message"], "again");
  EXPECT_EQ(log.lost(), lost);
  EXPECT_FALSE(before.empty());

  log.write(event_of(Level::kInfo, "once is enough"));
  EXPECT_EQ(lines_of(pipe.read_all()).size(), 1U);
}

TEST(Log, KnowsTheJournalByDeviceAndInode) {
  Pipe pipe;
  struct stat status {};
  ASSERT_EQ(fstat(pipe.writer(), &status), 0);
  const auto stream = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
  EXPECT_TRUE(is_journal(pipe.writer(), stream.c_str()));
  EXPECT_FALSE(is_journal(pipe.writer(), (stream + "0").c_str()));
  EXPECT_FALSE(is_journal(pipe.writer(), ""));
  EXPECT_FALSE(is_journal(pipe.writer(), nullptr));
  EXPECT_FALSE(is_journal(-1, stream.c_str()));
}

TEST(Log, TellsWhoSitsBeforeItTheTimeOfDayThere) {
  Pipe pipe;
  auto options = options_for(pipe);
  options.format = LogFormat::kBrief;
  const auto event = event_of(Level::kInfo);
  Log(options).write(event);
  const std::time_t time =
      std::chrono::floor<std::chrono::seconds>(event.wall_time.time_since_epoch()).count();
  tm local{};
  localtime_r(&time, &local);
  char text[16];
  std::strftime(text, sizeof text, "%H:%M:%S", &local);
  EXPECT_EQ(pipe.read_all(), std::string(text) + " message\n");
}

}  // namespace
}  // namespace pgcurfew
