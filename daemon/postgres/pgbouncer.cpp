#include "postgres/pgbouncer.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "base/duration.hpp"
#include "base/words.hpp"
#include "postgres/quiet_connect.hpp"
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

/// Of several that lead to a database of that name: those that are meant.
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

Error too_much() {
  return {fmt::format("PgBouncer's reply is larger than {} MB", PgbouncerSession::kMostOfAReply >> 20),
          {},
          {},
          {}};
}

}  // namespace

void PgbouncerSession::ConnDeleter::operator()(PGconn* conn) const {
  PQfinish(conn);
}
void PgbouncerSession::ResultDeleter::operator()(PGresult* result) const {
  PQclear(result);
}

PgbouncerSession::PgbouncerSession(const std::string& conninfo, std::string question)
    : question_(std::move(question)) {
  auto parsed = Conninfo::parse(conninfo);
  if (!parsed) {
    wrong_ = parsed.error();
    return;
  }
  conninfo_ = std::move(*parsed);
  std::vector<std::string> names;
  for (const auto& host : conninfo_.hosts()) {
    if (host.needs_look_up()) names.push_back(host.name);
  }
  if (!names.empty()) resolver_.emplace(names);
}

void PgbouncerSession::ask(std::string question) {
  question_ = std::move(question);
}

PgbouncerSession::Interest PgbouncerSession::interest() const {
  switch (phase_) {
    case Phase::kResolving:
      return {resolver_ ? resolver_->fd() : -1, false, true};
    case Phase::kFailed:
      return {};
    default:
      return {PQsocket(conn_.get()), wants_write_, phase_ == Phase::kConnecting};
  }
}

void PgbouncerSession::hang_up() {
  phase_ = Phase::kFailed;
  conn_.reset();
}

PgbouncerSession::Answer PgbouncerSession::fail(Error error) {
  hang_up();
  return tl::make_unexpected(std::move(error));
}

PgbouncerSession::Answer PgbouncerSession::fail_with_libpq_message() {
  Error error;
  for (const char c : std::string_view(PQerrorMessage(conn_.get()))) error.message += c == '\n' ? ' ' : c;
  while (error.message.ends_with(' ')) error.message.pop_back();
  if (error.message.empty()) error.message = "PgBouncer closed the connection";
  return fail(std::move(error));
}

std::optional<PgbouncerSession::Answer> PgbouncerSession::proceed(bool ready) {
  switch (phase_) {
    case Phase::kResolving: {
      if (wrong_) return fail(*wrong_);
      if (!resolver_) return start_connect({});
      resolver_->acknowledge();
      if (!resolver_->may_begin()) return std::nullopt;
      const auto addresses = resolver_->addresses();
      // one that hangs is left out; the next attempt asks for it again
      if (!conninfo_.parameters(addresses)) {
        if (!resolver_->is_complete()) return std::nullopt;
        if (resolver_->error()) return fail(*resolver_->error());
      }
      resolver_.reset();
      return start_connect(addresses);
    }
    case Phase::kConnecting:
      if (!ready) return std::nullopt;
      return poll_connect();
    case Phase::kReady:
      if (!question_.empty()) return send();
      if (is_asking_) return receive(ready);
      return std::nullopt;
    case Phase::kFailed:
      break;
  }
  return std::nullopt;
}

std::optional<PgbouncerSession::Answer> PgbouncerSession::start_connect(
    const Resolver::Addresses& addresses) {
  auto parameters = conninfo_.parameters(addresses);
  if (!parameters) return fail(parameters.error());
  std::erase_if(*parameters, [](const auto& parameter) { return parameter.first == "dbname"; });
  parameters->emplace_back("dbname", "pgbouncer");  // the admin console's name
  conn_.reset(start_quietly(*parameters).conn);
  if (!conn_ || PQstatus(conn_.get()) == CONNECTION_BAD) return fail_with_libpq_message();
  phase_ = Phase::kConnecting;
  wants_write_ = true;
  return std::nullopt;
}

std::optional<PgbouncerSession::Answer> PgbouncerSession::poll_connect() {
  const Intake::Reading reading(intake_);
  const auto polled = PQconnectPoll(conn_.get());
  if (!intake_.is_within()) return fail(too_much());
  switch (polled) {
    case PGRES_POLLING_READING:
      wants_write_ = false;
      return std::nullopt;
    case PGRES_POLLING_WRITING:
      wants_write_ = true;
      return std::nullopt;
    case PGRES_POLLING_OK:
      intake_.reset();
      phase_ = Phase::kReady;
      if (PQsetnonblocking(conn_.get(), 1) != 0) return fail_with_libpq_message();
      return send();
    default:
      return fail_with_libpq_message();
  }
}

std::optional<PgbouncerSession::Answer> PgbouncerSession::send() {
  result_.reset();
  // PgBouncer's console speaks the simple protocol only
  if (PQsendQuery(conn_.get(), std::exchange(question_, {}).c_str()) != 1) return fail_with_libpq_message();
  is_asking_ = true;
  const int flushed = PQflush(conn_.get());
  if (flushed < 0) return fail_with_libpq_message();
  wants_write_ = flushed == 1;
  return std::nullopt;
}

std::optional<PgbouncerSession::Answer> PgbouncerSession::receive(bool ready) {
  if (!ready) return std::nullopt;
  const Intake::Reading reading(intake_);
  const bool connected = PQconsumeInput(conn_.get()) == 1;
  if (!intake_.is_within()) return fail(too_much());
  if (!connected) return fail_with_libpq_message();
  const int flushed = PQflush(conn_.get());
  if (flushed < 0) return fail_with_libpq_message();
  wants_write_ = flushed == 1;
  while (PQisBusy(conn_.get()) == 0) {
    std::unique_ptr<PGresult, ResultDeleter> result(PQgetResult(conn_.get()));
    if (result) {
      if (!result_ || is_good(result_.get())) result_ = std::move(result);
      continue;
    }
    is_asking_ = false;
    intake_.reset();
    if (!result_ || PQstatus(conn_.get()) == CONNECTION_BAD) return fail_with_libpq_message();
    if (!is_good(result_.get())) return Answer(tl::make_unexpected(error_of(result_.get())));
    return Answer(std::move(result_));
  }
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

std::vector<PgbouncerSession::Interest> PgbouncerTurn::interests() const {
  std::vector<PgbouncerSession::Interest> all{console_.interest()};
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
    // that it has been paused is seen by the console; an answer matters only if it says why it was not
    const auto answer = pausing_[i]->proceed(is_ready(i + 1));
    if (answer && !*answer) complaint_ = answer->error();
  }
  if (look_at_ && now >= *look_at_) {
    look_at_.reset();
    is_looking_ = true;
    console_.ask(kShow);
  }
  // what was asked just now has to be sent without a descriptor being ready
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
