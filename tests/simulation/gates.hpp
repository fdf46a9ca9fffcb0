#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>

#include "drains/gate.hpp"
#include "simulation/server.hpp"

namespace pgcurfew::simulation {

/// A database as a server's catalog has it, and what the world knows beyond that.
struct Database {
  std::uint32_t oid = 0;
  int limit = -1;    ///< datconnlimit
  std::string mark;  ///< the setting pgcurfew.drain; empty: not set
  GateAccess access = GateAccess::kMark;
  // not in the catalog
  int intended = -1;                        ///< the limit that its owner wants, apart from drains
  std::string closed_for;                   ///< the drain that has closed it
  ServerTime closed_since{};                ///< as in its mark
  std::map<std::string, Duration> opened;   ///< by drain: when its gate was opened, true time
  std::map<std::string, ServerTime> since;  ///< by drain: `since` in the mark of its last closing
  Duration meddled = Duration::min();       ///< when the limit was last set by hand, true time
};

/// The databases of one server, and the effects of the statements that turn gates.
/// *Source*: daemon/postgres/gate_statements.cpp, and tests/integration/gates_test.py.
class Databases {
 public:
  Gates read(const Server& server, bool with_logins) const;
  /// Closes or opens; `now`: by the server's clock, `at`: true time.
  GateReply turn(const GateOrder& order, bool in_recovery, ServerTime now, Duration at);
  /// Another client sets the limit.
  void meddle(const std::string& name, int limit, Duration at);
  /// The databases as they were at true time `at`, for a replica that lags behind.
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
