#include "report/status_json.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/iso_time.hpp"
#include "report/history.hpp"

namespace pgcurfew {

namespace {

using Json = History::Json;

double seconds_in(Duration duration) {
  return static_cast<double>(std::chrono::round<std::chrono::milliseconds>(duration).count()) / 1000;
}

Json value_of(const std::string& text) {
  return text;
}
Json value_of(Duration duration) {
  return seconds_in(duration);
}
Json value_of(ServerTime time) {
  return iso_8601(time);
}
Json value_of(WallTime time) {
  return iso_8601(time);
}
Json value_of(State state) {
  return name_of(state);
}
Json value_of(Stand stand) {
  return name_of(stand);
}
Json value_of(StepKind step) {
  return name_of(step);
}

template <class T>
Json value_of(const std::optional<T>& value) {
  return value ? value_of(*value) : Json();
}

Json or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

Json holds_of(const ServerPicture& server) {
  auto holds = Json::array();
  for (const auto& hold : server.holds)
    holds.push_back({{"hold", name_of(hold.hold)}, {"text", hold.text}, {"since", value_of(hold.since)}});
  return holds;
}

Json sessions_of(const ServerPicture& server) {
  auto by_state = Json::object();
  for (const auto& [state, number] : server.by_state) by_state[std::string(name_of(state))] = number;
  if (server.without_state > 0) by_state["unknown"] = server.without_state;
  return {{"client_backends", server.client_backends}, {"by_state", by_state}, {"hidden", server.hidden}};
}

Json json_of(const RulePicture& rule) {
  auto steps = Json::array();
  for (const auto step : rule.steps) steps.push_back(name_of(step));
  auto stands = Json::object();
  for (const auto& [stand, number] : rule.stands) stands[std::string(name_of(stand))] = number;
  return {{"rule", rule.name},
          {"mode", name_of(rule.mode)},
          {"steps", steps},
          {"claims", rule.claims},
          {"episodes", rule.episodes},
          {"stands", stands},
          {"paused_for_s", value_of(rule.paused_for)}};
}

/// When a time of the server's will be, from the picture on; negative: it was.
Json time_until(const std::optional<ServerTime>& time, const std::optional<ServerTime>& now) {
  return time && now ? value_of(*time - *now) : Json();
}

Json json_of(const ClaimPicture& claim, const std::optional<ServerTime>& now) {
  Json json;
  json[claim.kind == ClaimantKind::kRule ? "rule" : "drain"] = claim.claimant;
  json["mode"] = name_of(claim.mode);
  json["pid"] = claim.session.pid;
  json["backend_start"] = value_of(claim.session.backend_start);
  json["database"] = value_of(claim.database);
  json["user"] = value_of(claim.user);
  json["application_name"] = value_of(claim.application_name);
  json["state"] = value_of(claim.state);
  json["stand"] = value_of(claim.stand);
  json["step"] = value_of(claim.step);
  json["step_number"] = claim.step ? Json(claim.step_number) : Json();
  json["step_count"] = claim.step_count;
  json["due"] = value_of(claim.due);
  json["due_in_s"] = time_until(claim.due, now);
  json["until"] = value_of(claim.until);
  json["until_in_s"] = claim.until_in ? value_of(claim.until_in) : time_until(claim.until, now);
  json["episode"] = or_null(claim.episode);
  return json;
}

Json json_of(const Remaining& session) {
  return {{"pid", session.session.pid},
          {"backend_start", value_of(session.session.backend_start)},
          {"database", session.database},
          {"user", value_of(session.user)},
          {"application_name", value_of(session.application_name)},
          {"state", value_of(session.state)},
          {"wait_event", value_of(session.wait_event)},
          {"reason", or_null(session.reason)}};
}

Json json_of(const DrainPicture& drain) {
  const auto& progress = drain.progress;
  auto remaining = Json::array();
  for (const auto& session : progress.remaining) remaining.push_back(json_of(session));
  Json json;
  json["drain"] = progress.drain;
  json["phase"] = name_of(progress.phase);
  json["mode"] = name_of(progress.mode);
  json["databases"] = progress.databases;
  json["began"] = value_of(progress.began);
  json["ends"] = value_of(progress.ends);
  json["next_step"] = value_of(progress.next_step);
  json["gives_up"] = value_of(progress.gives_up);
  json["closed_gates"] = progress.closed;
  json["trouble"] = or_null(progress.trouble);
  json["was_emptied"] = progress.was_emptied;
  json["gave_up"] = progress.gave_up;
  json["yielded"] = progress.yielded;
  json["cancelled"] = progress.cancelled;
  json["terminated"] = progress.terminated;
  json["hidden"] = progress.hidden;
  json["remaining_total"] = drain.remaining;
  json["remaining"] = std::move(remaining);
  return json;
}

Json json_of(const ClosedGate& gate, const std::optional<ServerTime>& now) {
  return {{"database", gate.database},
          {"gate", name_of(gate.kind)},
          {"drain", gate.mark.drain},
          {"by", gate.mark.by},
          {"since", value_of(gate.mark.since)},
          {"until", value_of(gate.mark.until)},
          {"until_in_s", time_until(gate.mark.until, now)}};
}

Json breakers_of(const ServerPicture& server, MonotonicTime drawn) {
  auto breakers = Json::array();
  for (const auto& of_mode : server.breakers) {
    for (const auto& breaker : of_mode.open) {
      Json json{{"scope", breaker.tenant ? "tenant" : "server"}, {"mode", name_of(of_mode.mode)}};
      if (breaker.tenant) {
        json["database"] = value_of(breaker.tenant->database);
        json["user"] = value_of(breaker.tenant->user);
      }
      json["open_for_s"] = value_of(std::max(Duration(0), breaker.until - drawn));
      breakers.push_back(std::move(json));
    }
  }
  return breakers;
}

std::size_t breakers_total(const ServerPicture& server) {
  std::size_t total = 0;
  for (const auto& of_mode : server.breakers) total += of_mode.tenants + (of_mode.is_servers ? 1 : 0);
  return total;
}

Json json_of(const ServerPicture& server, MonotonicTime drawn) {
  Json json;
  json["server"] = server.name;
  json["up"] = server.is_up;
  json["version"] = server.facts ? Json(server.facts->version) : Json();
  json["role"] = server.facts ? Json(server.facts->role) : Json();
  json["in_recovery"] = server.facts ? Json(server.facts->in_recovery) : Json();
  json["holds"] = holds_of(server);
  json["holds_still"] = server.holds_still;
  json["server_time"] = value_of(server.server_time);
  json["last_look"] = value_of(server.last_look);
  json["last_look_age_s"] = value_of(server.look_age);
  json["last_look_age_bound_s"] = value_of(server.look_bound);
  json["has_look"] = server.has_look;
  json["sessions"] = sessions_of(server);
  json["next_due_in_s"] = value_of(server.next_due_in);
  json["rules"] = Json::array();
  for (const auto& rule : server.rules) json["rules"].push_back(json_of(rule));
  json["claims_total"] = server.claim_count;
  json["claims"] = Json::array();
  for (const auto& claim : server.claims) json["claims"].push_back(json_of(claim, server.server_time));
  json["drains"] = Json::array();
  for (const auto& drain : server.drains) json["drains"].push_back(json_of(drain));
  json["gates_total"] = server.gate_count;
  json["gates"] = Json::array();
  for (const auto& gate : server.gates) json["gates"].push_back(json_of(gate, server.server_time));
  json["breakers_total"] = breakers_total(server);
  json["breakers"] = breakers_of(server, drawn);
  json["signals_sent"] = server.counts.signals_sent;
  json["signals_late"] = server.counts.signals_late;
  json["orders_in_flight"] = server.orders_in_flight;
  return json;
}

Json json_of(const Tally::Action& action) {
  Json json;
  json["at"] = value_of(action.at);
  json["level"] = name_of(action.level);
  json["server"] = action.server;
  json[action.is_drain ? "drain" : "rule"] = action.claimant;
  json["mode"] = action.mode;
  json["step"] = action.step;
  json["outcome"] = action.outcome;
  json["effect"] = or_null(action.effect);
  json["end"] = or_null(action.end);
  json["pid"] = action.pid;
  json["database"] = or_null(action.database);
  json["user"] = or_null(action.user);
  json["decision"] = action.decision;
  json["message"] = action.message;
  return json;
}

Json json_of(const RecordPicture& record) {
  return {{"writable", record.trouble.empty()},
          {"trouble", or_null(record.trouble)},
          {"required", record.is_required},
          {"appended", record.counts.appended},
          {"waiting", record.counts.handed_over - record.counts.appended},
          {"lost", record.lost}};
}

Json json_of(const PlacePicture& place) {
  return {{"place", place.name},
          {"fails_since", place.fails_since ? value_of(*place.fails_since) : Json(nullptr)},
          {"trouble", or_null(place.trouble)},
          {"copied", place.copied},
          {"waiting", place.waiting},
          {"lost", place.lost}};
}

/// What is wrong with the loop; null if nothing is.
Json trouble_of_loop(const Picture* picture, MonotonicTime now) {
  if (picture == nullptr) return "no picture of the state yet";
  const auto age = now - picture->drawn;
  if (age <= kLoopBound) return nullptr;
  return fmt::format("the main loop has not turned for {}", to_rough_text(age));
}

Json loop_of(const Picture* picture, MonotonicTime now) {
  return {{"age_s", picture == nullptr ? Json() : value_of(std::max(Duration(0), now - picture->drawn))},
          {"age_bound_s", value_of(kLoopBound)}};
}

Health health(const std::vector<Json>& problems, const Json& body) {
  Json whole{{"status", problems.empty() ? "ok" : "failing"}, {"problems", problems}};
  whole.update(body);
  return {problems.empty(), to_ascii(whole) + "\n"};
}

/// Adds what keeps a server from being ready.
void judge(const ServerPicture& server, Duration since_drawn, std::vector<Json>& problems) {
  const auto add = [&](const std::string& text) {
    problems.push_back({{"server", server.name}, {"problem", text}});
  };
  if (server.holds_still) {
    std::string texts;
    for (const auto& hold : server.holds) texts += (texts.empty() ? "" : ", ") + hold.text;
    add(texts);
  }
  if (!server.look_age) {
    add("its sessions were not read yet");
  } else if (*server.look_age + since_drawn > server.look_bound) {
    add(fmt::format("its sessions were last read {} ago", to_rough_text(*server.look_age + since_drawn)));
  }
}

}  // namespace

std::string status_json(const Picture& picture, MonotonicTime now) {
  Json json;
  json["status_version"] = kStatusVersion;
  json["version"] = picture.version;
  json["instance"] = picture.instance;
  json["at"] = value_of(picture.drawn_at);
  json["age_s"] = value_of(std::max(Duration(0), now - picture.drawn));
  json["started"] = value_of(picture.started);
  json["mode"] = name_of(picture.mode);
  json["policy"] = picture.policy;
  json["stopping"] = picture.is_stopping;
  json["warnings"] = picture.warnings;
  json["reload"] = {{"refused", picture.reload.is_refused}, {"at", value_of(picture.reload.at)}};
  json["record"] = json_of(picture.record);
  json["audit"] = Json::array();
  for (const auto& place : picture.audit) json["audit"].push_back(json_of(place));
  json["servers"] = Json::array();
  for (const auto& server : picture.servers) json["servers"].push_back(json_of(server, picture.drawn));
  json["actions"] = Json::array();
  for (const auto& action : picture.tally.actions) json["actions"].push_back(json_of(action));
  return to_ascii(json) + "\n";
}

Health health_of(const Picture* picture, MonotonicTime now) {
  std::vector<Json> problems;
  if (auto trouble = trouble_of_loop(picture, now); !trouble.is_null())
    problems.push_back({{"problem", std::move(trouble)}});
  return health(problems, {{"loop", loop_of(picture, now)}});
}

Health readiness_of(const Picture* picture, MonotonicTime now) {
  std::vector<Json> problems;
  if (auto trouble = trouble_of_loop(picture, now); !trouble.is_null())
    problems.push_back({{"problem", std::move(trouble)}});
  auto servers = Json::array();
  auto warnings = Json::array();
  if (picture != nullptr) {
    const auto since_drawn = std::max(Duration(0), now - picture->drawn);
    for (const auto& warning : picture->warnings) warnings.push_back(warning);
    if (!picture->record.trouble.empty())
      warnings.push_back("the record cannot be written: " + picture->record.trouble);
    for (const auto& server : picture->servers) {
      const auto before = problems.size();
      judge(server, since_drawn, problems);
      servers.push_back(
          {{"server", server.name},
           {"ready", problems.size() == before},
           {"last_look_age_s", server.look_age ? value_of(*server.look_age + since_drawn) : Json()},
           {"last_look_age_bound_s", value_of(server.look_bound)},
           {"holds", holds_of(server)}});
    }
  }
  return health(problems,
                {{"warnings", warnings}, {"loop", loop_of(picture, now)}, {"servers", std::move(servers)}});
}

}  // namespace pgcurfew
