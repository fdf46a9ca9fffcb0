// Hours held, minute by minute around changes of the clocks, against an oracle that shares nothing with them:
// it reads the wall clock from the C library, and takes a window's ends only from the words of the manual.
#include <cstdlib>
#include <ctime>
#include <ostream>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/duration.hpp"
#include "policy/hours.hpp"
#include "policy/hours_fixture.hpp"

namespace pgcurfew::testing {
namespace {

using namespace std::chrono_literals;

/// A date and the minutes since midnight, to be compared.
using Wall = std::tuple<int, int, int, int>;

constexpr int kMinutesOfADay = 24 * 60;

/// The minutes of some days, each with what the wall of one zone shows.
class Walls {
 public:
  Walls(const std::string& zone, ServerTime begin, int minutes) {
    EXPECT_EQ(setenv("TZ", zone.c_str(), 1), 0);
    tzset();
    for (int i = 0; i < minutes; ++i) {
      const auto since_epoch = (begin + i * 1min).time_since_epoch();
      const std::time_t unix_time =
          946'684'800 + std::chrono::duration_cast<std::chrono::seconds>(since_epoch).count();
      std::tm shown{};
      EXPECT_NE(localtime_r(&unix_time, &shown), nullptr);
      walls_.emplace_back(shown.tm_year, shown.tm_mon, shown.tm_mday, shown.tm_hour * 60 + shown.tm_min);
    }
    unsetenv("TZ");
    tzset();
  }

  /// For each minute whether the window is open: from the first that shows `from` or later until the last
  /// that shows less than `to`.
  [[nodiscard]] std::vector<bool> open_minutes(const Window& window) const {
    std::vector<bool> open(walls_.size(), false);
    const auto [year, month, first_day, minute] = walls_.front();
    const int days = static_cast<int>(walls_.size()) / kMinutesOfADay + 2;
    for (int i = -1; i < days; ++i) {
      std::tm date{};
      date.tm_year = year;
      date.tm_mon = month;
      date.tm_mday = first_day + i;
      date.tm_hour = 12;
      (void)timegm(&date);
      if (!window.days.test(static_cast<std::size_t>(date.tm_wday + 6) % 7)) continue;
      std::tm next = date;
      next.tm_mday += window.to <= window.from ? 1 : 0;
      (void)timegm(&next);
      const Wall from{date.tm_year, date.tm_mon, date.tm_mday, window.from / 1min};
      const Wall to{next.tm_year, next.tm_mon, next.tm_mday, window.to / 1min};
      mark(open, from, to);
    }
    return open;
  }

 private:
  void mark(std::vector<bool>& open, const Wall& from, const Wall& to) const {
    std::size_t start = 0;
    while (start < walls_.size() && walls_[start] < from) ++start;
    std::size_t end = walls_.size();
    while (end > 0 && walls_[end - 1] >= to) --end;
    for (auto i = start; i < end; ++i) open[i] = true;
  }

  std::vector<Wall> walls_;
};

/// Some days around a change of the clocks (or an ordinary one).
struct Span {
  const char* zone;
  int year;
  int month;
  int day;
};

void PrintTo(const Span& span, std::ostream* out) {
  *out << span.zone << " " << span.year << "-" << span.month;
}

constexpr int kDays = 6;
/// More at both ends, so that what began before or ends later is seen.
constexpr int kMargin = 2;
constexpr int kAllDays = kDays + 2 * kMargin;

/// Windows whose ends are often near the hours at which clocks change.
class Dice {
 public:
  explicit Dice(unsigned seed) : random_(seed) {}

  Window window(const char* zone) {
    Window drawn{std::bitset<7>(below(3) == 0 ? 127U : below(127) + 1), time(), time(), zone_of(zone), {}};
    if (below(6) == 0) drawn.to = drawn.from;
    if (below(6) == 0) drawn.to = 24h;
    return drawn;
  }

  std::vector<Window> windows(const char* zone, unsigned at_most) {
    std::vector<Window> drawn;
    for (auto count = below(at_most + 1); count > 0; --count) drawn.push_back(window(zone));
    return drawn;
  }

 private:
  unsigned below(unsigned bound) { return std::uniform_int_distribution<unsigned>(0, bound - 1)(random_); }

  Duration time() {
    const auto hour = below(2) == 0 ? below(4) : below(24);
    return std::chrono::hours(hour) + std::chrono::minutes(below(3) == 0 ? below(60) : below(4) * 15);
  }

