#include "app/web_place.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/words.hpp"
#include "system/careful_files.hpp"
#include "system/listening_socket.hpp"

namespace pgcurfew {

namespace {

Result<TlsIdentity> read_identity(const WebSettings& web) {
  auto certificate = read_web_certificate(web);
  if (!certificate) return tl::make_unexpected(certificate.error());
  auto key = read_users_file(web.key, Secrecy::kSecret);
  if (!key) return tl::make_unexpected(key.error());
  return TlsIdentity{*std::move(certificate), *std::move(key)};
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
  auto identity = read_identity(*web);
  if (!identity) return tl::make_unexpected(identity.error());
  if (const auto usable = WebServer::check(*identity); !usable) return tl::make_unexpected(usable.error());
  secrets.identity = *std::move(identity);
  return secrets;
}

std::string describe(const WebSettings& web) {
  return fmt::format("listens on {}{}{}", printable(to_text(web.listen)),
                     web.certificate.empty() ? "" : ", with TLS",
                     web.user.empty() ? "" : ", for user " + printable(web.user, 80));
}

Result<void> check_web(const WebSettings& web) {
  if (const auto secrets = usable_secrets(std::optional(web)); !secrets)
    return tl::make_unexpected(secrets.error());
  return check_free(web.listen);
}

}  // namespace pgcurfew
