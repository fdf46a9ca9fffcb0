#include "postgres/resolver.hpp"

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>

namespace pgcurfew {
namespace {

using namespace std::chrono_literals;

constexpr int kPatience = 60'000;  // milliseconds

void wait_for_news(const Resolver& resolver) {
  pollfd waiting{resolver.fd(), POLLIN, 0};
  ASSERT_EQ(poll(&waiting, 1, kPatience), 1);
  resolver.acknowledge();
}

std::shared_ptr<LookUps> by(LookUps::LookUp look_up, std::size_t most = LookUps::kMost) {
  return std::make_shared<LookUps>(std::move(look_up), most);
}

TEST(Resolver, ANameThatHangsHoldsUpNoOther) {
  std::promise<void> release;
  const auto released = release.get_future().share();
  const Resolver resolver({"hangs", "known"}, 0s, by([released](const std::string& name) {
                            if (name == "hangs") released.wait();
                            return LookUps::Numbers{name == "hangs" ? "10.0.0.1" : "10.0.0.2"};
                          }));
  while (resolver.addresses().empty() || !resolver.may_begin()) wait_for_news(resolver);
  EXPECT_EQ(resolver.addresses(), (Resolver::Addresses{{"known", {"10.0.0.2"}}}));
  EXPECT_FALSE(resolver.is_complete());
  release.set_value();
  while (!resolver.is_complete()) wait_for_news(resolver);
  EXPECT_EQ(resolver.addresses().size(), 2U);
}

TEST(Resolver, WaitsForAllNamesWithinTheGrace) {
  std::promise<void> release;
  const auto released = release.get_future().share();
  const Resolver resolver({"slow", "known"}, 1h, by([released](const std::string& name) {
                            if (name == "slow") released.wait();
                            return LookUps::Numbers{"10.0.0.1"};
                          }));
  while (resolver.addresses().empty()) wait_for_news(resolver);
  EXPECT_FALSE(resolver.may_begin());
  release.set_value();
  while (!resolver.may_begin()) wait_for_news(resolver);
  EXPECT_EQ(resolver.addresses().size(), 2U);
}

TEST(Resolver, ANameWithoutAnAddressIsLeftOut) {
  const Resolver resolver({"nobody"}, 0s, by([](const std::string&) { return LookUps::Numbers(); }));
  while (!resolver.is_complete()) wait_for_news(resolver);
  EXPECT_TRUE(resolver.addresses().empty());
}

TEST(Resolver, SaysWhenTheGraceIsOverThoughNothingCame) {
  std::promise<void> release;
  const auto released = release.get_future().share();
  const Resolver resolver({"hangs"}, 1ms, by([released](const std::string&) {
                            released.wait();
                            return LookUps::Numbers();
                          }));
  wait_for_news(resolver);
  EXPECT_TRUE(resolver.may_begin());
  EXPECT_FALSE(resolver.is_complete());
  pollfd waiting{resolver.fd(), POLLIN, 0};
  EXPECT_EQ(poll(&waiting, 1, 0), 0) << "would keep the loop busy";
  release.set_value();
  while (!resolver.is_complete()) wait_for_news(resolver);
}

/// Look-ups that hang until they are released, and are counted.
struct Hanging {
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  std::shared_ptr<std::atomic<int>> begun = std::make_shared<std::atomic<int>>(0);

  [[nodiscard]] std::shared_ptr<LookUps> look_ups(std::size_t most = LookUps::kMost) const {
    return by(
        [released = released, begun = begun](const std::string&) {
          ++*begun;
          released.wait();
          return LookUps::Numbers{"10.0.0.1"};
        },
        most);
  }
};

TEST(LookUps, OfANameThatHangsAreOneHoweverOftenItIsAskedFor) {
  Hanging hanging;
  const auto look_ups = hanging.look_ups();
  std::optional<Resolver> attempt;
  for (int i = 0; i < 1000; ++i) attempt.emplace(std::vector<std::string>{"hangs"}, 0s, look_ups);
  const Resolver another({"hangs"}, 0s, look_ups);
  hanging.release.set_value();
  while (!attempt->is_complete()) wait_for_news(*attempt);
  while (!another.is_complete()) wait_for_news(another);
  EXPECT_EQ(attempt->addresses(), (Resolver::Addresses{{"hangs", {"10.0.0.1"}}}));
  EXPECT_EQ(another.addresses(), attempt->addresses());
  EXPECT_EQ(*hanging.begun, 1);
  // once it has ended, the name is looked up anew
  attempt.emplace(std::vector<std::string>{"hangs"}, 0s, look_ups);
  while (!attempt->is_complete()) wait_for_news(*attempt);
  EXPECT_EQ(*hanging.begun, 2);
}

TEST(LookUps, AreBoundedInAll) {
  Hanging hanging;
  const auto look_ups = hanging.look_ups(2);
  const Resolver first({"a", "b"}, 0s, look_ups);
  const Resolver second({"c", "a"}, 0s, look_ups);
  ASSERT_TRUE(second.error());
  EXPECT_EQ(second.error()->message, "could not look up c: 2 other look-ups have not ended");
  EXPECT_FALSE(second.is_complete());
  const Resolver third({"d"}, 1h, look_ups);
  EXPECT_TRUE(third.error() && third.is_complete() && third.may_begin());
  wait_for_news(third);
  hanging.release.set_value();
  while (!first.is_complete()) wait_for_news(first);
  while (!second.is_complete()) wait_for_news(second);
  EXPECT_FALSE(first.error());
  EXPECT_EQ(first.addresses().size(), 2U);
  EXPECT_EQ(second.addresses(), (Resolver::Addresses{{"a", {"10.0.0.1"}}}));
  EXPECT_EQ(*hanging.begun, 2);
}

TEST(LookUps, FailWhereNoThreadCanBeStarted) {
  bool has_threads = false;
  const auto look_ups = std::make_shared<LookUps>(
      [](const std::string&) { return LookUps::Numbers{"10.0.0.1"}; }, LookUps::kMost,
      [&](std::function<void()> work) {
        if (has_threads) std::thread(std::move(work)).detach();
        return has_threads;
      });
  const Resolver refused({"name"}, 1h, look_ups);
  ASSERT_TRUE(refused.error());
  EXPECT_EQ(refused.error()->message, "could not look up name: no thread could be started");
  EXPECT_TRUE(refused.is_complete());
  EXPECT_TRUE(refused.addresses().empty());
  has_threads = true;
  const Resolver retried({"name"}, 1h, look_ups);
  EXPECT_FALSE(retried.error());
  while (!retried.is_complete()) wait_for_news(retried);
  EXPECT_EQ(retried.addresses().size(), 1U);
}

}  // namespace
}  // namespace pgcurfew
