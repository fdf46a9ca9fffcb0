#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "engine/docket.hpp"
#include "engine/ledger.hpp"
#include "engine/session.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// The group of a session for a rule with `keep`: its values in the fields of `per`. Two NULLs are equal.
std::string group_of(const Selection& selection, const Session& session);

/// The victims of a rule with `keep` in one group; `cases` are all of its due sessions, as indices into the
/// docket's cases.
std::vector<std::size_t> victims_of(const Policy& policy, const Look& look, const Docket& docket,
                                    const Ledger& ledger, std::vector<std::size_t> cases);

/// The cases of a docket that rules with `keep` act on: the due sessions beyond the number that is left
/// alone.
///
/// Sessions that the server would not let us signal count, but are not chosen. All others are chosen by age
/// alone, so that the choice stays the same while their ladders are under way.
/// *Shapes*: one entry per case of the docket; true also for cases of rules without `keep`. `group_size`: how
/// many of its group are due; 0 without `keep`, and for cases that are not due.
struct Chosen {
  std::vector<bool> is_chosen;
  std::vector<std::size_t> group_size;
};
Chosen chosen_cases(const Policy& policy, const Look& look, const Docket& docket, const Ledger& ledger,
                    ServerTime now);

}  // namespace pgcurfew
