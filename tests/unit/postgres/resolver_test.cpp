#include "postgres/resolver.hpp"

#include <future>
#include <string>
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

TEST(Resolver, ANameThatHangsHoldsUpNoOther) {
  std::promise<void> release;
  const auto released = release.get_future().share();
  const Resolver resolver({"hangs", "known"}, 0s, [released](const std::string& name) {
    if (name == "hangs") released.wait();
    return std::vector<std::string>{name == "hangs" ? "10.0.0.1" : "10.0.0.2"};
  });
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
  const Resolver resolver({"slow", "known"}, 1h, [released](const std::string& name) {
    if (name == "slow") released.wait();
    return std::vector<std::string>{"10.0.0.1"};
  });
  while (resolver.addresses().empty()) wait_for_news(resolver);
  EXPECT_FALSE(resolver.may_begin());
  release.set_value();
  while (!resolver.may_begin()) wait_for_news(resolver);
  EXPECT_EQ(resolver.addresses().size(), 2U);
}

TEST(Resolver, ANameWithoutAnAddressIsLeftOut) {
  const Resolver resolver({"nobody"}, 0s, [](const std::string&) { return std::vector<std::string>(); });
  while (!resolver.is_complete()) wait_for_news(resolver);
  EXPECT_TRUE(resolver.addresses().empty());
}

}  // namespace
}  // namespace pgcurfew
