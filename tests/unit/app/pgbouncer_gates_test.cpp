#include "app/pgbouncer_gates.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

namespace pgcurfew {
namespace {

using ::testing::SizeIs;

/// A console that takes connections and says nothing.
class SilentConsole {
 public:
  SilentConsole() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  SilentConsole(const SilentConsole&) = delete;
  SilentConsole& operator=(const SilentConsole&) = delete;
  SilentConsole(SilentConsole&&) = delete;
  SilentConsole& operator=(SilentConsole&&) = delete;
  ~SilentConsole() { close(listener_); }

  [[nodiscard]] std::string conninfo() const {
    return fmt::format("host=127.0.0.1 port={} user=pgcurfew sslmode=disable gssencmode=disable", port_);
  }
  [[nodiscard]] int listener() const { return listener_; }
  /// The next connection; the caller's.
  [[nodiscard]] int accept_next() const { return accept(listener_, nullptr, nullptr); }

 private:
  int listener_ = -1;
  std::uint16_t port_ = 0;
};

pgbouncer::Turn turn_of(const std::string& id, bool closes, const std::string& conninfo) {
  GateOrder order;
  order.id = id;
  order.closes = closes;
  order.database = "orders";
  order.kind = GateKind::kPgbouncer;
  order.pgbouncer_conninfo = conninfo;
  return {std::move(order)};
}

TEST(PgbouncerGates, ASecondTurnOfAGateTakesThePlaceOfTheFirst) {
  auto loop = Loop::create();
  ASSERT_TRUE(loop);
  SilentConsole console;
  PgbouncerGates gates(*loop, {}, [&loop] { loop->exit(0); });
  int first = -1;
  Readiness readiness(*loop, [&] {
    const int taken = console.accept_next();
    if (first < 0) {
      first = taken;
      return gates.carry_out(turn_of("second", false, console.conninfo()));
    }
    // the second turn fails, and ends the loop
    close(taken);
  });
  readiness.watch(console.listener(), false, false);
  gates.carry_out(turn_of("first", true, console.conninfo()));
  loop->run();
  const auto turned = gates.take_turned();
  ASSERT_THAT(turned, SizeIs(1));
  EXPECT_EQ(turned[0].reply.id, "second");
  ASSERT_GE(first, 0);
  std::string left(1000, ' ');
  ssize_t size = 0;
  do {
    size = recv(first, left.data(), left.size(), MSG_DONTWAIT);
  } while (size > 0);
  EXPECT_EQ(size, 0) << "the first has hung up";
  close(first);
}

}  // namespace
}  // namespace pgcurfew
