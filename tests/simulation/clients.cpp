#include "simulation/clients.hpp"

#include <algorithm>

#include "simulation/policy_writer.hpp"

namespace pgcurfew::simulation {

namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::array kHabits{
    Habit::kAutocommit, Habit::kAutocommit, Habit::kTransactions, Habit::kTransactions, Habit::kExtended,
    Habit::kPipeline,   Habit::kProcedure,  Habit::kPortal,       Habit::kRenaming,     Habit::kUntracked};

Address address_of(std::string_view text) {
  return parse_address(text).value();
}

}  // namespace

Clients::Clients(Server& server, Agenda& agenda, Random random, const Faults& faults, int count)
    : server_(server), agenda_(agenda), random_(random), faults_(faults), count_(count) {
  server_.on_cancelled = [this](Backend& backend) {
    backend.statements_left = 0;
    plan(backend, pause());
  };
  server_.on_granted = [this](Backend& backend) { go_on(backend); };
  server_.on_ended = [this](const Backend& backend) {
    if (backend.backend_type != "client backend" || backend.is_ours) return;
    const auto pid = backend.pid;
    const auto generation = server_.generation;
    const bool again = random_.chance(0.4);
    agenda_.in(random_.log_span(Duration(500), seconds(2)), [this, pid, again, generation] {
      if (server_.generation == generation) arrive(again ? std::optional(pid) : std::nullopt);
    });
  };
}

void Clients::follow(const Policy& policy) {
  limits_.clear();
  for (const auto& rule : policy.rules) {
    for (const auto& age : rule.match.ages) limits_.push_back(age.limit);
    for (const auto& condition : rule.match.conditions) {
      const auto* blocks = std::get_if<BlocksTest>(&condition.test);
      if (blocks == nullptr || !blocks->waiter) continue;
      for (const auto& age : blocks->waiter->ages) limits_.push_back(age.limit);
    }
  }
  if (limits_.empty()) limits_.emplace_back(seconds(1));
}

void Clients::populate() {
  arrive_system("walsender", "repl", "");
  arrive_system("autovacuum launcher", "", "");
  arrive_system("autovacuum worker", "", "app");
  arrive_system("logical replication apply worker", "app", "app");
  arrive_system("checkpointer", "", "");
  if (server_.in_recovery && faults_.locks > 0) arrive_system("startup", "", "");
  for (int i = 0; i < count_; ++i) arrive(std::nullopt);
}

void Clients::arrive_system(std::string_view type, std::string_view user, std::string_view database) {
  Backend backend;
  backend.backend_type = type;
  backend.user = user;
  backend.database = database;
  backend.habit = Habit::kSystem;
  auto& started = server_.start_backend(std::move(backend), std::nullopt, random_);
  if (type == "walsender" || type == "autovacuum worker")
    server_.begin_statement(started, "START_REPLICATION SLOT x");
  if (type == "startup") started.habit = Habit::kReplay;
  if (type == "startup") plan(started, pause());
}

Temper Clients::draw_temper() {
  if (random_.chance(faults_.swallowers)) return Temper::kSwallowsCancel;
  if (!healed_ && random_.chance(faults_.frozen)) return Temper::kFrozen;
  return Temper::kProper;
}

Habit Clients::draw_habit() {
  if (random_.chance(faults_.herds)) return Habit::kHerd;
  if (random_.chance(faults_.hostile)) return random_.chance(0.5) ? Habit::kFlapping : Habit::kBusy;
  return random_.pick(kHabits);
}

std::string Clients::draw_user() {
  if (!healed_ && random_.chance(faults_.new_names * 0.3)) {
    return random_.pick(std::vector<std::string>{"app", "backup", "web"}) + "_" +
           std::to_string(++roles_made_);
  }
  return random_.pick(user_names());
}

