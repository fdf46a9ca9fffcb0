#include <algorithm>

#include "simulation/drain_world.hpp"
#include "simulation/policy_writer.hpp"

/// Tests of the keeper of gates: a PgBouncer, gates that remain closed, a disk that fails.
namespace pgcurfew::simulation {

namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// The number of the instance that runs `reopen`.
constexpr int kReopener = 100;
constexpr Duration kFaultPhase = minutes(14);
constexpr Duration kWholePhase = minutes(12);

}  // namespace

void DrainWorld::draw_keeper(const WorldOptions& options) {
  keeper_random_.emplace(options.seed ^ 0x6A7E'5EEDULL);
  keeper_ = draw_keeper_wish(*keeper_random_, !options.no_faults);
  // two machines would each open gates that the other has closed, and treat this as an opening by hand
  if (keeper_.has_pgbouncer) site_.faults.two_instances = false;
  is_journals_ = keeper_random_->chance(0.5);
}

void DrainWorld::build_keeper() {
  if (keeper_.has_pgbouncer) {
    site_.pgbouncer = std::make_unique<PgBouncer>(site_.agenda, site_.trace, Random(keeper_random_->next()));
    for (const auto& entry : site_.gates.front().all) site_.pgbouncer->all[entry.first];
    for (auto& people : people_) {
      people->go_through(*site_.pgbouncer, keeper_.pooled, Random(keeper_random_->next()));
    }
  }
}

void DrainWorld::plan_for_keeper(double count, Duration from, Duration length, void (DrainWorld::*what)()) {
  auto left = static_cast<int>(count);
  if (keeper_random_->chance(count - left)) ++left;
  for (; left > 0; --left) {
    site_.agenda.at(from + keeper_random_->span(seconds(1), length), [this, what] { (this->*what)(); });
  }
}

void DrainWorld::plan_keeper() {
  const auto plan_one = [this](double count, void (DrainWorld::*what)()) {
    plan_for_keeper(count, Duration(0), kFaultPhase, what);
  };
  if (keeper_.has_pgbouncer) {
    plan_one(keeper_.restarts, &DrainWorld::restart_pgbouncer);
    plan_one(keeper_.hangs, &DrainWorld::hang_pgbouncer);
    plan_one(keeper_.hand_openings, &DrainWorld::open_by_hand);
  }
  plan_one(keeper_.disk_fails, &DrainWorld::fail_disk);
  plan_one(keeper_.reopens, &DrainWorld::reopen);
}

void DrainWorld::plan_keeper_when_whole() {
  const auto now = site_.agenda.now();
  if (keeper_.has_pgbouncer) {
    plan_for_keeper(keeper_.hand_openings, now, kWholePhase, &DrainWorld::open_by_hand);
  }
  plan_for_keeper(keeper_.reopens, now, kWholePhase, &DrainWorld::reopen);
}

void DrainWorld::restart_pgbouncer() {
  site_.inject("pgbouncer");
  drain_checks_.on_pgbouncer_disturbed();
  const auto down = keeper_random_->log_span(milliseconds(20), seconds(30));
  site_.pgbouncer->restart(down);
  people_[site_.active]->lose_pgbouncer();
}

void DrainWorld::hang_pgbouncer() {
  site_.inject("pgbouncer");
  drain_checks_.on_pgbouncer_disturbed();
  site_.trace.note("hang", 0, [] { return "PgBouncer's console answers nobody"; });
  site_.pgbouncer->hang(keeper_random_->log_span(milliseconds(100), minutes(1)));
}

/// Opens a closed gate by hand, if there is one.
void DrainWorld::open_by_hand() {
  std::vector<std::string> closed;
  for (const auto& [name, database] : site_.pgbouncer->all) {
    if (database.limit == 0) closed.push_back(name);
  }
  if (closed.empty()) return;
  site_.inject("by hand");
  const auto name = keeper_random_->pick(closed);
  drain_checks_.on_opened_by_hand(
      name, !site_.pgbouncer->is_hanging() && instances_.front()->console().has_shown_closed(name));
  site_.pgbouncer->open_by_hand(name);
}

void DrainWorld::reopen() {
  if (!reopeners_.empty() && reopeners_.back()->is_running()) return;
  site_.inject("reopen");
  site_.trace.note("reopen", 0, [] { return "somebody runs pgcurfew reopen"; });
  auto policy = *policy_;
  policy.drains.clear();
  policy.rules.clear();
  // earlier ones are kept, because pending actions refer to them
  reopeners_.push_back(std::make_unique<Instance>(site_, checks_, kReopener, Random(keeper_random_->next()),
                                                  instances_.front()->files()));
  auto& reopener = *reopeners_.back();
  reopener.on_reopened = [this](const Reopened& reopened) { drain_checks_.on_reopened(reopened); };
  drain_checks_.on_reopening(kReopener);
  reopener.start_reopening(std::make_shared<const Policy>(std::move(policy)), {});
}

/// For a while, files cannot be written, listed or read.
void DrainWorld::fail_disk() {
  site_.inject("disk");
  auto& instance = some_instance();
  auto& disk = *instance.files();
  const auto kind = keeper_random_->between(0, 2);
  site_.trace.note("disk", kind, [&] {
    return kind == 0 ? "is full" : kind == 1 ? "lists nothing" : "reads nothing";
  });
  disk.is_full = kind == 0;
  disk.is_unlistable = kind == 1;
  if (kind == 2) {
    for (const auto& file : disk.files) disk.unreadable.insert(file.first);
  }
  if (keeper_random_->chance(0.5)) instance.crash();
  site_.agenda.in(keeper_random_->log_span(milliseconds(100), minutes(2)), [&disk] {
    disk.is_full = disk.is_unlistable = false;
    disk.unreadable.clear();
  });
}

}  // namespace pgcurfew::simulation
