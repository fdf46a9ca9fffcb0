#include "postgres/link.hpp"

#include <utility>

#include <libpq-fe.h>

namespace pgcurfew {

Link::Link(Conninfo conninfo, std::shared_ptr<LookUps> look_ups)
    : connection_(std::move(conninfo), {"PostgreSQL", kMostOfAReply}, std::move(look_ups)) {}

void Link::connect() {
  disconnect();
  connection_.open();
}

void Link::disconnect() {
  is_ready_ = false;
  connection_.close();
  requests_.clear();
  current_.reset();
  if (!lines_.empty()) {
    lines_.clear();
    happened_.emplace_back(happening::ServerLogFailed{{"the connection ended before the reply", {}, {}, {}}});
  }
  look_.forget();
  gates_refused_ = 0;
  waits_failed_ = 0;
}

void Link::lose(Error error) {
  if (error.message.find("unsupported startup parameter") != std::string::npos) {
    error.hint = "This is a connection pooler; pgcurfew needs the server itself.";
  }
  disconnect();
  happened_.emplace_back(happening::ConnectionLost{std::move(error)});
}

std::vector<Happening> Link::proceed(MonotonicTime now, bool ready) {
  const auto reading = connection_.reading();
  if (!connection_.is_open()) {
    const auto is_open = connection_.proceed(ready);
    if (!is_open) {
      lose(is_open.error());
    } else if (*is_open) {
      set_up();
    }
  }
  if (connection_.is_open()) read_replies(now);
  if (connection_.is_open()) {
    if (const auto flushed = connection_.flush(); !flushed) lose(flushed.error());
  }
  return std::exchange(happened_, {});
}

void Link::read_replies(MonotonicTime now) {
  if (const auto received = connection_.receive(); !received) return lose(received.error());
  while (!requests_.empty() && connection_.has_result()) {
    auto result = connection_.next_result();
    if (!result) {
      if (connection_.has_ended()) break;
      continue;  // the end of a reply, before its Sync
    }
    if (PQresultStatus(result.get()) != PGRES_PIPELINE_SYNC) {
      // statements after an error were not executed
      if (!current_ || is_good(current_.get())) current_ = std::move(result);
      continue;
    }
    connection_.end_reply();
    const auto request = std::move(requests_.front());
    requests_.pop_front();
    finish(request, std::exchange(current_, {}), now);
  }
  if (connection_.is_open() && connection_.has_ended()) {
    lose_connection("the server closed the connection");
  }
}

}  // namespace pgcurfew
