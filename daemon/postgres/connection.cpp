#include "postgres/connection.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "postgres/quiet_connect.hpp"
#include "postgres/rows.hpp"

namespace pgcurfew {

namespace {

/// libpq's messages contain line breaks and indentation.
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

}  // namespace

void ResultDeleter::operator()(PGresult* result) const {
  PQclear(result);
}
void Connection::ConnDeleter::operator()(PGconn* conn) const {
  PQfinish(conn);
}

Connection::Connection(Conninfo conninfo, Peer peer, std::shared_ptr<LookUps> look_ups)
    : conninfo_(std::move(conninfo)),
      peer_(peer),
      look_ups_(std::move(look_ups)),
      intake_(peer.most_of_a_reply) {}

Connection::Interest Connection::interest() const {
  switch (phase_) {
    case Phase::kClosed:
      return {};
    case Phase::kResolving:
      return {resolver_ ? resolver_->fd() : -1, false, true};
    default:
      return {PQsocket(conn_.get()), wants_write_, phase_ == Phase::kConnecting};
  }
}

void Connection::open() {
  close();
  std::vector<std::string> names;
  for (const auto& host : conninfo_.hosts()) {
    if (host.needs_look_up()) names.push_back(host.name);
  }
  phase_ = Phase::kResolving;
  if (names.empty()) return;
  // the grace grows with failed attempts, so that a host with a slow look-up is tried even if another host
  // never answers
  const auto grace = Resolver::kGrace * static_cast<int>(1 + std::min<std::size_t>(first_address_, 15));
  resolver_.emplace(names, grace, look_ups_);
}

void Connection::close() {
  if (phase_ == Phase::kConnecting || (phase_ == Phase::kOpen && !is_confirmed_)) ++first_address_;
  phase_ = Phase::kClosed;
  resolver_.reset();
  tried_.clear();
  has_begun_ = false;
  look_up_error_.reset();
  connect_error_.reset();
  conn_.reset();
  wants_write_ = false;
  has_read_end_ = is_out_of_step_ = false;
  is_confirmed_ = false;
  intake_ = Intake(peer_.most_of_a_reply);
  server_error_.reset();
}

void Connection::confirm() {
  is_confirmed_ = true;
  first_address_ = 0;
}

Result<void> Connection::fail(Error error) {
  close();
  return tl::make_unexpected(std::move(error));
}

Error Connection::error(std::string_view fallback) const {
  Error error;
  if (server_error_) error = {on_one_line(server_error_->message), {}, {}, server_error_->sqlstate};
  if (error.message.empty()) error.message = on_one_line(PQerrorMessage(conn_.get()));
  if (error.message.empty()) error.message = fallback;
  error.hint = warning_;
  return error;
}

Error Connection::too_much() const {
  return {fmt::format("{}'s reply is larger than {} MB", peer_.name, peer_.most_of_a_reply >> 20),
          {},
          fmt::format("Check that this is {}, and not another server that speaks its protocol.", peer_.name),
          {}};
}

Result<bool> Connection::proceed(bool ready) {
  auto went = Result<void>();
  if (phase_ == Phase::kResolving) {
    went = go_on_resolving();
  } else if (phase_ == Phase::kConnecting && ready) {
    went = poll();
  }
  if (!went) return tl::make_unexpected(went.error());
  return is_open();
}

/// Connects to the hosts whose addresses have become known. A host whose look-up hangs is tried when the
/// look-up ends, unless there is a connection by then.
Result<void> Connection::go_on_resolving() {
  if (!resolver_) return start({}, true);
  resolver_->acknowledge();
  if (!resolver_->may_begin()) return {};
  const bool is_complete = resolver_->is_complete();
  auto fresh = resolver_->addresses();
  for (const auto& [name, numbers] : tried_) fresh.erase(name);
  const auto hosts = conninfo_.hosts();
  const bool has_known = !has_begun_ && std::any_of(hosts.begin(), hosts.end(),
                                                    [](const auto& host) { return !host.needs_look_up(); });
  if (fresh.empty() && !has_known && !is_complete) return {};
  look_up_error_ = resolver_->error();
  if (is_complete) resolver_.reset();
  if (fresh.empty() && !has_known && connect_error_) return fail(*connect_error_);
  tried_.insert(fresh.begin(), fresh.end());
  const bool is_first = !std::exchange(has_begun_, true);
  return start(fresh, is_first);
}

/// None of these hosts could be connected to; look-ups of others may still be under way.
Result<void> Connection::fail_to_connect() {
  auto why = error("could not connect");
  if (!resolver_) return fail(std::move(why));
  connect_error_ = std::move(why);
  conn_.reset();
  phase_ = Phase::kResolving;
  wants_write_ = false;
  return go_on_resolving();
}

Result<void> Connection::start(const Resolver::Addresses& addresses, bool with_known) {
  const auto parameters = conninfo_.parameters(addresses, first_address_, with_known);
  if (!parameters) return fail(look_up_error_.value_or(parameters.error()));
  auto started = start_quietly(*parameters);
  conn_.reset(started.conn);
  warning_ = std::move(started.warning);
  if (!conn_ || PQstatus(conn_.get()) == CONNECTION_BAD) return fail_to_connect();
  phase_ = Phase::kConnecting;
  wants_write_ = true;
  return {};
}

Result<void> Connection::poll() {
  const auto polled = PQconnectPoll(conn_.get());
  if (!intake_.is_within()) return fail(too_much());
  switch (polled) {
    case PGRES_POLLING_READING:
      wants_write_ = false;
      return {};
    case PGRES_POLLING_WRITING:
      wants_write_ = true;
      return {};
    case PGRES_POLLING_OK:
      break;
    default:
      return fail_to_connect();
  }
  intake_.reset();
  resolver_.reset();
  warning_.clear();
  wants_write_ = false;
  phase_ = Phase::kOpen;
  PQsetNoticeReceiver(conn_.get(), &Connection::receive_notice, this);
  if (PQsetnonblocking(conn_.get(), 1) != 0) return fail(error("could not connect"));
  return {};
}

/// While no request is under way, libpq passes on the server's messages as notices, among them the reason why
/// the server ends the connection.
void Connection::receive_notice(void* connection, const PGresult* notice) noexcept {
  const char* severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity == nullptr ||
      (severity != std::string_view("FATAL") && severity != std::string_view("PANIC"))) {
    return;
  }
  static_cast<Connection*>(connection)->server_error_ = error_of(notice);
}

