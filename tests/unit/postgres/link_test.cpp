#include "postgres/link.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>

#include <gtest/gtest.h>
#include <poll.h>

namespace pgcurfew {
namespace {

using namespace std::chrono_literals;

constexpr int kPatience = 60'000;  // milliseconds

/// Connects, and returns why the attempt failed.
std::string failure_of_attempt(Link& link) {
  link.connect();
  auto happened = link.proceed(MonotonicTime(), false);
  while (happened.empty()) {
    const auto interest = link.interest();
    const auto events = static_cast<short>(interest.write ? POLLIN | POLLOUT : POLLIN);
    pollfd waiting{interest.fd, events, 0};
    if (poll(&waiting, 1, kPatience) != 1) return "nothing happens";
    happened = link.proceed(MonotonicTime(), true);
  }
  const auto* lost = std::get_if<happening::ConnectionLost>(&happened.front());
  return lost == nullptr ? "something else happens" : lost->error.message;
}

TEST(Link, ReportsWhyANameCouldNotBeLookedUpAndTriesAgain) {
  std::atomic<bool> has_threads = false;
  const auto look_ups = std::make_shared<LookUps>(
      [](const std::string&) { return LookUps::Numbers{"127.0.0.1"}; }, LookUps::Bounds(),
      [&has_threads](std::function<void()> work) {
        if (has_threads) std::thread(std::move(work)).detach();
        return has_threads.load();
      });
  // no server listens on port 1
  Link link(*Conninfo::parse("host=primary.example port=1"), look_ups);
  const std::string refused = "could not look up primary.example: no thread could be started";
  EXPECT_EQ(failure_of_attempt(link), refused);
  EXPECT_EQ(failure_of_attempt(link), refused);
  has_threads = true;
  EXPECT_NE(failure_of_attempt(link).find("Connection refused"), std::string::npos);
}

TEST(Link, TriesTheOtherHostsIfANameCouldNotBeLookedUp) {
  const auto look_ups =
      std::make_shared<LookUps>([](const std::string&) { return LookUps::Numbers{"127.0.0.1"}; },
                                LookUps::Bounds(), [](const auto&) { return false; });
  Link link(*Conninfo::parse("host=primary.example,127.0.0.1 port=1"), look_ups);
  EXPECT_NE(failure_of_attempt(link).find("Connection refused"), std::string::npos);
}

}  // namespace
}  // namespace pgcurfew
