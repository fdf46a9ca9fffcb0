#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/session.hpp"
#include "simulation/agenda.hpp"
#include "simulation/clients.hpp"
#include "simulation/faults.hpp"
#include "simulation/gates.hpp"
#include "simulation/pgbouncer.hpp"
#include "simulation/server.hpp"
#include "simulation/trace.hpp"

namespace pgcurfew::simulation {

/// To a server or back, where nothing holds it up.
inline constexpr Duration kLongestTravel = std::chrono::milliseconds(2);

/// A server and those who use it.
struct Node {
  std::unique_ptr<Server> server;
  std::unique_ptr<Clients> clients;
};

/// What all parts of one world share.
struct Site {
  explicit Site(Trace::Text text) : trace(agenda, text) {}

  Agenda agenda;
  Trace trace;
  std::uint64_t serials = 0;
  Faults faults;
  std::vector<Node> nodes;
  std::vector<Databases> gates;  ///< of the nodes; empty: a world without drains, where nobody reads gates
  std::unique_ptr<PgBouncer> pgbouncer;  ///< in front of the active node; null: there is none
  std::size_t active = 0;                ///< the node that new connections get to
  Duration failed_over_at{};             ///< since when, true time; 0: ever
  /// Since when the world is whole again and everybody has had the time to notice.
  std::optional<Duration> ready_since;
  /// How often each fault was injected, by name; an error that is told needs one that can be its cause.
  std::map<std::string, int> injected;

  void inject(const std::string& fault) { ++injected[fault]; }
  [[nodiscard]] bool was_injected(const std::string& fault) const { return injected.contains(fault); }
  Server& server() { return *nodes[active].server; }
};

/// A look as the world remembers it: what was on the server at the moment at which it was carried out.
struct LookCopy {
  std::uint64_t number = 0;
  std::size_t node = 0;
  Duration executed{};
  Duration steady{};  ///< by the server's clock without its steps
  std::size_t client_backends = 0;
  int connection_slots = 0;
  bool in_recovery = false;
  bool hides_others = false;  ///< the role of the instance may not see them
  std::int64_t transactions = 0;
  std::map<SessionKey, Backend> rows;
  /// What was on the server when it was asked who waits for whom, a little later; empty: it was not, or that
  /// could not be read.
  std::map<std::int32_t, Backend> at_waits;
  std::set<std::string> prepared;  ///< transactions that held somebody up then
};

}  // namespace pgcurfew::simulation
