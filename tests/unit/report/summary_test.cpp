#include "report/summary.hpp"

#include <chrono>
#include <functional>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/iso_time.hpp"
#include "report/summary_page.hpp"
#include "report/verdict.hpp"

namespace pgcurfew {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;
using namespace std::chrono_literals;

using Json = Summary::Json;

constexpr WallTime kBegin{std::chrono::hours(24 * 365)};

/// A record of episodes, line by line; times are seconds from its beginning.
class Written {
 public:
  explicit Written(std::string rule = "r", std::string mode = "dry-run")
      : rule_(std::move(rule)), mode_(std::move(mode)) {}

  Written& event(const std::string& kind, int at, const std::string& more = {}) {
    lines_.push_back(fmt::format(
        R"({{"seq":1,"run":"a","ts":"{}","event":"{}","server":"main","rule":"{}","mode":"{}"{}{}}})",
        iso_8601(kBegin + std::chrono::seconds(at)), kind, rule_, mode_, more.empty() ? "" : ",", more));
    return *this;
  }

  /// A step with its outcome, of the episode `episode`; `more`: further fields of the intent.
  Written& step(const std::string& episode, const std::string& step, int at, const std::string& outcome,
                const std::string& more = {}) {
    const auto common = fmt::format(
        R"("decision":"{0}-{1}","episode":"{0}","step":"{1}","pid":7,"session_id":"{0}","user":"app")",
        episode, step);
    event("intent", at, common + (more.empty() ? "" : ",") + more);
    return event("outcome", at, fmt::format(R"({},"outcome":"{}","query":"select {}")", common, outcome, 42));
  }

