#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "simulation/faults.hpp"
#include "simulation/gates.hpp"
#include "simulation/pgbouncer.hpp"
#include "simulation/server.hpp"

namespace pgcurfew::simulation {

/// Clients that want one particular database: a client that loses its session reconnects at once, again and
/// again.
class People {
 public:
  People(Server& server, const Databases& databases, Agenda& agenda, Random random, const Faults& faults,
         int count);

  /// From now on each of them connects through a PgBouncer with this probability.
  void go_through(const PgBouncer& pgbouncer, double chance, Random random);
  /// PgBouncer has ended, and with it its connections.
  void lose_pgbouncer();

  /// All connect, as after a start of the server.
  void come();

 private:
  struct Person {
    std::string database;
    std::string user;
    std::string application_name;
    bool is_superuser = false;
    bool is_patient = false;  ///< does not reconnect at once
    bool is_pooled = false;   ///< connects through PgBouncer
    Temper temper = Temper::kProper;
    Duration latency{};
    std::uint64_t birth = 0;   ///< of the session; 0: none
    std::uint64_t script = 0;  ///< invalidates planned actions
  };

  void try_later(std::size_t number, Duration wait);
  void knock(std::size_t number);
  void log_in(const Person& person, bool is_refused, Duration time, std::function<void(std::int32_t)> done);
  void enter(std::size_t number, std::optional<std::int32_t> pid, const Stamp& start);
  void plan(std::size_t number, std::int32_t pid, Duration wait);
  void act(std::size_t number, Backend& backend);
  void leave(const Backend& backend);
  [[nodiscard]] bool lets_in(const Person& person) const;
  [[nodiscard]] bool is_kept_out(const Person& person) const;

  Server& server_;
  const Databases& databases_;
  Agenda& agenda_;
  Random random_;
  const PgBouncer* pgbouncer_ = nullptr;
  std::vector<Person> people_;
};

}  // namespace pgcurfew::simulation
