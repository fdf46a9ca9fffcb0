#include <array>

#include <libpq-fe.h>

#include "postgres/link.hpp"
#include "postgres/statements.hpp"

/// The part of the link that sends requests.
namespace pgcurfew {

namespace {

/// A guard that matches no session, to run each statement before it is needed.
Guard harmless_guard(bool with_edges) {
  Guard guard;
  if (with_edges) guard.edges.emplace_back();
  return guard;
}

}  // namespace

void Link::set_up() {
  const int version = PQserverVersion(connection_.handle());
  if (version < 100000) {
    return lose({"PostgreSQL before version 10 is not supported", {}, {}, {}});
  }
  if (PQenterPipelineMode(connection_.handle()) != 1) {
    return lose_connection("could not start a pipeline");
  }
  request_settings(version);
  request_sql(statement::facts(), {RequestKind::kFacts});
  read_names();
  request_prepare(statement::kLook, statement::look(version));
  request_prepare(statement::kPulse, statement::pulse());
  request_prepare(statement::kServerLogLine, statement::server_log_line());
  request_prepare(statement::kWaits, statement::waits(version));
  // the first runs look functions and types up in the catalogs; later ones need not
  request_prepared(statement::kLook, Parameters::of_look(QueryTexts::kNone), {RequestKind::kSetUp});
  for (int i = 0; i < 2; ++i) {
    request_prepared(statement::kWaits, Parameters::of_waits(PQbackendPID(connection_.handle())),
                     {RequestKind::kSetUp});
  }
  for (const bool with_edges : {false, true}) {
    for (const auto action : {Action::kNothing, Action::kCancel, Action::kTerminate}) {
      const char* name = statement::guard_name(action, with_edges);
      request_prepare(name, statement::guard(version, action, with_edges));
      for (int i = 0; i < 2; ++i) {
        request_prepared(name, Parameters::of_guard(harmless_guard(with_edges), names_.names()),
                         {RequestKind::kSetUp});
      }
    }
  }
  request_bare(statement::kPulse, {RequestKind::kSetUp});
}

void Link::request_settings(int server_version) {
  bool sent = true;
  // they share one Sync, and so one transaction
  for (const auto& sql : statement::settings(server_version)) {
    sent = sent && PQsendQueryParams(connection_.handle(), sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr,
                                     0) == 1;
  }
  finish_request(sent, {RequestKind::kSetUp});
}

void Link::finish_request(bool sent, Request request) {
  if (!sent || PQpipelineSync(connection_.handle()) != 1) return lose_connection("could not send");
  requests_.push_back(std::move(request));
}

void Link::request_sql(const std::string& sql, Request request, bool in_binary) {
  if (!connection_.is_open()) return;
  const bool sent = PQsendQueryParams(connection_.handle(), sql.c_str(), 0, nullptr, nullptr, nullptr,
                                      nullptr, in_binary ? 1 : 0) == 1;
  finish_request(sent, std::move(request));
}

void Link::request_prepare(const char* name, const std::string& sql) {
  if (!connection_.is_open()) return;
  finish_request(PQsendPrepare(connection_.handle(), name, sql.c_str(), 0, nullptr) == 1,
                 {RequestKind::kSetUp});
}

void Link::request_prepared(const char* name, const Parameters& parameters, Request request) {
  if (!connection_.is_open()) return;
  const bool sent = PQsendQueryPrepared(connection_.handle(), name, parameters.count(), parameters.values(),
                                        parameters.lengths(), parameters.formats(), 1) == 1;
  finish_request(sent, std::move(request));
}

void Link::request_bare(const char* name, Request request) {
  if (!connection_.is_open()) return;
  const bool sent = PQsendQueryPrepared(connection_.handle(), name, 0, nullptr, nullptr, nullptr, 1) == 1;
  finish_request(sent, std::move(request));
}

void Link::take_look(const command::TakeLook& what) {
  if (!is_ready_) return;
  request_prepared(statement::kLook, Parameters::of_look(what.texts), {RequestKind::kLook, {}, what});
}

void Link::take_pulse() {
  if (is_ready_) request_bare(statement::kPulse, {RequestKind::kPulse});
}

void Link::send(const std::vector<Order>& orders) {
  for (const auto& order : orders) {
    if (!is_ready_) return;
    request_prepared(statement::guard_name(order.action, !order.guard.edges.empty()),
                     Parameters::of_guard(order.guard, names_.names()),
                     {RequestKind::kOrder, order.decision});
  }
}

void Link::tell_server_log(std::string line) {
  if (!is_ready_) return;
  if (lines_.size() == kMostLines) {
    // the first one is on its way
    lines_.resize(1);
    happened_.emplace_back(happening::ServerLogFailed{{"too many lines wait for the server", {}, {}, {}}});
    return;
  }
  lines_.push_back(std::move(line));
  if (lines_.size() == 1) request_line();
}

void Link::request_line() {
  auto* const handle = connection_.handle();
  const std::array<const char*, 1> values{lines_.front().data()};
  const std::array<int, 1> lengths{static_cast<int>(lines_.front().size())};
  const std::array<int, 1> formats{1};  // binary
  // they share one Sync, and so one transaction, to which the first one's settings belong
  const bool sent = PQsendQueryPrepared(handle, statement::kServerLogLine, 1, values.data(), lengths.data(),
                                        formats.data(), 0) == 1 &&
                    PQsendQueryParams(handle, statement::server_log().c_str(), 0, nullptr, nullptr, nullptr,
                                      nullptr, 0) == 1;
  finish_request(sent, {RequestKind::kServerLog});
}

void Link::read_names() {
  request_sql(statement::database_names(), {RequestKind::kDatabaseNames});
  request_sql(statement::role_names(), {RequestKind::kRoleNames});
}

}  // namespace pgcurfew