void Clients::arrive(std::optional<std::int32_t> pid) {
  if (pid && server_.find(*pid) != nullptr) pid.reset();
  Backend backend;
  backend.backend_type = "client backend";
  backend.user = draw_user();
  backend.database = random_.pick(database_names());
  backend.application_name = random_.pick(application_names());
  backend.is_local = random_.chance(0.4);
  if (!backend.is_local) {
    backend.client_addr =
        address_of(random_.pick(std::vector<std::string>{"10.1.2.3", "192.168.0.7", "fd00::7"}));
  }
  backend.is_superuser = random_.chance(faults_.superusers * 0.5);
  backend.habit = draw_habit();
  if (backend.habit == Habit::kHerd) {
    // all of one tenant, so that the breaker counts them together
    backend.user = "app";
    backend.database = "app";
  }
  backend.temper = draw_temper();
  backend.latency = random_.chance(faults_.slow_to_die) ? random_.log_span(milliseconds(20), seconds(8))
                                                        : random_.log_span(Duration(100), milliseconds(20));
  backend.has_savepoint = random_.chance(0.2);
  backend.keeps_snapshot = random_.chance(0.3);
  auto& started = server_.start_backend(std::move(backend), pid, random_);
  // no statement has run yet: query_start stays NULL
  started.state = State::kIdle;
  started.state_change = server_.stamp();
  if (started.habit == Habit::kUntracked) server_.untrack(started);
  plan(started, pause());
}

void Clients::plan(Backend& backend, Duration wait) {
  agenda_.in(wait, [this, pid = backend.pid, birth = backend.birth, script = ++backend.script] {
    auto* found = server_.find(pid, birth);
    if (found != nullptr && found->script == script) act(*found);
  });
}

Duration Clients::running_time() {
  const auto limit = random_.pick(limits_);
  switch (random_.between(0, 9)) {
    case 0:
    case 1:
      return random_.span(limit * 3 / 4, limit * 5 / 4);
    case 2:
    case 3:
      return random_.span(limit, limit * 4);
    case 4:
      return random_.chance(0.3) ? Duration(hours(5)) : limit * 6;
    default:
      return random_.log_span(Duration(200), std::max<Duration>(limit / 2, milliseconds(1)));
  }
}

Duration Clients::pause() {
  const auto limit = random_.pick(limits_);
  if (random_.chance(0.25)) return running_time();
  return random_.log_span(std::max<Duration>(limit / 50, milliseconds(1)),
                          std::max<Duration>(limit, milliseconds(2)));
}

void Clients::act(Backend& backend) {
  if (backend.temper == Temper::kFrozen && backend.state == State::kActive) return plan(backend, seconds(5));
  if (backend.lock_wait) {
    // lock_timeout
    server_.fail_statement(backend);
    backend.statements_left = 0;
    return plan(backend, pause());
  }
  switch (backend.habit) {
    case Habit::kSystem:
      return;
    case Habit::kReplay:
      return act_in_replay(backend);
    case Habit::kUntracked:
      if (random_.chance(0.2)) return server_.end_backend(backend.pid, "client left");
      return plan(backend, pause() * 4);
    case Habit::kTransactions:
      return act_in_block(backend);
    case Habit::kPortal:
      return act_in_portal(backend);
    case Habit::kHerd:
      return act_in_herd(backend);
    case Habit::kExtended:
    case Habit::kPipeline:
      return act_in_messages(backend);
    default:
      break;
  }
  if (backend.state != State::kActive) return start_something(backend);
  if (backend.habit == Habit::kProcedure && backend.statements_left-- > 0) {
    server_.commit_within(backend);
    return plan(backend, running_time());
  }
  if (backend.wait_event == "SyncRep" || random_.chance(0.8)) {
    server_.end_statement(backend);
  } else {
    server_.fail_statement(backend);
  }
  plan(backend, pause());
}

