#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>

#include "drains/gate.hpp"
#include "simulation/server.hpp"

namespace pgcurfew::simulation {

/// What the world knows of a database as it stands in a server's catalog.
struct Database {
  std::uint32_t oid = 0;
  int limit = -1;    ///< datconnlimit
  std::string mark;  ///< the setting pgcurfew.drain; empty: there is none
  GateAccess access = GateAccess::kMark;
  // what no catalog shows
  int intended = -1;                        ///< the limit that people want, whatever a drain has made of it
  std::string closed_for;                   ///< the drain that has closed it
  ServerTime closed_since{};                ///< as its mark says
  std::map<std::string, Duration> opened;   ///< by drain: when its gate was opened, true time
  std::map<std::string, ServerTime> since;  ///< by drain: what the mark of its last closing said
  Duration meddled = Duration::min();       ///< when people last set the limit, true time
};

/// The databases of one server, and what a real server makes of the statements that turn gates.
/// *Source*: daemon/postgres/gate_statements.cpp, and tests/integration/gates_test.py for what it does.
class Databases {
 public:
  Gates read(const Server& server, bool with_logins) const;
  /// Closes or opens; `now`: by the server's clock, `at`: true time.
  GateReply turn(const GateOrder& order, bool in_recovery, ServerTime now, Duration at);
  /// Somebody else sets the limit.
  void meddle(const std::string& name, int limit, Duration at);
  /// What a replica has that is `lag` behind.
  [[nodiscard]] const std::map<std::string, Database>& as_of(Duration at) const;
  void become(std::map<std::string, Database> databases, Duration at);

  std::map<std::string, Database> all;
  static constexpr const char* kCluster = "7301234567890123456";  ///< of a server and its replicas
  static constexpr const char* kOwn = "postgres";                 ///< that our connections are in

 private:
  GateReply close(Database& database, const GateOrder& order, ServerTime now);
  GateReply open(Database& database, const GateOrder& order, Duration at) const;
  void remember(Duration at);

  std::deque<std::pair<Duration, std::map<std::string, Database>>> history_;
};

}  // namespace pgcurfew::simulation
