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

/// The group of a session for a rule with `keep`: its values in the fields of `per`. Two NULLs are the same.
std::string group_of(const Selection& selection, const Session& session);

/// Whom of one group a rule with `keep` goes for; `cases`, indices into the docket's, are all of its sessions
/// that are due.
std::vector<std::size_t> victims_of(const Policy& policy, const Look& look, const Docket& docket,
                                    const Ledger& ledger, std::vector<std::size_t> cases);

/// Which cases of a docket a rule with `keep` goes for: those beyond the number that is to be left alone, of
/// the sessions that are due now.
///
/// Those whom the server would not let us signal count, but are not chosen. All others are chosen by age
/// alone, so that the choice stays the same while their ladders are under way. *Shapes*: one entry a case of
/// the docket; true as well for cases of rules without `keep`. `group_size`: how many of its group are due; 0
/// without `keep`, and for those that are not due.
struct Chosen {
  std::vector<bool> is_chosen;
  std::vector<std::size_t> group_size;
};
Chosen chosen_cases(const Policy& policy, const Look& look, const Docket& docket, const Ledger& ledger,
                    ServerTime now);

}  // namespace pgcurfew
