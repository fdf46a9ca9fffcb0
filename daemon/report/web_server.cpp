#include "report/web_server.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <microhttpd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report/no_signals.hpp"

namespace pgcurfew {

namespace {

/// For every answer: nothing else may be loaded, framed, guessed or kept.
constexpr auto kHeaders = std::to_array<std::pair<const char*, const char*>>({
    {"Content-Security-Policy",
     "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; "
     "form-action 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Referrer-Policy", "no-referrer"},
    {"Cache-Control", "no-store"},
    {MHD_HTTP_HEADER_CONNECTION, "close"},
});

/// The socket's number in the system; 0 if it is closed.
ino_t number_of(int descriptor) {
  struct stat status {};
  return fstat(descriptor, &status) == 0 ? status.st_ino : 0;
}

}  // namespace

struct WebServer::Inside {
  struct Open {
    int descriptor = -1;
    std::optional<MonotonicTime> seen;  ///< by end_overdue(), for the first time
  };

  MHD_Result take(MHD_Connection* connection, const char* url, const char* method);
  void note(MHD_Connection* connection, MHD_ConnectionNotificationCode what);

  std::function<WebAnswer(const WebRequest&)> answer;
  std::optional<TlsIdentity> identity;  ///< the daemon has pointers into it
  MHD_Daemon* daemon = nullptr;
  std::mutex mutex;
  std::map<MHD_Connection*, Open> open;  ///< guarded; a descriptor in it is not closed yet
};

namespace {

MHD_Result queue(MHD_Connection* connection, WebAnswer answer) {
  auto body = std::make_unique<std::string>(std::move(answer.body));
  auto* response = MHD_create_response_from_buffer_with_free_callback_cls(
      body->size(), body->data(), [](void* text) { delete static_cast<std::string*>(text); }, body.get());
  if (response == nullptr) return MHD_NO;
  // the response frees it
  [[maybe_unused]] auto* const given = body.release();
  for (const auto& [name, value] : kHeaders) MHD_add_response_header(response, name, value);
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, std::string(answer.type).c_str());
  if (answer.status == 401)
    MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                            R"(Basic realm="pgcurfew", charset="UTF-8")");
  if (answer.status == 405) MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
  const auto queued = MHD_queue_response(connection, answer.status, response);
  MHD_destroy_response(response);
  return queued;
}

/// The library ends both texts at a NUL.
std::optional<WebLogin> login_of(MHD_Connection* connection) {
  const auto release = [](char* text) { MHD_free(text); };
  char* password = nullptr;
  const std::unique_ptr<char, decltype(release)> user(
      MHD_basic_auth_get_username_password(connection, &password), release);
  const std::unique_ptr<char, decltype(release)> held(password, release);
  if (!user || !held) return std::nullopt;
  return WebLogin{user.get(), held.get()};
}

constexpr const char* kNoIdentity =
    "could not use the certificate: it and its key are not PEM, or do not belong together";

}  // namespace

/// Answers at once, before any body of the request: then none is read.
MHD_Result WebServer::Inside::take(MHD_Connection* connection, const char* url, const char* method) {
  try {
    WebRequest request{method, url, std::nullopt, login_of(connection)};
    if (const char* host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST))
      request.host = host;
    return queue(connection, answer(request));
  } catch (const std::exception&) {
    // out of memory: the connection is closed
    return MHD_NO;
  }
}

void WebServer::Inside::note(MHD_Connection* connection, MHD_ConnectionNotificationCode what) {
  const std::unique_lock held(mutex);
  if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
    open.erase(connection);
    return;
  }
  const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  if (info == nullptr) return;
  try {
    open[connection] = {info->connect_fd, std::nullopt};
  } catch (const std::bad_alloc&) {
    // it only lasts as long as it likes
  }
}

WebServer::WebServer(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}