void Clients::start_something(Backend& backend) {
  if (random_.chance(0.12)) return server_.end_backend(backend.pid, "client left");
  const bool is_alone = backend.habit == Habit::kAutocommit && random_.chance(0.1);
  server_.begin_statement(backend, random_.pick(is_alone ? lone_texts() : query_texts()));
  if (backend.habit == Habit::kProcedure) backend.statements_left = static_cast<int>(random_.between(0, 4));
  if (backend.habit == Habit::kRenaming) {
    // SET is itself a statement, which ends at once
    backend.application_name = random_.pick(application_names());
    server_.end_statement(backend);
    server_.begin_statement(backend, random_.pick(query_texts()));
  }
  const bool is_stuck = random_.chance(faults_.deaf);
  if (backend.temper == Temper::kProper || backend.temper == Temper::kDeafToCancel) {
    backend.temper = is_stuck ? Temper::kDeafToCancel : Temper::kProper;
  }
  if (random_.chance(0.1)) {
    Backend worker = backend;
    worker.backend_type = "parallel worker";
    worker.leader_pid = backend.pid;
    worker.habit = Habit::kSystem;
    worker.xact_start.reset();
    server_.start_backend(std::move(worker), std::nullopt, random_);
  }
  if (is_stuck) {
    server_.wait(backend, "Client", random_.chance(0.5) ? "ClientWrite" : "ClientRead");
  } else {
    if (has_to_wait(backend)) return;
    wait_within(backend);
  }
  plan(backend, running_time());
}

/// Requests a lock for the statement that has begun. Returns true if it has to wait.
bool Clients::has_to_wait(Backend& backend) {
  constexpr int kObjects = 3;
  const int lowest = server_.locks().highest_held(backend.pid) + 1;
  if (lowest >= kObjects || !random_.chance(faults_.locks)) return false;
  const auto object = static_cast<int>(random_.between(lowest, kObjects - 1));
  if (server_.lock(backend, object, random_.chance(0.5) ? LockMode::kExclusive : LockMode::kShare))
    return false;
  // some do not wait forever
  if (random_.chance(0.3)) plan(backend, running_time());
  return true;
}

/// The backend has got the lock that it waited for.
void Clients::go_on(Backend& backend) {
  if (backend.habit == Habit::kReplay) return plan(backend, milliseconds(random_.between(1, 20)));
  if (random_.chance(0.3) && has_to_wait(backend)) return;
  plan(backend, running_time());
}

/// Replays a statement of the primary that takes a lock there.
void Clients::act_in_replay(Backend& backend) {
  if (!server_.in_recovery) return server_.end_backend(backend.pid, "promoted");
  if (server_.locks().highest_held(backend.pid) >= 0) {
    server_.unlock(backend);
    return plan(backend, pause());
  }
  if (server_.lock(backend, static_cast<int>(random_.between(0, 2)), LockMode::kExclusive)) go_on(backend);
}

/// A wait event that comes and goes within the statement.
void Clients::wait_within(Backend& backend) {
  if (!random_.chance(0.3)) return;
  struct Wait {
    const char* type;
    const char* event;
  };
  constexpr std::array<Wait, 4> kWaits{
      {{"Lock", "transactionid"}, {"IO", "DataFileRead"}, {"IPC", "SyncRep"}, {"Lock", "relation"}}};
  auto wait = random_.pick(kWaits);
  // in a world with locks, no session waits for a lock that does not exist
  if (faults_.locks > 0 && wait.type == kWaits[0].type) wait = kWaits[1];
  const auto begin = random_.chance(0.5) ? Duration(0) : running_time() / 2;
  const auto end = begin + running_time();
  const auto query = backend.query_start->serial;
  const auto apply = [this, pid = backend.pid, birth = backend.birth, query](
                         std::optional<std::string> type, std::optional<std::string> event) {
    auto* found = server_.find(pid, birth);
    const bool same = found != nullptr && found->state == State::kActive &&
                      found->query_start->serial == query && !found->lock_wait;
    if (same) server_.wait(*found, std::move(type), std::move(event));
  };
  agenda_.in(begin, [apply, wait] { apply(wait.type, wait.event); });
  agenda_.in(end, [apply] { apply(std::nullopt, std::nullopt); });
}

