#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace pgcurfew {

struct SetupOptions {
  std::string role = "pgcurfew";
  std::vector<std::string> databases;  ///< whose gates may be closed; empty: all but templates
};

/// The script that a superuser runs once per server, in the database that our connections are in. It creates
/// the role, its grants, and functions that let it close and open gates of databases that it does not own.
///
/// The functions can only set a limit of 0, with a mark that holds the previous limit, and restore the limit
/// in such a mark. The script can be run again.
/// *Errors*: a name that PostgreSQL would cut or refuse.
Result<std::string> setup_sql(const SetupOptions& options);

}  // namespace pgcurfew