Result<void> WebServer::check(const TlsIdentity& identity) {
  const MHD_AccessHandlerCallback handler = [](void*, MHD_Connection*, const char*, const char*, const char*,
                                               const char*, size_t*, void**) { return MHD_NO; };
  auto* daemon = MHD_start_daemon(MHD_USE_NO_LISTEN_SOCKET | MHD_USE_TLS, 0, nullptr, nullptr, handler,
                                  nullptr, MHD_OPTION_HTTPS_MEM_CERT, identity.certificate.c_str(),
                                  MHD_OPTION_HTTPS_MEM_KEY, identity.key.c_str(), MHD_OPTION_END);
  if (daemon == nullptr) return failure(kNoIdentity);
  MHD_stop_daemon(daemon);
  return {};
}

Result<std::unique_ptr<WebServer>> WebServer::start(int listening, std::optional<TlsIdentity> identity,
                                                    std::function<WebAnswer(const WebRequest&)> answer) {
  auto inside = std::make_unique<Inside>();
  inside->answer = std::move(answer);
  inside->identity = std::move(identity);
  const MHD_AccessHandlerCallback handler =
      [](void* self, MHD_Connection* connection, const char* url, const char* method, const char*,
         const char*, size_t*, void**) { return static_cast<Inside*>(self)->take(connection, url, method); };
  const MHD_NotifyConnectionCallback notify = [](void* self, MHD_Connection* connection, void**,
                                                 MHD_ConnectionNotificationCode what) {
    static_cast<Inside*>(self)->note(connection, what);
  };
  const auto number = number_of(listening);
  const NoSignals no_signals;
  constexpr auto kSilence = std::chrono::duration_cast<std::chrono::seconds>(kLongestSilence).count();
  std::array<MHD_OptionItem, 4> more{};
  if (inside->identity) {
    more = {{{MHD_OPTION_HTTPS_MEM_CERT, 0, inside->identity->certificate.data()},
             {MHD_OPTION_HTTPS_MEM_KEY, 0, inside->identity->key.data()},
             // without TLS all readers are on this machine: one address
             {MHD_OPTION_PER_IP_CONNECTION_LIMIT, kMostOfOneAddress, nullptr},
             {MHD_OPTION_END, 0, nullptr}}};
  } else {
    more[0] = {MHD_OPTION_END, 0, nullptr};
  }
  // without the ITC a stop at the limit of connections waits for one of them to time out
  constexpr unsigned kFlags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC;
  inside->daemon =
      MHD_start_daemon(inside->identity ? kFlags | MHD_USE_TLS : kFlags, 0, nullptr, nullptr, handler,
                       inside.get(), MHD_OPTION_LISTEN_SOCKET, listening, MHD_OPTION_CONNECTION_LIMIT,
                       kMostConnections, MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(kSilence),
                       MHD_OPTION_CONNECTION_MEMORY_LIMIT, kMostMemory, MHD_OPTION_NOTIFY_CONNECTION, notify,
                       inside.get(), MHD_OPTION_ARRAY, more.data(), MHD_OPTION_END);
  if (inside->daemon == nullptr) {
    const auto* const why = std::strerror(errno);
    // the library closes it in some cases
    if (number_of(listening) == number) close(listening);
    return failure(fmt::format("could not start the web server: {}", why));
  }
  return std::unique_ptr<WebServer>(new WebServer(std::move(inside)));
}

WebServer::~WebServer() {
  if (inside_->daemon != nullptr) MHD_stop_daemon(inside_->daemon);
}

int WebServer::stop_listening() {
  return MHD_quiesce_daemon(inside_->daemon);
}

void WebServer::end_overdue(MonotonicTime now) {
  // a thread that has the lock for longer than a moment does not make the loop wait
  const std::unique_lock held(inside_->mutex, std::try_to_lock);
  if (!held.owns_lock()) return;
  for (auto& [connection, open] : inside_->open) {
    if (!open.seen) open.seen = now;
    // the library's thread finds it closed, and clears it away
    if (now - *open.seen > kLongestConnection) shutdown(open.descriptor, SHUT_RDWR);
  }
}

}  // namespace pgcurfew
