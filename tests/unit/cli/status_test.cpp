#include "cli/status.hpp"

#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/status_json.hpp"

namespace pgcurfew {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

Picture shown_picture() {
  Picture picture;
  picture.version = "1.2.3";
  picture.mode = Mode::kEnforce;
  picture.warnings = {"the last reload was refused"};
  ServerPicture server;
  server.name = "orders";
  server.holds.push_back({Hold::kDown, WallTime(20000 * 24h), {}, "out of reach", true});
  server.rules.emplace_back().name = "slow";
  server.server_time = ServerTime(100s);
  ClaimPicture claim;
  claim.session.pid = 4711;
  claim.claimant = "slow";
  claim.user = "\x1b[31mevil\n";
  claim.stand = Stand::kLimit;
  claim.step = StepKind::kCancel;
  claim.step_number = 1;
  claim.step_count = 2;
  claim.due = claim.until = ServerTime(112s);
  server.claims.push_back(claim);
  server.claim_count = 300;
  DrainPicture drain;
  drain.progress.drain = "nightly";
  drain.progress.databases = {"a", "b"};
  server.drains.push_back(drain);
  server.breakers.push_back({Tenant{"d", "u"}, MonotonicTime(30s)});
  picture.servers.push_back(server);
  Tally::Action action;
  action.server = "orders";
  action.claimant = "slow";
  action.message = "sent cancel to pid 7";
  action.end = "by_us";
  picture.tally.actions.push_back(action);
  return picture;
}

TEST(Status, TellsAllThatThePictureHas) {
  const auto lines = status_lines(status_json(shown_picture(), {}));
  ASSERT_TRUE(lines);
  for (const auto* part :
       {"pgcurfew 1.2.3 (), mode enforce", "warning  the last reload was refused",
        "server orders: down, no look yet", "hold     out of reach since 2024-10-04T00:00:00.000Z",
        "breaker  of u@d open for another 30.0s", "rule     slow (dry-run): claims no session",
        "drain    nightly (dry-run): gating, databases a, b, 0 left",
        "rule slow: cancel (1/2) due in 12.0s; limit; application_name ?, ?", "... and 299 more claims",
        "orders: sent cancel to pid 7 [end: by_us]"}) {
    EXPECT_THAT(*lines, HasSubstr(part));
  }
}

TEST(Status, IsHarmlessToATerminal) {
  const auto lines = *status_lines(status_json(shown_picture(), {}));
  EXPECT_THAT(lines, Not(HasSubstr("\x1b")));
  EXPECT_THAT(lines, HasSubstr("pid 4711 \\x1b[31mevil\\n@?"));
}

TEST(Status, AnotherAnswerIsNoStatus) {
  for (const auto* text : {"", "x", "[]", "{}", "{\"status_version\":1}", "null"})
    EXPECT_FALSE(status_lines(text)) << text;
}

}  // namespace
}  // namespace pgcurfew
