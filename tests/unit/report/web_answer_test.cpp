#include "report/web_answer.hpp"

#include <chrono>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/html.hpp"
#include "report/metrics.hpp"
#include "report/page.hpp"
#include "report/status_json.hpp"

namespace pgcurfew {
namespace {

using namespace std::chrono_literals;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr MonotonicTime kDrawn{100s};

Picture picture_of_one() {
  Picture picture;
  picture.version = "1.2.3";
  picture.policy = "0123456789ab";
  picture.drawn = kDrawn;
  ServerPicture server;
  server.name = "orders";
  server.is_up = true;
  server.look_age = 1s;
  server.look_bound = 10s;
  server.has_look = true;
  RulePicture rule;
  rule.name = "slow";
  rule.mode = Mode::kEnforce;
  rule.steps = {StepKind::kAlert, StepKind::kTerminate};
  server.rules.push_back(rule);
  picture.servers.push_back(server);
  return picture;
}

struct Asked {
  explicit Asked(Picture picture) : picture_(std::make_shared<const Picture>(std::move(picture))) {}
  Asked() = default;

  [[nodiscard]] WebAnswer ask(const std::string& path, const std::string& method = "GET") const {
    const WebSources sources{[this] { return picture_; }, [] { return ProcessFacts{}; },
                             [this] { return since; }, [] { return kDrawn; }};
    return answer({method, path, "localhost"}, {*parse_listen_address("127.0.0.1:9187"), {}}, sources);
  }

