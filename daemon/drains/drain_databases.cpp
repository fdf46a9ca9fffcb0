#include <algorithm>

#include <fmt/format.h>

#include "base/words.hpp"
#include "drains/drain_events.hpp"
#include "drains/drain_reach.hpp"
#include "drains/drain_run.hpp"
#include "policy/condition.hpp"

/// Which databases a drain is about, whatever becomes of them in its window.
namespace pgcurfew {

namespace {

constexpr Duration kFindAgain = std::chrono::seconds(30);

template <class Test>
const Gate* find_database_if(const Gates& gates, Test test) {
  const auto found = std::find_if(gates.gates.begin(), gates.gates.end(), [&](const Gate& gate) {
    return gate.kind == GateKind::kConnectionLimit && test(gate);
  });
  return found == gates.gates.end() ? nullptr : &*found;
}

}  // namespace

void DrainRun::find_doors(const Gates& gates, Now now) {
  if (has_found_doors_) return;
  has_found_doors_ = true;
  missing_.reset();
  for (const auto& pattern : plan_.databases) {
    const auto found = databases_of(pattern, gates);
    for (const auto* gate : found) doors_.try_emplace(gate->database).first->second.oid = gate->oid;
    if (!found.empty()) continue;
    if (told_missing_.insert(pattern.written()).second)
      tell(drain_no_database_event(plan_, pattern.written()));
    missing_ = Error{
        fmt::format("there is no database {} to drain", printable(pattern.written(), 80)), {}, {}, "3D000"};
    progress_.obstacle = missing_;
  }
  for (const auto& entry : doors_) names_.insert(entry.first);
  name_doors();
  if (doors_.empty()) {
    progress_.trouble = "there is no such database";
    has_found_doors_ = false;  // it may be created yet
    find_again_ = now.monotonic + kFindAgain;
  } else {
    progress_.trouble.clear();
  }
}

/// What the drain is said to be about, and looks for.
void DrainRun::name_doors() {
  progress_.databases.clear();
  TextTest names;
  for (const auto& entry : doors_) {
    progress_.databases.push_back(entry.first);
    names.any_of.push_back(TextPattern::exact(entry.first));
  }
  proxy_.match.conditions = {client_backend_condition({}), condition_of(Field::kDatabase, names)};
}

/// PgBouncer's gate is that of a name, all others are that of a database.
bool DrainRun::goes_by_names() const {
  return plan_.gate == GateKind::kPgbouncer;
}

const Gate* DrainRun::find_database(const Door& door, const std::string& name, const Gates& gates) const {
  return find_database_if(gates, [&](const Gate& gate) {
    return gate.database == name && (goes_by_names() || door.oid == 0 || gate.oid == door.oid);
  });
}

/// A gate goes along with a database that is renamed. Of one that is dropped it is gone; another one that
/// bears its name then is to be kept empty as well.
void DrainRun::follow_databases(const Gates& gates) {
  if (!has_found_doors_ || goes_by_names()) return;
  std::map<std::string, Door> doors;
  std::map<std::string, Door> gone;
  for (auto& [name, door] : doors_) {
    const auto* gate = find_database_if(gates, [&, &name = name, &oid = door.oid](const Gate& entry) {
      return oid != 0 ? entry.oid == oid : entry.database == name;
    });
    if (gate == nullptr) {
      gone.emplace(name, std::move(door));
      continue;
    }
    if (gate->database != name) tell(gate_renamed_event(plan_, name, gate->database));
    doors.emplace(gate->database, std::move(door));
  }
  for (const auto& name : names_) {
    const auto* gate = find_database_if(gates, [&](const Gate& entry) { return entry.database == name; });
    if (is_ending_ || gate == nullptr || doors.contains(name)) continue;
    tell(gate_replaced_event(plan_, name));
    doors[name].oid = gate->oid;
    close_anew();
  }
  doors.merge(gone);
  doors_ = std::move(doors);
  name_doors();
}

/// Nobody is ended before the gates are closed again, all of them; and all have the whole time once more.
void DrainRun::close_anew() {
  since_.reset();
  look_.reset();
  empty_looks_ = 0;
  is_empty_ = false;
}

void DrainRun::lose_database(const std::string& name, Door& door) {
  door.may_be_closed = false;
  door.state = DoorState::kOpen;
  door.mark.reset();
  door.logging_in.reset();
  door.prepared.clear();
  door.slots.clear();
  if (!std::exchange(door.is_gone, true) && !is_ending_) tell(gate_gone_event(plan_, name));
}

}  // namespace pgcurfew
