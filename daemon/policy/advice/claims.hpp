#pragma once

#include <string>
#include <string_view>

#include "policy/policy.hpp"
#include "policy/yaml/complaints.hpp"

namespace pgcurfew {

/// Whether a match names users or addresses that exclude some client: such a client cannot match it. A
/// pattern that matches every name does not count, nor does a network of all addresses.
bool is_for_named_clients(const Match& match);

/// The fields that any client can choose for itself to satisfy a match: `application_name and query`, in the
/// order application_name, query, query_id. Empty if the match relies on none of them, or if it is for named
/// clients or for processes that are not clients. A database does not restrict clients, because they can
/// connect to another one.
std::string claimable_fields(const Match& match);

/// Warns of an entry that spares sessions, if any client can match it. `what`: `exception`, `protection`;
/// `gain`: what the client can then do, as in "escape the rule".
void warn_of_claim(const Match& match, PlaceInText at, std::string_view what, std::string_view gain,
                   Complaints& complaints);

}  // namespace pgcurfew