  Duration since{};
  std::shared_ptr<const Picture> picture_;
};

TEST(Page, TextsOfClientsStayText) {
  EXPECT_EQ(escape_html("<a href='x' b=\"y\">&\x1b\n\xff"),
            "&lt;a href=&#39;x&#39; b=&quot;y&quot;&gt;&amp;\\x1b\\n\\xff");
  auto picture = picture_of_one();
  ClaimPicture claim;
  claim.claimant = "slow";
  claim.user = claim.database = claim.application_name = "<script>alert(1)</script>";
  picture.servers[0].claims.push_back(claim);
  picture.tally.actions.emplace_front().message = "sent cancel to <script>";
  picture.servers[0].breakers.push_back({Mode::kEnforce, false, 1, {{Tenant{"<script>", "<script>"}, {}}}});
  DrainPicture drain;
  drain.progress.databases = {"<script>"};
  drain.progress.trouble = "<script>";
  picture.servers[0].drains.push_back(drain);
  EXPECT_THAT(page_of(picture, kDrawn, {}), Not(HasSubstr("<script>")));
}

TEST(Page, NamesWhatIsWrong) {
  auto picture = picture_of_one();
  EXPECT_THAT(page_of(picture, kDrawn, {}), Not(HasSubstr("class=\"bad\"")));
  picture.servers[0].holds.push_back({Hold::kHidden, {}, {}, "3 sessions hidden", true});
  picture.warnings = {"the last reload was refused"};
  const auto page = page_of(picture, kDrawn + 10s, {});
  for (const auto* wrong : {"3 sessions hidden", "the last reload was refused", "main loop has not turned"})
    EXPECT_THAT(page, HasSubstr(wrong));
}

TEST(Page, ADrainThatHasEndedHasNoEndToCome) {
  auto picture = picture_of_one();
  picture.servers[0].server_time = ServerTime(1000s);
  auto& drain = picture.servers[0].drains.emplace_back();
  drain.progress.ends = ServerTime(1600s);
  drain.progress.closed = 1;
  EXPECT_THAT(page_of(picture, kDrawn, {}), HasSubstr("in 10min"));
  drain.progress.phase = DrainPhase::kDone;
  EXPECT_THAT(page_of(picture, kDrawn, {}), HasSubstr("<td>by pgcurfew reopen</td>"));
  drain.progress.closed = 0;
  for (const auto ends : {ServerTime(1600s), ServerTime(900s)}) {
    drain.progress.ends = ends;
    const auto page = page_of(picture, kDrawn, {});
    for (const auto* text : {"in 10min", "due</span>", "by pgcurfew reopen"})
      EXPECT_THAT(page, Not(HasSubstr(text)));
  }
}

Picture picture_of_a_claim(Duration since, Duration due) {
  auto picture = picture_of_one();
  auto& server = picture.servers[0];
  server.server_time = ServerTime(1000s);
  ClaimPicture claim;
  claim.claimant = "slow";
  claim.mode = Mode::kEnforce;
  claim.stand = Stand::kLimit;
  claim.step = StepKind::kCancel;
  claim.since = *server.server_time + since;
  claim.due = *server.server_time + due;
  server.claims.push_back(claim);
  server.claim_count = 1;
  return picture;
}

TEST(Page, ABarHasGoneAsFarAsTheAgeAndTheCountdownSaysTheRest) {
  const auto page = page_of(picture_of_a_claim(-528s, 72s), kDrawn, {});
  EXPECT_THAT(page, HasSubstr("cancel <span data-left=\"72000\" data-over=\"due\">in 1min 12s</span>"));
  EXPECT_THAT(
      page, HasSubstr("<progress aria-hidden=\"true\" max=\"600000\" value=\"528000\" data-left=\"72000\">"));
}

TEST(Page, TheAgeOfThePictureIsGoneToo) {
  const auto page = page_of(picture_of_a_claim(-528s, 72s), kDrawn, 700ms);
  EXPECT_THAT(page, HasSubstr("data-left=\"71300\" data-over=\"due\">in 1min 12s</span>"));
  EXPECT_THAT(page, HasSubstr("value=\"528700\" data-left=\"71300\""));
}

TEST(Page, ACountdownThatHasRunOutIsDueAndItsBarFull) {
  for (const auto due : {0s, -5s}) {
    const auto page = page_of(picture_of_a_claim(-600s, due), kDrawn, {});
    EXPECT_THAT(page, HasSubstr("\"due\">due</span>"));
    EXPECT_THAT(page, ContainsRegex("<progress aria-hidden=\"true\" max=\"([0-9]+)\" value=\"[1-9]"));
  }
  const auto of_no_length = page_of(picture_of_a_claim(0s, 0s), kDrawn, {});
  EXPECT_THAT(of_no_length, HasSubstr("<progress aria-hidden=\"true\" max=\"1\" value=\"1\""));
}

TEST(Page, ADryRunOnlyWouldAndWhatIsHeldUpHasNoBar) {
  auto picture = picture_of_a_claim(-528s, 72s);
  auto& claim = picture.servers[0].claims[0];
  claim.mode = Mode::kDryRun;
  EXPECT_THAT(page_of(picture, kDrawn, {}), HasSubstr("would cancel <span"));
  claim.stand = Stand::kAtEnd;
  claim.step.reset();
  const auto page = page_of(picture, kDrawn, {});
  EXPECT_THAT(page, HasSubstr("<span class=\"step\">at_end</span><span class=\"who\">"));
}

TEST(Page, IsBoundedHoweverManySessionsThereAre) {
  auto picture = picture_of_a_claim(-528s, 72s);
  auto& server = picture.servers[0];
  // as long as PostgreSQL lets names be, of bytes that grow most
  server.claims[0].user = server.claims[0].database = server.claims[0].application_name =
      std::string(63, '\xff');
  server.claims.resize(ServerPicture::kMostClaims, server.claims[0]);
  server.claim_count = 2000;
  const auto page = page_of(picture, kDrawn, {});
  EXPECT_THAT(page, HasSubstr("... and 1950 more"));
  EXPECT_LT(page.size(), 80'000U);
}

TEST(WebAnswer, OnlyReadsAndOnlyKnownPaths) {
  const Asked web(picture_of_one());
  for (const auto* path : {"/", "/style.css", "/page.js", "/metrics", "/status", "/healthz", "/readyz"}) {
    EXPECT_EQ(web.ask(path).status, 200U) << path;
    EXPECT_EQ(web.ask(path, "HEAD").status, 200U) << path;
    EXPECT_EQ(web.ask(path, "POST").status, 405U) << path;
  }
  for (const auto* path : {"", "/status/", "/metrics.", "//", "/etc/passwd"})
    EXPECT_EQ(web.ask(path).status, 404U) << path;
}

TEST(WebAnswer, AnotherHostIsRefusedBeforeAllElse) {
  const Asked web(picture_of_one());
  bool was_asked = false;
  const WebSources sources{[&] {
                             was_asked = true;
                             return web.picture_;
                           },
                           [] { return ProcessFacts{}; }, [] { return Duration(0); }, [] { return kDrawn; }};
  const auto refused =
      answer({"GET", "/status", "evil.example"}, {*parse_listen_address("127.0.0.1:9187"), {}}, sources);
  EXPECT_EQ(refused.status, 403U);
  EXPECT_FALSE(was_asked);
}

TEST(WebAnswer, OnlyWhoLogsInIsAnswered) {
  const Asked web(picture_of_one());
  const WebSources sources{[&] { return web.picture_; }, [] { return ProcessFacts{}; },
                           [] { return Duration(0); }, [] { return kDrawn; }};
  const WebAccess access{*parse_listen_address("0.0.0.0:9187"), WebLogin{"prometheus", "secret"}};
  const auto status = [&](const std::string& path, std::optional<WebLogin> login) {
    return answer({"GET", path, "db1.example", std::move(login)}, access, sources).status;
  };
  for (const auto* path :
       {"/", "/metrics", "/status", "/healthz", "/readyz", "/style.css", "/page.js", "/none"}) {
    EXPECT_EQ(status(path, std::nullopt), 401U) << path;
    EXPECT_EQ(status(path, WebLogin{"prometheus", "secreT"}), 401U) << path;
    EXPECT_NE(status(path, WebLogin{"prometheus", "secret"}), 401U) << path;
  }
  for (const auto& [user, password] :
       std::vector<std::pair<std::string, std::string>>{{"", ""},
                                                        {"prometheus", ""},
                                                        {"", "secret"},
                                                        {"prometheus", "secretsecret"},
                                                        {"secret", "prometheus"}})
    EXPECT_EQ(status("/metrics", WebLogin{user, password}), 401U) << user << ":" << password;
}

TEST(WebAnswer, WithoutAPictureNothingIsWell) {
  const Asked web;
  for (const auto* path : {"/metrics", "/status", "/healthz", "/readyz"})
    EXPECT_EQ(web.ask(path).status, 503U) << path;
  EXPECT_THAT(web.ask("/healthz").body, HasSubstr("no picture"));
}

TEST(Health, ALoopThatHangsIsNamed) {
  Asked web(picture_of_one());
  web.since = kLoopBound;
  EXPECT_EQ(web.ask("/healthz").status, 200U);
  web.since += 1ms;
  EXPECT_EQ(web.ask("/healthz").status, 503U);
  EXPECT_THAT(web.ask("/healthz").body, HasSubstr("main loop has not turned"));
  EXPECT_EQ(web.ask("/readyz").status, 503U);
}

TEST(Health, AServerThatWasNotLookedAtIsNotReady) {
  auto picture = picture_of_one();
  picture.servers[0].look_age = 10s;
  EXPECT_TRUE(readiness_of(&picture, kDrawn).is_good);
  EXPECT_FALSE(readiness_of(&picture, kDrawn + 1s).is_good) << "the time without an answer counts, too";
  picture.servers[0].look_age.reset();
  EXPECT_FALSE(readiness_of(&picture, kDrawn).is_good);
  EXPECT_TRUE(health_of(&picture, kDrawn).is_good) << "a restart would not help";
}

TEST(Health, AHoldThatStopsRulesIsNotReadyAndOthersAreShown) {
  auto picture = picture_of_one();
  picture.servers[0].holds.push_back({Hold::kBreakerOpen, {}, {}, "breaker open", true});
  EXPECT_TRUE(readiness_of(&picture, kDrawn).is_good);
  EXPECT_THAT(readiness_of(&picture, kDrawn).body, HasSubstr("\"breaker_open\""));
  picture.servers[0].holds_still = true;
  EXPECT_FALSE(readiness_of(&picture, kDrawn).is_good);
}

TEST(StatusJson, IsPureAsciiWhateverClientsChoose) {
  auto picture = picture_of_one();
  ClaimPicture claim;
  claim.claimant = "slow";
  claim.user = "\x1b[31m\xff\xc3\xa4\"<script>\n";
  picture.servers[0].claims.push_back(claim);
  const auto text = status_json(picture, kDrawn);
  for (const char c : text.substr(0, text.size() - 1)) ASSERT_TRUE(c >= ' ' && c <= '~') << int{c};
  EXPECT_THAT(text, HasSubstr(R"(\u001b[31m\ufffd\u00e4\"<script>\n)"));
  EXPECT_THAT(text, HasSubstr(R"("stand":null)"));
}

TEST(Metrics, AllSeriesOfThePolicyAreThereFromTheStart) {
  const auto text = metrics_of(picture_of_one(), {}, kDrawn);
  const std::string of = R"(server="orders",rule="slow",mode="enforce")";
  for (const auto& series :
       {"pgcurfew_orders_total{" + of + R"(,step="alert",outcome="alerted"})",
        "pgcurfew_orders_total{" + of + R"(,step="terminate",outcome="signalled"})",
        "pgcurfew_orders_total{" + of + R"(,step="terminate",outcome="unknown"})",
        "pgcurfew_episodes_total{" + of + "}", "pgcurfew_episodes_ended_total{" + of + R"(,end="stopped"})",
        std::string(R"(pgcurfew_hold{server="orders",hold="tenant_breaker_open"})"),
        std::string("pgcurfew_sessions{server=\"orders\",state=\"idle in transaction (aborted)\"}"),
        std::string(R"(pgcurfew_events_total{event="stopped"})"),
        std::string(R"(pgcurfew_overshoot_seconds_bucket{server="orders",le="+Inf"})")}) {
    EXPECT_THAT(text, HasSubstr("\n" + series + " 0\n"));
  }
  EXPECT_THAT(text, Not(HasSubstr("step=\"cancel\"")));
}

TEST(Metrics, CountsOfRemovedRulesGoOn) {
  auto picture = picture_of_one();
  picture.tally.outcomes[{{"orders", false, "gone", "enforce"}, "cancel", "signalled"}] = 3;
  EXPECT_THAT(
      metrics_of(picture, {}, kDrawn),
      HasSubstr(
          R"(pgcurfew_orders_total{server="orders",rule="gone",mode="enforce",step="cancel",outcome="signalled"} 3)"));
}

TEST(Metrics, EachSeriesIsThereOnce) {
  auto picture = picture_of_one();
  picture.servers[0].planned_drains.push_back({"slow", Mode::kDryRun});
  picture.servers.push_back(picture.servers[0]);
  picture.servers[1].name = "billing";
  const auto text = metrics_of(picture, {}, kDrawn);
  std::set<std::string> seen;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const auto end = text.find('\n', begin);
    const auto line = text.substr(begin, end - begin);
    if (!line.starts_with('#')) {
      EXPECT_TRUE(seen.insert(line.substr(0, line.rfind(' '))).second) << line;
    }
    begin = end + 1;
  }
}

}  // namespace
}  // namespace pgcurfew
