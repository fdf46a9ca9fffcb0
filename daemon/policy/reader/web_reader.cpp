#include "policy/reader/web_reader.hpp"

#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "policy/reader/values.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kWebExample = "It is written as in { listen: \"127.0.0.1:9187\" }.";
constexpr std::string_view kTlsExample =
    "It is written as in { certificate: /etc/pgcurfew/web.crt, key: /etc/pgcurfew/web.key }.";
constexpr std::string_view kAuthExample =
    "It is written as in { user: prometheus, password_file: /etc/pgcurfew/web.password }.";

/// The path at a key that a mapping has to have; empty if it is not there.
std::string read_required_path(const YamlNode& node, std::string_view owner, std::string_view key,
                               std::string_view example, Complaints& complaints) {
  const auto* value = find_required(node, owner, key, example, complaints);
  return value == nullptr ? std::string() : read_path(*value, key, example, complaints);
}

std::optional<ListenAddress> read_address(const YamlNode& node, Complaints& complaints) {
  const auto text = read_plain(node, "listen", complaints);
  if (!text) return std::nullopt;
  auto address = parse_listen_address(*text);
  if (address) return *std::move(address);
  complaints.error(node.at, address.error().message, address.error().hint);
  return std::nullopt;
}

void read_tls(const YamlNode& node, WebSettings& web, Complaints& complaints) {
  if (!expect_map(node, "tls", kTlsExample, complaints)) return;
  check_keys(node, Mapping::kWebTls, complaints);
  web.certificate = read_required_path(node, R"("tls")", "certificate", kTlsExample, complaints);
  web.key = read_required_path(node, R"("tls")", "key", kTlsExample, complaints);
  if (web.listen.is_unix()) complaints.error(node.at, "a Unix-domain socket has no TLS");
}

void read_basic_auth(const YamlNode& node, WebSettings& web, Complaints& complaints) {
  if (!expect_map(node, "basic_auth", kAuthExample, complaints)) return;
  check_keys(node, Mapping::kWebBasicAuth, complaints);
  if (const auto* user = find_required(node, R"("basic_auth")", "user", kAuthExample, complaints)) {
    web.user = read_identifier(*user, "user", complaints).value_or("");
  }
  web.password_file = read_required_path(node, R"("basic_auth")", "password_file", kAuthExample, complaints);
}

}  // namespace

std::optional<WebSettings> read_web(const YamlNode& node, Complaints& complaints) {
  if (!expect_map(node, "web", kWebExample, complaints)) return std::nullopt;
  check_keys(node, Mapping::kWeb, complaints);
  const auto* listen = find_required(node, R"("web")", "listen", kWebExample, complaints);
  const auto address = listen == nullptr ? std::nullopt : read_address(*listen, complaints);
  if (!address) return std::nullopt;
  WebSettings web;
  web.listen = *address;
  const auto* tls = node.find("tls");
  const auto* basic_auth = node.find("basic_auth");
  if (tls != nullptr) read_tls(*tls, web, complaints);
  if (basic_auth != nullptr) read_basic_auth(*basic_auth, web, complaints);
  if (!address->is_local() && (tls == nullptr || basic_auth == nullptr)) {
    complaints.error(listen->at, fmt::format("other machines could reach {}", to_text(*address)),
                     "That needs \"tls\" and \"basic_auth\". Or listen on 127.0.0.1, and let a reverse proxy "
                     "(nginx, HAProxy) add both.");
  }
  return web;
}

}  // namespace pgcurfew
