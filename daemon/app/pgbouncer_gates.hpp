#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/pgbouncer_watch.hpp"
#include "drains/gate_keeper.hpp"
#include "postgres/pgbouncer.hpp"
#include "system/loop.hpp"

namespace pgcurfew {

/// Carries out at PgBouncer's console what the keeper of one server's gates asks for.
class PgbouncerGates {
 public:
  /// `hosts`: of the server. `on_turned`: take_turned() has something to tell.
  PgbouncerGates(Loop& loop, std::vector<Conninfo::Host> hosts, std::function<void()> on_turned);

  void carry_out(const pgbouncer::Command& command);

  struct Turned {
    GateReply reply;
    bool may_have_acted = false;
  };
  std::vector<Turned> take_turned();
  /// How gates stand, by database.
  std::vector<std::pair<std::string, PgbouncerState>> take_seen();

 private:
  struct Turning {
    Turning(GateOrder order, const std::vector<Conninfo::Host>& server)
        : turn(std::move(order), server, Loop::now()) {}
    PgbouncerTurn turn;
    std::vector<std::unique_ptr<Readiness>> readiness;
    std::vector<bool> ready;
    std::unique_ptr<Timer> timer;
  };

  void start(GateOrder order);
  void pump(const std::string& database);

  Loop& loop_;
  std::vector<Conninfo::Host> hosts_;
  std::function<void()> on_turned_;
  std::map<std::string, std::unique_ptr<Turning>> turnings_;  ///< by database
  std::vector<std::unique_ptr<Turning>> finished_;            ///< until their calls have returned
  std::vector<Turned> turned_;
  std::vector<std::pair<std::string, PgbouncerState>> seen_;
  PgbouncerWatch watched_;  ///< those that are closed
};

}  // namespace pgcurfew
