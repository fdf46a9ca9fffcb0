#include "simulation/pgbouncer.hpp"

#include <algorithm>
#include <utility>

namespace pgcurfew::simulation {

using std::chrono::milliseconds;

Duration PgBouncer::travel() {
  return random_.log_span(Duration(50), milliseconds(2));
}

void PgBouncer::request(std::uint64_t process, std::function<void()> what, std::function<void()> lost) {
  agenda_.in(travel(), [this, process, what = std::move(what), lost = std::move(lost)] {
    deal_with(process, what, lost);
  });
}

void PgBouncer::deal_with(std::uint64_t process, const std::function<void()>& what,
                          const std::function<void()>& lost) {
  if (is_down() || (process != 0 && process != process_)) return lost();
  if (!is_hanging()) return what();
  agenda_.at(hangs_until_, [this, of = process_, what, lost] { deal_with(of, what, lost); });
}

bool PgBouncer::is_paused(const std::string& database) const {
  const auto by = closed_by_.find(database);
  return is_closed(database) && by != closed_by_.end() && by->second == PgbouncerGate::kPause;
}

void PgBouncer::open(Database& database) {
  database.limit = -1;
  if (!database.closed_for.empty()) database.opened[database.closed_for] = agenda_.now();
  database.closed_for.clear();
}

void PgBouncer::turn(const GateOrder& order, ServerTime now) {
  auto& database = all.at(order.database);
  trace_.note("pgbouncer", order.closes ? 1 : 0, [&] {
    return fmt::format("{} is {} for {}", order.database, order.closes ? "closed" : "opened",
                       order.mark.drain);
  });
  if (!order.closes) return open(database);
  database.limit = 0;
  closed_by_[order.database] = order.pgbouncer_gate;
  // a clock that was set back: it cannot have been later than now
  database.closed_for = order.mark.drain;
  database.closed_since = database.since[order.mark.drain] = std::min(order.mark.since, now);
}

void PgBouncer::open_by_hand(const std::string& database) {
  trace_.note("by hand", 0, [&] { return fmt::format("somebody opens {} at PgBouncer", database); });
  open(all.at(database));
}

void PgBouncer::restart(Duration down) {
  trace_.note("pgbouncer", 2, [] { return "it is restarted"; });
  ++process_;
  down_until_ = agenda_.now() + down;
  hangs_until_ = {};
  for (auto& [name, database] : all) {
    if (database.limit == 0) open(database);
  }
}

}  // namespace pgcurfew::simulation
