#include "simulation/people.hpp"

#include <algorithm>

namespace pgcurfew::simulation {

namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

using Texts = std::vector<std::string>;

}  // namespace

People::People(Server& server, const Databases& databases, Agenda& agenda, Random random,
               const Faults& faults, int count)
    : server_(server), databases_(databases), agenda_(agenda), random_(random) {
  for (int i = 0; i < count; ++i) {
    Person person;
    person.database = random_.pick(Texts{"app", "app", "app_1", "shop", "postgres"});
    person.user = random_.pick(Texts{"app", "app", "web", "etl", "backup"});
    person.application_name = random_.pick(Texts{"psql", "jdbc", "jdbc", "pg_dump", "nightly-7"});
    person.is_superuser = random_.chance(faults.superusers * 0.5);
    person.is_patient = random_.chance(0.3);
    if (random_.chance(faults.swallowers)) person.temper = Temper::kSwallowsCancel;
    person.latency = random_.chance(faults.slow_to_die) ? random_.log_span(milliseconds(20), seconds(8))
                                                        : random_.log_span(Duration(100), milliseconds(20));
    people_.push_back(std::move(person));
  }
  server_.on_ended = [this](const Backend& backend) { leave(backend); };
  server_.on_cancelled = [this](Backend& backend) {
    for (std::size_t i = 0; i < people_.size(); ++i) {
      if (people_[i].birth == backend.birth)
        plan(i, backend.pid, random_.log_span(milliseconds(1), seconds(5)));
    }
  };
}

void People::come() {
  for (std::size_t i = 0; i < people_.size(); ++i) {
    people_[i].birth = 0;
    try_later(i, random_.log_span(milliseconds(1), seconds(5)));
  }
}

void People::try_later(std::size_t number, Duration wait) {
  agenda_.in(wait, [this, number, script = ++people_[number].script] {
    if (people_[number].script == script) knock(number);
  });
}

void People::go_through(const PgBouncer& pgbouncer, double chance, Random random) {
  pgbouncer_ = &pgbouncer;
  for (auto& person : people_) person.is_pooled = random.chance(chance);
}

void People::lose_pgbouncer() {
  std::vector<std::int32_t> pids;
  for (const auto& person : people_) {
    if (!person.is_pooled || person.birth == 0) continue;
    for (const auto& [pid, backend] : server_.backends()) {
      if (backend.birth == person.birth) pids.push_back(pid);
    }
  }
  for (const auto pid : pids) server_.end_backend(pid, "PgBouncer is gone");
}

bool People::is_kept_out(const Person& person) const {
  return person.is_pooled && (pgbouncer_->is_down() || pgbouncer_->is_closed(person.database));
}

/// Whether the server admits the client, with CONNECTION LIMIT.
bool People::lets_in(const Person& person) const {
  if (server_.is_starting || server_.is_exhausted) return false;
  const auto limit = databases_.all.at(person.database).limit;
  if (limit < 0 || person.is_superuser) return true;
  const auto& backends = server_.backends();
  return limit > std::count_if(backends.begin(), backends.end(), [&](const auto& entry) {
           return entry.second.database == person.database && entry.second.backend_type == "client backend";
         });
}

void People::knock(std::size_t number) {
  const auto& person = people_[number];
  if (is_kept_out(person) || !lets_in(person)) {
    if (!server_.is_starting && !is_kept_out(person))
      log_in(person, true, random_.log_span(Duration(200), milliseconds(20)), {});
    return try_later(number, person.is_patient ? random_.log_span(seconds(1), seconds(20))
                                               : random_.log_span(milliseconds(20), seconds(1)));
  }
  const auto start = server_.stamp();
  if (!random_.chance(0.1)) return enter(number, {}, start);
  // admitted by the previous limit: the session is not visible yet, for any length of time
  const auto most = random_.chance(0.2) ? Duration(minutes(1)) : milliseconds(300);
  log_in(person, false, random_.log_span(milliseconds(1), most),
         [this, number, start, script = ++people_[number].script](std::int32_t pid) {
           if (people_[number].script == script && !server_.is_starting) enter(number, pid, start);
         });
}

/// The client logs in for a while, with the pid that its session will have; then calls `done`.
void People::log_in(const Person& person, bool is_refused, Duration time,
                    std::function<void(std::int32_t)> done) {
  const auto pid = server_.unused_pid(random_);
  server_.arrivals[pid] = {person.database, person.is_superuser, is_refused, agenda_.now(),
                           !person.is_pooled};
  agenda_.in(time, [this, pid, done = std::move(done), of = server_.generation] {
    if (server_.generation == of) server_.arrivals.erase(pid);
    if (done) done(pid);
  });
}

void People::enter(std::size_t number, std::optional<std::int32_t> pid, const Stamp& start) {
  auto& person = people_[number];
  Backend backend;
  backend.backend_type = "client backend";
  backend.user = person.user;
  backend.database = person.database;
  backend.application_name = person.application_name;
  backend.is_local = true;
  backend.is_superuser = person.is_superuser;
  backend.temper = person.temper;
  backend.latency = person.latency;
  auto& started = server_.start_backend(std::move(backend), pid, random_);
  started.start = start;
  started.state = State::kIdle;
  started.state_change = server_.stamp();
  person.birth = started.birth;
  plan(number, started.pid, random_.log_span(milliseconds(1), seconds(2)));
}

void People::plan(std::size_t number, std::int32_t pid, Duration wait) {
  agenda_.in(wait, [this, number, pid, script = ++people_[number].script] {
    auto* backend = server_.find(pid, people_[number].birth);
    if (backend != nullptr && people_[number].script == script) act(number, *backend);
  });
}

void People::act(std::size_t number, Backend& backend) {
  const bool is_paused = people_[number].is_pooled && pgbouncer_->is_paused(backend.database);
  if (backend.state == State::kActive) {
    backend.in_block = !backend.in_block && random_.chance(0.3);
    server_.end_statement(backend);
    if (is_paused && !backend.in_block) return server_.end_backend(backend.pid, "it is paused");
  } else if (is_paused && !backend.in_block) {
    return server_.end_backend(backend.pid, "it is paused");
  } else if (random_.chance(0.05)) {
    return server_.end_backend(backend.pid, "client left");
  } else {
    server_.begin_statement(backend,
                            random_.pick(Texts{"select 1", "update t set x = 1", "copy t to stdout"}));
    if (random_.chance(0.5)) backend.in_block = false;
  }
  plan(number, backend.pid, random_.log_span(milliseconds(20), minutes(2)));
}

void People::leave(const Backend& backend) {
  for (std::size_t i = 0; i < people_.size(); ++i) {
    auto& person = people_[i];
    if (person.birth != backend.birth) continue;
    person.birth = 0;
    try_later(i, person.is_patient ? random_.log_span(seconds(1), minutes(1))
                                   : random_.log_span(Duration(500), milliseconds(500)));
  }
}

}  // namespace pgcurfew::simulation
