#include "postgres/link.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "postgres/statements.hpp"

namespace pgcurfew {

namespace {

/// A guard that fits no session, to run each statement once before it is needed.
Guard harmless_guard() {
  return Guard{};
}

bool is_good(const PGresult* result) {
  const auto status = PQresultStatus(result);
  return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

/// libpq breaks and indents its messages.
std::string on_one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const bool is_blank = c == '\n' || c == '\t' || c == ' ';
    if (!is_blank) {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

constexpr std::array kActions{Action::kNothing, Action::kCancel, Action::kTerminate};

}  // namespace

void Link::ConnDeleter::operator()(PGconn* conn) const {
  PQfinish(conn);
}
void Link::ResultDeleter::operator()(PGresult* result) const {
  PQclear(result);
}

Link::Link(Conninfo conninfo) : conninfo_(std::move(conninfo)) {}

Link::Interest Link::interest() const {
  switch (phase_) {
    case Phase::kClosed:
      return {};
    case Phase::kResolving:
      return {resolver_->fd(), false, true};
    default:
      return {PQsocket(conn_.get()), wants_write_, phase_ == Phase::kConnecting};
  }
}

void Link::connect() {
  disconnect();
  std::vector<std::string> names;
  for (const auto& host : conninfo_.hosts()) {
    if (host.needs_look_up()) names.push_back(host.name);
  }
  if (names.empty()) {
    start_connect({});
    return;
  }
  phase_ = Phase::kResolving;
  resolver_.emplace(std::move(names));
}

void Link::disconnect() {
  // a host that accepts and then says nothing must not keep us from the next one for ever
  if (phase_ == Phase::kConnecting || phase_ == Phase::kPreparing) ++first_address_;
  phase_ = Phase::kClosed;
  resolver_.reset();
  conn_.reset();
  requests_.clear();
  current_.reset();
  waiting_look_.reset();
  must_refresh_names_ = false;
  wants_write_ = false;
  last_server_error_.clear();
  last_sqlstate_.clear();
}

void Link::lose(Error error) {
  disconnect();
  happened_.emplace_back(happening::ConnectionLost{std::move(error)});
}

void Link::lose_with_libpq_message(std::string_view fallback) {
  Error error;
  error.message = on_one_line(last_server_error_.empty() ? PQerrorMessage(conn_.get()) : last_server_error_);
  error.sqlstate = last_sqlstate_;
  if (error.message.empty()) error.message = fallback;
  if (error.message.find("unsupported startup parameter") != std::string::npos) {
    error.hint = "This is a connection pooler; pgcurfew needs the server itself.";
  }
  lose(std::move(error));
}

void Link::start_connect(const Resolver::Addresses& addresses) {
  const auto parameters = conninfo_.parameters(addresses, first_address_);
  if (!parameters) return lose(parameters.error());
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  for (const auto& [keyword, value] : *parameters) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  conn_.reset(PQconnectStartParams(keywords.data(), values.data(), 0));
  if (!conn_ || PQstatus(conn_.get()) == CONNECTION_BAD) return lose_with_libpq_message("could not connect");
  phase_ = Phase::kConnecting;
  wants_write_ = true;
}

void Link::poll_connect() {
  switch (PQconnectPoll(conn_.get())) {
    case PGRES_POLLING_READING:
      wants_write_ = false;
      return;
    case PGRES_POLLING_WRITING:
      wants_write_ = true;
      return;
    case PGRES_POLLING_OK:
      return set_up();
    default:
      return lose_with_libpq_message("could not connect");
  }
}

void Link::set_up() {
  phase_ = Phase::kPreparing;
  wants_write_ = false;
  PQsetNoticeReceiver(conn_.get(), &Link::receive_notice, this);
  const int version = PQserverVersion(conn_.get());
  if (version < 100000) {
    return lose({"PostgreSQL before version 10 is not supported", {}, {}, {}});
  }
  if (PQsetnonblocking(conn_.get(), 1) != 0 || PQenterPipelineMode(conn_.get()) != 1) {
    return lose_with_libpq_message("could not start a pipeline");
  }
  request_sql(statement::settings(version), {RequestKind::kSetUp, {}, 0});
  request_sql(statement::facts(), {RequestKind::kFacts, {}, 0});
  request_sql(statement::database_names(), {RequestKind::kDatabaseNames, {}, 0});
  request_sql(statement::role_names(), {RequestKind::kRoleNames, {}, 0});
  request_prepare(statement::kLook, statement::look(version));
  request_prepare(statement::kPulse, statement::pulse());
  request_look(false, {RequestKind::kSetUp, {}, 0});
  for (const auto action : kActions) {
    request_prepare(statement::guard_name(action), statement::guard(version, action));
    // the first runs look functions and types up in the catalogs; later ones must not have to
    for (int i = 0; i < 2; ++i) {
      request_prepared(statement::guard_name(action), GuardParameters(harmless_guard(), names_),
                       {RequestKind::kSetUp, {}, 0});
    }
  }
  request_bare(statement::kPulse, {RequestKind::kSetUp, {}, 0});
}

void Link::finish_request(bool sent, Request request) {
  if (!sent || PQpipelineSync(conn_.get()) != 1) return lose_with_libpq_message("could not send");
  requests_.push_back(std::move(request));
}

void Link::request_sql(const std::string& sql, Request request) {
  if (!conn_) return;
  const bool sent =
      PQsendQueryParams(conn_.get(), sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0) == 1;
  finish_request(sent, std::move(request));
}

void Link::request_prepare(const char* name, const std::string& sql) {
  if (!conn_) return;
  finish_request(PQsendPrepare(conn_.get(), name, sql.c_str(), 0, nullptr) == 1,
                 {RequestKind::kSetUp, {}, 0});
}

void Link::request_prepared(const char* name, const GuardParameters& parameters, Request request) {
  if (!conn_) return;
  const bool sent = PQsendQueryPrepared(conn_.get(), name, parameters.count(), parameters.values(),
                                        parameters.lengths(), parameters.formats(), 1) == 1;
  finish_request(sent, std::move(request));
}

void Link::request_look(bool with_query, Request request) {
  if (!conn_) return;
  const char truth = with_query ? '\1' : '\0';
  const std::array<const char*, 1> values{&truth};
  constexpr std::array<int, 1> kLengths{1};
  constexpr std::array<int, 1> kFormats{1};
  const bool sent = PQsendQueryPrepared(conn_.get(), statement::kLook, 1, values.data(), kLengths.data(),
                                        kFormats.data(), 1) == 1;
  finish_request(sent, std::move(request));
}

void Link::request_bare(const char* name, Request request) {
  if (!conn_) return;
  const bool sent = PQsendQueryPrepared(conn_.get(), name, 0, nullptr, nullptr, nullptr, 1) == 1;
  finish_request(sent, std::move(request));
}

void Link::take_look(const command::TakeLook& what) {
  if (phase_ == Phase::kReady)
    request_look(what.texts != QueryTexts::kNone, {RequestKind::kLook, {}, what.number});
}

void Link::take_pulse() {
  if (phase_ == Phase::kReady) request_bare(statement::kPulse, {RequestKind::kPulse, {}, 0});
}

void Link::send(const std::vector<Order>& orders) {
  for (const auto& order : orders) {
    if (phase_ != Phase::kReady) return;
    request_prepared(statement::guard_name(order.action), GuardParameters(order.guard, names_),
                     {RequestKind::kOrder, order.decision, 0});
  }
}

std::vector<Happening> Link::proceed(MonotonicTime now, bool ready) {
  if (phase_ == Phase::kResolving) {
    if (const auto addresses = resolver_->result()) {
      resolver_.reset();
      start_connect(*addresses);
    }
  } else if (phase_ == Phase::kConnecting && ready) {
    poll_connect();
  }
  if (phase_ == Phase::kPreparing || phase_ == Phase::kReady) read_replies(now);
  if (phase_ == Phase::kReady && std::exchange(must_refresh_names_, false)) refresh_names();
  if (phase_ == Phase::kPreparing || phase_ == Phase::kReady) {
    const int flushed = PQflush(conn_.get());
    if (flushed < 0) lose_with_libpq_message("could not send");
    wants_write_ = flushed == 1;
  }
  return std::exchange(happened_, {});
}

/// What the server says while we ask nothing comes as a notice, the reason for an end among it.
void Link::receive_notice(void* link, const PGresult* notice) noexcept {
  const char* severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity == nullptr ||
      (severity != std::string_view("FATAL") && severity != std::string_view("PANIC"))) {
    return;
  }
  const auto error = error_of(notice);
  static_cast<Link*>(link)->last_server_error_ = error.message;
  static_cast<Link*>(link)->last_sqlstate_ = error.sqlstate;
}

void Link::read_replies(MonotonicTime now) {
  const bool connected = PQconsumeInput(conn_.get()) == 1;
  PQisBusy(conn_.get());  // parses what came unasked
  while (conn_ && !requests_.empty() && PQisBusy(conn_.get()) == 0) {
    ResultPtr result(PQgetResult(conn_.get()));
    if (!result) {
      if (PQstatus(conn_.get()) == CONNECTION_BAD) break;
      continue;  // the border between a reply and its Sync
    }
    if (PQresultStatus(result.get()) != PGRES_PIPELINE_SYNC) {
      if (!is_good(result.get())) {
        const auto error = error_of(result.get());
        last_server_error_ = error.message;
        last_sqlstate_ = error.sqlstate;
      }
      current_ = std::move(result);
      continue;
    }
    last_server_error_.clear();
    last_sqlstate_.clear();
    const auto request = std::move(requests_.front());
    requests_.pop_front();
    finish(request, std::exchange(current_, {}), now);
  }
  if (conn_ && (!connected || PQstatus(conn_.get()) == CONNECTION_BAD)) {
    lose_with_libpq_message("the server closed the connection");
  }
}

void Link::finish(const Request& request, ResultPtr result, MonotonicTime now) {
  switch (request.kind) {
    case RequestKind::kSetUp:
    case RequestKind::kFacts:
      return finish_set_up(request, result);
    case RequestKind::kDatabaseNames:
    case RequestKind::kRoleNames:
      return finish_names(request, result, now);
    case RequestKind::kLook:
      return finish_look(request, std::move(result), now);
    case RequestKind::kPulse: {
      const auto time = read_time(result.get(), 0, 0);
      if (time) {
        happened_.emplace_back(happening::Pulsed{*time});
      } else {
        happened_.emplace_back(
            happening::PulseFailed{is_good(result.get()) ? time.error() : error_of(result.get())});
      }
      return;
    }
    case RequestKind::kOrder:
      return finish_order(request, result.get());
  }
}

void Link::finish_set_up(const Request& request, const ResultPtr& result) {
  if (!is_good(result.get())) return lose(error_of(result.get()));
  if (request.kind == RequestKind::kFacts) {
    auto facts = read_facts(result.get(), PQserverVersion(conn_.get()));
    if (!facts) return lose(facts.error());
    facts_ = std::move(*facts);
    if (PQbackendPID(conn_.get()) != facts_.backend_pid) {
      return lose({"there is a connection pooler between us and the server",
                   {},
                   "Let conninfo name the server itself: signals and ages need a session of its own.",
                   {}});
    }
  }
  if (requests_.empty() && phase_ == Phase::kPreparing) {
    phase_ = Phase::kReady;
    first_address_ = 0;
    happened_.emplace_back(happening::Connected{facts_});
  }
}

void Link::finish_names(const Request& request, const ResultPtr& result, MonotonicTime now) {
  if (is_good(result.get())) {
    const bool of_databases = request.kind == RequestKind::kDatabaseNames;
    auto names = of_databases ? read_database_names(result.get()) : read_role_names(result.get());
    if (!names) return lose(names.error());
    (of_databases ? names_.databases : names_.roles) = std::move(*names);
    names_.nameless.clear();
    names_refreshed_ = now;
  } else if (phase_ == Phase::kPreparing) {
    return lose(error_of(result.get()));
  } else {
    // a lock on the catalog: the names of before will do
    names_failed_ = now;
    happened_.emplace_back(happening::NamesFailed{error_of(result.get())});
  }
  if (request.kind != RequestKind::kRoleNames || !waiting_look_) return;
  const auto look = std::move(waiting_look_);
  auto rows = read_look(look.get(), names_, facts_);
  const bool both_came = names_refreshed_ == now && (!names_failed_ || now - *names_failed_ >= kNamesPause);
  if (rows && both_came) names_.nameless.merge(rows->unknown);
  deliver_look(std::move(rows), waiting_look_number_);
}

void Link::refresh_names() {
  request_sql(statement::database_names(), {RequestKind::kDatabaseNames, {}, 0});
  request_sql(statement::role_names(), {RequestKind::kRoleNames, {}, 0});
}

void Link::finish_look(const Request& request, ResultPtr result, MonotonicTime now) {
  if (!is_good(result.get())) {
    happened_.emplace_back(happening::LookFailed{error_of(result.get())});
    return;
  }
  auto rows = read_look(result.get(), names_, facts_);
  const bool outdated = !names_refreshed_ || now - *names_refreshed_ >= kNamesLifetime;
  const bool may_try = !names_failed_ || now - *names_failed_ >= kNamesPause;
  const bool refresh = may_try && (outdated || (rows && !rows->unknown.empty()));
  if (!refresh) return deliver_look(std::move(rows), request.number);
  must_refresh_names_ = true;
  waiting_look_ = std::move(result);
  waiting_look_number_ = request.number;
}

void Link::deliver_look(Result<LookRows> rows, std::uint64_t number) {
  if (!rows) {
    happened_.emplace_back(happening::LookFailed{rows.error()});
    return;
  }
  rows->snapshot.number = number;
  happened_.emplace_back(happening::LookTaken{std::move(rows->snapshot)});
}

void Link::finish_order(const Request& request, const PGresult* result) {
  Reply reply;
  if (!is_good(result)) {
    reply.error = error_of(result);
    reply.kind = reply.error.sqlstate == "42501" ? ReplyKind::kDenied : ReplyKind::kFailed;
  } else if (auto verdict = read_verdict(result)) {
    reply = std::move(*verdict);
    // perhaps a name has changed hands: the next look shall not go by the old ones
    if (reply.kind == ReplyKind::kMovedOn) names_refreshed_.reset();
  } else {
    reply.kind = ReplyKind::kFailed;
    reply.error = verdict.error();
  }
  happened_.emplace_back(happening::Replied{request.decision, std::move(reply)});
}

}  // namespace pgcurfew
