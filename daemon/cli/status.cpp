#include "cli/status.hpp"

#include <chrono>
#include <cmath>
#include <cstdint>
#include <exception>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/configuration.hpp"
#include "app/exit_code.hpp"
#include "app/web_place.hpp"
#include "base/duration.hpp"
#include "base/listen_address.hpp"
#include "base/nesting.hpp"
#include "base/words.hpp"
#include "cli/diagnostics.hpp"
#include "cli/printing.hpp"
#include "report/http_get.hpp"
#include "report/verdict.hpp"

namespace pgcurfew {

namespace {

using Json = nlohmann::ordered_json;

constexpr Duration kStatusDeadline = std::chrono::seconds(5);
/// The most characters of a text that clients choose.
constexpr std::size_t kMostText = 80;

/// A value as it may be printed: a text without what acts on a terminal, a number, `?` for null.
std::string shown(const Json& json, const char* key) {
  const auto& value = json.at(key);
  if (value.is_null()) return "?";
  return printable(value.is_string() ? value.get<std::string>() : value.dump(), kMostText);
}

std::string message_in(const Json& json, const char* key) {
  return printable(json.at(key).get<std::string>(), 400);
}

/// A number of seconds as `12s`; empty for null.
std::string duration_in(const Json& json, const char* key) {
  if (json.at(key).is_null()) return {};
  return rough_text(std::abs(json.at(key).get<double>()));
}

/// `in 12s`, `12s ago`.
std::string relative(const Json& json, const char* key) {
  const auto text = duration_in(json, key);
  if (text.empty()) return "?";
  return json.at(key).get<double>() < 0 ? text + " ago" : "in " + text;
}

std::string list_in(const Json& list) {
  std::string text;
  for (const auto& one : list)
    text += (text.empty() ? "" : ", ") + printable(one.get<std::string>(), kMostText);
  return text;
}

/// `by_state` and `stands`: `active 3, idle 12`.
std::string counts_in(const Json& counts) {
  std::string text;
  for (const auto& [word, number] : counts.items())
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", printable(word, kMostText),
                        number.get<std::uint64_t>());
  return text;
}

std::string claimant_in(const Json& json) {
  return json.contains("rule") ? "rule " + shown(json, "rule") : "drain " + shown(json, "drain");
}

std::string session_in(const Json& json) {
  return fmt::format("pid {} {}@{}", shown(json, "pid"), shown(json, "user"), shown(json, "database"));
}

void add_server_line(const Json& server, std::string& text) {
  text += fmt::format("\nserver {}: ", shown(server, "server"));
  if (!server.at("up").get<bool>()) {
    text += "down";
  } else {
    text += fmt::format("up, PostgreSQL {}{}", shown(server, "version"),
                        server.at("in_recovery") == true ? " (standby)" : "");
  }
  const auto age = duration_in(server, "last_look_age_s");
  text += age.empty() ? ", no look yet" : fmt::format(", last look {} ago", age);
  const auto signals = server.at("signals_sent").get<std::uint64_t>();
  text += fmt::format(", {} signal{} sent", signals, signals == 1 ? "" : "s");
  if (server.at("signals_late") != 0)
    text += fmt::format(", {} before their intent was recorded", shown(server, "signals_late"));
  text += "\n";
  for (const auto& hold : server.at("holds"))
    text += fmt::format("  hold     {} since {}\n", message_in(hold, "text"), shown(hold, "since"));
  const auto& sessions = server.at("sessions");
  const auto by_state = counts_in(sessions.at("by_state"));
  text += fmt::format("  sessions {}{}{}\n", shown(sessions, "client_backends"), by_state.empty() ? "" : ": ",
                      by_state);
  if (!server.at("next_due_in_s").is_null())
    text += fmt::format("  next due {}\n", relative(server, "next_due_in_s"));
}

void add_rules_of(const Json& server, std::string& text) {
  for (const auto& rule : server.at("rules")) {
    text += fmt::format("  rule     {} ({}): ", shown(rule, "rule"), shown(rule, "mode"));
    const auto claims = rule.at("claims").get<std::uint64_t>();
    const auto stands = counts_in(rule.at("stands"));
    if (claims == 0) {
      text += "claims no session";
    } else {
      text += fmt::format("{} session{}, {} under way{}{}", claims, claims == 1 ? "" : "s",
                          shown(rule, "episodes"), stands.empty() ? "" : "; ", stands);
    }
    if (!rule.at("paused_for_s").is_null())
      text += fmt::format("; pauses for another {}", duration_in(rule, "paused_for_s"));
    text += "\n";
  }
}

/// What comes next for a claim, and what it waits for.
std::string next_in(const Json& claim, const Json& server) {
  std::vector<std::string> parts;
  if (!claim.at("step").is_null()) {
    parts.push_back(fmt::format("{} ({}/{}) due {}", shown(claim, "step"), shown(claim, "step_number"),
                                shown(claim, "step_count"), relative(claim, "due_in_s")));
  } else if (claim.at("stand").is_null()) {
    parts.push_back("due " + relative(claim, "due_in_s"));
  }
  if (!claim.at("stand").is_null()) {
    auto stand = shown(claim, "stand");
    // the limit and the grace end when the step falls due
    if (!claim.at("until_in_s").is_null() && claim.at("until_in_s") != claim.at("due_in_s"))
      stand += fmt::format(" for another {}", duration_in(claim, "until_in_s"));
    parts.push_back(std::move(stand));
  } else if (server.at("holds_still") == true) {
    parts.emplace_back("a hold is in the way");
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

void add_claims_of(const Json& server, std::string& text) {
  const auto& claims = server.at("claims");
  for (const auto& claim : claims) {
    text +=
        fmt::format("  claim    {}, {}: {}; application_name {}, {}\n", session_in(claim), claimant_in(claim),
                    next_in(claim, server), shown(claim, "application_name"), shown(claim, "state"));
  }
  const auto total = server.at("claims_total").get<std::size_t>();
  if (total > claims.size()) text += fmt::format("  ... and {} more claims\n", total - claims.size());
}

void add_drains_of(const Json& server, std::string& text) {
  for (const auto& drain : server.at("drains")) {
    text += fmt::format("  drain    {} ({}): {}, databases {}, {} left, {} gates closed, ends {}\n",
                        shown(drain, "drain"), shown(drain, "mode"), shown(drain, "phase"),
                        list_in(drain.at("databases")), shown(drain, "remaining_total"),
                        shown(drain, "closed_gates"),
                        drain.at("ends").is_null() ? "by pgcurfew reopen" : shown(drain, "ends"));
    if (!drain.at("trouble").is_null())
      text += fmt::format("           trouble: {}\n", message_in(drain, "trouble"));
    for (const auto& session : drain.at("remaining")) {
      text += fmt::format("           left: {}, application_name {}, {}{}\n", session_in(session),
                          shown(session, "application_name"), shown(session, "state"),
                          session.at("reason").is_null() ? "" : ": " + message_in(session, "reason"));
    }
  }
}

void add_gates_of(const Json& server, std::string& text) {
  const auto& gates = server.at("gates");
  for (const auto& gate : gates) {
    text +=
        fmt::format("  gate     of database {} is closed for drain {}, by {}, since {}, {}\n",
                    shown(gate, "database"), shown(gate, "drain"), shown(gate, "by"), shown(gate, "since"),
                    gate.at("until").is_null() ? "until pgcurfew reopen" : "until " + shown(gate, "until"));
  }
  const auto total = server.at("gates_total").get<std::size_t>();
  if (total > gates.size()) text += fmt::format("  ... and {} more gates\n", total - gates.size());
}

void add_breakers_of(const Json& server, std::string& text) {
  for (const auto& breaker : server.at("breakers")) {
    const auto whose = breaker.contains("user")
                           ? fmt::format("{}@{}", shown(breaker, "user"), shown(breaker, "database"))
                           : std::string("the server");
    text += fmt::format("  breaker  of {} {} for another {}\n", whose,
                        breaker.at("mode") == "enforce" ? "open" : "would be open",
                        duration_in(breaker, "open_for_s"));
  }
}

void add_action(const Json& action, std::string& text) {
  text += fmt::format("  {}  {}: {}", shown(action, "at"), shown(action, "server"),
                      message_in(action, "message"));
  if (!action.at("end").is_null()) {
    text += fmt::format(" [end: {}]", shown(action, "end"));
  } else if (!action.at("effect").is_null()) {
    text += fmt::format(" [effect: {}]", shown(action, "effect"));
  }
  text += "\n";
}

std::string lines_of(const Json& status) {
  std::string text = fmt::format("pgcurfew {} ({}), mode {}, policy {}, since {}\n", shown(status, "version"),
                                 shown(status, "instance"), shown(status, "mode"), shown(status, "policy"),
                                 shown(status, "started"));
  if (status.at("stopping").get<bool>()) text += "  stopping\n";
  if (const auto age = status.at("age_s").get<double>(); age > 5)
    text += fmt::format("  warning  the main loop has not turned for {}\n", duration_in(status, "age_s"));
  for (const auto& warning : status.at("warnings"))
    text += fmt::format("  warning  {}\n", printable(warning.get<std::string>(), 400));
  const auto& record = status.at("record");
  if (!record.at("writable").get<bool>())
    text += fmt::format("  record   cannot be written: {}\n", message_in(record, "trouble"));
  for (const auto& server : status.at("servers")) {
    add_server_line(server, text);
    add_breakers_of(server, text);
    add_rules_of(server, text);
    add_drains_of(server, text);
    add_gates_of(server, text);
    add_claims_of(server, text);
  }
  const auto& actions = status.at("actions");
  text += actions.empty() ? "\nno action yet\n" : "\nlast actions, the latest first\n";
  for (const auto& action : actions) add_action(action, text);
  return text;
}

struct Asked {
  HttpServer server;
  std::string policy;  ///< the version of the files that name the address; empty: the user named it
};

/// Where to ask, or the exit status.
Result<Asked> address_for(const StatusOptions& options, int& status) {
  if (!options.listen.empty()) {
    status = kExitUsage;
    auto address = parse_listen_address(options.listen);
    if (!address) return tl::make_unexpected(address.error());
    if (!address->is_local()) {
      return failure(fmt::format("{} may be another machine's", to_text(*address)), {},
                     "--listen takes an address of this one; for TLS and a password use --config.");
    }
    return Asked{{std::move(*address)}, {}};
  }
  const auto loaded = read_configuration(options.configuration);
  if (loaded.has_errors()) {
    status = kExitConfiguration;
    say_diagnostics(loaded);
    return failure(fmt::format("{} has errors", options.configuration), {}, "Or use --listen ADDRESS.");
  }
  status = kExitNoInput;
  const auto& web = loaded.policy->web;
  if (!web) {
    return failure(fmt::format("{} has no web server", options.configuration), {},
                   "Add web: { listen: \"127.0.0.1:9187\" }, and reload pgcurfew.");
  }
  auto password = read_web_password(*web);
  auto certificate = read_web_certificate(*web);
  if (!password || !certificate) {
    status = kExitNoPermission;
    auto error = !password ? password.error() : certificate.error();
    if (error.hint.empty()) error.hint = "Run this as the user that pgcurfew runs as.";
    return tl::make_unexpected(std::move(error));
  }
  return Asked{{web->listen, *std::move(certificate), web->user, *std::move(password)},
               loaded.policy->version};
}

/// Whoever has answered: nothing of it may be a terminal's command.
std::string ascii_of(const std::string& answer) {
  constexpr bool kAscii = true;
  return Json::parse(answer).dump(-1, ' ', kAscii, Json::error_handler_t::replace) + "\n";
}

/// The files may have changed since, or another pgcurfew have the address.
void warn_of_another_policy(const std::string& answer, const Asked& asked, const std::string& file) {
  const auto status = Json::parse(answer, nullptr, false);
  if (asked.policy.empty() || !status.is_object() || status.value("policy", Json()) == asked.policy) return;
  print_error_text(fmt::format("pgcurfew: this daemon runs another policy than {}\n", printable(file)),
                   Urgency::kWarning);
}

int fail_status(const Error& error, int status) {
  print_error("pgcurfew: {}\n", printable(error.message));
  if (!error.hint.empty()) print_error("pgcurfew: {}\n", error.hint);
  return status;
}

}  // namespace

std::optional<std::string> status_lines(const std::string& answer) {
  if (nesting_of(answer) > kDeepestNesting) return std::nullopt;
  const auto status = Json::parse(answer, nullptr, false);
  if (!status.is_object()) return std::nullopt;
  try {
    return lines_of(status);
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

int show_status(const StatusOptions& options) {
  int status = kExitOk;
  const auto asked = address_for(options, status);
  if (!asked) return fail_status(asked.error(), status);
  const auto& address = asked->server.address;
  const auto reply = http_get(asked->server, "/status", kStatusDeadline);
  if (!reply) {
    auto error = reply.error();
    error.hint = !options.listen.empty() ? "Is pgcurfew running? If its policy has tls, use --config."
                 : asked->server.certificate.empty()
                     ? "Is pgcurfew running, and does its policy have this address?"
                     : "Is pgcurfew running, with this address and this certificate? Reload it if that was "
                       "renewed; if it would not take the files, its log says why.";
    return fail_status(error, kExitUnavailable);
  }
  if (reply->status != 200) {
    if (reply->status == 401) {
      return fail_status(failure(fmt::format("{} asks for a user and a password", to_text(address)), {},
                                 options.listen.empty() ? "Reload pgcurfew if they were changed."
                                                        : "Use --config, which names them.")
                             .value(),
                         kExitUnavailable);
    }
    return fail_status(failure(fmt::format("{} answers with status {}: {}", to_text(address), reply->status,
                                           reply->body.substr(0, 200)))
                           .value(),
                       kExitUnavailable);
  }
  const auto lines = status_lines(reply->body);
  if (!lines) {
    return fail_status(failure(fmt::format("{} does not answer as pgcurfew would", to_text(address))).value(),
                       kExitUnavailable);
  }
  warn_of_another_policy(reply->body, *asked, options.configuration);
  print_text(options.json ? ascii_of(reply->body) : *lines);
  return kExitOk;
}

}  // namespace pgcurfew
