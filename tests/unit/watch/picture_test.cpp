#include <gtest/gtest.h>

#include "watch/watch_harness.hpp"

namespace pgcurfew::testing {
namespace {

using namespace std::chrono_literals;

TEST(Picture, ShowsTheHoldsOfTheStatusLine) {
  Harness w;
  const auto texts = [&] {
    std::string text;
    for (const auto& hold : w.watch.picture(MonotonicTime(w.now)).holds)
      text += (text.empty() ? "" : ", ") + hold.text;
    return text;
  };
  EXPECT_EQ(texts(), w.holds());
  EXPECT_FALSE(w.watch.picture(MonotonicTime(w.now)).is_up);
  EXPECT_TRUE(w.watch.picture(MonotonicTime(w.now)).holds_still);
  w.connect();
  EXPECT_EQ(texts(), w.holds());
  w.look({});
  EXPECT_EQ(texts(), "");
  EXPECT_TRUE(w.watch.picture(MonotonicTime(w.now)).is_up);
  EXPECT_FALSE(w.watch.picture(MonotonicTime(w.now)).holds_still);
  w.happen(happening::ConnectionLost{});
  EXPECT_EQ(texts(), w.holds());
  EXPECT_EQ(texts(), "out of reach");
}

TEST(Picture, AClaimStandsWhereTheLastDecisionHasSaid) {
  Harness w;
  w.connect();
  EXPECT_FALSE(w.watch.picture(MonotonicTime(w.now)).has_look);
  w.look({active(1, -3s), active(2, -2s)});
  const auto picture = w.watch.picture(MonotonicTime(w.now));
  EXPECT_EQ(picture.claim_count, 2U);
  ASSERT_EQ(picture.claims.size(), 2U);
  EXPECT_EQ(picture.claims[0].session.pid, 1);
  EXPECT_EQ(picture.claims[0].claimant, "r");
  EXPECT_EQ(picture.claims[0].stand, Stand::kLimit);
  EXPECT_EQ(picture.claims[0].step, StepKind::kCancel);
  EXPECT_EQ(picture.claims[0].step_number, 1U);
  EXPECT_EQ(picture.claims[0].step_count, 2U);
  EXPECT_EQ(picture.claims[0].since, w.server_now() - 3s);
  EXPECT_EQ(picture.claims[0].due, w.server_now() + 7s);
  EXPECT_EQ(picture.claims[0].episode, "");
  ASSERT_EQ(picture.rules.size(), 1U);
  EXPECT_EQ(picture.rules[0].claims, 2U);
  EXPECT_EQ(picture.rules[0].stands.at(Stand::kLimit), 2U);
  EXPECT_EQ(picture.by_state.at(State::kActive), 2U);
  EXPECT_EQ(picture.client_backends, 2U);
}

TEST(Picture, TheWaitForALaterStepCountsFromTheStepBefore) {
  Harness w;
  w.connect();
  w.look({active(1, -12s)});
  w.reply(ReplyKind::kSignalled);
  const auto stepped_at = w.server_now();
  w.now += 1s;
  w.happen(happening::Tick{});
  w.look({active(1, -12s)});
  const auto picture = w.watch.picture(MonotonicTime(w.now));
  ASSERT_EQ(picture.claims.size(), 1U);
  EXPECT_EQ(picture.claims[0].stand, Stand::kGrace);
  EXPECT_EQ(picture.claims[0].since, stepped_at);
  EXPECT_EQ(picture.claims[0].due, stepped_at + 30s);
}

TEST(Picture, WhatTheServerForbidsComesAfterWhatFallsDue) {
  Harness w;
  w.connect();
  w.look({active(1, -30s)});
  w.reply(ReplyKind::kDenied);
  w.now += 1s;
  w.happen(happening::Tick{});
  w.look({active(1, -30s), active(2, -3s)});
  const auto picture = w.watch.picture(MonotonicTime(w.now));
  ASSERT_EQ(picture.claims.size(), 2U);
  EXPECT_EQ(picture.claims[0].session.pid, 2);
  EXPECT_EQ(picture.claims[1].stand, Stand::kDenied);
}

TEST(Picture, ShowsOnlyTheFirstClaimsAndCountsAll) {
  Harness w;
  w.connect();
  std::vector<Session> sessions;
  for (int pid = 1; pid <= 1000; ++pid) sessions.push_back(active(pid, -std::chrono::milliseconds(pid)));
  Look look;
  look.sessions = std::move(sessions);
  w.take(std::move(look));
  const auto picture = w.watch.picture(MonotonicTime(w.now));
  EXPECT_EQ(picture.claim_count, 1000U);
  ASSERT_EQ(picture.claims.size(), ServerPicture::kMostClaims);
  EXPECT_EQ(picture.claims.front().session.pid, 1000);
  EXPECT_EQ(picture.claims.back().session.pid, 801);
}

TEST(Picture, AfterAReloadClaimsWaitForALook) {
  Harness w;
  w.connect();
  w.look({active(1, -3s)});
  w.happen(happening::PolicyReplaced{std::make_shared<const Policy>(policy_of(""))});
  const auto picture = w.watch.picture(MonotonicTime(w.now));
  EXPECT_FALSE(picture.has_look);
  EXPECT_TRUE(picture.claims.empty());
  EXPECT_TRUE(picture.rules.empty());
}

TEST(Picture, TheAgeOfTheLastLookGoesOnWhileTheServerIsDown) {
  Harness w;
  w.connect();
  EXPECT_FALSE(w.watch.picture(MonotonicTime(w.now)).look_age);
  w.look({});
  w.now += 2s;
  w.happen(happening::ConnectionLost{});
  w.now += 40s;
  const auto picture = w.watch.picture(MonotonicTime(w.now));
  EXPECT_EQ(picture.look_age, 42s);
  EXPECT_LT(picture.look_bound, 42s);
}

TEST(Picture, CostsLessThanTheLookThatItShows) {
  Look look;
  for (int pid = 1; pid <= 2000; ++pid) look.sessions.push_back(active(pid, -std::chrono::milliseconds(pid)));
  // the quickest of some: what else goes on at the machine makes either of them longer
  const auto quickest = [](const auto& act) {
    auto best = std::chrono::steady_clock::duration::max();
    for (int i = 0; i < 5; ++i) {
      const auto begun = std::chrono::steady_clock::now();
      act();
      best = std::min(best, std::chrono::steady_clock::now() - begun);
    }
    return best;
  };
  std::unique_ptr<Harness> w;
  const auto of_look = quickest([&] {
    w = std::make_unique<Harness>();
    w->connect();
    w->take(look);
  });
  const auto of_picture =
      quickest([&] { EXPECT_EQ(w->watch.picture(MonotonicTime(w->now)).claim_count, 2000U); });
  EXPECT_LT(of_picture, of_look);
}

TEST(Picture, CountsDurationsInTheirClasses) {
  Histogram histogram;
  for (const auto one : {Duration(-1), Duration(0), Duration(1000), Duration(1001), Duration(61s)})
    histogram.add(one);
  EXPECT_EQ(histogram.counts()[0], 3U);
  EXPECT_EQ(histogram.counts()[1], 1U);
  EXPECT_EQ(histogram.counts().back(), 1U);
  EXPECT_EQ(histogram.sum(), Duration(2001) + 61s);
}

}  // namespace
}  // namespace pgcurfew::testing
