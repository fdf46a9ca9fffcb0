#include <algorithm>

#include <fmt/format.h>

#include "base/words.hpp"
#include "drains/drain_events.hpp"
#include "drains/drain_reach.hpp"
#include "drains/drain_run.hpp"

/// The databases of a drain, whatever happens to them in its window.
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

void DrainRun::find_gates(const Gates& gates, Now now) {
  if (has_found_gates_) return;
  has_found_gates_ = true;
  missing_.reset();
  for (const auto& pattern : plan_.databases) {
    const auto found = databases_of(pattern, gates);
    for (const auto* gate : found) our_gates_.try_emplace(gate->database).first->second.oid = gate->oid;
    if (!found.empty()) continue;
    if (told_missing_.insert(pattern.written()).second)
      tell(drain_no_database_event(plan_, pattern.written()));
    missing_ = Error{
        fmt::format("there is no database {} to drain", printable(pattern.written(), 80)), {}, {}, "3D000"};
    progress_.obstacle = missing_;
  }
  for (const auto& entry : our_gates_) names_.insert(entry.first);
  list_databases();
  if (our_gates_.empty()) {
    progress_.trouble = "there is no such database";
    has_found_gates_ = false;  // it may be created yet
    find_again_ = now.monotonic + kFindAgain;
  } else {
    progress_.trouble.clear();
  }
}

/// The databases that reports name.
void DrainRun::list_databases() {
  progress_.databases.clear();
  for (const auto& entry : our_gates_) progress_.databases.push_back(entry.first);
}

/// PgBouncer's gate belongs to a name, all others to a database.
bool DrainRun::goes_by_names() const {
  return plan_.gate == GateKind::kPgbouncer;
}

const Gate* DrainRun::find_database(const OurGate& ours, const std::string& name, const Gates& gates) const {
  return find_database_if(gates, [&](const Gate& gate) {
    return gate.database == name && (goes_by_names() || ours.oid == 0 || gate.oid == ours.oid);
  });
}

/// A renamed database keeps its gate. A dropped database loses it; another database that then has its name
/// has to be kept empty as well.
void DrainRun::follow_databases(const Gates& gates) {
  if (!has_found_gates_ || goes_by_names()) return;
  std::map<std::string, OurGate> followed;
  std::map<std::string, OurGate> gone;
  for (auto& [name, ours] : our_gates_) {
    const auto* gate = find_database_if(gates, [&, &name = name, &oid = ours.oid](const Gate& entry) {
      return oid != 0 ? entry.oid == oid : entry.database == name;
    });
    if (gate == nullptr) {
      gone.emplace(name, std::move(ours));
      continue;
    }
    if (gate->database != name) tell(gate_renamed_event(plan_, name, gate->database));
    followed.emplace(gate->database, std::move(ours));
  }
  for (const auto& name : names_) {
    const auto* gate = find_database_if(gates, [&](const Gate& entry) { return entry.database == name; });
    if (is_ending_ || gate == nullptr || followed.contains(name)) continue;
    tell(gate_replaced_event(plan_, name));
    followed[name].oid = gate->oid;
    close_anew();
  }
  followed.merge(gone);
  our_gates_ = std::move(followed);
  list_databases();
}

/// No session is ended before all gates are closed again; and all sessions get the whole wait once more.
void DrainRun::close_anew() {
  since_.reset();
  claims_.reset();
  empty_looks_ = 0;
  is_empty_ = false;
  was_emptied_since_ = false;
}

void DrainRun::lose_database(const std::string& name, OurGate& ours) {
  ours.may_be_closed = false;
  ours.state = GateState::kOpen;
  ours.mark.reset();
  ours.logging_in.reset();
  ours.prepared.clear();
  ours.slots.clear();
  if (!std::exchange(ours.is_gone, true) && !is_ending_) tell(gate_gone_event(plan_, name));
}

}  // namespace pgcurfew
