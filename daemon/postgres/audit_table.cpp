#include "postgres/audit_table.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include "base/words.hpp"
#include "engine/session.hpp"
#include "postgres/audit_sql.hpp"
#include "postgres/rows.hpp"

namespace pgcurfew {

namespace {

constexpr std::size_t kMostOfAReply = std::size_t{1} << 20U;

Conninfo for_audit(Conninfo conninfo) {
  conninfo.set_application_name(std::string(kAuditApplicationName));
  return conninfo;
}

/// Events as one JSON array. A NUL cannot be in a text of PostgreSQL.
std::string rows_of(const std::vector<RecordedEvent>& events) {
  std::string rows = "[";
  for (const auto& event : events) {
    if (rows.size() > 1) rows += ',';
    rows += event.text;
  }
  rows += ']';
  constexpr std::string_view kNul = "u0000";
  constexpr std::string_view kReplacement = "ufffd";
  for (auto at = rows.find('\\'); at != std::string::npos; at = rows.find('\\', at + 2)) {
    if (rows.compare(at + 1, kNul.size(), kNul) != 0) continue;
    std::copy(kReplacement.begin(), kReplacement.end(), rows.begin() + static_cast<std::ptrdiff_t>(at + 1));
  }
  return rows;
}

/// Whether the server would refuse the same rows again, whatever is done there.
/// *Source*: the manual's appendix A: classes 22, data exception, and 54, program limit exceeded.
bool is_about_the_rows(const Error& error) {
  return error.sqlstate.starts_with("22") || error.sqlstate.starts_with("54");
}

std::string hint_for(const Error& error) {
  if (error.sqlstate == "42P01" || error.sqlstate == "3F000")  // undefined_table, invalid_schema_name
    return "\"pgcurfew setup-sql --audit\" prints the script that creates it.";
  if (error.sqlstate == "25006" || error.sqlstate == "0A000")  // on a standby
    return "With target_session_attrs=read-write in its conninfo a standby is passed over.";
  return error.hint;
}

/// Before anything is added: a trigger of another role's would run as ours.
Result<void> check_owner(const std::optional<std::string>& untrusted) {
  Error error;
  if (!untrusted) return {};
  if (untrusted->empty()) {
    error.sqlstate = "42P01";
    error.message = "relation \"pgcurfew_audit.events\" does not exist";
  } else {
    // insufficient_privilege
    error.sqlstate = "42501";
    error.message = fmt::format(
        "schema pgcurfew_audit, or something in it, belongs to {}, which is neither a superuser nor the "
        "owner of the "
        "database",
        printable(*untrusted, 80));
  }
  return tl::make_unexpected(std::move(error));
}

}  // namespace

AuditTable::AuditTable(Conninfo conninfo)
    : connection_(for_audit(std::move(conninfo)), {"the server with the audit table", kMostOfAReply}) {}

Result<AuditSink::Refused> AuditTable::take(const std::vector<RecordedEvent>& events) {
  const bool was_open = connection_.is_open();
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  auto added = add(events, deadline);
  // it may have been ended while it was idle
  const bool may_be_stale = was_open && !connection_.is_open() && std::chrono::steady_clock::now() < deadline;
  if (!added && may_be_stale) added = add(events, deadline);
  Refused refused;
  if (added) return refused;
  if (!is_about_the_rows(added.error())) return tl::make_unexpected(added.error());
  if (events.size() <= 1) {
    refused.count = events.size();
    refused.why = added.error();
    return refused;
  }
  const auto middle = events.begin() + static_cast<std::ptrdiff_t>(events.size() / 2);
  for (const auto& half : {std::vector(events.begin(), middle), std::vector(middle, events.end())}) {
    auto taken = take(half);
    if (!taken) return taken;
    refused.count += taken->count;
    if (taken->why) refused.why = taken->why;
  }
  return refused;
}

Result<void> AuditTable::add(const std::vector<RecordedEvent>& events, Deadline deadline) {
  if (auto connected = connect(deadline); !connected) return connected;
  auto result = run_transaction(rows_of(events), deadline);
  if (result) return result;
  auto& error = result.error();
  error.hint = hint_for(error);
  // without an SQLSTATE nothing is known about the connection
  const bool is_usable = !error.sqlstate.empty() && !connection_.has_ended() && run("ROLLBACK", deadline);
  if (!is_usable) connection_.close();
  return result;
}

/// The settings are of this transaction alone, as behind a pooler they have to be. Read-write, because the
/// role may be read-only by default; with timeouts, so that no backend is left waiting for a lock when we
/// have gone; safe on the server's disk, because the record's cursor moves on after it.
Result<void> AuditTable::run_transaction(const std::string& rows, Deadline deadline) {
  static const std::string kBegin =
      "BEGIN READ WRITE; SET LOCAL lock_timeout = '7s'; SET LOCAL statement_timeout = '8s'; "
      "SELECT pg_catalog.set_config('synchronous_commit', 'on', true) "
      "WHERE pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) 'off'";
  if (const auto begun = run(kBegin, deadline); !begun) return tl::make_unexpected(begun.error());
  const auto owner = run(statement::untrusted_owner(), deadline);
  if (!owner) return tl::make_unexpected(owner.error());
  if (auto trusted = check_owner(*owner); !trusted) return trusted;
  const auto added = run(statement::insert_events(), deadline, rows.c_str());
  if (!added) return tl::make_unexpected(added.error());
  const auto committed = run("COMMIT", deadline);
  return committed ? Result<void>() : tl::make_unexpected(committed.error());
}

Result<void> AuditTable::connect(Deadline deadline) {
  if (connection_.is_open()) {
    // its end may have come in while it was idle
    const auto reading = connection_.reading();
    if (!connection_.receive() || connection_.has_ended()) connection_.close();
  }
  if (connection_.is_open()) return {};
  connection_.open();
  bool is_ready = false;
  while (true) {
    const auto reading = connection_.reading();
    const auto is_open = connection_.proceed(is_ready);
    if (!is_open) return tl::make_unexpected(is_open.error());
    if (*is_open) break;
    if (auto waited = wait(deadline, "connection"); !waited) {
      connection_.close();
      return waited;
    }
    is_ready = true;
  }
  const char* encoding = PQparameterStatus(connection_.handle(), "server_encoding");
  if (encoding == nullptr || encoding != std::string_view("UTF8")) {
    connection_.close();
    return failure("the database of the audit table has to have the encoding UTF8",
                   fmt::format("It has {}.", printable(encoding == nullptr ? "none" : encoding, 80)));
  }
  connection_.confirm();
  return {};
}

/// One request, with its reply. `parameter`: $1 of the statement, if it has one.
Result<AuditTable::Value> AuditTable::run(const std::string& statement, Deadline deadline,
                                          const char* parameter) {
  {
    const auto reading = connection_.reading();
    auto* conn = connection_.handle();
    const int sent = parameter == nullptr ? PQsendQuery(conn, statement.c_str())
                                          : PQsendQueryParams(conn, statement.c_str(), 1, nullptr, &parameter,
                                                              nullptr, nullptr, 0);
    if (sent != 1) return tl::make_unexpected(connection_.error("could not send"));
  }
  if (const auto flushed = flush(deadline); !flushed) return tl::make_unexpected(flushed.error());
  return receive(deadline);
}

Result<void> AuditTable::flush(Deadline deadline) {
  while (true) {
    const auto reading = connection_.reading();
    if (auto flushed = connection_.flush(); !flushed) return flushed;
    if (!connection_.interest().write) return {};
    if (auto waited = wait(deadline, "reply"); !waited) return waited;
    // the server may wait until we have read
    if (auto received = connection_.receive(); !received) return received;
  }
}

Result<AuditTable::Value> AuditTable::receive(Deadline deadline) {
  Result<Value> outcome;
  while (true) {
    const auto reading = connection_.reading();
    while (connection_.has_result()) {
      const auto result = connection_.next_result();
      if (!result) {
        connection_.end_reply();
        return outcome;
      }
      if (connection_.has_ended()) return tl::make_unexpected(connection_.error("the connection is lost"));
      if (!is_good(result.get())) {
        outcome = tl::make_unexpected(error_of(result.get()));
      } else if (outcome && PQntuples(result.get()) > 0 && PQgetisnull(result.get(), 0, 0) == 0) {
        *outcome = PQgetvalue(result.get(), 0, 0);
      }
    }
    if (connection_.has_ended()) return tl::make_unexpected(connection_.error("the connection is lost"));
    if (const auto waited = wait(deadline, "reply"); !waited) return tl::make_unexpected(waited.error());
    if (const auto received = connection_.receive(); !received) return tl::make_unexpected(received.error());
  }
}

Result<void> AuditTable::wait(Deadline deadline, std::string_view what) const {
  const auto interest = connection_.interest();
  const auto rest =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  pollfd one{interest.fd, static_cast<short>(interest.write ? POLLIN | POLLOUT : POLLIN), 0};
  const auto ready = rest.count() > 0 ? ::poll(&one, 1, static_cast<int>(rest.count()) + 1) : 0;
  // any signal is blocked in this thread
  if (ready > 0) return {};
  return failure(fmt::format("no {} within {} s", what, kDeadline.count()));
}

}  // namespace pgcurfew
