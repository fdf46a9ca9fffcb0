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
  for (auto at = rows.find('\\'); at != std::string::npos; at = rows.find('\\', at + 2)) {
    if (rows.compare(at + 1, kNul.size(), kNul) == 0) rows.replace(at + 1, kNul.size(), "ufffd");
  }
  return rows;
}

/// Whether the server would refuse the same rows again.
/// *Source*: the manual's appendix A: classes 22, data exception, and 23, integrity constraint violation.
bool is_about_the_rows(const Error& error) {
  return error.sqlstate.starts_with("22") || error.sqlstate.starts_with("23");
}

}  // namespace

AuditTable::AuditTable(Conninfo conninfo)
    : connection_(for_audit(std::move(conninfo)), {"the server with the audit table", kMostOfAReply}) {}

Result<AuditSink::Refused> AuditTable::take(const std::vector<RecordedEvent>& events) {
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  if (auto connected = connect(deadline); !connected) return tl::make_unexpected(connected.error());
  Refused refused;
  auto inserted = insert(events, deadline);
  if (inserted) return refused;
  if (!is_about_the_rows(inserted.error())) return tl::make_unexpected(inserted.error());
  for (const auto& event : events) {
    auto one = insert({event}, deadline);
    if (one) continue;
    if (!is_about_the_rows(one.error())) return tl::make_unexpected(one.error());
    ++refused.count;
    refused.why = one.error();
  }
  return refused;
}

Result<void> AuditTable::connect(Deadline deadline) {
  if (connection_.is_open() && connection_.has_ended()) connection_.close();
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

Result<void> AuditTable::insert(const std::vector<RecordedEvent>& events, Deadline deadline) {
  auto result = send(rows_of(events), deadline);
  if (result) result = receive(deadline);
  if (result) return result;
  auto& error = result.error();
  // after an error without SQLSTATE nothing is known about the connection
  if (error.sqlstate.empty() || connection_.has_ended()) connection_.close();
  constexpr std::string_view kUndefinedTable = "42P01";
  constexpr std::string_view kUndefinedSchema = "3F000";
  if (error.hint.empty() && (error.sqlstate == kUndefinedTable || error.sqlstate == kUndefinedSchema))
    error.hint = "\"pgcurfew setup-sql --audit\" prints the script that creates it.";
  constexpr std::string_view kReadOnly = "25006";
  if (error.sqlstate == kReadOnly) {
    connection_.close();
    error.hint = "With target_session_attrs=read-write in its conninfo a standby is passed over.";
  }
  return result;
}

Result<void> AuditTable::send(const std::string& rows, Deadline deadline) {
  const char* value = rows.c_str();
  const auto statement = statement::insert_events();
  {
    const auto reading = connection_.reading();
    if (PQsendQueryParams(connection_.handle(), statement.c_str(), 1, nullptr, &value, nullptr, nullptr, 0) !=
        1)
      return tl::make_unexpected(connection_.error("could not send"));
  }
  while (true) {
    const auto reading = connection_.reading();
    if (auto flushed = connection_.flush(); !flushed) return flushed;
    if (!connection_.interest().write) return {};
    if (auto waited = wait(deadline, "reply"); !waited) return waited;
    // the server may wait until we have read
    if (auto received = connection_.receive(); !received) return received;
  }
}

Result<void> AuditTable::receive(Deadline deadline) {
  Result<void> outcome;
  while (true) {
    const auto reading = connection_.reading();
    while (connection_.has_result()) {
      const auto result = connection_.next_result();
      if (!result) {
        connection_.end_reply();
        return outcome;
      }
      if (connection_.has_ended()) return tl::make_unexpected(connection_.error("the connection is lost"));
      if (!is_good(result.get())) outcome = tl::make_unexpected(error_of(result.get()));
    }
    if (connection_.has_ended()) return tl::make_unexpected(connection_.error("the connection is lost"));
    if (auto waited = wait(deadline, "reply"); !waited) return waited;
    if (auto received = connection_.receive(); !received) return received;
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
