#include "postgres/conninfo.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <string_view>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "base/address.hpp"
#include "base/words.hpp"
#include "postgres/conninfo_refusal.hpp"

namespace pgcurfew {

namespace {

constexpr const char* kDefaultPort = "5432";

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

/// An IPv6 address may have a zone: fe80::1%eth0.
bool is_address(std::string_view text) {
  const auto percent = text.find('%');
  const auto zone = percent == std::string_view::npos ? std::string_view() : text.substr(percent + 1);
  return parse_address(text.substr(0, percent)).has_value() &&
         std::all_of(zone.begin(), zone.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_';
         });
}

/// Anything else is a mistake and may be part of a password, which must not appear as a host in messages.
bool may_be_host(std::string_view name) {
  const auto is_of_a_name = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return std::isalnum(byte) != 0 || byte >= 0x80 || c == '.' || c == '-' || c == '_';
  };
  if (name.starts_with('/') || name.starts_with('@')) return true;
  return std::all_of(name.begin(), name.end(), is_of_a_name) || is_address(name);
}

bool is_whole_number(std::string_view text) {
  int number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

/// The values that a keyword takes. libpq or the server would quote a wrong one in its error message.
struct Choices {
  std::string_view keyword;
  std::vector<std::string_view> words;
};

const std::vector<Choices>& all_choices() {
  static const std::vector<Choices> kAll{
      {"sslmode", {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}},
      {"target_session_attrs", {"any", "read-write", "read-only", "primary", "standby", "prefer-standby"}},
      {"sslnegotiation", {"postgres", "direct"}},
      {"sslcertmode", {"disable", "allow", "require"}},
      {"sslsni", {"0", "1"}},
      {"ssl_min_protocol_version", {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}},
      {"ssl_max_protocol_version", {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}},
      {"gssencmode", {"disable", "prefer", "require"}},
      {"channel_binding", {"disable", "prefer", "require"}},
      {"load_balance_hosts", {"disable", "random"}},
  };
  return kAll;
}

std::string or_list(const std::vector<std::string_view>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 < words.size() ? ", " : " or ";
    text += words[i];
  }
  return text;
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
  if (const auto checked = check_uri(text); !checked) return tl::unexpected(checked.error());
  // libpq's message quotes the wrong part of the string, which may be the password
  const std::unique_ptr<PQconninfoOption, OptionsDeleter> options(PQconninfoParse(text.c_str(), nullptr));
  if (!options) return tl::unexpected(why_refused(text));
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
    return failure("conninfo has a different number of ports than of hosts", "",
                   "Give one port for all hosts, or one for each.");
  }
  for (const auto& name : split(value("host"))) {
    if (may_be_host(name)) continue;
    return failure("a host in conninfo is neither a name nor an address", "",
                   "In a URI's user and password @ is written as %40, / as %2F, : as %3A, % as %25.");
  }
  for (const auto& number : split(value("hostaddr"))) {
    if (number.empty() || is_address(number)) continue;
    return failure("a hostaddr in conninfo is not an address");
  }
  for (const char* keyword : {"connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval",
                              "keepalives_count", "tcp_user_timeout"}) {
    const auto written = value(keyword);
    if (!written.empty() && !is_whole_number(written))
      return failure(fmt::format("{} in conninfo is not a whole number", keyword));
  }
  for (const auto& [keyword, words] : all_choices()) {
    const auto written = value(std::string(keyword));
    const bool has_case = !keyword.starts_with("ssl_");
    const auto is_it = [&, &written = written](std::string_view word) {
      return std::equal(word.begin(), word.end(), written.begin(), written.end(), [&](char a, char b) {
        return a == b || (!has_case && std::tolower(static_cast<unsigned char>(a)) ==
                                           std::tolower(static_cast<unsigned char>(b)));
      });
    };
    if (written.empty() || std::any_of(words.begin(), words.end(), is_it)) continue;
    return failure(fmt::format("unknown {} in conninfo", keyword), "",
                   fmt::format("It is {}.", or_list(words)));
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

bool Conninfo::names_hosts() const {
  return !value("host").empty() || !value("hostaddr").empty();
}

std::vector<Conninfo::Host> Conninfo::hosts() const {
  auto host = value("host");
  const auto hostaddr = value("hostaddr");
  if (host.empty() && hostaddr.empty()) host = from_environment("PGHOST");
  if (host.empty() && hostaddr.empty()) return {};
  const auto names = split(host);
  const auto addresses = split(hostaddr);
  auto port = value("port");
  if (port.empty() && !names_hosts()) port = from_environment("PGPORT");
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
    const std::map<std::string, std::vector<std::string>>& addresses, std::size_t first,
    bool with_known) const {
  auto values = values_;
  const auto all_hosts = hosts();
  if (!all_hosts.empty()) {
    std::vector<std::string> names;
    std::vector<std::string> numbers;
    std::vector<std::string> ports;
    const auto add = [&](const Host& host, const std::string& number) {
      names.push_back(host.name.empty() ? number : host.name);
      numbers.push_back(number.empty() && is_address(host.name) ? host.name : number);
      ports.push_back(host.port.empty() && names_hosts() ? kDefaultPort : host.port);
    };
    for (const auto& host : all_hosts) {
      if (!host.needs_look_up()) {
        if (with_known) add(host, host.hostaddr);
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
    // libpq takes PGHOSTADDR if hostaddr is empty, but not if it is a list
    if (names.size() == 1 && numbers.front().empty() && !from_environment("PGHOSTADDR").empty() &&
        names_hosts()) {
      for (auto* list : {&names, &numbers, &ports}) list->push_back(list->front());
    }
    values["host"] = joined(names);
    values["hostaddr"] = joined(numbers);
    values["port"] = joined(ports);
  }
  const auto by_default = [&](const char* keyword, const char* value_if_unset) {
    if (values[keyword].empty()) values[keyword] = value_if_unset;
  };
  if (names_hosts()) by_default("target_session_attrs", "any");
  by_default("keepalives_idle", "30");
  by_default("keepalives_interval", "10");
  by_default("keepalives_count", "3");
  by_default("tcp_user_timeout", "15000");
  // with any other encoding, invalid bytes of one client make the whole look fail
  values["client_encoding"] = "SQL_ASCII";
  values["application_name"] = application_name_;
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
