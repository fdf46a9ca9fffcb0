#include "postgres/link.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "postgres/quiet_connect.hpp"
#include "postgres/statements.hpp"

namespace pgcurfew {

namespace {

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

Error too_much() {
  return {fmt::format("a reply is larger than {} MB", Link::kMostOfAReply >> 20),
          {},
          "Check that this is PostgreSQL, and not another server that speaks its protocol.",
          {}};
}

}  // namespace

void Link::ConnDeleter::operator()(PGconn* conn) const {
  PQfinish(conn);
}
void Link::ResultDeleter::operator()(PGresult* result) const {
  PQclear(result);
}

Link::Link(Conninfo conninfo, std::shared_ptr<LookUps> look_ups)
    : conninfo_(std::move(conninfo)), look_ups_(std::move(look_ups)) {}

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
  if (names.empty()) return start_connect({}, true);
  phase_ = Phase::kResolving;
  // a name that takes longer than the grace, beside an address that leads nowhere, gets its turn in the end
  const auto grace = Resolver::kGrace * static_cast<int>(1 + std::min<std::size_t>(first_address_, 15));
  resolver_.emplace(names, grace, look_ups_);
}

void Link::disconnect() {
  // a host that accepts and then says nothing must not keep us from the next one for ever
  if (phase_ == Phase::kConnecting || phase_ == Phase::kPreparing) ++first_address_;
  phase_ = Phase::kClosed;
  resolver_.reset();
  tried_.clear();
  has_begun_ = false;
  look_up_error_.reset();
  connect_error_.reset();
  conn_.reset();
  requests_.clear();
  current_.reset();
  waiting_look_.reset();
  must_refresh_names_ = false;
  gates_refused_ = 0;
  waits_failed_ = 0;
  wants_write_ = false;
  intake_ = Intake(kMostOfAReply);
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
  if (error.hint.empty()) error.hint = warning_;
  lose(std::move(error));
}

/// Connects to the hosts that have become known; those that hang are waited for beside that, and tried when
/// they are known, unless we are connected by then.
void Link::go_on_resolving() {
  resolver_->acknowledge();
  if (!resolver_->may_begin()) return;
  const bool is_complete = resolver_->is_complete();
  auto fresh = resolver_->addresses();
  for (const auto& [name, numbers] : tried_) fresh.erase(name);
  const auto hosts = conninfo_.hosts();
  const bool has_known = !has_begun_ && std::any_of(hosts.begin(), hosts.end(),
                                                    [](const auto& host) { return !host.needs_look_up(); });
  if (fresh.empty() && !has_known && !is_complete) return;
  look_up_error_ = resolver_->error();
  if (is_complete) resolver_.reset();
  if (fresh.empty() && !has_known && connect_error_) return lose(*connect_error_);
  tried_.insert(fresh.begin(), fresh.end());
  const bool is_first = !std::exchange(has_begun_, true);
  start_connect(fresh, is_first);
}

/// With one of the hosts; there may be others whose names are not known yet.
void Link::fail_to_connect() {
  if (!resolver_) return lose_with_libpq_message("could not connect");
  Error error;
  error.message = on_one_line(PQerrorMessage(conn_.get()));
  error.hint = warning_;
  connect_error_ = std::move(error);
  conn_.reset();
  phase_ = Phase::kResolving;
  wants_write_ = false;
  go_on_resolving();
}

void Link::start_connect(const Resolver::Addresses& addresses, bool with_known) {
  const auto parameters = conninfo_.parameters(addresses, first_address_, with_known);
  if (!parameters) return lose(look_up_error_.value_or(parameters.error()));
  auto started = start_quietly(*parameters);
  conn_.reset(started.conn);
  warning_ = std::move(started.warning);
  if (!conn_ || PQstatus(conn_.get()) == CONNECTION_BAD) return fail_to_connect();
  phase_ = Phase::kConnecting;
  wants_write_ = true;
}

void Link::poll_connect() {
  const Intake::Reading reading(intake_);
  const auto polled = PQconnectPoll(conn_.get());
  if (!intake_.is_within()) return lose(too_much());
  switch (polled) {
    case PGRES_POLLING_READING:
      wants_write_ = false;
      return;
    case PGRES_POLLING_WRITING:
      wants_write_ = true;
      return;
    case PGRES_POLLING_OK:
      intake_.reset();
      resolver_.reset();
      return set_up();
    default:
      return fail_to_connect();
  }
}

std::vector<Happening> Link::proceed(MonotonicTime now, bool ready) {
  if (phase_ == Phase::kResolving) {
    go_on_resolving();
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
  const Intake::Reading reading(intake_);
  const bool connected = PQconsumeInput(conn_.get()) == 1;
  if (!intake_.is_within()) return lose(too_much());
  PQisBusy(conn_.get());  // parses what came unasked
  while (conn_ && !requests_.empty() && PQisBusy(conn_.get()) == 0) {
    ResultPtr result(PQgetResult(conn_.get()));
    if (!result) {
      if (PQstatus(conn_.get()) == CONNECTION_BAD) break;
      continue;  // the border between a reply and its Sync
    }
    if (PQresultStatus(result.get()) != PGRES_PIPELINE_SYNC) {
      if (!is_good(result.get()) && PQresultStatus(result.get()) != PGRES_PIPELINE_ABORTED) {
        const auto error = error_of(result.get());
        // what libpq says of the end has no SQLSTATE, and the server may have said why before
        if (!error.sqlstate.empty() || last_sqlstate_.empty()) {
          last_server_error_ = error.message;
          last_sqlstate_ = error.sqlstate;
        }
      }
      // what follows an error was not carried out
      if (!current_ || is_good(current_.get())) current_ = std::move(result);
      continue;
    }
    intake_.reset();
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

}  // namespace pgcurfew
