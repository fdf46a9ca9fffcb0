#include "policy/advice/claims.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "policy/condition.hpp"

namespace pgcurfew {

namespace {

/// Tries names that have nothing in common: each character alone, and a long name.
bool fits_all_names(const TextTest& test) {
  const auto fits = [&](std::string_view name) {
    return std::any_of(test.any_of.begin(), test.any_of.end(),
                       [&](const TextPattern& pattern) { return pattern.matches(name); });
  };
  for (char c = ' '; c <= '~'; ++c) {
    if (!fits({&c, 1})) return false;
  }
  return fits("4_Name no-one.Bears");
}

/// All of one kind are enough: a client of the other kind can also connect by that one.
bool fits_all_addresses(const AddressTest& test) {
  const auto fits = [&](std::string_view text) {
    const auto address = parse_address(text).value();
    return std::any_of(test.any_of.begin(), test.any_of.end(), [&](const AddressPattern& pattern) {
      return !pattern.is_local() && pattern.matches(address);
    });
  };
  // no client has these addresses; only both halves of all addresses, or all of them, contain both
  return (fits("0.0.0.1") && fits("255.255.255.254")) || (fits("::2") && fits("ffff::2"));
}

bool has_clients(const Match& match) {
  const auto* types = find_condition(match, Field::kBackendType);
  if (types == nullptr) return true;
  const auto& any_of = std::get<BackendTypeTest>(types->test).any_of;
  return std::find(any_of.begin(), any_of.end(), "client backend") != any_of.end();
}

}  // namespace

bool is_for_named_clients(const Match& match) {
  const auto* user = find_condition(match, Field::kUser);
  if (user != nullptr && !fits_all_names(std::get<TextTest>(user->test))) return true;
  const auto* address = find_condition(match, Field::kClientAddr);
  return address != nullptr && !fits_all_addresses(std::get<AddressTest>(address->test));
}

std::string claimable_fields(const Match& match) {
  std::vector<std::string_view> names;
  for (const auto& entry : all_fields()) {
    if (entry.is_chosen_by_client && find_condition(match, entry.field) != nullptr) {
      names.push_back(entry.name);
    }
  }
  if (names.empty() || is_for_named_clients(match) || !has_clients(match)) return {};
  const auto last = names.back();
  names.pop_back();
  return names.empty() ? std::string(last) : fmt::format("{} and {}", fmt::join(names, ", "), last);
}

void warn_of_claim(const Match& match, PlaceInText at, std::string_view what, std::string_view gain,
                   Complaints& complaints) {
  const auto fields = claimable_fields(match);
  if (fields.empty()) return;
  complaints.warn(at, fmt::format("this {} relies on {}, which any client can choose", what, fields),
                  fmt::format("Any client can {} that way: name the user as well.", gain));
}

}  // namespace pgcurfew
