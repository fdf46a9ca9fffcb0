#include "base/address.hpp"

#include <gtest/gtest.h>

namespace pgcurfew {
namespace {

bool fits(std::string_view pattern, std::string_view address) {
  const auto parsed = AddressPattern::parse(pattern);
  EXPECT_TRUE(parsed) << pattern;
  const auto client = parse_address(address);
  EXPECT_TRUE(client) << address;
  return parsed && client && parsed->matches(*client);
}

std::string refusal(std::string_view pattern) {
  const auto parsed = AddressPattern::parse(pattern);
  EXPECT_FALSE(parsed) << pattern;
  return parsed ? "" : parsed.error().message;
}

TEST(Address, PrintsAsItWasRead) {
  EXPECT_EQ(to_text(*parse_address("10.1.2.3")), "10.1.2.3");
  EXPECT_EQ(to_text(*parse_address("fd00:0::1")), "fd00::1");
}

TEST(AddressPattern, OneAddressFitsItselfOnly) {
  EXPECT_TRUE(fits("10.0.0.7", "10.0.0.7"));
  EXPECT_FALSE(fits("10.0.0.7", "10.0.0.8"));
  EXPECT_TRUE(fits("fd00::1", "fd00::1"));
  EXPECT_FALSE(fits("::1", "127.0.0.1"));
}

TEST(AddressPattern, NetworkFitsItsAddresses) {
  EXPECT_TRUE(fits("10.0.0.0/8", "10.255.0.1"));
  EXPECT_FALSE(fits("10.0.0.0/8", "11.0.0.1"));
  EXPECT_TRUE(fits("10.128.0.0/9", "10.129.0.1"));
  EXPECT_FALSE(fits("10.128.0.0/9", "10.127.0.1"));
  EXPECT_TRUE(fits("0.0.0.0/0", "192.0.2.1"));
  EXPECT_FALSE(fits("0.0.0.0/0", "fd00::1"));
  EXPECT_TRUE(fits("fd00::/8", "fdff::1"));
  EXPECT_FALSE(fits("fd00::/8", "fe00::1"));
}

TEST(AddressPattern, MappedAddressesAreComparedAsIpv4) {
  EXPECT_TRUE(fits("10.0.0.0/8", "::ffff:10.1.2.3"));
  EXPECT_TRUE(fits("::ffff:10.1.2.3", "10.1.2.3"));
  EXPECT_TRUE(fits("::ffff:10.0.0.0/104", "10.1.2.3"));
  EXPECT_FALSE(fits("::ffff:10.0.0.0/104", "11.1.2.3"));
}

TEST(AddressPattern, LocalIsTheUnixSocket) {
  const auto local = AddressPattern::parse("local");
  ASSERT_TRUE(local);
  EXPECT_TRUE(local->is_local());
  EXPECT_FALSE(local->matches(*parse_address("127.0.0.1")));
  EXPECT_FALSE(AddressPattern::parse("127.0.0.1")->is_local());
}

TEST(AddressPattern, RefusesWhatIsNoAddress) {
  EXPECT_EQ(refusal("localhost"), "\"localhost\" is not an address");
  EXPECT_EQ(refusal("10.0.0"), "\"10.0.0\" is not an address");
  EXPECT_EQ(refusal(std::string_view("10.0.0.1\0x", 10)), "\"10.0.0.1\\x00x\" is not an address");
}

TEST(AddressPattern, RefusesBadPrefixes) {
  EXPECT_EQ(refusal("10.0.0.0/33"), "invalid prefix length in \"10.0.0.0/33\"");
  EXPECT_EQ(refusal("fd00::/129"), "invalid prefix length in \"fd00::/129\"");
  EXPECT_EQ(refusal("10.0.0.0/"), "invalid prefix length in \"10.0.0.0/\"");
  EXPECT_EQ(refusal("10.0.0.0/-1"), "invalid prefix length in \"10.0.0.0/-1\"");
  EXPECT_EQ(refusal("10.0.0.0/8x"), "invalid prefix length in \"10.0.0.0/8x\"");
}

TEST(AddressPattern, RefusesBitsToTheRightOfThePrefix) {
  EXPECT_EQ(refusal("10.0.0.1/8"), "network \"10.0.0.1/8\" has bits set to the right of its prefix");
}

}  // namespace
}  // namespace pgcurfew
