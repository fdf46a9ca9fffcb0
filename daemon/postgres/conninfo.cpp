#include "postgres/conninfo.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <string_view>

#include <libpq-fe.h>

#include "base/address.hpp"
#include "base/words.hpp"

namespace pgcurfew {

namespace {

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (true) {
    const auto comma = list.find(',', begin);
    parts.push_back(list.substr(begin, comma == std::string::npos ? comma : comma - begin));
    if (comma == std::string::npos) return parts;
    begin = comma + 1;
  }
}

std::string joined(const std::vector<std::string>& parts) {
  std::string list;
  for (std::size_t i = 0; i < parts.size(); ++i) list += (i > 0 ? "," : "") + parts[i];
  return list;
}

std::string from_environment(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? std::string() : std::string(value);
}

bool is_port(const std::string& text) {
  int number = 0;
  const auto* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  return parsed.ec == std::errc() && parsed.ptr == end && number >= 1 && number <= 65535;
}

struct OptionsDeleter {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

}  // namespace

Result<Conninfo> Conninfo::parse(const std::string& text) {
  char* message = nullptr;
  const std::unique_ptr<PQconninfoOption, OptionsDeleter> options(PQconninfoParse(text.c_str(), &message));
  if (!options) {
    // libpq's words quote the offending part of the string, which may be the password
    PQfreemem(message);
    return failure("invalid connection string", "libpq cannot parse it.",
                   "It is written as in conninfo: \"host=db1 dbname=postgres user=pgcurfew\".");
  }
  const char* service = std::getenv("PGSERVICE");
  const bool has_service_in_environment = service != nullptr && *service != '\0';
  Conninfo conninfo;
  for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) conninfo.values_[option->keyword] = option->val;
  }
  if (has_service_in_environment || !conninfo.value("service").empty()) {
    return failure("a service file is not supported",
                   "libpq would look up the hosts that it names by itself, and block all servers meanwhile.",
                   "Write the service's settings into conninfo, and unset PGSERVICE.");
  }
  if (const auto checked = conninfo.check(); !checked) return tl::unexpected(checked.error());
  return conninfo;
}

Result<void> Conninfo::check() const {
  const auto ports = split(value("port"));
  for (const auto& port : ports) {
    // empty: the default
    if (port.empty() || is_port(port)) continue;
    return failure("a port in conninfo is not a number", "",
                   "It is a whole number from 1 to 65535, or a list of them.");
  }
  const auto hosts = std::max(split(value("host")).size(), split(value("hostaddr")).size());
  if (ports.size() > 1 && ports.size() != hosts) {
    return failure("conninfo has another number of ports than of hosts", "",
                   "Give one port for all hosts, or one for each.");
  }
  const auto is_one_of = [&](const char* keyword, std::initializer_list<std::string_view> words) {
    const auto written = value(keyword);
    return written.empty() || std::find(words.begin(), words.end(), written) != words.end();
  };
  if (!is_one_of("sslmode", {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})) {
    return failure("unknown sslmode in conninfo", "",
                   "It is disable, allow, prefer, require, verify-ca or verify-full.");
  }
  if (!is_one_of("target_session_attrs",
                 {"any", "read-write", "read-only", "primary", "standby", "prefer-standby"})) {
    return failure("unknown target_session_attrs in conninfo", "",
                   "It is any, read-write, read-only, primary, standby or prefer-standby.");
  }
  return {};
}

bool Conninfo::has_password() const {
  return !value("password").empty() || !value("sslpassword").empty();
}

std::string Conninfo::value(const std::string& keyword) const {
  const auto found = values_.find(keyword);
  return found == values_.end() ? std::string() : found->second;
}

bool Conninfo::Host::needs_look_up() const {
  if (!hostaddr.empty() || name.empty()) return false;
  if (name.front() == '/' || name.front() == '@') return false;
  return !parse_address(name).has_value();
}

std::vector<Conninfo::Host> Conninfo::hosts() const {
  auto host = value("host");
  const auto hostaddr = value("hostaddr");
  if (host.empty() && hostaddr.empty()) host = from_environment("PGHOST");
  if (host.empty() && hostaddr.empty()) return {};
  const auto names = split(host);
  const auto addresses = split(hostaddr);
  auto port = value("port");
  if (port.empty()) port = from_environment("PGPORT");
  const auto ports = split(port);
  std::vector<Host> hosts;
  const auto count = std::max(names.size(), addresses.size());
  for (std::size_t i = 0; i < count; ++i) {
    Host entry;
    if (i < names.size()) entry.name = names[i];
    if (i < addresses.size()) entry.hostaddr = addresses[i];
    entry.port = ports.size() == 1 ? ports.front() : i < ports.size() ? ports[i] : std::string();
    hosts.push_back(std::move(entry));
  }
  return hosts;
}

Result<std::vector<std::pair<std::string, std::string>>> Conninfo::parameters(
    const std::map<std::string, std::vector<std::string>>& addresses, std::size_t first) const {
  auto values = values_;
  const auto all_hosts = hosts();
  if (!all_hosts.empty()) {
    std::vector<std::string> names;
    std::vector<std::string> numbers;
    std::vector<std::string> ports;
    const auto add = [&](const Host& host, const std::string& number) {
      names.push_back(host.name);
      numbers.push_back(number);
      ports.push_back(host.port);
    };
    for (const auto& host : all_hosts) {
      if (!host.needs_look_up()) {
        add(host, host.hostaddr);
        continue;
      }
      const auto found = addresses.find(host.name);
      if (found == addresses.end()) continue;
      for (const auto& number : found->second) add(host, number);
    }
    if (names.empty()) return failure("none of the hosts could be looked up");
    const auto begin = static_cast<std::ptrdiff_t>(first % names.size());
    for (auto* list : {&names, &numbers, &ports})
      std::rotate(list->begin(), list->begin() + begin, list->end());
    values["host"] = joined(names);
    values["hostaddr"] = joined(numbers);
    values["port"] = joined(ports);
  }
  const auto by_default = [&](const char* keyword, const char* value_if_unset) {
    if (values[keyword].empty()) values[keyword] = value_if_unset;
  };
  by_default("keepalives_idle", "30");
  by_default("keepalives_interval", "10");
  by_default("keepalives_count", "3");
  by_default("tcp_user_timeout", "15000");
  // any other encoding lets one client's invalid bytes fail the whole look
  values["client_encoding"] = "SQL_ASCII";
  values["application_name"] = "pgcurfew";
  std::vector<std::pair<std::string, std::string>> parameters;
  for (auto& [keyword, text] : values) {
    if (!text.empty()) parameters.emplace_back(keyword, std::move(text));
  }
  return parameters;
}

std::string Conninfo::describe() const {
  std::string text;
  for (const auto& host : hosts()) {
    if (!text.empty()) text += ',';
    text += host.name.empty() ? host.hostaddr : host.name;
    if (!host.port.empty()) text += ':' + host.port;
  }
  if (text.empty()) text = "local socket";
  for (const char* keyword : {"dbname", "user", "target_session_attrs"}) {
    const auto shown = value(keyword);
    if (!shown.empty()) text += std::string(" ") + keyword + "=" + shown;
  }
  return printable(text);
}

}  // namespace pgcurfew
