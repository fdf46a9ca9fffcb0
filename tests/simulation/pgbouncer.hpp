#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "drains/gate.hpp"
#include "simulation/agenda.hpp"
#include "simulation/gates.hpp"
#include "simulation/random.hpp"
#include "simulation/trace.hpp"

namespace pgcurfew::simulation {

/// A PgBouncer in front of the server, with one pool for each database: which clients it keeps out, and what
/// its admin console does. A restart opens all of its gates.
/// *Source*: PgBouncer's manual, "Admin console"; tests/integration/pgbouncer_gate_test.py.
class PgBouncer {
 public:
  PgBouncer(Agenda& agenda, Trace& trace, Random random) : agenda_(agenda), trace_(trace), random_(random) {}

  /// Sends a request to the console. `what` is called when the process handles it, `lost` if there is no
  /// process or a different one than `process`; 0: any process, over a new connection.
  void request(std::uint64_t process, std::function<void()> what, std::function<void()> lost);
  /// The travel time of a message.
  Duration travel();

  /// The effect of a statement at the console. `now`: by the server's clock.
  void turn(const GateOrder& order, ServerTime now);
  /// An administrator issues RESUME or ENABLE.
  void open_by_hand(const std::string& database);
  /// After the restart all of its gates are open.
  void restart(Duration down);
  /// The console does not answer; requests sent to it are handled afterwards, in the same order.
  void hang(Duration wait) { hangs_until_ = agenda_.now() + wait; }

  [[nodiscard]] bool is_closed(const std::string& database) const { return all.at(database).limit == 0; }
  /// Clients wait, and sessions end with their transaction.
  [[nodiscard]] bool is_paused(const std::string& database) const;
  [[nodiscard]] bool is_hanging() const { return agenda_.now() < hangs_until_; }
  [[nodiscard]] bool is_down() const { return agenda_.now() < down_until_; }
  [[nodiscard]] std::uint64_t process() const { return process_; }

  /// Its gates, as databases: the limit is 0 for a closed one, and -1 otherwise.
  std::map<std::string, Database> all;

 private:
  void deal_with(std::uint64_t process, const std::function<void()>& what, const std::function<void()>& lost);
  void open(Database& database);

  Agenda& agenda_;
  Trace& trace_;
  Random random_;
  std::uint64_t process_ = 1;
  Duration down_until_{};
  Duration hangs_until_{};
  std::map<std::string, PgbouncerGate> closed_by_;
};

}  // namespace pgcurfew::simulation
