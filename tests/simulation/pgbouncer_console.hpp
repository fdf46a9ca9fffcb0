#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "drains/gate_keeper.hpp"
#include "simulation/checks.hpp"
#include "simulation/pgbouncer.hpp"
#include "simulation/site.hpp"

namespace pgcurfew::simulation {

/// The requests of one instance to PgBouncer's console, for its keeper of gates.
/// *Source*: daemon/app/pgbouncer_gates.cpp, postgres/pgbouncer.cpp and pgbouncer_look.cpp, step by step.
class PgbouncerConsole {
 public:
  /// Receives results for the keeper. `at`: when the console showed it, true time.
  struct Listener {
    std::function<void(GateReply, bool may_have_acted)> turned;
    std::function<void(const std::string& database, PgbouncerState, Duration at)> seen;
  };
  PgbouncerConsole(Site& site, Checks& checks, int instance, Listener listener)
      : site_(site), checks_(checks), instance_(instance), listener_(std::move(listener)) {}

  void carry_out(const pgbouncer::Command& command);
  /// The process has ended. Requests that it has sent still take effect.
  void abandon();
  /// Whether the connection that watches a gate has shown it as closed, so that it will show that the gate
  /// was opened.
  [[nodiscard]] bool has_shown_closed(const std::string& database) const;

 private:
  struct Turning {
    GateOrder order;
    std::uint64_t number = 0;
    std::uint64_t process = 0;  ///< the one that it is connected to; 0: none yet
    bool has_acted = false;
  };
  struct Watched {
    std::uint64_t asked = 0;    ///< the question under way; 0: none
    std::uint64_t process = 0;  ///< the one that it is connected to; 0: none
    bool has_shown_closed = false;
  };

  void start(const GateOrder& order);
  Turning* find(const std::string& database, std::uint64_t number);
  void show(const std::string& database, std::uint64_t number);
  void take(const std::string& database, std::uint64_t number, bool is_closed, Duration at);
  void act(Turning& turning);
  void send(const Turning& turning);
  void fail(const std::string& database, std::uint64_t number, const std::string& why);
  void finish(const std::string& database, GateReply reply);
  void look(const std::string& database);
  void ask(const std::string& database, std::uint64_t number, std::uint64_t process);
  void note(const std::string& database, std::uint64_t number, std::uint64_t process, bool is_closed,
            Duration at);
  void note_nothing(const std::string& database, std::uint64_t number);
  PgBouncer& pgbouncer() { return *site_.pgbouncer; }

  Site& site_;
  Checks& checks_;
  int instance_;
  Listener listener_;
  std::uint64_t numbers_ = 0;
  std::map<std::string, Turning> turnings_;  ///< by database
  std::map<std::string, Watched> watched_;   ///< by database
};

}  // namespace pgcurfew::simulation
