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

void Web::listen(const std::optional<WebSettings>& settings, Result<WebSecrets> secrets) {
  const bool is_same = settings == settings_;
  if (is_same && server_) {
    // what it has is better than nothing
    if (!secrets) return fail(secrets.error());
    if (*secrets == *secrets_) {
      if (!trouble_.empty()) tell_listening();
      return;
    }
  }
  if (!is_same) forget_trouble();
  auto kept = keep_socket();
  std::shared_ptr<ListeningSocket> retired;
  if (kept && !(settings && settings->listen == settings_->listen)) {
    kept->stop_listening();
    retired = std::move(kept);
  }
  close();
  // an answer that is being made takes its time, which signals may not have; until its end the server's
  // thread may still use the descriptor
  if (std::shared_ptr<WebServer> leaving = std::move(server_)) {
    [[maybe_unused]] const auto started =
        start_detached([leaving = std::move(leaving), retired = std::move(retired)]() mutable {
          leaving.reset();
          retired.reset();
        });
  }
  settings_ = settings;
  secrets_ = std::move(secrets);
  if (settings_) open(std::move(kept));
}

std::unique_ptr<ListeningSocket> Web::keep_socket() {
  const int descriptor = server_ ? server_->stop_listening() : -1;
  if (descriptor < 0) return nullptr;
  socket_->give_back(descriptor);
  return std::move(socket_);
}

void Web::stop() {
  close();
  server_.reset();
  settings_.reset();
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

Result<void> Web::try_to_open(std::unique_ptr<ListeningSocket> kept) {
  if (!wanted_.is_open()) return failure("the system has no descriptors left");
  if (!secrets_) return tl::unexpected(secrets_.error());
  auto socket = kept ? std::move(kept) : ListeningSocket::open(settings_->listen);
  if (!socket) return tl::unexpected(socket.error());
  auto exchange = std::make_shared<PictureExchange>(wanted_.caller());
  const WebSources sources{[exchange] { return exchange->recent(); }, process_facts,
                           [exchange] { return exchange->silence(); }, [] { return Loop::now(); }};
  WebAccess access{settings_->listen, std::nullopt};
  if (!settings_->user.empty()) access.login = WebLogin{settings_->user, secrets_->password};
  auto server = WebServer::start((*socket)->take(), secrets_->identity,
                                 [sources, access = std::move(access)](const WebRequest& request) {
                                   return answer(request, access, sources);
                                 });
  if (!server) return tl::unexpected(server.error());
  socket_ = *std::move(socket);
  server_ = *std::move(server);
  exchange_ = std::move(exchange);
  return {};
}

void Web::open(std::unique_ptr<ListeningSocket> kept) {
  if (const auto opened = try_to_open(std::move(kept)); !opened) return fail(opened.error());
  timer_.arm(Loop::now() + kSweepPause);
  tell_listening();
}

void Web::tell_listening() {
  Event event(Kind::kWebListening, fmt::format("the web server {}", describe(*settings_)));
  event.add(field::kListen, to_text(settings_->listen));
  if (failed_at_) event.add(field::kOutageS, Loop::now() - *std::exchange(failed_at_, std::nullopt));
  trouble_.clear();
  listener_.tell(std::move(event));
  listener_.changed();
}

void Web::fail(const Error& error) {
  timer_.arm(Loop::now() + kRetryPause);
  const auto text = fmt::format("the web server cannot {}: {}", server_ ? "be renewed" : "listen",
                                printable(error.message, 200));
  if (!server_ && !failed_at_) failed_at_ = Loop::now();
  if (std::exchange(trouble_, text) == text) return;
  Event event(Kind::kWebFailed, text);
  event.add(error);
  event.add(field::kListen, to_text(settings_->listen));
  listener_.tell(std::move(event));
  listener_.changed();
}

void Web::forget_trouble() {
  failed_at_.reset();
  if (!std::exchange(trouble_, {}).empty()) listener_.changed();
}

void Web::look_after() {
  if (!server_) return open(nullptr);
  server_->end_overdue(Loop::now());
  timer_.arm(Loop::now() + kSweepPause);
}

}  // namespace pgcurfew