Result<void> Connection::flush() {
  const int flushed = PQflush(conn_.get());
  if (flushed < 0) return tl::make_unexpected(error("could not send"));
  wants_write_ = flushed == 1;
  return {};
}

Result<void> Connection::receive() {
  has_read_end_ = PQconsumeInput(conn_.get()) != 1;
  if (!intake_.is_within()) return tl::make_unexpected(too_much());
  PQisBusy(conn_.get());  // parses messages that belong to no request
  return {};
}

bool Connection::has_ended() const {
  return has_read_end_ || is_out_of_step_ || PQstatus(conn_.get()) == CONNECTION_BAD;
}

bool Connection::has_result() const {
  return is_open() && !is_out_of_step_ && PQisBusy(conn_.get()) == 0;
}

ResultPtr Connection::next_result() {
  ResultPtr result(PQgetResult(conn_.get()));
  const auto status = PQresultStatus(result.get());
  if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
    // we never request a COPY, and libpq would return this result forever
    is_out_of_step_ = true;
    server_error_ = failure(fmt::format("{} has begun a COPY that nothing asked for", peer_.name)).value();
    return result;
  }
  if (!result || status == PGRES_PIPELINE_SYNC || status == PGRES_PIPELINE_ABORTED || is_good(result.get())) {
    return result;
  }
  auto said = error_of(result.get());
  // libpq's message about a lost connection has no SQLSTATE; the server may have sent the reason before
  const bool has_server_said = server_error_ && !server_error_->sqlstate.empty();
  if (!said.sqlstate.empty() || !has_server_said) server_error_ = std::move(said);
  return result;
}

void Connection::end_reply() {
  intake_.reset();
  server_error_.reset();
}

}  // namespace pgcurfew
