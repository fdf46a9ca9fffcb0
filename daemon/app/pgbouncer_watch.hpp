#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "drains/gate.hpp"
#include "postgres/pgbouncer_look.hpp"
#include "system/loop.hpp"

namespace pgcurfew {

/// Watches the gates of one server that are closed at PgBouncer, each over a connection of its own.
class PgbouncerWatch {
 public:
  using OnSeen = std::function<void(const std::string& database, PgbouncerState)>;
  PgbouncerWatch(Loop& loop, OnSeen on_seen) : loop_(loop), on_seen_(std::move(on_seen)) {}

  /// Asks for the state of this gate, unless a request is under way.
  void look(const Gate& gate);

  /// Drops the connection that watches a database's gate.
  void forget(const std::string& database) { gates_.erase(database); }

 private:
  struct Watched {
    Watched(Loop& loop, const Gate& gate, const OnSeen& on_answer);
    void pump(bool ready);

    std::string database;
    const OnSeen& on_seen;
    PgbouncerLook look;
    Readiness readiness;
    Timer timer;
  };

  Loop& loop_;
  OnSeen on_seen_;
  std::map<std::string, std::unique_ptr<Watched>> gates_;  ///< by database
};

}  // namespace pgcurfew
