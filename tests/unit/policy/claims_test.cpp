#include "policy/advice/claims.hpp"

#include <gtest/gtest.h>

#include "policy/loading.hpp"

namespace pgcurfew::testing {
namespace {

Match match_of(std::string_view text) {
  return load("protect: [ " + std::string(text) + " ]\n").policy->protect.back();
}

TEST(Claims, NameWhatAClientChooses) {
  EXPECT_EQ(claimable_fields(match_of("{ application_name: a }")), "application_name");
  EXPECT_EQ(claimable_fields(match_of("{ query_id: 1, state: active, database: a }")), "query_id");
  EXPECT_EQ(claimable_fields(match_of("{ query: a, application_name: a }")), "application_name and query");
  EXPECT_EQ(claimable_fields(match_of("{ database: a, state: idle, wait_event_type: Client }")), "");
}

TEST(Claims, AreNobodysOfProcessesThatAreNoClients) {
  EXPECT_EQ(claimable_fields(match_of("{ query: wraparound, backend_type: autovacuum worker }")), "");
  EXPECT_EQ(claimable_fields(match_of("{ query: a, backend_type: [ autovacuum worker, client backend ] }")),
            "query");
}

TEST(Claims, AreBarredByAUserThatIsNotJustAny) {
  for (const auto* user :
       {"a", "[ a, b ]", "'a*'", "'?'", "'/^app/'", "'/[0-9]$/'", "'/^[^p]/'", "'/^.$/'"}) {
    EXPECT_TRUE(is_for_named_clients(match_of("{ user: " + std::string(user) + " }"))) << user;
  }
  for (const auto* user :
       {"'*'", "'**'", "'?*'", "[ a, '*' ]", "'/./'", "'/.*/'", "'/^/'", "'/^.+$/'", "'/$/'"}) {
    EXPECT_FALSE(is_for_named_clients(match_of("{ user: " + std::string(user) + " }"))) << user;
  }
}

TEST(Claims, AreBarredByAnAddressThatIsNotJustAny) {
  for (const auto* address : {"local", "10.0.0.0/8", "0.0.0.0/1", "'::1'", "[ local, 'fd00::/8' ]"}) {
    EXPECT_TRUE(is_for_named_clients(match_of("{ client_addr: " + std::string(address) + " }"))) << address;
  }
  for (const auto* address : {"0.0.0.0/0", "'::/0'", "[ local, '::/0' ]", "[ 0.0.0.0/1, 128.0.0.0/1 ]"}) {
    EXPECT_FALSE(is_for_named_clients(match_of("{ client_addr: " + std::string(address) + " }"))) << address;
  }
  EXPECT_FALSE(is_for_named_clients(match_of("{ user: '*', client_addr: 0.0.0.0/0 }")));
  EXPECT_TRUE(is_for_named_clients(match_of("{ user: '*', client_addr: local }")));
}

}  // namespace
}  // namespace pgcurfew::testing
