#include "app/web.hpp"

#include <chrono>
#include <exception>
#include <utility>

#include <fmt/format.h>

#include "base/words.hpp"
#include "events/fields.hpp"
#include "report/detached.hpp"
#include "system/process_counts.hpp"

namespace pgcurfew {

namespace {

/// Between two attempts to listen.
constexpr Duration kRetryPause = std::chrono::seconds(5);
/// Between two looks at connections that last too long.
constexpr Duration kSweepPause = std::chrono::seconds(2);

ProcessFacts process_facts() {
  const auto counts = count_process();
  return {counts.cpu_s, counts.resident_bytes, counts.open_descriptors, counts.most_descriptors};
}

}  // namespace

Web::Web(Loop& loop, Listener listener)
    : listener_(std::move(listener)),
      wanted_(loop, [this] { draw(); }),
      timer_(loop, [this] { look_after(); }) {}

Web::~Web() {
  stop();
}

void Web::listen(const std::optional<ListenAddress>& address) {
  if (address == address_) return;
  close();
  // an answer that is being made takes its time, which signals may not have
  if (std::shared_ptr<WebServer> leaving = std::move(server_)) {
    [[maybe_unused]] const auto started =
        start_detached([leaving = std::move(leaving)]() mutable { leaving.reset(); });
  }
  address_ = address;
  failed_at_.reset();
  trouble_.clear();
  if (address_) open();
}

void Web::stop() {
  close();
  server_.reset();
  address_.reset();
}

void Web::close() {
  timer_.disarm();
  // whoever waits for a picture would wait for us
  if (exchange_) exchange_->close();
  exchange_.reset();
  socket_.reset();
}

void Web::draw() {
  if (exchange_) exchange_->offer(listener_.draw());
}

Result<void> Web::try_to_open() {
  if (!wanted_.is_open()) return failure("the system has no descriptors left");
  auto socket = ListeningSocket::open(*address_);
  if (!socket) return tl::unexpected(socket.error());
  auto exchange = std::make_shared<PictureExchange>(wanted_.caller());
  const WebSources sources{[exchange] { return exchange->recent(); }, process_facts,
                           [exchange] { return exchange->silence(); }, [] { return Loop::now(); }};
  auto server =
      WebServer::start((*socket)->take(), [sources, address = *address_](const WebRequest& request) {
        return answer(request, address, sources);
      });
  if (!server) return tl::unexpected(server.error());
  socket_ = *std::move(socket);
  server_ = *std::move(server);
  exchange_ = std::move(exchange);
  return {};
}

void Web::open() {
  if (const auto opened = try_to_open(); !opened) return fail(opened.error());
  timer_.arm(Loop::now() + kSweepPause);
  Event event(Kind::kWebListening,
              fmt::format("the web server listens on {}", printable(to_text(*address_))));
  event.add(field::kListen, to_text(*address_));
  if (failed_at_) event.add(field::kOutageS, Loop::now() - *std::exchange(failed_at_, std::nullopt));
  trouble_.clear();
  listener_.tell(std::move(event));
  listener_.changed();
}

void Web::fail(const Error& error) {
  timer_.arm(Loop::now() + kRetryPause);
  const auto text = fmt::format("the web server cannot listen: {}", printable(error.message, 200));
  if (!failed_at_) failed_at_ = Loop::now();
  if (std::exchange(trouble_, text) == text) return;
  Event event(Kind::kWebFailed, text);
  event.add(error);
  event.add(field::kListen, to_text(*address_));
  listener_.tell(std::move(event));
  listener_.changed();
}

void Web::look_after() {
  if (!server_) return open();
  server_->end_overdue(Loop::now());
  timer_.arm(Loop::now() + kSweepPause);
}

}  // namespace pgcurfew
