#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/decide.hpp"
#include "engine/docket.hpp"
#include "engine/judge.hpp"
#include "engine/ladder.hpp"
#include "engine/session.hpp"
#include "engine/standing.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// One condition or age of a rule, compared with a session.
struct ConditionFinding {
  std::string field;
  std::string wanted;     ///< as the file has it
  std::string actual;     ///< `NULL` if there is none; may be any bytes
  bool is_query = false;  ///< `actual` is a query's text, to be redacted
  bool holds = false;
  std::optional<Duration> margin;  ///< for an age: how far beyond its limit; negative: time left
};

/// One rule, compared with a session.
struct RuleFinding {
  std::size_t rule = 0;  ///< index in the policy
  Verdict verdict = Verdict::kNoMatch;
  std::vector<ConditionFinding> conditions;
  std::optional<std::size_t> exception;  ///< index of the exception that matches
  std::optional<NextStep> next;          ///< for kDue: the first step
  /// For kDue, where the claim stands, or will stand when it falls due. Empty: the session is immune.
  std::optional<Stand> stand;

  [[nodiscard]] bool is_left_alone() const { return stand && pgcurfew::is_left_alone(*stand); }
  [[nodiscard]] bool is_rationed() const { return stand && pgcurfew::is_rationed(*stand); }
};

struct SessionFinding {
  std::size_t session = 0;  ///< index in the look
  Immunity immunity = Immunity::kNone;
  std::string protection;  ///< for kProtected: the name of the built-in one that matches, or empty
  std::vector<RuleFinding> rules;
  /// The rule that is nearest to acting: index in `rules`.
  std::optional<std::size_t> nearest;
};

/// What is computed once for all sessions of a look: about the server, and about groups of sessions.
struct LookFinding {
  Docket docket;
  Standings standings;  ///< what decide() returns for the docket's cases if nothing was done before
  /// For rules with `keep`: the cases of each group, as indices into the docket's cases, due or not.
  std::map<std::pair<std::size_t, std::string>, std::vector<std::size_t>> groups;
};
LookFinding find_in_look(const Policy& policy, const Look& look);

/// Explains one session: the judgement that decide() acts on, and where each claim stands.
SessionFinding explain(const Policy& policy, const Look& look, const LookFinding& around,
                       std::size_t session_index);

/// The same for a single session.
SessionFinding explain(const Policy& policy, const Look& look, std::size_t session_index);

/// Why no rule may touch a session. `protection`: for kProtected, the name of the built-in one that matches,
/// or empty.
std::string immunity_text(Immunity immunity, std::string_view protection);

}  // namespace pgcurfew
