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

/// Carries out the requests of one server's gate keeper at PgBouncer's console.
class PgbouncerGates {
 public:
  /// `hosts`: of the server. `on_turned`: called when take_turned() has results.
  PgbouncerGates(Loop& loop, std::vector<Conninfo::Host> hosts, std::function<void()> on_turned);

  void carry_out(const pgbouncer::Command& command);

  struct Turned {
    GateReply reply;
    bool may_have_acted = false;
  };
  std::vector<Turned> take_turned();
  /// The states of gates, by database.
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
  PgbouncerWatch watched_;  ///< watches the closed gates
};

}  // namespace pgcurfew
