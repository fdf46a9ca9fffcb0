// The small grammars of the files: the first letter says which (rate, share, connections_used, transactions,
// count, query_id, duration of a step), the rest is the value. What is taken is written as plainly as can be,
// and read back to the same.
#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "fuzz.hpp"
#include "policy/reader/load.hpp"

namespace {

using namespace pgcurfew;
using fuzz::require;

/// The place of `@` in a main file is that of the value.
const char* document_for(char grammar) {
  switch (grammar) {
    case 'r':
      return "servers: [{name: a, conninfo: host=a}]\nsafety: { signals: @ }\nrules: [{name: r, match: "
             "{user: a}, "
             "escalate: [alert]}]\n";
    case 's':
      return "servers: [{name: a, conninfo: host=a}]\nsafety: { share: @ }\nrules: [{name: r, match: {user: "
             "a}, "
             "escalate: [alert]}]\n";
    case 'c':
      return "servers: [{name: a, conninfo: host=a}]\nrules: [{name: r, match: {user: a}, when: "
             "{connections_used: @}, escalate: [alert]}]\n";
    case 't':
      return "servers: [{name: a, conninfo: host=a}]\nrules: [{name: r, match: {xmin_age: @}, escalate: "
             "[alert]}]\n";
    case 'k':
      return "servers: [{name: a, conninfo: host=a}]\nrules: [{name: r, match: {user: a}, keep: @, escalate: "
             "[alert]}]\n";
    case 'q':
      return "servers: [{name: a, conninfo: host=a}]\nrules: [{name: r, match: {query_id: @}, escalate: "
             "[alert]}]\n";
    default:
      return "servers: [{name: a, conninfo: host=a}]\nrules: [{name: r, match: {user: a}, escalate: [alert: "
             "{after: "
             "@}]}]\n";
  }
}

std::optional<Policy> load(char grammar, const std::string& value) {
  std::string text = document_for(grammar);
  text.replace(text.find('@'), 1, value);
  const Source source{"x.yaml", text};
  auto loaded = load_policy(source, {});
  for (const auto& said : loaded.diagnostics) {
    require(!said.message.empty(), "a diagnostic has a message");
    const auto lines = 1 + std::count(text.begin(), text.end(), '\n');
    require(said.place.line <= static_cast<std::size_t>(lines), "its place is inside of the file");
  }
  return std::move(loaded.policy);
}

/// The value as plainly as can be.
std::string plain_text(char grammar, const Policy& policy) {
  const auto& rule = policy.rules.front();
  switch (grammar) {
    case 'r':
      require(policy.safety.signals >= 1 && policy.safety.signals <= 10'000, "a rate has its bounds");
      return fmt::format("{} per {}", policy.safety.signals, to_text(policy.safety.per));
    case 's':
      require(policy.safety.share >= 0.01 && policy.safety.share <= 1, "a share has its bounds");
      return fmt::format("{:.20f}%", policy.safety.share * 100);
    case 'c':
      require(*rule.when.connections_used >= 0.01 && *rule.when.connections_used <= 1,
              "a part has its bounds");
      return fmt::format("{:.20f}%", *rule.when.connections_used * 100);
    case 't':
      return std::to_string(std::get<XminAgeTest>(rule.match.conditions.back().test).at_least);
    case 'k':
      require(*rule.selection.keep >= 1, "a count has its bounds");
      return std::to_string(*rule.selection.keep);
    case 'q':
      return std::to_string(std::get<NumbersTest>(rule.match.conditions.back().test).any_of.front());
    default:
      require(rule.escalate.front().after >= Duration(0), "a wait is not negative");
      return to_text(rule.escalate.front().after);
  }
}

bool is_part(char grammar) {
  return grammar == 's' || grammar == 'c';
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto text = fuzz::text_of(data, size);
  const char grammar = text.front();
  const auto policy = load(grammar, fuzz::quoted(text.substr(1)));
  if (!policy) return 0;
  const auto plain = plain_text(grammar, *policy);
  const auto again = load(grammar, plain);
  require(again.has_value(), "what is written plainly is taken");
  // a part of one is not to the last bit what its percents say
  if (!is_part(grammar)) require(plain_text(grammar, *again) == plain, "it is read back to the same");
  return 0;
}