void Clients::act_in_block(Backend& backend) {
  if (backend.state == State::kActive) {
    if (random_.chance(0.15)) {
      server_.fail_statement(backend);
    } else {
      server_.end_statement(backend);
    }
    return plan(backend, pause());
  }
  if (!backend.in_block) {
    if (random_.chance(0.1)) return server_.end_backend(backend.pid, "client left");
    server_.begin_statement(backend, "begin");
    backend.in_block = true;
    backend.statements_left = static_cast<int>(random_.between(0, 4));
    server_.end_statement(backend);
    return plan(backend, pause());
  }
  const bool aborted = backend.state == State::kIdleInTransactionAborted;
  if (backend.statements_left-- > 0 && !(aborted && random_.chance(0.5))) {
    server_.begin_statement(backend, random_.pick(query_texts()));
    if (!aborted && has_to_wait(backend)) return;
    if (!aborted) return plan(backend, running_time());
    backend.xact_start.reset();
    server_.fail_statement(backend);
    return plan(backend, pause());
  }
  end_block(backend);
}

void Clients::end_block(Backend& backend) {
  const bool aborted = backend.state == State::kIdleInTransactionAborted;
  const bool holds_locks = !aborted && server_.locks().highest_held(backend.pid) >= 0;
  if (holds_locks && random_.chance(faults_.prepared)) {
    const auto gid = "gid " + std::to_string(++prepared_);
    server_.begin_statement(backend, "prepare transaction");
    server_.prepare(backend, gid);
    agenda_.in(running_time() * 2, [this, gid] { server_.finish_prepared(gid); });
  } else {
    server_.begin_statement(backend, aborted ? "rollback" : "commit");
  }
  backend.in_block = false;
  server_.end_statement(backend);
  plan(backend, pause());
}

void Clients::act_in_portal(Backend& backend) {
  if (backend.state == State::kActive) {
    server_.end_statement(backend);
    return plan(backend, pause());
  }
  if (backend.state == State::kIdleInTransactionAborted ||
      (backend.in_block && backend.statements_left-- <= 0)) {
    server_.begin_statement(backend, "commit");
    backend.in_block = false;
    server_.end_statement(backend);
    return plan(backend, pause());
  }
  if (!backend.in_block) {
    if (random_.chance(0.1)) return server_.end_backend(backend.pid, "client left");
    backend.in_block = true;
    backend.xact_start = server_.stamp();
    backend.statements_left = static_cast<int>(random_.between(3, 30));
  }
  server_.execute_message(backend, "fetch etl portal");
  plan(backend, random_.log_span(Duration(100), milliseconds(50)));
}

/// All sessions of a herd begin at the same times, twice the limit apart, and end just before the limit.
void Clients::act_in_herd(Backend& backend) {
  const auto limit = std::max<Duration>(limits_.front(), milliseconds(50));
  if (backend.state == State::kActive) {
    server_.end_statement(backend);
  } else if (agenda_.now() % (limit * 2) == Duration(0)) {
    server_.begin_statement(backend, random_.pick(query_texts()));
    return plan(backend, limit - std::min<Duration>(limit / 20, milliseconds(random_.between(1, 30))));
  }
  plan(backend, limit * 2 - agenda_.now() % (limit * 2));
}

void Clients::act_in_messages(Backend& backend) {
  const bool is_pipeline = backend.habit == Habit::kPipeline;
  if (backend.statements_left-- > 0) {
    server_.execute_message(backend, random_.pick(query_texts()));
    return plan(backend, is_pipeline ? running_time() / 4 : random_.log_span(Duration(50), milliseconds(5)));
  }
  if (backend.state == State::kActive) {
    // executed, but no Sync yet: it stays active, and a cancel has no effect
    if (!is_pipeline && backend.wait_event != "ClientRead" && random_.chance(0.3)) {
      server_.wait(backend, "Client", "ClientRead");
      if (backend.temper == Temper::kProper) backend.temper = Temper::kDeafToCancel;
      return plan(backend, running_time());
    }
    if (backend.temper == Temper::kDeafToCancel) backend.temper = Temper::kProper;
    server_.end_statement(backend);
    return plan(backend, pause());
  }
  if (random_.chance(0.1)) return server_.end_backend(backend.pid, "client left");
  backend.statements_left = static_cast<int>(is_pipeline ? random_.between(2, 12) : 2);
  server_.execute_message(backend, random_.pick(query_texts()));
  plan(backend, is_pipeline ? running_time() / 4 : random_.log_span(Duration(50), milliseconds(5)));
}

}  // namespace pgcurfew::simulation
