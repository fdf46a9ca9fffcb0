#include "app/web_place.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/words.hpp"
#include "report/http_get.hpp"
#include "report/web_answer.hpp"
#include "system/careful_files.hpp"
#include "system/listening_socket.hpp"

namespace pgcurfew {

namespace {

constexpr Duration kPatience = std::chrono::seconds(2);

Result<TlsIdentity> usable_identity(const WebSettings& web) {
  auto certificate = read_web_certificate(web);
  if (!certificate) return tl::make_unexpected(certificate.error());
  auto key = read_users_file(web.key, Secrecy::kSecret);
  if (!key) return tl::make_unexpected(key.error());
  TlsIdentity identity{*std::move(certificate), *std::move(key)};
  if (const auto usable = WebServer::check(identity); !usable) return tl::make_unexpected(usable.error());
  return identity;
}

/// Whether what listens there answers as a pgcurfew does, with or without TLS: the files may have changed
/// since it started. No password is sent, because any other process may listen there.
bool does_pgcurfew_answer(const ListenAddress& address, bool with_tls) {
  HttpServer server{address};
  server.trusts_any_certificate = with_tls;
  const auto reply = http_get(server, "/healthz", kPatience);
  return reply && is_of_pgcurfew(reply->status, reply->body);
}

}  // namespace

Result<std::string> read_web_certificate(const WebSettings& web) {
  return web.certificate.empty() ? Result<std::string>() : read_users_file(web.certificate, Secrecy::kPublic);
}

Result<std::string> read_web_password(const WebSettings& web) {
  if (web.user.empty()) return std::string();
  auto text = read_users_file(web.password_file, Secrecy::kSecret);
  if (!text) return text;
  text->resize(std::min(text->size(), text->find_first_of("\r\n")));
  // HTTP's header would carry it, but a C string ends there
  if (text->empty() || text->find('\0') != std::string::npos)
    return failure(fmt::format("the first line of {} is no password", web.password_file));
  return text;
}

Result<WebSecrets> usable_secrets(const std::optional<WebSettings>& web) {
  WebSecrets secrets;
  if (!web) return secrets;
  auto password = read_web_password(*web);
  if (!password) return tl::make_unexpected(password.error());
  secrets.password = *std::move(password);
  if (web->certificate.empty()) return secrets;
  auto identity = usable_identity(*web);
  if (!identity) return tl::make_unexpected(identity.error());
  secrets.identity = *std::move(identity);
  return secrets;
}

std::string describe(const WebSettings& web) {
  return fmt::format("listens on {}{}{}", printable(to_text(web.listen)),
                     web.certificate.empty() ? "" : ", with TLS",
                     web.user.empty() ? "" : ", for user " + printable(web.user, 80));
}

WebCheck check_web(const WebSettings& web) {
  WebCheck found;
  const auto password = read_web_password(web);
  if (!password) found.obstacles.push_back(password.error());
  if (!web.certificate.empty()) {
    if (const auto identity = usable_identity(web); !identity) found.obstacles.push_back(identity.error());
  }
  const auto free = check_free(web.listen);
  if (free) return found;
  found.is_ours = does_pgcurfew_answer(web.listen, true) || does_pgcurfew_answer(web.listen, false);
  if (!found.is_ours) found.obstacles.push_back(free.error());
  return found;
}

}  // namespace pgcurfew
