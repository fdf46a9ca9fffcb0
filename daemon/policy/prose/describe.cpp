#include "policy/prose/describe.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/words.hpp"
#include "policy/condition.hpp"
#include "policy/prose/describe_parts.hpp"

namespace pgcurfew {

namespace {

/// The subject of the rule: what its finest age belongs to.
enum class Subject { kQuery, kTransaction, kState, kSession };

std::string values_text(const Condition& condition) {
  auto values = values_of(condition);
  for (auto& value : values) {
    if (condition.field == Field::kQuery && !value.starts_with('/')) value = fmt::format("/{}/", value);
    value = printable(value);
  }
  return or_list(values);
}

/// Whether only sessions that run a statement match.
bool is_for_running(const Match& match) {
  const auto* states = states_of(match);
  return states != nullptr && std::all_of(states->any_of.begin(), states->any_of.end(), [](State state) {
           return state == State::kActive || state == State::kFastpathFunctionCall;
         });
}

Subject subject_of(const Match& match) {
  if (match.ages.empty()) return Subject::kSession;
  switch (match.ages.front().clock) {
    case Clock::kBlockedFor:
    case Clock::kBlocksFor:
      return Subject::kSession;
    case Clock::kQueryAge:
      return is_for_running(match) ? Subject::kQuery : Subject::kSession;
    case Clock::kTransactionAge:
      return Subject::kTransaction;
    case Clock::kStateAge:
      return Subject::kState;
    case Clock::kSessionAge:
      break;
  }
  return Subject::kSession;
}

std::string_view noun_of(Subject subject) {
  switch (subject) {
    case Subject::kQuery:
      return "query";
    case Subject::kTransaction:
      return "transaction";
    default:
      return "session";
  }
}

/// " in database app or app_* of user etl ...": the text after the noun, except states and ages.
std::string qualifiers_of(const Match& match) {
  std::string text;
  for (const auto& entry : all_fields()) {
    const auto* condition = entry.words.empty() ? nullptr : find_condition(match, entry.field);
    if (condition == nullptr || is_client_backend(*condition)) continue;
    const bool goes_on =
        entry.field == Field::kWaitEvent && find_condition(match, Field::kWaitEventType) != nullptr;
    text += goes_on ? std::string_view(" and wait_event ") : entry.words;
    text += values_text(*condition);
  }
  return text;
}

const AgeLimit* find_age(const Match& match, Clock clock) {
  for (const auto& age : match.ages) {
    if (age.clock == clock) return &age;
  }
  return nullptr;
}

/// "a session of user migrator waiting for 5s or longer"
std::string waiters_text(const BlocksTest& test) {
  const auto count = test.at_least;
  if (!test.waiter) return count == 1 ? "others" : fmt::format("{} or more others", count);
  auto text = count == 1 ? std::string("a session") : fmt::format("{} or more sessions", count);
  text += qualifiers_of(*test.waiter);
  if (const auto* states = find_condition(*test.waiter, Field::kState)) {
    text += fmt::format(" in state {}", values_text(*states));
  }
  if (const auto* age = find_age(*test.waiter, Clock::kBlockedFor)) {
    text += fmt::format(" waiting for {} or longer", to_text(age->limit));
  }
  return text;
}

/// "that blocks 3 or more others for 5s or longer, while it waits for no lock itself"; empty if the rule is
/// not about blocking.
std::string blocking_text(const Match& match) {
  const auto* condition = find_condition(match, Field::kBlocks);
  const auto* age = find_age(match, Clock::kBlocksFor);
  if (condition == nullptr && age == nullptr) return {};
  auto text = fmt::format("that blocks {}", condition == nullptr
                                                ? waiters_text({})
                                                : waiters_text(std::get<BlocksTest>(condition->test)));
  if (age != nullptr) text += fmt::format(" for {} or longer", to_text(age->limit));
  if (find_age(match, Clock::kBlockedFor) == nullptr) text += ", while it waits for no lock itself";
  return text;
}

/// "that runs for 10min or longer", with the state if one clock covers both.
std::string age_text(const AgeLimit& age, Subject subject, const std::optional<std::string>& states) {
  const auto limit = to_text(age.limit);
  switch (age.clock) {
    case Clock::kBlockedFor:
      return fmt::format("that waits for a lock for {} or longer", limit);
    case Clock::kBlocksFor:
      return {};  // described with the blocked sessions
    case Clock::kQueryAge:
      if (subject == Subject::kQuery) return fmt::format("that runs for {} or longer", limit);
      return fmt::format("whose last query began {} ago or earlier", limit);
    case Clock::kTransactionAge:
      if (subject == Subject::kTransaction) return fmt::format("that is open for {} or longer", limit);
      return fmt::format("whose transaction is open for {} or longer", limit);
    case Clock::kStateAge:
      if (states) return fmt::format("that is {} for {} or longer", *states, limit);
      return fmt::format("that has been in one state for {} or longer", limit);
    case Clock::kSessionAge:
      break;
  }
  return fmt::format("{} for {} or longer",
                     subject == Subject::kSession || subject == Subject::kState
                         ? "that is connected"
                         : "whose session is connected",
                     limit);
}

/// "a query in database app that runs for 10min or longer"
std::string subject_text(const Match& match, Subject subject) {
  std::string text = fmt::format("a {}{}", noun_of(subject), qualifiers_of(match));
  const auto* condition = find_condition(match, Field::kState);
  const auto states = condition != nullptr ? std::optional(values_text(*condition)) : std::nullopt;
  const bool is_told_with_age = subject == Subject::kQuery || find_age(match, Clock::kStateAge) != nullptr;
  if (states && !is_told_with_age) text += fmt::format(" in state {}", *states);
  std::vector<std::string> clauses;
  for (const auto& age : match.ages) clauses.push_back(age_text(age, subject, states));
  if (const auto* xmin = find_condition(match, Field::kXminAge)) {
    clauses.push_back(fmt::format("whose xmin_age is {} transactions or more", values_text(*xmin)));
  }
  clauses.push_back(blocking_text(match));
  std::erase(clauses, std::string());
  if (!clauses.empty()) text += fmt::format(" {}", fmt::join(clauses, " and "));
  return text;
}

std::string first_step_text(const Step& step, const Match& match, Subject subject) {
  std::string text;
  const bool is_query = subject == Subject::kQuery;
  const bool is_session = noun_of(subject) == "session";
  switch (step.kind) {
    case StepKind::kAlert:
      text = "alerts about ";
      break;
    case StepKind::kCancel:
      text = is_query ? "cancels " : "cancels the query of ";
      break;
    case StepKind::kTerminate:
      text = is_session ? "terminates " : "terminates the session of ";
      break;
  }
  text += subject_text(match, subject);
  if (step.after > Duration::zero()) text += fmt::format(", {} after that", to_text(step.after));
  return text;
}

/// The condition of the later steps.
std::string_view condition_text(const Match& match) {
  if (match.ages.empty()) return "it still matches";
  switch (match.ages.front().clock) {
    case Clock::kBlockedFor:
      return "it still waits for that lock";
    case Clock::kBlocksFor:
      return "it still blocks them";
    case Clock::kQueryAge:
      return "it is still the same query";
    case Clock::kTransactionAge:
      return "it is still the same transaction";
    case Clock::kStateAge:
      return "its state has not changed since";
    case Clock::kSessionAge:
      break;
  }
  return "it is still there";
}

std::string later_step_text(const Step& step, const Match& match) {
  std::string_view action = "terminates the session";
  if (step.kind == StepKind::kAlert) action = "alerts";
  if (step.kind == StepKind::kCancel) action = "cancels the query";
  const auto wait = step.after > Duration::zero() ? to_text(step.after) + " later" : std::string("at once");
  return fmt::format("{} {} if {}", action, wait, condition_text(match));
}

std::string exception_text(const Match& match) {
  std::string text = "not for " + phrase_of(match);
  if (match.ages.size() == 1) return text + " before " + to_text(match.ages.front().limit);
  for (std::size_t i = 0; i < match.ages.size(); ++i) {
    text += fmt::format("{}{} {}", i == 0 ? " before " : " and ", name_of(match.ages[i].clock),
                        to_text(match.ages[i].limit));
  }
  return text;
}

}  // namespace

std::string phrase_of(const Match& match) {
  std::string text;
  for (const auto& entry : all_fields()) {
    const auto* condition = find_condition(match, entry.field);
    if (condition == nullptr || (is_client_backend(*condition) && match.conditions.size() > 1)) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", entry.name, values_text(*condition));
  }
  return text.empty() ? "any session" : text;
}

std::string sentence_of(const Rule& rule) {
  const auto subject = subject_of(rule.match);
  std::string text =
      fmt::format("{}: {}", rule.name, first_step_text(rule.escalate.front(), rule.match, subject));
  for (std::size_t i = 1; i < rule.escalate.size(); ++i) {
    text += "; " + later_step_text(rule.escalate[i], rule.match);
  }
  for (const auto& exception : rule.except) text += "; " + exception_text(exception.match);
  for (const auto& part : circumstances_of(rule)) text += "; " + part;
  if (rule.mode == Mode::kDryRun) text += "; a dry run, so it only reports what it would do";
  return text + ".";
}

}  // namespace pgcurfew
