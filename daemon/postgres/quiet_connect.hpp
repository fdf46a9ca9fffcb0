#pragma once

#include <string>
#include <utility>
#include <vector>

#include <libpq-fe.h>

namespace pgcurfew {

struct StartedConnection {
  PGconn* conn = nullptr;  ///< as PQconnectStartParams() gives it; the caller's
  std::string warning;     ///< what libpq had to say; a whole sentence, or empty
};

/// PQconnectStartParams() that writes nothing to standard error, which may be a pipe that nobody reads.
/// Notices of the server are dropped until the caller sets a receiver of its own. *Source*: libpq's
/// passwordFromFile() (a password file that others may read); defaultNoticeProcessor().
StartedConnection start_quietly(const std::vector<std::pair<std::string, std::string>>& parameters);

}  // namespace pgcurfew
