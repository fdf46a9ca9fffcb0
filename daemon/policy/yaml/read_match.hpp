#pragma once

#include <map>

#include "policy/policy.hpp"
#include "policy/yaml/complaints.hpp"

namespace pgcurfew {

/// A match as far as it could be read.
struct ReadMatch {
  Match match;
  std::map<Field, PlaceInText> named;  ///< the key of each field in it, readable or not
};

}  // namespace pgcurfew
