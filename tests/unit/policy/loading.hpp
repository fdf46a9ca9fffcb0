#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "policy/reader/load.hpp"

namespace pgcurfew::testing {

/// Loads a drop-in.
inline LoadResult load(std::string text) {
  const Source source{"x.yaml", std::move(text)};
  return load_drop_in(source);
}

/// Loads a main file alone.
inline LoadResult load_main(std::string text) {
  const Source source{"main.yaml", std::move(text)};
  return load_policy(source, {});
}

/// Four lines of a drop-in whose third is the rule's match, the fourth its ladder.
inline std::string rule_with(std::string_view match, std::string_view escalate = "[ alert ]") {
  std::string text = "rules:\n- name: r\n  match: ";
  text += match;
  text += "\n  escalate: ";
  text += escalate;
  return text + "\n";
}

/// A main file with one server and one rule, and more at its end.
inline std::string main_with(std::string_view more) {
  std::string text =
      "servers: [ { name: db, conninfo: host=db } ]\n"
      "rules: [ { name: r, match: { user: app }, escalate: [ alert ] } ]\n";
  return text += more;
}

inline std::string all_of(const LoadResult& result) {
  std::string text;
  for (const auto& diagnostic : result.diagnostics) text += render(diagnostic);
  return text;
}

/// Expects one message among others.
inline void expect_said(const LoadResult& result, Severity severity, std::size_t line, std::size_t column,
                        std::string_view message, std::string_view hint) {
  for (const auto& said : result.diagnostics) {
    if (said.severity == severity && said.place.line == line && said.place.column == column &&
        said.message == message && said.hint == hint) {
      return;
    }
  }
  ADD_FAILURE() << line << ":" << column << ": " << message << "\nhint: " << hint
                << "\nis not said; what is said:\n"
                << all_of(result);
}

/// Expects that a file is refused with one error only.
inline void expect_error(const LoadResult& result, std::size_t line, std::size_t column,
                         std::string_view message, std::string_view hint = {}) {
  expect_said(result, Severity::kError, line, column, message, hint);
  EXPECT_EQ(result.diagnostics.size(), 1U) << all_of(result);
  EXPECT_TRUE(result.has_errors());
}

/// Expects that a file is accepted with one warning.
inline void expect_warning(const LoadResult& result, std::size_t line, std::size_t column,
                           std::string_view message, std::string_view hint = {}) {
  expect_said(result, Severity::kWarning, line, column, message, hint);
  EXPECT_EQ(result.diagnostics.size(), 1U) << all_of(result);
  EXPECT_FALSE(result.has_errors());
}

/// The policy of files without errors.
inline Policy taken(const LoadResult& result) {
  EXPECT_EQ(all_of(result), "");
  return result.policy.value_or(Policy{});
}

/// What the files protect besides the built-in protections.
inline std::vector<Match> own_protect(const Policy& policy) {
  std::vector<Match> own;
  for (const auto& match : policy.protect) {
    if (match.protection.empty()) own.push_back(match);
  }
  return own;
}

/// The only rule of a policy.
inline Rule only_rule(const LoadResult& result) {
  auto policy = taken(result);
  EXPECT_EQ(policy.rules.size(), 1U);
  return policy.rules.empty() ? Rule{} : policy.rules.front();
}

}  // namespace pgcurfew::testing
