#include "postgres/resolver.hpp"

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
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

std::shared_ptr<LookUps> by(LookUps::LookUp look_up) {
  return std::make_shared<LookUps>(std::move(look_up));
}

TEST(Resolver, ANameThatHangsDelaysNoOther) {
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

TEST(Resolver, WakesWhenTheGraceIsOverThoughNothingCame) {
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

/// Look-ups that hang until they are released if the name begins with "hangs". The test sets their clock.
struct Hanging {
  struct Seen {
    std::mutex mutex;
    std::vector<std::string> begun;
    int at_once = 0;
    int most_at_once = 0;
  };
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  std::shared_ptr<Seen> seen = std::make_shared<Seen>();
  std::shared_ptr<std::atomic<Duration>> time = std::make_shared<std::atomic<Duration>>(Duration::zero());
  std::shared_ptr<std::atomic<bool>> has_threads = std::make_shared<std::atomic<bool>>(true);

  [[nodiscard]] std::shared_ptr<LookUps> look_ups(LookUps::Bounds bounds = {}) const {
    return std::make_shared<LookUps>(
        [released = released, seen = seen](const std::string& name) {
          {
            const std::lock_guard<std::mutex> lock(seen->mutex);
            seen->begun.push_back(name);
            seen->most_at_once = std::max(seen->most_at_once, ++seen->at_once);
          }
          if (name.starts_with("hangs")) released.wait();
          const std::lock_guard<std::mutex> lock(seen->mutex);
          --seen->at_once;
          return LookUps::Numbers{"10.0.0.1"};
        },
        bounds,
        [has_threads = has_threads](std::function<void()> work) {
          if (*has_threads) std::thread(std::move(work)).detach();
          return has_threads->load();
        },
        [time = time] { return MonotonicTime(time->load()); });
  }

  [[nodiscard]] std::vector<std::string> begun() const {
    const std::lock_guard<std::mutex> lock(seen->mutex);
    return seen->begun;
  }
};

std::vector<std::string> numbered(const std::string& name, int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back(name + std::to_string(i));
  return names;
}

void wait_for_all(const Resolver& resolver) {
  while (!resolver.is_complete()) ASSERT_NO_FATAL_FAILURE(wait_for_news(resolver));
}

TEST(LookUps, OfANameThatHangsAreOneHoweverOftenItIsRequested) {
  Hanging hanging;
  const auto look_ups = hanging.look_ups();
  std::optional<Resolver> attempt;
  for (int i = 0; i < 1000; ++i) attempt.emplace(std::vector<std::string>{"hangs"}, 0s, look_ups);
  const Resolver another({"hangs"}, 0s, look_ups);
  hanging.release.set_value();
  wait_for_all(*attempt);
  wait_for_all(another);
  EXPECT_EQ(attempt->addresses(), (Resolver::Addresses{{"hangs", {"10.0.0.1"}}}));
  EXPECT_EQ(another.addresses(), attempt->addresses());
  EXPECT_EQ(hanging.begun().size(), 1U);
  // once it has ended, the name is looked up again
  attempt.emplace(std::vector<std::string>{"hangs"}, 0s, look_ups);
  wait_for_all(*attempt);
  EXPECT_EQ(hanging.begun().size(), 2U);
}

TEST(LookUps, OfMoreNamesThanAreAllowedAtOnceAreAllDoneInTurn) {
  const Hanging healthy;
  const auto look_ups = healthy.look_ups({.at_once = 3});
  const Resolver first(numbered("a", 100), 0s, look_ups);
  const Resolver second(numbered("b", 100), 0s, look_ups);
  EXPECT_FALSE(first.error() || second.error());
  wait_for_all(first);
  wait_for_all(second);
  EXPECT_EQ(first.addresses().size(), 100U);
  EXPECT_EQ(second.addresses().size(), 100U);
  EXPECT_LE(healthy.seen->most_at_once, 3);
}

TEST(LookUps, OfAQueuedNameAreOneAndNoneWhenNoCallerWaitsForItAnyMore) {
  Hanging hanging;
  const auto look_ups = hanging.look_ups({.at_once = 1});
  const Resolver holder({"hangs"}, 0s, look_ups);
  std::optional<Resolver> gone(std::in_place, std::vector<std::string>{"gone", "kept"}, 0s, look_ups);
  const Resolver waiting({"kept", "last"}, 0s, look_ups);
  gone.reset();
  hanging.release.set_value();
  wait_for_all(waiting);
  EXPECT_EQ(hanging.begun(), (std::vector<std::string>{"hangs", "kept", "last"}));
}

TEST(LookUps, ThatHangDelayOtherNamesForNoLongerThanThePatience) {
  Hanging hanging;
  const auto look_ups = hanging.look_ups({.at_once = 2, .patience = 60s});
  const Resolver holders({"hangs-1", "hangs-2"}, 0s, look_ups);
  const Resolver queued({"a", "b"}, 0s, look_ups);
  *hanging.time = 60s - 1us;
  const Resolver before({"c"}, 0s, look_ups);
  EXPECT_EQ(before.addresses().size() + queued.addresses().size(), 0U);
  *hanging.time = 60s;
  const Resolver after({"d"}, 0s, look_ups);
  for (const auto* resolver : {&queued, &before, &after}) {
    wait_for_all(*resolver);
    EXPECT_FALSE(resolver->error());
  }
  EXPECT_EQ(queued.addresses().size(), 2U);
  hanging.release.set_value();
  wait_for_all(holders);
}

TEST(LookUps, ThatHangKeepTheirNameForThePatienceAndCallEveryCallerInTheEnd) {
  std::promise<void> release;
  std::promise<void> has_begun_again;
  auto begun = std::make_shared<std::atomic<int>>(0);
  auto time = std::make_shared<std::atomic<Duration>>(Duration::zero());
  const auto look_ups = std::make_shared<LookUps>(
      [released = release.get_future().share(), begun, &has_begun_again](const std::string&) {
        // the first look-up ends at last, the second not during the test
        if (++*begun == 2) {
          has_begun_again.set_value();
          std::this_thread::sleep_until(std::chrono::steady_clock::time_point::max());
        }
        released.wait();
        return LookUps::Numbers{"10.0.0.1"};
      },
      LookUps::Bounds{.patience = 60s},
      [](std::function<void()> work) {
        std::thread(std::move(work)).detach();
        return true;
      },
      [time] { return MonotonicTime(time->load()); });
  const Resolver first({"name"}, 0s, look_ups);
  *time = 60s - 1us;
  const Resolver joined({"name"}, 0s, look_ups);
  *time = 60s;
  const Resolver again({"name"}, 0s, look_ups);
  ASSERT_EQ(has_begun_again.get_future().wait_for(60s), std::future_status::ready);
  *time = 120s - 1us;
  const Resolver joined_again({"name"}, 0s, look_ups);
  release.set_value();
  for (const auto* resolver : {&first, &joined, &again, &joined_again}) wait_for_all(*resolver);
  EXPECT_EQ(*begun, 2);
}

TEST(LookUps, AreBoundedInAll) {
  Hanging hanging;
  const auto look_ups = hanging.look_ups({.at_once = 1, .in_all = 2, .patience = 60s});
  const Resolver first({"hangs-1"}, 0s, look_ups);
  *hanging.time = 60s;
  const Resolver second({"hangs-2"}, 0s, look_ups);
  // it has to wait for a place
  const Resolver queued({"queued"}, 0s, look_ups);
  EXPECT_FALSE(first.error() || second.error() || queued.error());
  *hanging.time = 120s;
  const Resolver third({"third"}, 1h, look_ups);
  ASSERT_TRUE(third.error());
  EXPECT_EQ(third.error()->message, "could not look up third: 2 other look-ups have not ended");
  EXPECT_TRUE(third.is_complete() && third.may_begin());
  wait_for_news(third);
  hanging.release.set_value();
  for (const auto* resolver : {&first, &second, &queued}) wait_for_all(*resolver);
  const auto begun = hanging.begun();
  EXPECT_EQ(std::set<std::string>(begun.begin(), begun.end()),
            (std::set<std::string>{"hangs-1", "hangs-2", "queued"}));
}

TEST(LookUps, FailIfNoThreadCanBeStarted) {
  const Hanging healthy;
  const auto look_ups = healthy.look_ups();
  *healthy.has_threads = false;
  const Resolver refused({"name"}, 1h, look_ups);
  ASSERT_TRUE(refused.error());
  EXPECT_EQ(refused.error()->message, "could not look up name: no thread could be started");
  EXPECT_TRUE(refused.is_complete());
  EXPECT_TRUE(refused.addresses().empty());
  *healthy.has_threads = true;
  const Resolver retried({"name"}, 1h, look_ups);
  EXPECT_FALSE(retried.error());
  wait_for_all(retried);
  EXPECT_EQ(retried.addresses().size(), 1U);
}

}  // namespace
}  // namespace pgcurfew
