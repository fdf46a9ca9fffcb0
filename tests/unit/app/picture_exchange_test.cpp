#include "app/picture_exchange.hpp"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "system/loop.hpp"

namespace pgcurfew {
namespace {

std::shared_ptr<const Picture> drawn_now() {
  auto picture = std::make_shared<Picture>();
  picture->drawn = Loop::now();
  return picture;
}

TEST(PictureExchange, AFreshPictureIsNotDrawnAgain) {
  int asked = 0;
  PictureExchange exchange([&] { ++asked; });
  const auto picture = drawn_now();
  exchange.offer(picture);
  EXPECT_EQ(exchange.recent(), picture);
  EXPECT_EQ(exchange.recent(), picture);
  EXPECT_EQ(asked, 0);
}

TEST(PictureExchange, AnOldOneIsAskedForAndWaitedFor) {
  const auto fresh = drawn_now();
  std::thread loop;
  PictureExchange* waiting = nullptr;
  // the loop answers from another thread, as the real one does
  PictureExchange exchange([&] {
    if (!loop.joinable()) loop = std::thread([&] { waiting->offer(fresh); });
  });
  waiting = &exchange;
  exchange.offer(std::make_shared<const Picture>());
  EXPECT_EQ(exchange.recent(), fresh);
  loop.join();
}

TEST(PictureExchange, ALoopThatHangsIsWaitedForOnceAndItsLastPictureServes) {
  PictureExchange exchange([] {});
  const auto old = std::make_shared<const Picture>();
  exchange.offer(old);
  const auto begun = Loop::now();
  EXPECT_EQ(exchange.recent(), old);
  const auto first = Loop::now() - begun;
  EXPECT_GE(first, PictureExchange::kPatience);
  // a hundred readers wait less than the first one
  for (int i = 0; i < 100; ++i) EXPECT_EQ(exchange.recent(), old);
  EXPECT_LT(Loop::now() - begun - first, first);
}

TEST(PictureExchange, SilenceCountsFromTheFirstQuestionThatWasNotAnswered) {
  PictureExchange exchange([] {});
  auto old = std::make_shared<Picture>();
  old->drawn = Loop::now() - std::chrono::hours(1);
  exchange.offer(old);
  EXPECT_EQ(exchange.silence(), Duration(0)) << "nobody has asked";
  const auto begun = Loop::now();
  exchange.recent();
  EXPECT_GE(exchange.silence(), PictureExchange::kPatience);
  EXPECT_LE(exchange.silence(), Loop::now() - begun);
  exchange.offer(drawn_now());
  EXPECT_EQ(exchange.silence(), Duration(0));
}

TEST(PictureExchange, AStopFreesWhoWaits) {
  std::atomic<bool> is_waiting = false;
  PictureExchange exchange([&] { is_waiting = true; });
  std::thread reader([&] { EXPECT_EQ(exchange.recent(), nullptr); });
  while (!is_waiting) std::this_thread::yield();
  exchange.close();
  reader.join();
  const auto begun = Loop::now();
  EXPECT_EQ(exchange.recent(), nullptr);
  EXPECT_LT(Loop::now() - begun, PictureExchange::kPatience);
}

}  // namespace
}  // namespace pgcurfew
