#include "simulation/drain_world.hpp"

#include <algorithm>

#include "simulation/drain_writer.hpp"
#include "simulation/policy_writer.hpp"

namespace pgcurfew::simulation {

namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// The length of the phase with faults.
constexpr Duration kLength = minutes(14);
/// The time that a watch may need after the last fault.
constexpr Duration kTimeToNotice = minutes(3);
/// The period of the schedules, and the time until a gate of the last window is open.
constexpr Duration kWhole = minutes(13);

/// An offset with which the clocks in Vienna change during the world: 2026-03-29 or 2026-10-25, 01:00 UTC.
Duration offset_around_change(Random& random) {
  const std::int64_t day = random.chance(0.5) ? 9584 : 9794;
  const ServerTime change(hours(24 * day + 1));
  return change - Server::kEpoch - random.span(Duration(0), kLength + kTimeToNotice + kWhole);
}

}  // namespace

DrainWorld::DrainWorld(const WorldOptions& options)
    : site_(options.text), random_(options.seed ^ 0xD2A1'5EEDULL), checks_(site_), drain_checks_(site_) {
  Random fault_random(random_.next());
  site_.faults = draw_faults(fault_random);
  site_.faults.lacks_read_all_stats = site_.faults.lacks_signal = false;
  site_.faults.two_instances = random_.chance(0.3);
  if (options.no_faults) site_.faults = Faults();
  if (options.tries_keeper) draw_keeper(options);
  has_change_ = random_.chance(0.3);
  offset_ = has_change_ ? offset_around_change(random_) : random_.span(-hours(100), hours(100));
  access_ = random_.chance(0.3) ? GateAccess::kJournal : GateAccess::kMark;
  if (is_journals_) access_ = GateAccess::kJournal;
  checks_.delegate(drain_checks_);
  if (options.has_rules) rule_random_ = Random(options.seed ^ 0x2E61'57E2ULL);
  build_nodes();
  if (keeper_random_) build_keeper();
  replace_policy();
  for (int i = 0; i < (site_.faults.two_instances ? 2 : 1); ++i) {
    instances_.push_back(std::make_unique<Instance>(site_, checks_, i, Random(random_.next())));
    auto* instance = instances_.back().get();
    instance->on_gone = [this, instance] {
      site_.agenda.in(random_.log_span(milliseconds(1), seconds(random_.chance(0.3) ? 300 : 10)),
                      [this, instance] {
                        if (!instance->is_running()) instance->start(policy_);
                      });
    };
  }
  drain_checks_.journal_of = [this](int instance, const std::string& database, GateKind kind) {
    return instances_.at(static_cast<std::size_t>(instance))->journal_of(database, kind);
  };
  drain_checks_.journals = [this](const std::string& database, GateKind kind) {
    std::vector<std::string> marks;
    for (const auto& instance : instances_) {
      if (auto mark = instance->journal_of(database, kind); !mark.empty()) marks.push_back(std::move(mark));
    }
    return marks;
  };
}

void DrainWorld::build_nodes() {
  const int count = static_cast<int>(random_.between(3, 16));
  const std::size_t nodes = site_.faults.failovers > 0 ? 2 : 1;
  site_.gates.resize(nodes);
  const auto own_limit = static_cast<int>(random_.between(1, 20));
  for (std::size_t i = 0; i < nodes; ++i) {
    auto& databases = site_.gates[i].all;
    std::uint32_t oid = 16384;
    for (const auto* name : {"app", "app_1", "shop", "postgres"}) {
      databases[name].access = access_;
      databases[name].oid = oid++;
    }
    databases["shop"].limit = databases["shop"].intended = own_limit;
    Node node;
    node.server = std::make_unique<Server>(static_cast<int>(i), site_.agenda, site_.trace, site_.serials);
    node.server->drift_ppm = site_.faults.drift_ppm;
    node.server->offset = offset_;
    if (i > 0) node.server->offset += random_.span(-milliseconds(900), milliseconds(900));
    node.server->postmaster_start = node.server->stamp();
    people_.push_back(std::make_unique<People>(*node.server, site_.gates[i], site_.agenda,
                                               Random(random_.next()), site_.faults, count));
    site_.nodes.push_back(std::move(node));
  }
  people_[0]->come();
}

void DrainWorld::replace_policy() {
  policy_text_ = write_drains(site_.server().shown_now(), kLength, has_change_, random_,
                              keeper_random_ ? &keeper_ : nullptr);
  if (rule_random_) policy_text_ += write_rules(*rule_random_);
  if (site_.faults.record_is_required) policy_text_ += kRequiredRecord;
  site_.trace.note("policy", 0, [&] { return "\n" + policy_text_; });
  policy_ = load_text(policy_text_);
}

void DrainWorld::plan(double count, void (DrainWorld::*fault)()) {
  auto left = static_cast<int>(count);
  if (random_.chance(count - left)) ++left;
  for (; left > 0; --left) {
    site_.agenda.at(random_.span(seconds(1), kLength), [this, fault] { (this->*fault)(); });
  }
}

void DrainWorld::plan_faults() {
  const auto& faults = site_.faults;
  plan(faults.restarts, &DrainWorld::restart_server);
  plan(faults.failovers, &DrainWorld::fail_over);
  plan(faults.clock_steps / 2, &DrainWorld::step_clock);
  plan(faults.small_clock_steps, &DrainWorld::step_clock_a_little);
  plan(faults.catalog_locks, &DrainWorld::lock_catalog);
  plan(faults.exhaustions * 2, &DrainWorld::meddle);
  plan(faults.reloads / 2, &DrainWorld::reload);
  plan(faults.stops, &DrainWorld::stop_and_start);
  plan(faults.crashes * 2, &DrainWorld::crash_and_start);
  plan(faults.stalls, &DrainWorld::stall);
}

void DrainWorld::run() {
  plan_faults();
  if (keeper_random_) plan_keeper();
  for (auto& instance : instances_) {
    auto* starting = instance.get();
    site_.agenda.in(random_.span(Duration(0), seconds(1)), [this, starting] { starting->start(policy_); });
  }
  site_.agenda.run_until(kLength);
  heal();
  site_.agenda.run_until(kLength + kTimeToNotice);
  site_.ready_since = site_.agenda.now();
  if (keeper_random_) plan_keeper_when_whole();
  const auto end = site_.agenda.now() + kWhole;
  while (site_.agenda.now() < end) {
    site_.agenda.run_until(site_.agenda.now() + milliseconds(500));
    drain_checks_.expect_order();
    checks_.expect_order(*site_.ready_since);
  }
}

Instance& DrainWorld::some_instance() {
  return *instances_[static_cast<std::size_t>(
      random_.between(0, static_cast<std::int64_t>(instances_.size()) - 1))];
}

void DrainWorld::lose_server(std::size_t node, const std::string& why) {
  for (auto& instance : instances_) instance->wire().lose_server(node, why);
  for (auto& reopener : reopeners_) reopener->wire().lose_server(node, why);
}

void DrainWorld::restart_server() {
  site_.inject("restart");
  const auto active = site_.active;
  auto& server = *site_.nodes[active].server;
  if (server.is_starting) return;
  server.is_starting = true;
  server.restart();
  lose_server(active, "terminating connection");
  site_.agenda.in(random_.log_span(milliseconds(100), seconds(40)), [this, active, &server] {
    server.postmaster_start = server.stamp();
    server.is_starting = false;
    people_[active]->come();
  });
}

/// Fails over to the other server, which has the databases as they were a little earlier; the sessions are
/// lost.
void DrainWorld::fail_over() {
  if (site_.nodes.size() < 2 || site_.server().is_starting) return;
  site_.inject("failover");
  const auto before = site_.active;
  site_.active = 1 - before;
  site_.failed_over_at = site_.agenda.now();
  // journals are not replicated, so the replica must not lag
  const auto lag =
      access_ == GateAccess::kMark ? random_.log_span(milliseconds(1), seconds(10)) : Duration(0);
  site_.trace.note("failover", static_cast<std::int64_t>(site_.active), [] { return "to the other server"; });
  lose_server(before, "connection reset by peer");
  site_.nodes[before].server->restart();
  auto& server = site_.server();
  server.restart();
  server.postmaster_start = server.stamp();
  site_.gates[site_.active].become(site_.gates[before].as_of(site_.agenda.now() - lag), site_.agenda.now());
  drain_checks_.check_written_down(site_.active);
  if (random_.chance(0.3)) {
    server.in_recovery = true;
    site_.agenda.in(random_.log_span(milliseconds(100), seconds(60)),
                    [&server] { server.in_recovery = false; });
  }
  people_[site_.active]->come();
}

void DrainWorld::step_clock() {
  site_.inject("clock step");
  const auto by = random_.log_span(seconds(6), minutes(30));
  site_.server().step_clock(random_.chance(0.6) ? by : -by);
}

void DrainWorld::step_clock_a_little() {
  site_.inject("small clock step");
  const auto by = random_.log_span(milliseconds(1), seconds(4));
  site_.server().step_clock(random_.chance(0.5) ? by : -by);
}

void DrainWorld::lock_catalog() {
  site_.inject("catalog");
  auto& server = site_.server();
  server.catalog_is_locked = true;
  site_.agenda.in(random_.log_span(milliseconds(100), minutes(2)),
                  [&server] { server.catalog_is_locked = false; });
}

/// Another client sets a connection limit.
void DrainWorld::meddle() {
  site_.inject("meddle");
  if (site_.server().in_recovery) return;
  auto& databases = site_.gates[site_.active];
  const std::string name = random_.pick(std::vector<std::string>{"app", "app_1", "shop"});
  // a limit of 0 set by hand cannot be distinguished from ours
  const auto& database = databases.all.at(name);
  const bool is_closed = !database.closed_for.empty() || !database.mark.empty() ||
                         !drain_checks_.journals(name, GateKind::kConnectionLimit).empty();
  const auto limit = random_.pick(std::vector<int>{-1, 5, 20, is_closed ? 7 : 0});
  site_.trace.note("meddle", limit,
                   [&] { return fmt::format("somebody sets the limit of {} to {}", name, limit); });
  databases.meddle(name, limit, site_.agenda.now());
}

void DrainWorld::reload() {
  if (is_healed_) return;
  site_.inject("reload");
  replace_policy();
  for (auto& instance : instances_) instance->replace_policy(policy_);
}

void DrainWorld::stop_and_start() {
  some_instance().ask_to_stop();
}

void DrainWorld::crash_and_start() {
  some_instance().crash();
}

void DrainWorld::stall() {
  site_.inject("stall");
  some_instance().stall(random_.log_span(milliseconds(50), minutes(1)));
}

void DrainWorld::heal() {
  is_healed_ = true;
  site_.trace.note("heal", 0, [] { return "no more faults"; });
  auto kept = Faults();
  kept.superusers = site_.faults.superusers;
  kept.swallowers = site_.faults.swallowers;
  kept.slow_to_die = site_.faults.slow_to_die;
  kept.drift_ppm = site_.faults.drift_ppm;
  kept.record_is_required = site_.faults.record_is_required;
  site_.faults = kept;
  for (auto& node : site_.nodes) {
    node.server->catalog_is_locked = false;
    node.server->is_exhausted = false;
  }
  for (auto& instance : instances_) {
    auto& disk = *instance->files();
    disk.is_full = disk.is_unlistable = false;
    disk.unreadable.clear();
    auto* waiting = instance.get();
    site_.agenda.in(seconds(1), [this, waiting] {
      if (!waiting->is_running()) waiting->start(policy_);
    });
  }
}

}  // namespace pgcurfew::simulation
