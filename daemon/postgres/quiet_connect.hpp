#pragma once

#include <string>
#include <utility>
#include <vector>

#include <libpq-fe.h>

namespace pgcurfew {

struct StartedConnection {
  PGconn* conn = nullptr;  ///< from PQconnectStartParams(); the caller owns it
  std::string warning;     ///< libpq's; a whole sentence, or empty
};

/// Calls PQconnectStartParams() without output to standard error, which may be a pipe without a reader.
/// Notices from the server are dropped until the caller sets its own receiver. *Source*: libpq's
/// passwordFromFile() (warns of a password file that others can read); defaultNoticeProcessor(). Any thread
/// may call it.
StartedConnection start_quietly(const std::vector<std::pair<std::string, std::string>>& parameters);

}  // namespace pgcurfew
