#include "policy/advice/covers.hpp"

#include <algorithm>
#include <variant>
#include <vector>

namespace pgcurfew {

namespace {

template <class Value>
bool is_within(const std::vector<Value>& narrow, const std::vector<Value>& wide) {
  return std::all_of(narrow.begin(), narrow.end(), [&](const Value& value) {
    return std::find(wide.begin(), wide.end(), value) != wide.end();
  });
}

/// A star in `narrow` stands for any text, which only a star in `wide` covers: then the star as a text
/// matches it.
bool covers_text(const TextPattern& wide, const TextPattern& narrow) {
  if (wide.written() == narrow.written() && wide.is_regular_expression() == narrow.is_regular_expression()) {
    return true;
  }
  if (narrow.is_exact()) return wide.matches(narrow.written());
  if (wide.is_regular_expression() || narrow.is_regular_expression()) return false;
  return wide.written().find('?') == std::string::npos && wide.matches(narrow.written());
}

struct CoversTest {
  const Condition& narrow;

  bool operator()(const TextTest& wide) const {
    const auto& test = std::get<TextTest>(narrow.test);
    return std::all_of(test.any_of.begin(), test.any_of.end(), [&](const TextPattern& pattern) {
      return std::any_of(wide.any_of.begin(), wide.any_of.end(),
                         [&](const TextPattern& other) { return covers_text(other, pattern); });
    });
  }
  bool operator()(const AddressTest& wide) const {
    const auto& test = std::get<AddressTest>(narrow.test);
    return std::all_of(test.any_of.begin(), test.any_of.end(), [&](const AddressPattern& pattern) {
      const auto address = parse_address(pattern.written());
      return std::any_of(wide.any_of.begin(), wide.any_of.end(), [&](const AddressPattern& other) {
        return other.written() == pattern.written() ||
               (address && !other.is_local() && other.matches(*address));
      });
    });
  }
  bool operator()(const BackendTypeTest& wide) const {
    return is_within(std::get<BackendTypeTest>(narrow.test).any_of, wide.any_of);
  }
  bool operator()(const StateTest& wide) const {
    return is_within(std::get<StateTest>(narrow.test).any_of, wide.any_of);
  }
  bool operator()(const NumbersTest& wide) const {
    return is_within(std::get<NumbersTest>(narrow.test).any_of, wide.any_of);
  }
  bool operator()(const XminAgeTest& wide) const {
    return std::get<XminAgeTest>(narrow.test).at_least >= wide.at_least;
  }
  bool operator()(const BlocksTest& wide) const {
    return !wide.waiter && std::get<BlocksTest>(narrow.test).at_least >= wide.at_least;
  }
};

}  // namespace

bool covers(const Match& wide, const Match& narrow) {
  return std::all_of(wide.conditions.begin(), wide.conditions.end(), [&](const Condition& condition) {
    const auto found = std::find_if(narrow.conditions.begin(), narrow.conditions.end(),
                                    [&](const Condition& other) { return other.field == condition.field; });
    return found != narrow.conditions.end() && std::visit(CoversTest{*found}, condition.test);
  });
}

}  // namespace pgcurfew