  std::mt19937 random_;
};

std::string text_of(const Hours& hours) {
  std::string text;
  const auto add = [&](const char* word, const std::vector<Window>& windows) {
    for (const auto& window : windows) {
      text += fmt::format("{} {} {} to {}\n", word, window.days.to_string(), to_text(window.from),
                          to_text(window.to));
    }
  };
  add("during", hours.during);
  add("not_during", hours.not_during);
  return text;
}

class HoursOracle : public ::testing::TestWithParam<Span> {
 protected:
  /// The days of the span, minute by minute.
  [[nodiscard]] static std::vector<bool> open_minutes(const Hours& hours, const Walls& walls) {
    std::vector<bool> open(kAllDays * kMinutesOfADay, hours.during.empty());
    const auto take = [&](const Window& window, bool is_open) {
      const auto its = walls.open_minutes(window);
      for (std::size_t i = 0; i < open.size(); ++i) {
        if (its[i]) open[i] = is_open;
      }
    };
    for (const auto& window : hours.during) take(window, true);
    for (const auto& window : hours.not_during) take(window, false);
    return {open.begin() + kMargin * kMinutesOfADay, open.end() - kMargin * kMinutesOfADay};
  }

  /// next_open() from a minute on, compared with the following minutes.
  void expect_next_open(const Hours& hours, const std::vector<bool>& open, std::size_t from) const {
    auto start = from;
    while (start < open.size() && !open[start]) ++start;
    if (start == open.size()) return;  // outside the span
    auto end = start;
    while (end < open.size() && open[end]) ++end;
    const auto next = hours.next_open(at(from));
    ASSERT_TRUE(next) << "minute " << from;
    ASSERT_EQ(to_text(next->start), to_text(at(start))) << "from " << to_text(at(from));
    if (end < open.size()) {
      ASSERT_EQ(to_text(next->end), to_text(at(end))) << "from " << to_text(at(from));
    } else {
      ASSERT_GE(next->end, at(end)) << "from " << to_text(at(from));
    }
  }

  [[nodiscard]] ServerTime at(std::size_t minute) const { return begin_ + static_cast<int>(minute) * 1min; }

  ServerTime begin_ = utc(GetParam().year, GetParam().month, GetParam().day) - 72h;
};

TEST_P(HoursOracle, SaysTheSameAtEachMinute) {
  const auto* const zone = GetParam().zone;
  const Walls walls(zone, begin_ - kMargin * 24h, kAllDays * kMinutesOfADay);
  Dice dice(static_cast<unsigned>(GetParam().month * 100 + GetParam().day));
  for (int round = 0; round < 6; ++round) {
    SCOPED_TRACE(round);
    const Hours hours{dice.windows(zone, 3), dice.windows(zone, 2)};
    const auto open = open_minutes(hours, walls);
    SCOPED_TRACE(text_of(hours));
    for (std::size_t i = 0; i < open.size(); ++i) {
      ASSERT_EQ(hours.is_open(at(i)), open[i]) << "minute " << i;
      const bool is_edge = i > 0 && open[i] != open[i - 1];
      // each edge, and some minutes between them
      if (!is_edge && i % 61 != 0) continue;
      if (i > 0) {
        ASSERT_EQ(hours.is_open(at(i) - 1us), open[i - 1]) << "minute " << i;
      }
      ASSERT_NO_FATAL_FAILURE({ expect_next_open(hours, open, i > 0 ? i - 1 : 0); });
      ASSERT_NO_FATAL_FAILURE({ expect_next_open(hours, open, i); });
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Changes, HoursOracle,
    ::testing::Values(Span{"Europe/Vienna", 2026, 3, 29}, Span{"Europe/Vienna", 2026, 10, 25},
                      Span{"America/New_York", 2026, 3, 8}, Span{"America/New_York", 2026, 11, 1},
                      Span{"Australia/Lord_Howe", 2026, 4, 4}, Span{"Australia/Lord_Howe", 2026, 10, 3},
                      Span{"Pacific/Apia", 2011, 12, 30}, Span{"America/Goose_Bay", 2006, 10, 29},
                      Span{"America/Havana", 2026, 11, 1}, Span{"America/Santiago", 2026, 9, 6},
                      Span{"Africa/Casablanca", 2026, 3, 22}, Span{"UTC", 2026, 2, 28},
                      Span{"Europe/Vienna", 2050, 3, 27}),
    [](const auto& tried) {
      std::string name =
          tried.param.zone + std::to_string(tried.param.year) + std::to_string(tried.param.month);
      std::erase_if(name, [](char c) { return c == '/' || c == '_'; });
      return name;
    });

}  // namespace
}  // namespace pgcurfew::testing
