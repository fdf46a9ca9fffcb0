#include "simulation/world.hpp"

#include <algorithm>

#include "simulation/oracle.hpp"

namespace pgcurfew::simulation {

namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// The time that a watch may need after the last fault: a stall, a deadline, the longest pause, a connection,
/// the wait after orders without effect.
constexpr Duration kTimeToNotice = minutes(3);

/// The maximum time from the beginning to the end of a rule's ladder.
Duration longest_of(const Policy& policy) {
  Duration longest = seconds(1);
  for (const auto& rule : policy.rules) {
    Duration limit{};
    for (const auto& age : rule.match.ages) limit = std::max(limit, age.limit);
    limit = std::max(limit, oracle::blocking_of(rule).patience.value_or(Duration(0)));
    for (const auto& exception : rule.except) {
      for (const auto& age : exception.match.ages) limit = std::max(limit, age.limit);
    }
    for (const auto& step : rule.escalate) limit += step.after;
    longest = std::max(longest, limit);
  }
  return longest;
}

}  // namespace

World::World(const WorldOptions& options)
    : options_(options),
      site_(options.text),
      random_(options.seed),
      policy_random_(random_.next()),
      checks_(site_),
      wish_(draw_wish(random_)) {
  Random fault_random(random_.next());
  site_.faults = draw_faults(fault_random);
  if (options.no_faults) site_.faults = Faults();
  use_part(wish_, options.part);
  site_.faults.locks = wish_.locks;
  if (options.is_late && !options.no_faults) site_.faults.late_action = 0.5;
  if (options.force_enforce) wish_.is_dry = false;
  policy_ = draw_policy();
  if (site_.faults.lacks_read_all_stats) site_.inject("lacks_read_all_stats");
  if (site_.faults.lacks_signal) site_.inject("lacks_signal");
  build_nodes();
  for (int i = 0; i < (site_.faults.two_instances ? 2 : 1); ++i) {
    instances_.push_back(std::make_unique<Instance>(site_, checks_, i, Random(random_.next())));
    instances_.back()->on_gone = [this, i] { start_again(*instances_[static_cast<std::size_t>(i)]); };
  }
}

std::shared_ptr<const Policy> World::draw_policy() {
  policy_text_ = write_policy(wish_, policy_random_);
  if (options_.force_dry || options_.force_enforce) {
    // bounds count separately by mode, so a file with both modes would behave differently in dry-run
    const std::string milder = "    mode: dry-run\n";
    for (auto at = policy_text_.find(milder); at != std::string::npos; at = policy_text_.find(milder)) {
      policy_text_.erase(at, milder.size());
    }
  }
  if (options_.force_dry) {
    const std::string enforce = "mode: enforce";
    if (policy_text_.starts_with(enforce)) policy_text_.replace(0, enforce.size(), "mode: dry-run");
  }
  if (site_.faults.record_is_required) policy_text_ += kRequiredRecord;
  site_.trace.note("policy", 0, [&] { return "\n" + policy_text_; });
  return load_text(policy_text_);
}

void World::build_nodes() {
  const int count = static_cast<int>(random_.between(2, 18));
  const int nodes = site_.faults.failovers > 0 ? 2 : 1;
  for (int i = 0; i < nodes; ++i) {
    Node node;
    node.server = std::make_unique<Server>(i, site_.agenda, site_.trace, site_.serials);
    node.server->holes = options_.holes;
    node.server->drift_ppm = site_.faults.drift_ppm;
    node.server->offset = wish_.offset;
    if (i > 0)
      node.server->offset +=
          wish_.has_hours ? random_.span(-minutes(1), minutes(1)) : random_.span(-hours(100), hours(100));
    node.server->shows_waitstart = random_.chance(0.7);
    // about as many clients as there are slots; our connection takes one, too
    node.server->connection_slots =
        random_.chance(0.1) ? 0 : count + static_cast<int>(random_.between(1, count));
    node.server->in_recovery = random_.chance(0.2);
    node.server->postmaster_start = node.server->stamp();
    node.clients =
        std::make_unique<Clients>(*node.server, site_.agenda, Random(random_.next()), site_.faults, count);
    node.clients->follow(*policy_);
    node.clients->populate();
    site_.nodes.push_back(std::move(node));
  }
}

void World::plan(double count, Duration length, void (World::*fault)()) {
  auto left = static_cast<int>(count);
  if (random_.chance(count - left)) ++left;
  for (; left > 0; --left) {
    site_.agenda.at(random_.span(seconds(1), length), [this, fault] { (this->*fault)(); });
  }
}

void World::plan_faults(Duration length) {
  const auto& faults = site_.faults;
  plan(faults.restarts, length, &World::restart_server);
  plan(faults.failovers, length, &World::fail_over);
  plan(faults.promotions, length, &World::promote);
  plan(faults.clock_steps, length, &World::step_clock);
  plan(faults.small_clock_steps, length, &World::step_clock_a_little);
  plan(faults.catalog_locks, length, &World::lock_catalog);
  plan(faults.exhaustions, length, &World::exhaust_slots);
  plan(faults.reloads, length, &World::reload);
  plan(faults.stops, length, &World::stop_and_start);
  plan(faults.crashes, length, &World::crash_and_start);
  plan(faults.stalls, length, &World::stall);
}

