#include "report/output.hpp"

#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <termios.h>
#include <unistd.h>

namespace pgcurfew {
namespace {

/// Longer than any terminal or pipe keeps for its reader.
const std::string kTooMuch(1 << 22, 'x');

class Terminal {
 public:
  Terminal() {
    if (openpty(&master_, &slave_, nullptr, nullptr, nullptr) != 0) std::abort();
    fcntl(master_, F_SETFL, O_NONBLOCK);
  }
  ~Terminal() {
    close(master_);
    close(slave_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  [[nodiscard]] int slave() const { return slave_; }

  /// All that it shows.
  std::string read_all() const {
    std::string text;
    char buffer[4096];
    for (ssize_t count = 0; (count = read(master_, buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(count));
    }
    return text;
  }

 private:
  int master_ = -1;
  int slave_ = -1;
};

TEST(Output, GoesOnAfterATerminalThatNobodyReads) {
  const Terminal terminal;
  Output output(terminal.slave());
  // so that in the end it has room for a part of a piece: poll() says that it is writable, and a write blocks
  const std::string piece(3000, 'x');
  int taken = 0;
  while (taken < 1000 && output.write(piece) == piece.size()) ++taken;
  EXPECT_LT(taken, 1000);
  for (int i = 0; i < 100 && output.write("gone") > 0; ++i) {
  }
  EXPECT_EQ(output.write("gone"), 0U);

  std::string shown;
  // what was taken reaches its reader bit by bit
  for (int i = 0; i < 10'000 && !output.is_ready(); ++i) {
    shown += terminal.read_all();
    usleep(1000);
  }
  EXPECT_FALSE(shown.empty());
  EXPECT_EQ(output.write("read again"), 10U);
}

TEST(Output, GoesOnAfterATerminalThatIsStopped) {
  const Terminal terminal;
  Output output(terminal.slave());
  ASSERT_EQ(tcflow(terminal.slave(), TCOOFF), 0);
  EXPECT_EQ(output.write("stopped"), 0U);
  ASSERT_EQ(tcflow(terminal.slave(), TCOON), 0);
  EXPECT_EQ(output.write("goes on"), 7U);
}

TEST(Output, GoesOnAfterAPipeThatIsFullOrBrokenAndKeepsItsFlags) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const int flags = fcntl(ends[1], F_GETFL);
  Output output(ends[1]);
  EXPECT_LT(output.write(kTooMuch), kTooMuch.size());
  EXPECT_EQ(output.write("full"), 0U);
  EXPECT_FALSE(output.is_ready());
  close(ends[0]);
  EXPECT_EQ(output.write("broken"), 0U);
  EXPECT_EQ(fcntl(ends[1], F_GETFL), flags);
  close(ends[1]);
}

}  // namespace
}  // namespace pgcurfew
