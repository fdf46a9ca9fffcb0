#include "base/listen_address.hpp"

#include <string>

#include <gtest/gtest.h>

namespace pgcurfew {
namespace {

TEST(ListenAddress, ReadsAnAddressOfThisMachineAndAPort) {
  for (const auto* text : {"127.0.0.1:9187", "127.9.0.1:1", "[::1]:65535", "unix:/run/pgcurfew/web.sock"}) {
    const auto read = parse_listen_address(text);
    ASSERT_TRUE(read) << text << ": " << read.error().message;
    EXPECT_EQ(to_text(*read), text);
  }
  EXPECT_EQ(to_text(*parse_listen_address("localhost:80")), "127.0.0.1:80");
  EXPECT_TRUE(parse_listen_address("unix:/" + std::string(106, 'x')));
}

TEST(ListenAddress, RefusesAllElse) {
  for (const auto* text :
       {"", "9187", ":9187", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:+1",
        "127.0.0.1:01", "127.0.0.1:9187 ", "::1:9187", "[::1]", "[127.0.0.1]:1", "db1:9187", "[::1]x:1",
        "unix:", "unix:web.sock", "unix:/run/", "/run/web.sock"}) {
    EXPECT_FALSE(parse_listen_address(text)) << text;
  }
  EXPECT_FALSE(parse_listen_address("unix:/" + std::string(107, 'x')));
}

TEST(ListenAddress, KnowsWhatOtherMachinesCanReach) {
  for (const auto* text : {"0.0.0.0:9187", "10.0.0.7:9187", "[::]:9187", "[fd00::1]:9187", "128.0.0.1:1"}) {
    const auto read = parse_listen_address(text);
    ASSERT_TRUE(read) << text;
    EXPECT_FALSE(read->is_local()) << text;
    EXPECT_EQ(to_text(*read), text);
    EXPECT_TRUE(is_host_of(*read, "db1.example:9187"));
  }
  for (const auto* text : {"127.0.0.1:9187", "127.9.0.1:1", "[::1]:1", "unix:/run/web.sock"})
    EXPECT_TRUE(parse_listen_address(text)->is_local()) << text;
}

TEST(ListenAddress, OnlyNamesOfThisMachineAreItsHost) {
  const auto address = *parse_listen_address("127.0.0.1:9187");
  for (const auto* host : {"localhost", "LocalHost:9187", "127.0.0.1", "127.0.0.1:80", "[::1]:9187"})
    EXPECT_TRUE(is_host_of(address, host)) << host;
  for (const auto* host : {"", "evil.example", "evil.example:9187", "localhost.evil.example", "localhost:",
                           "localhost:x", "127.0.0.1.evil.example", "10.0.0.7", "0.0.0.0", "::1", "[::1"})
    EXPECT_FALSE(is_host_of(address, host)) << host;
  EXPECT_TRUE(is_host_of(*parse_listen_address("unix:/run/web.sock"), "evil.example"));
}

}  // namespace
}  // namespace pgcurfew