void World::run() {
  const auto length = length_of_world(wish_.pace);
  plan_faults(length);
  for (auto& instance : instances_) {
    auto* starting = instance.get();
    site_.agenda.in(random_.span(Duration(0), seconds(1)), [this, starting] { starting->start(policy_); });
  }
  site_.agenda.run_until(length);
  heal();
  site_.agenda.run_until(length + kTimeToNotice);
  site_.ready_since = site_.agenda.now();
  const auto end = site_.agenda.now() + longest_of(*policy_) * 3 + seconds(30);
  const auto step = std::max<Duration>(wish_.pace / 4, milliseconds(200));
  while (site_.agenda.now() < end) {
    site_.agenda.run_until(site_.agenda.now() + step);
    checks_.expect_order(*site_.ready_since);
  }
}

Instance& World::some_instance() {
  return *instances_[static_cast<std::size_t>(
      random_.between(0, static_cast<std::int64_t>(instances_.size()) - 1))];
}

void World::restart_server() {
  if (is_healed_) return;
  site_.inject("restart");
  auto& node = site_.nodes[site_.active];
  auto& server = *node.server;
  if (server.is_starting) return;
  server.is_starting = true;
  server.restart();
  for (auto& instance : instances_) {
    instance->wire().lose_server(site_.active, "terminating connection due to administrator command");
  }
  site_.agenda.in(random_.log_span(milliseconds(100), seconds(40)), [&server, &node] {
    server.postmaster_start = server.stamp();
    server.is_starting = false;
    node.clients->populate();
  });
}

void World::fail_over() {
  if (is_healed_ || site_.nodes.size() < 2) return;
  site_.inject("failover");
  const auto before = site_.active;
  site_.active = (site_.active + 1) % site_.nodes.size();
  site_.failed_over_at = site_.agenda.now();
  site_.trace.note("failover", static_cast<std::int64_t>(site_.active), [] { return "to the other server"; });
  for (auto& instance : instances_) instance->wire().lose_server(before, "connection reset by peer");
}

void World::promote() {
  site_.server().in_recovery = !site_.server().in_recovery;
}

void World::step_clock() {
  if (is_healed_) return;
  site_.inject("clock step");
  const auto by = random_.log_span(seconds(6), hours(3));
  site_.server().step_clock(random_.chance(0.6) ? by : -by);
}

void World::step_clock_a_little() {
  if (is_healed_) return;
  site_.inject("small clock step");
  const auto by = random_.log_span(milliseconds(1), seconds(4));
  site_.server().step_clock(random_.chance(0.5) ? by : -by);
}

void World::lock_catalog() {
  site_.inject("catalog");
  auto& server = site_.server();
  server.catalog_is_locked = true;
  site_.trace.note("lock", 1, [] { return "catalog locked"; });
  site_.agenda.in(random_.log_span(milliseconds(100), minutes(2)),
                  [&server] { server.catalog_is_locked = false; });
}

void World::exhaust_slots() {
  site_.inject("exhausted");
  auto& server = site_.server();
  server.is_exhausted = true;
  site_.agenda.in(random_.log_span(milliseconds(100), minutes(1)),
                  [&server] { server.is_exhausted = false; });
}

void World::reload() {
  if (is_healed_) return;
  // half of the reloads keep the file
  if (random_.chance(0.5)) policy_ = draw_policy();
  for (auto& node : site_.nodes) node.clients->follow(*policy_);
  site_.trace.note("reload", 0, [] { return "a new policy"; });
  for (auto& instance : instances_) instance->replace_policy(policy_);
}

void World::start_again(Instance& instance) {
  site_.agenda.in(random_.log_span(milliseconds(1), seconds(20)), [this, &instance] {
    if (!instance.is_running()) instance.start(policy_);
  });
}

void World::stop_and_start() {
  if (!is_healed_) some_instance().ask_to_stop();
}

void World::crash_and_start() {
  if (!is_healed_) some_instance().crash();
}

void World::stall() {
  if (is_healed_) return;
  site_.inject("stall");
  site_.trace.note("stall", 0, [] { return "an instance stalls"; });
  some_instance().stall(random_.log_span(milliseconds(50), minutes(1)));
}

void World::heal() {
  is_healed_ = true;
  site_.trace.note("heal", 0, [] { return "no more faults"; });
  auto kept = Faults();
  // properties of sessions remain, but no session is frozen any more
  kept.superusers = site_.faults.superusers;
  kept.swallowers = site_.faults.swallowers;
  kept.locks = site_.faults.locks;
  kept.deaf = site_.faults.deaf;
  kept.hostile = site_.faults.hostile;
  kept.herds = site_.faults.herds;
  kept.stopped_readers = site_.faults.stopped_readers;
  kept.slow_to_die = site_.faults.slow_to_die;
  kept.drift_ppm = site_.faults.drift_ppm;
  kept.record_is_required = site_.faults.record_is_required;
  // missing privileges were granted meanwhile; the instance learns this as usual, from a new connection
  const bool was_poor = site_.faults.lacks_signal || site_.faults.lacks_read_all_stats;
  site_.faults = kept;
  if (was_poor) {
    site_.inject("cut");
    for (auto& instance : instances_)
      instance->wire().lose_server(site_.active, "the administrator ended it");
  }
  for (auto& node : site_.nodes) {
    node.clients->heal();
    node.server->thaw();
    node.server->catalog_is_locked = false;
    node.server->is_exhausted = false;
  }
}

}  // namespace pgcurfew::simulation
