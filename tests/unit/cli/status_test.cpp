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
  server.gates.push_back(
      {"orders\x1b[2J", GateKind::kConnectionLimit, GateMark{"by-hand", "db1:7", -1, ServerTime(40s), {}}});
  server.gate_count = 3;
  server.breakers.push_back({Mode::kEnforce, false, 1, {{Tenant{"d", "u"}, MonotonicTime(30s)}}});
  server.breakers.push_back({Mode::kDryRun, true, 0, {{std::nullopt, MonotonicTime(20s)}}});
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
        "breaker  of u@d open for another 30.0s", "breaker  of the server would be open for another 20.0s",
        "rule     slow (dry-run): claims no session",
        "drain    nightly (dry-run): gating, databases a, b, 0 left",
        "gate     of database orders\\x1b[2J is closed for drain by-hand, by db1:7, since "
        "2000-01-01T00:00:40.000000Z, until pgcurfew reopen",
        "... and 2 more gates", "rule slow: cancel (1/2) due in 12.0s; limit; application_name ?, ?",
        "... and 299 more claims", "orders: sent cancel to pid 7 [end: by_us]"}) {
    EXPECT_THAT(*lines, HasSubstr(part));
  }
}

TEST(Status, TellsWhyAClaimIsNotServed) {
  auto picture = shown_picture();
  auto& claim = picture.servers[0].claims[0];
  claim.step.reset();
  claim.stand = Stand::kAtEnd;
  EXPECT_THAT(*status_lines(status_json(picture, {})), HasSubstr("rule slow: at_end; application_name"));
  claim.stand.reset();
  picture.servers[0].holds_still = true;
  EXPECT_THAT(*status_lines(status_json(picture, {})),
              HasSubstr("rule slow: due in 12.0s; a hold is in the way; application_name"));
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
