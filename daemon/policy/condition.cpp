#include "policy/condition.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/words.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kClientBackend = "client backend";

struct Values {
  std::vector<std::string> operator()(const TextTest& test) const {
    std::vector<std::string> values;
    for (const auto& pattern : test.any_of) values.push_back(pattern.written());
    return values;
  }
  std::vector<std::string> operator()(const AddressTest& test) const {
    std::vector<std::string> values;
    for (const auto& pattern : test.any_of) values.push_back(pattern.written());
    return values;
  }
  std::vector<std::string> operator()(const BackendTypeTest& test) const { return test.any_of; }
  std::vector<std::string> operator()(const StateTest& test) const {
    std::vector<std::string> values;
    for (const auto state : test.any_of) values.emplace_back(name_of(state));
    return values;
  }
  std::vector<std::string> operator()(const NumbersTest& test) const {
    std::vector<std::string> values;
    for (const auto id : test.any_of) values.push_back(std::to_string(id));
    return values;
  }
  std::vector<std::string> operator()(const BlocksTest& test) const {
    if (!test.waiter) return {std::to_string(test.at_least)};
    std::vector<std::string> values;
    if (test.at_least > 1) values.push_back(fmt::format("sessions: {}", test.at_least));
    for (const auto& condition : test.waiter->conditions) {
      values.push_back(fmt::format("{}: {}", entry_of(condition.field).name, condition.written));
    }
    for (const auto& age : test.waiter->ages) {
      values.push_back(fmt::format("{}: {}", name_of(age.clock), to_text(age.limit)));
    }
    return values;
  }
  std::vector<std::string> operator()(const XminAgeTest& test) const {
    return {transactions_text_of(test.at_least)};
  }
};

/// Expensive conditions come last: a look at thousands of sessions should end at a comparison of numbers if
/// possible.
struct Cost {
  int operator()(const BackendTypeTest&) const { return 0; }
  int operator()(const StateTest&) const { return 1; }
  int operator()(const NumbersTest&) const { return 2; }
  int operator()(const XminAgeTest&) const { return 2; }
  int operator()(const BlocksTest&) const { return 8; }
  int operator()(const TextTest& test) const {
    int cost = 3;
    for (const auto& pattern : test.any_of) {
      cost = std::max(cost, pattern.is_regular_expression() ? 6 : pattern.is_exact() ? 3 : 4);
    }
    return cost;
  }
  int operator()(const AddressTest&) const { return 5; }
};

int cost_of(const Condition& condition) {
  return condition.field == Field::kQuery ? 7 : std::visit(Cost{}, condition.test);
}

}  // namespace

std::vector<std::string> values_of(const Condition& condition) {
  return std::visit(Values{}, condition.test);
}

std::string written_text_of(const Condition& condition) {
  return printable(fmt::format("{}", fmt::join(values_of(condition), ", ")));
}

std::string transactions_text_of(std::int64_t transactions) {
  constexpr std::array<std::pair<std::int64_t, char>, 3> kUnits{
      {{1'000'000'000, 'G'}, {1'000'000, 'M'}, {1'000, 'k'}}};
  for (const auto& [factor, unit] : kUnits) {
    if (transactions >= factor && transactions % factor == 0) {
      return fmt::format("{}{}", transactions / factor, unit);
    }
  }
  return std::to_string(transactions);
}

void sort_by_cost(Match& match) {
  std::stable_sort(match.conditions.begin(), match.conditions.end(),
                   [](const Condition& a, const Condition& b) { return cost_of(a) < cost_of(b); });
  std::stable_sort(match.ages.begin(), match.ages.end(),
                   [](const AgeLimit& a, const AgeLimit& b) { return a.clock < b.clock; });
}

const Condition* find_condition(const Match& match, Field field) {
  const auto found = std::find_if(match.conditions.begin(), match.conditions.end(),
                                  [&](const Condition& condition) { return condition.field == field; });
  return found == match.conditions.end() ? nullptr : &*found;
}

const StateTest* states_of(const Match& match) {
  for (const auto& condition : match.conditions) {
    if (const auto* test = std::get_if<StateTest>(&condition.test)) return test;
  }
  return nullptr;
}

Condition client_backend_condition(Place place) {
  return {Field::kBackendType, BackendTypeTest{{std::string(kClientBackend)}}, std::string(kClientBackend),
          std::move(place)};
}

bool is_client_backend(const Condition& condition) {
  const auto* test = std::get_if<BackendTypeTest>(&condition.test);
  return test != nullptr && test->any_of.size() == 1 && test->any_of.front() == kClientBackend;
}

}  // namespace pgcurfew
