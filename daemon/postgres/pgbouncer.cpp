#include "postgres/pgbouncer.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "base/duration.hpp"
#include "base/words.hpp"
#include "postgres/rows.hpp"

namespace pgcurfew {

namespace {

constexpr const char* kShow = PgbouncerSession::kShowDatabases;

std::string quoted(std::string_view name) {
  std::string text = "\"";
  for (const char c : name) {
    text += c;
    if (c == '"') text += c;
  }
  return text + '"';
}

std::string_view verb(const GateOrder& order) {
  const bool pauses = order.pgbouncer_gate == PgbouncerGate::kPause;
  if (order.closes) return pauses ? "PAUSE" : "DISABLE";
  return pauses ? "RESUME" : "ENABLE";
}

bool leads_to(const PgbouncerDatabase& database, const std::vector<Conninfo::Host>& server) {
  return std::any_of(server.begin(), server.end(), [&](const Conninfo::Host& host) {
    const auto port = host.port.empty() ? std::string("5432") : host.port;
    return database.port == port && !database.host.empty() &&
           (database.host == host.name || database.host == host.hostaddr);
  });
}

/// Selects, from PgBouncer's databases that lead to a database of that name, those that are meant.
Result<std::vector<PgbouncerDatabase>> choose(std::vector<PgbouncerDatabase> found,
                                              const PgbouncerChoice& choice) {
  if (!choice.pools.empty()) {
    std::erase_if(found, [&](const PgbouncerDatabase& database) {
      return std::none_of(choice.pools.begin(), choice.pools.end(),
                          [&](const TextPattern& pool) { return pool.matches(database.name); });
    });
    return found;
  }
  const bool is_one_server = std::all_of(found.begin(), found.end(), [&](const PgbouncerDatabase& database) {
    return database.host == found.front().host && database.port == found.front().port;
  });
  if (is_one_server) return found;
  std::vector<PgbouncerDatabase> ours;
  std::copy_if(found.begin(), found.end(), std::back_inserter(ours),
               [&](const PgbouncerDatabase& database) { return leads_to(database, choice.server); });
  if (!ours.empty()) return ours;
  if (choice.is_lenient) return found;
  std::string names;
  for (const auto& database : found) {
    names += fmt::format("{}{} (host={} port={})", names.empty() ? "" : ", ", printable(database.name, 80),
                         printable(database.host, 80), printable(database.port));
  }
  return tl::make_unexpected(
      Error{fmt::format("databases of PgBouncer lead to {} on different servers: {}",
                        printable(choice.database, 80), names),
            "None of them has host and port as the conninfo of the drain's server has them.",
            "Name the databases to use with pools of the drain's pgbouncer, or with --pool.", "55000"});
}

Result<Conninfo> console_of(const std::string& conninfo) {
  auto parsed = Conninfo::parse(conninfo);
  if (parsed) parsed->set_database("pgbouncer");  // the admin console's name
  return parsed;
}

}  // namespace

PgbouncerSession::PgbouncerSession(const std::string& conninfo, std::string question)
    : PgbouncerSession(console_of(conninfo), std::move(question)) {}

PgbouncerSession::PgbouncerSession(Result<Conninfo> console, std::string question)
    : connection_(console.value_or(Conninfo{}), {"PgBouncer", kMostOfAReply}),
      question_(std::move(question)) {
  if (console) {
    connection_.open();
  } else {
    wrong_ = console.error();
  }
}

void PgbouncerSession::ask(std::string question) {
  question_ = std::move(question);
}

void PgbouncerSession::hang_up() {
  has_hung_up_ = true;
  connection_.close();
}

PgbouncerSession::Answer PgbouncerSession::fail(Error error) {
  hang_up();
  return tl::make_unexpected(std::move(error));
}

PgbouncerSession::Answer PgbouncerSession::fail_with_last_error() {
  return fail(connection_.error("PgBouncer closed the connection"));
}

std::optional<PgbouncerSession::Answer> PgbouncerSession::proceed(bool ready) {
  if (has_hung_up_) return std::nullopt;
  const auto reading = connection_.reading();
  if (wrong_) return fail(*wrong_);
  if (!connection_.is_open()) {
    const auto is_open = connection_.proceed(ready);
    if (!is_open) return fail(is_open.error());
    if (!*is_open) return std::nullopt;
  }
  if (!question_.empty()) return send();
  if (is_asking_ && ready) return receive();
  return std::nullopt;
}

std::optional<PgbouncerSession::Answer> PgbouncerSession::send() {
  result_.reset();
  // PgBouncer's console supports only the simple query protocol
  if (PQsendQuery(connection_.handle(), std::exchange(question_, {}).c_str()) != 1)
    return fail_with_last_error();
  is_asking_ = true;
  if (auto flushed = connection_.flush(); !flushed) return fail(flushed.error());
  return std::nullopt;
}

std::optional<PgbouncerSession::Answer> PgbouncerSession::receive() {
  if (auto received = connection_.receive(); !received) return fail(received.error());
  if (connection_.has_ended()) return fail_with_last_error();
  if (auto flushed = connection_.flush(); !flushed) return fail(flushed.error());
  while (connection_.has_result()) {
    if (auto result = connection_.next_result()) {
      if (!result_ || is_good(result_.get())) result_ = std::move(result);
      continue;
    }
    is_asking_ = false;
    if (!result_ || connection_.has_ended()) return fail_with_last_error();
    connection_.end_reply();
    if (!is_good(result_.get())) return Answer(tl::make_unexpected(error_of(result_.get())));
    return Answer(std::move(result_));
  }
  if (connection_.has_ended()) return fail_with_last_error();
  return std::nullopt;
}

Result<std::vector<PgbouncerDatabase>> read_pgbouncer_databases(const PGresult* result,
                                                                const PgbouncerChoice& choice,
                                                                PgbouncerGate gate) {
  const int name = PQfnumber(result, "name");
  const int target = PQfnumber(result, "database");
  const int host = PQfnumber(result, "host");
  const int port = PQfnumber(result, "port");
  const int state = PQfnumber(result, gate == PgbouncerGate::kPause ? "paused" : "disabled");
  if (name < 0 || target < 0 || state < 0 || host < 0 || port < 0) {
    return failure(
        "this is not PgBouncer's admin console", {},
        "Name PgBouncer, and a user of its admin_users, in the conninfo of the drain's pgbouncer.");
  }
  std::vector<PgbouncerDatabase> found;
  for (int row = 0; row < PQntuples(result); ++row) {
    if (PQgetvalue(result, row, target) != choice.database) continue;
    found.push_back({PQgetvalue(result, row, name), PQgetvalue(result, row, host),
                     PQgetvalue(result, row, port), std::string_view(PQgetvalue(result, row, state)) == "1"});
  }
  return choose(std::move(found), choice);
}

PgbouncerTurn::PgbouncerTurn(GateOrder order, std::vector<Conninfo::Host> server, MonotonicTime now)
    : order_(std::move(order)),
      choice_{order_.database, order_.pools, std::move(server), !order_.closes},
      began_(now),
      console_(order_.pgbouncer_conninfo, kShow) {}

std::vector<Connection::Interest> PgbouncerTurn::interests() const {
  std::vector<Connection::Interest> all{console_.interest()};
  for (const auto& session : pausing_) all.push_back(session->interest());
  return all;
}

MonotonicTime PgbouncerTurn::wake_at() const {
  return std::min(began_ + kDeadline, look_at_.value_or(MonotonicTime::max()));
}

std::optional<GateReply> PgbouncerTurn::proceed(MonotonicTime now, const std::vector<bool>& ready) {
  const auto is_ready = [&](std::size_t number) { return number < ready.size() && ready[number]; };
  if (now - began_ >= kDeadline) {
    return fail(complaint_.value_or(
        Error{fmt::format("PgBouncer did not do it within {}", to_text(kDeadline)), {}, {}, {}}));
  }
  for (std::size_t i = 0; i < pausing_.size(); ++i) {
    // the console shows whether it is paused; an answer matters only if it is an error
    const auto answer = pausing_[i]->proceed(is_ready(i + 1));
    if (answer && !*answer) complaint_ = answer->error();
  }
  if (look_at_ && now >= *look_at_) {
    look_at_.reset();
    is_looking_ = true;
    console_.ask(kShow);
  }
  // a new question must be sent without waiting for a descriptor
  for (auto answer = console_.proceed(is_ready(0)); answer; answer = console_.proceed(false)) {
    if (auto reply = take(std::move(*answer), now)) return reply;
  }
  return std::nullopt;
}

std::optional<GateReply> PgbouncerTurn::take(PgbouncerSession::Answer answer, MonotonicTime now) {
  if (is_looking_) {
    if (!answer) return fail(answer.error());
    return take_databases(answer->get(), now);
  }
  if (!answer) complaint_ = answer.error();
  if (!questions_.empty()) {
    console_.ask(std::move(questions_.front()));
    questions_.pop_front();
  } else {
    is_looking_ = true;
    console_.ask(kShow);
  }
  return std::nullopt;
}

std::optional<GateReply> PgbouncerTurn::take_databases(const PGresult* result, MonotonicTime now) {
  const auto databases = read_pgbouncer_databases(result, choice_, order_.pgbouncer_gate);
  if (!databases) return fail(databases.error());
  std::vector<std::string> left;
  for (const auto& database : *databases) {
    if (database.is_closed != order_.closes) left.push_back(database.name);
  }
  if (databases->empty() && order_.closes) {
    return fail({fmt::format("no database of PgBouncer's{} leads to {}",
                             order_.pools.empty() ? "" : " that its pools name", printable(order_.database)),
                 {},
                 "SHOW DATABASES on its admin console lists them.",
                 {}});
  }
  if (left.empty()) return done(*databases);
  if (complaint_) return fail(*complaint_);
  if (has_acted_) {
    look_at_ = now + kLookAgain;
  } else {
    act(left, now);
  }
  return std::nullopt;
}

void PgbouncerTurn::act(const std::vector<std::string>& names, MonotonicTime now) {
  has_acted_ = true;
  is_looking_ = false;
  if (order_.closes && order_.pgbouncer_gate == PgbouncerGate::kPause) {
    for (const auto& name : names) {
      pausing_.push_back(std::make_unique<PgbouncerSession>(
          order_.pgbouncer_conninfo, fmt::format("{} {}", verb(order_), quoted(name))));
      static_cast<void>(pausing_.back()->proceed(false));
    }
    look_at_ = now + kLookAgain;
    return;
  }
  for (const auto& name : names) questions_.push_back(fmt::format("{} {}", verb(order_), quoted(name)));
  console_.ask(std::move(questions_.front()));
  questions_.pop_front();
}

void PgbouncerTurn::hang_up() {
  console_.hang_up();
  pausing_.clear();
}

GateReply PgbouncerTurn::done(const std::vector<PgbouncerDatabase>& databases) {
  GateReply reply;
  reply.id = order_.id;
  reply.outcome = order_.closes ? GateOutcome::kClosed : GateOutcome::kOpened;
  reply.limit = order_.closes ? 0 : -1;
  for (const auto& database : databases) reply.pools.push_back(database.name);
  return reply;
}

GateReply PgbouncerTurn::fail(Error error) const {
  GateReply reply;
  reply.id = order_.id;
  reply.outcome = GateOutcome::kFailed;
  reply.error = std::move(error);
  return reply;
}

}  // namespace pgcurfew
