#pragma once

#include <string>
#include <string_view>

#include "policy/policy.hpp"
#include "policy/yaml/complaints.hpp"

namespace pgcurfew {

/// Whether a match names users or addresses that leave out some client: who is none of these cannot fit it.
/// A pattern that every name fits names none, nor does a network of all addresses.
bool is_for_named_clients(const Match& match);

/// Which fields any client can choose for itself so that it fits a match: `application_name and query`, in
/// the order application_name, query, query_id. Empty if the match rests on none of them, or if it is for
/// named clients or for processes that are no clients. A database is no bar: clients can connect to another.
std::string claimable_fields(const Match& match);

/// Warns of an entry that spares sessions, if any client can claim it. `what`: `exception`, `protection`;
/// `gain`: what the client can do then, as in "escape the rule".
void warn_of_claim(const Match& match, PlaceInText at, std::string_view what, std::string_view gain,
                   Complaints& complaints);

}  // namespace pgcurfew
