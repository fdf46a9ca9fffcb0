#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "drains/gate.hpp"
#include "postgres/pgbouncer_look.hpp"
#include "system/loop.hpp"

namespace pgcurfew {

/// Looks after the gates of one server that are closed at PgBouncer, each over a connection of its own.
class PgbouncerWatch {
 public:
  explicit PgbouncerWatch(Loop& loop) : loop_(loop) {}

  /// Asks how this gate stands, unless it is asked already, and gives what the answer before was.
  PgbouncerState look(const Gate& gate);

  /// Drops all that is known of a database's gate, and its connection.
  void forget(const std::string& database) { gates_.erase(database); }
  void keep_only(const std::set<std::string>& databases);

 private:
  struct Watched {
    Watched(Loop& loop, const Gate& gate);
    void pump(bool ready);

    PgbouncerLook look;
    PgbouncerState seen = PgbouncerState::kUnknown;
    Readiness readiness;
    Timer timer;
  };

  Loop& loop_;
  std::map<std::string, std::unique_ptr<Watched>> gates_;  ///< by database
};

}  // namespace pgcurfew
