#include "base/time.hpp"

#include <type_traits>

#include <gtest/gtest.h>

namespace pgcurfew {
namespace {

template <class A, class B>
concept Subtractable = requires(A a, B b) {
  a - b;
};

TEST(Time, TheTwoClocksDoNotMix) {
  static_assert(Subtractable<ServerTime, ServerTime>);
  static_assert(Subtractable<MonotonicTime, MonotonicTime>);
  static_assert(!Subtractable<ServerTime, MonotonicTime>);
  static_assert(!Subtractable<MonotonicTime, ServerTime>);
  static_assert(!std::is_convertible_v<ServerTime, MonotonicTime>);
}

TEST(Time, PrintsServerTimesAsPostgresDoesInUtc) {
  EXPECT_EQ(to_text(ServerTime(Duration(0))), "2000-01-01 00:00:00.000000+00");
  EXPECT_EQ(to_text(ServerTime(Duration(-1))), "1999-12-31 23:59:59.999999+00");
  EXPECT_EQ(to_text(ServerTime(std::chrono::days(60) + std::chrono::hours(1))),
            "2000-03-01 01:00:00.000000+00");
}

TEST(Time, SessionIdIsThatOfLogLinePrefix) {
  EXPECT_EQ(session_id_text(ServerTime(Duration(1)), 4711), "386d4380.1267");
}

}  // namespace
}  // namespace pgcurfew
