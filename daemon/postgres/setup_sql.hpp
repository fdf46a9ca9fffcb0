#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace pgcurfew {

struct SetupOptions {
  std::string role = "pgcurfew";
  std::vector<std::string> databases;  ///< whose gates may be closed; empty: all but templates
};

/// What a superuser runs once per server, in the database that our connections are in: the role, its grants,
/// and functions that let it close and open gates of databases that it does not own.
///
/// The functions set nothing but a limit of 0 with a mark of what was before, and give back nothing but what
/// such a mark says; whoever has the role can do no more with them. The text can be run again.
/// *Errors*: a name that PostgreSQL would cut or refuse.
Result<std::string> setup_sql(const SetupOptions& options);

}  // namespace pgcurfew
