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

/// The maximum time of a message to a server or back, without faults.
inline constexpr Duration kLongestTravel = std::chrono::milliseconds(2);

/// A server and its clients.
struct Node {
  std::unique_ptr<Server> server;
  std::unique_ptr<Clients> clients;
};

/// The state that all parts of one world share.
struct Site {
  explicit Site(Trace::Text text) : trace(agenda, text) {}

  Agenda agenda;
  Trace trace;
  std::uint64_t serials = 0;
  Faults faults;
  std::vector<Node> nodes;
  std::vector<Databases> gates;  ///< of the nodes; empty: a world without drains, in which gates are not read
  std::unique_ptr<PgBouncer> pgbouncer;  ///< in front of the active node; null: there is none
  std::size_t active = 0;                ///< the node that new connections reach
  Duration failed_over_at{};             ///< since when, true time; 0: ever
  /// Since when there have been no faults and every instance has had time to notice.
  std::optional<Duration> ready_since;
  /// How often each fault was injected, by name; a reported error needs one that can be its cause.
  std::map<std::string, int> injected;

  void inject(const std::string& fault) { ++injected[fault]; }
  [[nodiscard]] bool was_injected(const std::string& fault) const { return injected.contains(fault); }
  Server& server() { return *nodes[active].server; }
};

/// A look as the world records it: the server's sessions at the time when it was carried out.
struct LookCopy {
  std::uint64_t number = 0;
  std::size_t node = 0;
  Duration executed{};
  Duration steady{};  ///< by the server's clock without its steps
  std::size_t client_backends = 0;
  int connection_slots = 0;
  bool in_recovery = false;
  bool hides_others = false;  ///< the instance's role may not see other sessions
  std::int64_t transactions = 0;
  std::map<SessionKey, Backend> rows;
  /// The server's sessions when lock waits were read, a little later; empty: they were not read, or could not
  /// be.
  std::map<std::int32_t, Backend> at_waits;
  std::set<std::string> prepared;  ///< prepared transactions that blocked a session then
};

}  // namespace pgcurfew::simulation