  Written& end(const std::string& episode, int at, const std::string& end, const std::string& more = {}) {
    return event(
        "ended", at,
        fmt::format(R"("episode":"{}","end":"{}"{}{})", episode, end, more.empty() ? "" : ",", more));
  }

  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::string rule_;
  std::string mode_;
  std::vector<std::string> lines_;
};

Summary summary_of(const Written& written, std::function<bool(const Json&)> is_wanted = nullptr) {
  if (!is_wanted) is_wanted = [](const Json&) { return true; };
  Summary summary({is_wanted, [](const Json&) { return true; }, kBegin, kBegin + 1000s},
                  [](WallTime time) { return static_cast<int>((time - kBegin) / 60s) % 24; });
  for (const auto& line : written.lines()) summary.take(line);
  summary.finish();
  return summary;
}

/// The summary of a record with one rule.
RuleSummary only_rule_of(const Written& written) {
  const auto summary = summary_of(written);
  const auto rules = summary.rules();
  EXPECT_EQ(rules.size(), 1U);
  return rules.empty() ? RuleSummary() : *rules.front();
}

const char* const kGrace = R"("next_after_s":30.0)";

TEST(Summary, AnEpisodeThatEndsBeforeTheNextStepHasEndedWithinTheGrace) {
  const auto rule = only_rule_of(Written()
                                     .step("a", "cancel", 0, "would_signal", kGrace)
                                     .end("a", 5, "by_itself", R"("since_step_s":5.0)"));
  EXPECT_EQ(rule.episodes, 1U);
  EXPECT_EQ(rule.cancelled, 1U);
  EXPECT_EQ(rule.within_grace, 1U);
  EXPECT_EQ(rule.lived_on.count(), 0U);
}

TEST(Summary, AnEpisodeThatIsThereAtTheLastStepHasLivedOnSinceTheFirst) {
  const auto rule = only_rule_of(Written()
                                     .step("a", "cancel", 0, "would_signal", kGrace)
                                     .step("a", "terminate", 30, "would_signal", R"("if_still":true)")
                                     .end("a", 70, "gone", R"("since_step_s":70.0)"));
  EXPECT_EQ(rule.within_grace, 0U);
  EXPECT_EQ(rule.if_still, 1U);
  EXPECT_EQ(rule.lived_on.count(), 1U);
  EXPECT_EQ(rule.lived_on.longest_s(), 70.0);
  EXPECT_EQ(rule.cancelled, 1U) << "what comes after the first effect counts nowhere";
  EXPECT_EQ(rule.terminated, 0U);
  EXPECT_EQ(rule.decisions, 2U);
}

TEST(Summary, ALadderOfOneStepHasNoGrace) {
  const auto rule = only_rule_of(
      Written().step("a", "cancel", 0, "would_signal").end("a", 5, "by_itself", R"("since_step_s":5.0)"));
  EXPECT_EQ(rule.within_grace, 0U);
  EXPECT_EQ(rule.lived_on.median_s(), 5.0);
}

TEST(Summary, WhatOutlivesTheGraceWithoutTheNextStepHasNotEndedWithinIt) {
  for (const auto& [end, is_within] : {std::pair(30, true), std::pair(35, true), std::pair(36, false)}) {
    const auto rule =
        only_rule_of(Written()
                         .step("a", "cancel", 0, "would_signal", kGrace)
                         .end("a", end, "by_itself", fmt::format(R"("since_step_s":{}.0)", end)));
    EXPECT_EQ(rule.within_grace, is_within ? 1U : 0U) << end;
    EXPECT_EQ(rule.held_back, is_within ? 0U : 1U) << end;
    EXPECT_EQ(rule.lived_on.count(), rule.held_back) << end;
    EXPECT_THAT(verdict_of(rule), Contains(HasSubstr(is_within ? "within the grace" : "was held back")))
        << end;
  }
}

TEST(Summary, SaysForHowLongItCouldNotAct) {
  auto written = Written();
  written.event("record_failed", 0, R"("required":false)").event("record_again", 5, R"("outage_s":5.0)");
  written.event("record_failed", 10, R"("required":true)").event("record_again", 60, R"("outage_s":49.9)");
  written.event("server_up", 70, R"("outage_s":5.0)").event("server_up", 80, R"("outage_s":2.5)");
  written.event("server_up", 90).event("hold_over", 95, R"("hold":"hidden","lasted_s":9.0)");
  written.event("hold_over", 99, R"("hold":"looks_fail","lasted_s":3.0)");
  EXPECT_THAT(summary_of(written).outages(),
              UnorderedElementsAre(Pair(Pair(Summary::Outage::kRequiredRecord, ""), 49.9),
                                   Pair(Pair(Summary::Outage::kServerDown, "main"), 7.5),
                                   Pair(Pair(Summary::Outage::kLooksFail, "main"), 3.0)));
}

TEST(Summary, AStepThatWasTriedWasNotHeldBack) {
  const auto rule = only_rule_of(Written("r", "enforce")
                                     .step("a", "cancel", 0, "signalled", kGrace)
                                     .step("a", "terminate", 30, "denied")
                                     .end("a", 300, "by_itself"));
  EXPECT_EQ(rule.within_grace, 0U);
  EXPECT_EQ(rule.lived_on.count(), 1U);
  EXPECT_EQ(rule.held_back, 0U);
}

TEST(Summary, SessionsThatWaitAreTheirOwnGroup) {
  auto written = Written().step("a", "cancel", 0, "would_signal").step("b", "cancel", 0, "would_signal");
  written.event("outcome", 1,
                R"("decision":"a-cancel","episode":"a","outcome":"would_signal","wait_event_type":"Lock")");
  const auto waits = only_rule_of(written).wait_event_types.top(5);
  ASSERT_EQ(waits.size(), 2U);
  EXPECT_EQ(waits[0].count + waits[1].count, 2U);
  EXPECT_EQ(waits[0].name + waits[1].name, "Lock");
}

TEST(Summary, AStepThatFoundTheSessionChangedWasNotTaken) {
  const auto rule = only_rule_of(Written()
                                     .step("a", "alert", 0, "alerted", kGrace)
                                     .step("a", "terminate", 30, "moved_on")
                                     .end("a", 31, "by_itself")
                                     .step("b", "cancel", 40, "gone")
                                     .end("b", 41, "gone"));
  EXPECT_EQ(rule.within_grace, 1U) << "it ended before the second step could be taken";
  EXPECT_EQ(rule.only_alerted, 1U);
  EXPECT_EQ(rule.not_acted, 1U);
  EXPECT_EQ(rule.lived_on.count(), 0U);
}

TEST(Summary, AnAlertAloneCountsTheTimeFromTheAlert) {
  const auto rule =
      only_rule_of(Written().step("a", "alert", 10, "alerted", R"("age_s":100.0)").end("a", 22, "by_itself"));
  EXPECT_EQ(rule.lived_on.longest_s(), 12.0);
  EXPECT_EQ(rule.longest_age_s, 112.0);
}

TEST(Summary, AnEndThatNobodySawIsNoEndByItself) {
  const auto rule = only_rule_of(Written()
                                     .step("a", "cancel", 0, "would_signal", kGrace)
                                     .end("a", 5, "daemon_stopped")
                                     .step("b", "cancel", 0, "would_signal")
                                     .end("b", 5, "unseen", R"("since_step_s":5.0)")
                                     .step("c", "cancel", 0, "would_signal"));
  EXPECT_EQ(rule.within_grace + rule.lived_on.count(), 0U);
  EXPECT_THAT(rule.ends, UnorderedElementsAre(Pair("daemon_stopped", 1), Pair("unseen", 1), Pair("", 1)));
}

TEST(Summary, EnforcementCountsTheStrongestSignalAndItsEffects) {
  const auto rule =
      only_rule_of(Written("r", "enforce")
                       .step("a", "cancel", 0, "signalled", kGrace)
                       .event("verified", 1, R"("decision":"a-cancel","episode":"a","effect":"still_there")")
                       .step("a", "terminate", 30, "signalled")
                       .event("verified", 31, R"("decision":"a-terminate","episode":"a","effect":"ended")")
                       .end("a", 31, "by_us", R"("since_step_s":31.0)")
                       .step("b", "terminate", 50, "denied")
                       .end("b", 50, "denied")
                       .step("c", "terminate", 60, "signalled")
                       .event("unkillable", 70, R"("decision":"c-terminate","episode":"c")")
                       .end("c", 70, "unkillable"));
  EXPECT_EQ(rule.cancelled, 0U);
  EXPECT_EQ(rule.terminated, 2U);
  EXPECT_EQ(rule.not_acted, 1U);
  EXPECT_EQ(rule.unkillable, 1U);
  EXPECT_THAT(rule.effects, UnorderedElementsAre(Pair("still_there", 1), Pair("ended", 1)));
  EXPECT_THAT(rule.outcomes, UnorderedElementsAre(Pair("signalled", 3), Pair("denied", 1)));
}

TEST(Summary, TheLongestAgeIncludesTheTimeThatASessionLivedOn) {
  const auto rule = only_rule_of(Written()
                                     .step("a", "cancel", 0, "would_signal", R"("age_s":600.0)")
                                     .end("a", 300, "stopped", R"("since_step_s":300.0)")
                                     .step("b", "cancel", 0, "would_signal", R"("age_s":700.0)")
                                     .end("b", 5, "by_itself", R"("since_step_s":5.0)"));
  EXPECT_EQ(rule.longest_age_s, 900.0);
  EXPECT_EQ(rule.longest_decision, "a-cancel");
}

TEST(Summary, TheTimeThatASessionLivedOnCountsFromTheFirstSignal) {
  const auto rule = only_rule_of(Written("r", "enforce")
                                     .step("a", "alert", 0, "alerted", R"("age_s":90.0)")
                                     .step("a", "cancel", 10, "signalled", R"("age_s":100.0)")
                                     .step("a", "terminate", 40, "signalled", R"("age_s":130.0)")
                                     .end("a", 41, "by_us", R"("since_step_s":31.0)"));
  EXPECT_EQ(rule.longest_age_s, 131.0);
}

TEST(Summary, QueriesAreGroupedByIdOrByTheirRedactedText) {
  const auto rule = only_rule_of(Written()
                                     .step("a", "cancel", 0, "would_signal", R"("query_id":-5)")
                                     .end("a", 5, "by_itself")
                                     .step("b", "cancel", 0, "would_signal", R"("query_id":-5)")
                                     .end("b", 5, "by_itself")
                                     .step("c", "cancel", 0, "would_signal")
                                     .end("c", 5, "by_itself"));
  const auto queries = rule.queries.top(9);
  ASSERT_EQ(queries.size(), 2U);
  EXPECT_EQ(queries[0].name, "-5");
  EXPECT_EQ(queries[0].text, "select ?") << "whatever the policy keeps";
  EXPECT_EQ(queries[0].count, 2U);
  EXPECT_TRUE(has_query_id(queries[0]));
  EXPECT_EQ(queries[1].name, "select ?");
  EXPECT_FALSE(has_query_id(queries[1]));
}

TEST(Summary, SaysWhomTheyBlockedAtTheWorstMoment) {
  const auto waiter = [](int blocks, const char* user) {
    return fmt::format(
        R"("blocks":{},"longest_waiter_user":"{}","longest_waiter_application_name":"web","next_after_s":1.0)",
        blocks, user);
  };
  const auto rule = only_rule_of(Written()
                                     .step("a", "cancel", 0, "would_signal", waiter(2, "app"))
                                     .step("a", "terminate", 10, "would_signal", waiter(5, "etl"))
                                     .end("a", 20, "gone")
                                     .step("b", "cancel", 30, "would_signal", waiter(3, "etl"))
                                     .step("b", "terminate", 35, "would_signal", waiter(1, "app"))
                                     .end("b", 40, "gone"));
  EXPECT_EQ(rule.blockers, 2U);
  EXPECT_EQ(rule.blocked_sessions, 8U);
  EXPECT_EQ(rule.most_blocked, 5U);
  ASSERT_EQ(rule.longest_waiters.top(9).size(), 1U);
  EXPECT_EQ(rule.longest_waiters.top(9)[0].name, "etl (web)");
}

TEST(Summary, AnEpisodeCountsByItsFirstHour) {
  const auto rule = only_rule_of(Written()
                                     .step("a", "cancel", 130, "would_signal", kGrace)
                                     .step("a", "terminate", 200, "would_signal")
                                     .end("a", 220, "gone"));
  EXPECT_EQ(rule.hours[2], 1U);
  EXPECT_EQ(std::accumulate(rule.hours.begin(), rule.hours.end(), std::uint64_t{0}), 1U);
}

TEST(Summary, AnEpisodeCountsIfOneOfItsDecisionsIsAskedForAndIsWholeThen) {
  const auto written = Written()
                           .step("a", "cancel", 0, "would_signal", kGrace)
                           .step("a", "terminate", 30, "would_signal", R"("if_still":true)")
                           .end("a", 70, "gone", R"("since_step_s":70.0)")
                           .step("b", "cancel", 0, "would_signal", kGrace)
                           .end("b", 5, "gone");
  const auto summary =
      summary_of(written, [](const Json& event) { return text_in(event, "step") == "terminate"; });
  EXPECT_EQ(summary.episodes(), 1U);
  EXPECT_EQ(summary.decisions(), 1U);
  EXPECT_EQ(summary.rules().front()->cancelled, 1U);
  EXPECT_EQ(summary.rules().front()->lived_on.count(), 1U);
}

TEST(Summary, EpisodesOfTheSameIdAreToldApartByRuleAndServer) {
  auto written = Written("one").step("a", "cancel", 0, "would_signal", kGrace);
  Written other("two");
  other.step("a", "cancel", 0, "would_signal").end("a", 5, "gone", R"("since_step_s":5.0)");
  for (auto* lines : {&other}) {
    Summary summary({[](const Json&) { return true; }, [](const Json&) { return true; }, {}, {}},
                    [](WallTime) { return 0; });
    for (const auto& line : written.lines()) summary.take(line);
    for (const auto& line : lines->lines()) summary.take(line);
    summary.finish();
    ASSERT_EQ(summary.rules().size(), 2U);
    EXPECT_THAT(summary.rules()[0]->ends, ElementsAre(Pair("", 1)));
    EXPECT_THAT(summary.rules()[1]->ends, ElementsAre(Pair("gone", 1)));
  }
}

TEST(Summary, CountsWhatIsNoDecisionToo) {
  const auto rule =
      only_rule_of(Written()
                       .event("superseded", 0, R"("episode":"x","decision":"x","superseded_by":"o")")
                       .event("skipped", 0)
                       .event("spared_blocker", 0)
                       .step("a", "cancel", 0, "would_signal")
                       .event("repeat", 1, R"("decision":"a-cancel","times":3)")
                       .event("repeat", 1, R"("decision":"of another","times":3)")
                       .event("breaker_open", 2)
                       .end("a", 5, "gone")
                       .end("x", 5, "gone"));
  EXPECT_EQ(rule.superseded, 1U);
  EXPECT_EQ(rule.skipped, 1U);
  EXPECT_EQ(rule.spared_blockers, 1U);
  EXPECT_EQ(rule.repeats, 1U);
  EXPECT_EQ(rule.episodes, 1U);
}

TEST(Summary, PassesOverWhatItCannotRead) {
  Summary summary({[](const Json&) { return true; }, [](const Json&) { return true; }, {}, {}},
                  [](WallTime) { return 99; });
  for (const auto* line :
       {"", "[1]", "{", R"({"event":7})", R"({"event":"intent"})", R"({"event":"ended","ts":"x"})",
        R"({"event":"intent","blocks":-3,"age_s":"x","pid":"y","query_id":[],"ts":5})"}) {
    summary.take(line);
  }
  summary.finish();
  EXPECT_LE(summary.episodes(), 2U);
}

TEST(Summary, KeepsNothingOfAnEpisodeThatHasEnded) {
  Written written;
  for (int i = 0; i < 3; ++i) {
    written.step("a", "cancel", i, "would_signal").end("a", i, "gone");
  }
  EXPECT_EQ(only_rule_of(written).episodes, 3U) << "the same id after its end is another episode";
}

TEST(Summary, SaysHowLongNoDaemonRan) {
  Summary summary(
      {[](const Json&) { return true; }, [](const Json&) { return true; }, kBegin, kBegin + 1000s},
      [](WallTime) { return 0; });
  const auto event = [&](const std::string& kind, const std::string& run, int at) {
    summary.take(fmt::format(R"({{"run":"{}","ts":"{}","event":"{}"}})", run,
                             iso_8601(kBegin + std::chrono::seconds(at)), kind));
  };
  event("started", "a", -200);
  event("stopped", "a", -100);
  event("started", "b", 50);         // 50 s of the period without one
  event("server_up", "b", 60);       // then it crashes
  event("drain_began", "hand", 70);  // no daemon
  event("started", "c", 100);        // 40 s
  event("stopped", "c", 990);        // 10 s
  summary.finish();
  EXPECT_EQ(summary.not_running_s(), 100.0);
}

TEST(Verdict, SaysWhatEnforcementWouldHaveDoneAndWhatBecameOfThem) {
  Written written;
  written.step("a", "cancel", 0, "would_signal", kGrace).end("a", 5, "by_itself", R"("since_step_s":5.0)");
  for (const auto* name : {"b", "c"}) {
    written.step(name, "cancel", 0, "would_signal", kGrace)
        .step(name, "terminate", 30, "would_signal", R"("if_still":true)")
        .end(name, 90, "gone", R"("since_step_s":90.0)");
  }
  EXPECT_THAT(
      verdict_of(only_rule_of(written)),
      ElementsAre("Enforced, it would have cancelled 3 queries.",
                  "1 episode ended by itself within the grace, before the next step.",
                  "2 episodes went on, for another 1min 30s at the median and 1min 30s at most, and ended by "
                  "themselves.",
                  "In 2 episodes a later step came due, too."));
}

TEST(NameCounts, IsBoundedAndCountsTheRestTogether) {
  NameCounts names;
  for (std::size_t i = 0; i < NameCounts::kMostNames + 5; ++i) names.count(std::to_string(i));
  names.count("7");
  names.count(std::string(5000, 'x'));
  EXPECT_EQ(names.total(), NameCounts::kMostNames + 7);
  EXPECT_EQ(names.top(1).at(0).name, "7");
  EXPECT_EQ(names.top(NameCounts::kMostNames * 2).size(), NameCounts::kMostNames);
}

TEST(Durations, TheMedianOfAnEvenNumberIsTheLowerOfTheTwo) {
  Durations durations;
  EXPECT_EQ(durations.median_s(), 0);
  for (const auto seconds : {9.0, 1.0, 5.0, 3.0}) durations.add(seconds);
  EXPECT_EQ(durations.median_s(), 3.0);
  EXPECT_EQ(durations.longest_s(), 9.0);
}

TEST(SummaryPage, EscapesEveryTextOfAClient) {
  const std::string hostile = R"(</td><script>alert(1)</script>\u001b[2J\u202e\"'&)";
  const auto names = fmt::format(
      R"("database":"{0}","application_name":"{0}","clock":"{0}","limit_s":1.0,"age_s":1.0,"blocks":1,)"
      R"("longest_waiter_user":"{0}")",
      hostile);
  Written written("<b>r");
  written.step("a", "cancel", 0, "would_signal", names).end("a", 5, "<i>");
  const auto summary = summary_of(written);
  const auto page = summary_page(summary, {"<u>", {"<s>"}});
  for (const auto* tag : {"<script", "<b>", "<i>", "<u>", "<s>", "\x1b", "\u202e"})
    EXPECT_THAT(page, Not(HasSubstr(tag)));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[2J"));
  EXPECT_THAT(page, HasSubstr("rule &lt;b&gt;r"));
}

}  // namespace
}  // namespace pgcurfew
