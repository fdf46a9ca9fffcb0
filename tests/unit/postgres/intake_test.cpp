#include "postgres/intake.hpp"

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace pgcurfew {
namespace {

/// A peer that always has more to send.
class Talker {
 public:
  Talker() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends_.data()), 0); }
  ~Talker() {
    for (const int end : ends_) close(end);
  }
  Talker(const Talker&) = delete;
  Talker& operator=(const Talker&) = delete;

  /// Receives as libpq does.
  ssize_t receive() {
    const std::string words(10000, 'x');
    EXPECT_GT(::send(ends_[0], words.data(), words.size(), 0), 0);
    std::array<char, 10000> buffer{};
    return recv(ends_[1], buffer.data(), buffer.size(), 0);
  }

 private:
  std::array<int, 2> ends_{};
};

TEST(Intake, ReportsNoMoreAfterTheMostAtOnce) {
  Talker talker;
  Intake intake(SIZE_MAX);
  for (int turn = 0; turn < 3; ++turn) {
    const Intake::Reading reading(intake);
    std::size_t received = 0;
    ssize_t more = 0;
    while ((more = talker.receive()) > 0) received += static_cast<std::size_t>(more);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(received, Intake::kAtOnce);
  }
  EXPECT_GT(talker.receive(), 0) << "what nobody counts has no bound";
}

TEST(Intake, CountsBytesUntilAReplyEnds) {
  Talker talker;
  Intake intake(25000);
  const auto take = [&] {
    const Intake::Reading reading(intake);
    EXPECT_EQ(talker.receive(), 10000);
    return intake.is_within();
  };
  EXPECT_TRUE(take());
  EXPECT_TRUE(take());
  EXPECT_GT(talker.receive(), 0);
  EXPECT_TRUE(intake.is_within()) << "of nobody's connection";
  EXPECT_FALSE(take());
  intake.reset();
  EXPECT_TRUE(take());
}

}  // namespace
}  // namespace pgcurfew
