#include "report/page.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "base/counted.hpp"
#include "base/duration.hpp"
#include "base/iso_time.hpp"
#include "report/html.hpp"
#include "report/status_json.hpp"

namespace pgcurfew {

namespace {

constexpr std::size_t kMostTextBytes = 480;

std::string html_text(std::string_view text) {
  return escape_html(text, kMostTextBytes);
}

/// A name that a client has chosen. Set apart, because letters written from right to left would turn what
/// stands beside them around.
std::string name_in_html(const std::optional<std::string>& name) {
  return name ? "<bdi>" + html_text(*name) + "</bdi>" : "?";
}

std::string who(const std::optional<std::string>& user, const std::optional<std::string>& database) {
  return name_in_html(user) + "@" + name_in_html(database);
}

template <class Time>
std::string time_html(Time time) {
  auto text = iso_8601(time).substr(0, 19);
  text[10] = ' ';
  return "<time>" + text + "Z</time>";
}

/// As the page's script writes it.
std::string countdown_text(Duration left) {
  using namespace std::chrono;
  const auto s = ceil<seconds>(left).count();
  const auto min = s / 60;
  const auto h = min / 60;
  if (h >= 24) return fmt::format("{}d {}h", h / 24, h % 24);
  if (h > 0) return fmt::format("{}h {}min", h, min % 60);
  return min > 0 ? fmt::format("{}min {}s", min, s % 60) : fmt::format("{}s", s);
}

std::int64_t whole_ms(Duration duration) {
  return std::chrono::floor<std::chrono::milliseconds>(duration).count();
}

/// `in 12s`, which the script counts down; then `over`.
std::string countdown(Duration left, std::string_view over) {
  return fmt::format("<span data-left=\"{}\" data-over=\"{}\">{}</span>", whole_ms(left), over,
                     left > Duration(0) ? "in " + countdown_text(left) : std::string(over));
}

/// How much of the way from `since` to `due` is gone. The script moves it on.
std::string progress_html(Duration whole, Duration left) {
  const auto max = std::max<std::int64_t>(1, whole_ms(whole));
  return fmt::format("<progress aria-hidden=\"true\" max=\"{}\" value=\"{}\" data-left=\"{}\"></progress>",
                     max, std::clamp<std::int64_t>(max - whole_ms(left), 0, max), whole_ms(left));
}

/// A text that may be long without a blank.
std::string long_text(std::string_view text) {
  return text.empty() ? "" : "<span class=\"long\">" + html_text(text) + "</span>";
}

/// A table with these heads; nothing without rows.
std::string table(std::string_view title, std::initializer_list<std::string_view> heads,
                  const std::string& rows) {
  if (rows.empty()) return {};
  std::string html = title.empty() ? "" : fmt::format("<h3>{}</h3>\n", title);
  html += "<div class=\"scroll\"><table><thead><tr>";
  for (const auto head : heads) html += fmt::format("<th scope=\"col\">{}</th>", head);
  return html + "</tr></thead><tbody>\n" + rows + "</tbody></table></div>\n";
}

std::string row(std::initializer_list<std::string> cells) {
  std::string html = "<tr>";
  for (const auto& cell : cells) html += fmt::format("<td>{}</td>", cell);
  return html + "</tr>\n";
}

/// How the episodes of a rule have ended since the start.
std::string ends_of(const Tally& tally, const std::string& server, const RulePicture& rule) {
  std::map<std::string, std::uint64_t> ends;
  const Tally::Ended first{{server, false, rule.name, {}}, {}};
  for (auto at = tally.ends.lower_bound(first); at != tally.ends.end(); ++at) {
    const auto& of = at->first.of;
    if (of.server != server || of.is_drain || of.claimant != rule.name) break;
    ends[at->first.end] += at->second;
  }
  std::string text;
  for (const auto& [end, number] : ends)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", end, number);
  return text;
}

std::string rules_html(const ServerPicture& server, const Tally& tally) {
  std::string rows;
  for (const auto& rule : server.rules) {
    std::string stands;
    for (const auto& [stand, number] : rule.stands)
      stands += fmt::format("{}{} {}", stands.empty() ? "" : ", ", name_of(stand), number);
    if (rule.paused_for) stands += " (pauses for another " + to_rough_text(*rule.paused_for) + ")";
    rows += row({html_text(rule.name), std::string(name_of(rule.mode)), std::to_string(rule.claims),
                 std::to_string(rule.episodes), ends_of(tally, server.name, rule), stands});
  }
  return table("Rules",
               {"rule", "mode", "sessions", "episodes under way", "episodes ended", "where sessions stand"},
               rows);
}

/// What comes next for a session, and when.
std::string next_html(const ClaimPicture& claim, const std::optional<Duration>& left) {
  if (claim.stand && (!claim.step || is_held_up(*claim.stand))) return std::string(name_of(*claim.stand));
  const std::string step = claim.step ? std::string(name_of(*claim.step)) : "next step";
  return (claim.mode == Mode::kDryRun ? "would " : "") + step + " " + (left ? countdown(*left, "due") : "?");
}

/// Why a step that is due is not taken; the limit and the grace are what the countdown shows.
std::string obstacle_html(const ClaimPicture& claim, const ServerPicture& server) {
  if (!claim.stand && server.holds_still) return "; a hold is in the way";
  if (!claim.stand || claim.stand == Stand::kLimit || claim.stand == Stand::kGrace) return {};
  auto html = fmt::format("; {}", name_of(*claim.stand));
  const auto until = claim.until && server.server_time && !claim.until_in
                         ? std::optional(*claim.until - *server.server_time)
                         : claim.until_in;
  if (until && *until > Duration(0)) html += " for another " + to_rough_text(*until);
  return html;
}

std::string claim_html(const ClaimPicture& claim, const ServerPicture& server, Duration age) {
  std::optional<Duration> left;
  if (claim.due && server.server_time) left = *claim.due - *server.server_time - age;
  const bool has_bar = left && claim.since && !(claim.stand && is_held_up(*claim.stand));
  return fmt::format(
      "<li><span class=\"step\">{}</span>{}<span class=\"who\">pid {} {}, application_name {}, {}; {} {}{}{}"
      "</span></li>\n",
      next_html(claim, left), has_bar ? progress_html(*claim.due - *claim.since, *left) : "",
      claim.session.pid, who(claim.user, claim.database), name_in_html(claim.application_name),
      claim.state ? name_of(*claim.state) : "state unknown",
      claim.kind == ClaimantKind::kRule ? "rule" : "drain", html_text(claim.claimant),
      claim.step ? fmt::format(", step {} of {}", claim.step_number, claim.step_count) : "",
      obstacle_html(claim, server));
}

std::string claims_html(const ServerPicture& server, Duration age) {
  if (server.claims.empty()) return {};
  std::string html = "<h3>Sessions nearest to their limits</h3>\n<ul class=\"bars\">\n";
  const auto shown = std::min(server.claims.size(), kMostBars);
  for (std::size_t i = 0; i < shown; ++i) html += claim_html(server.claims[i], server, age);
  html += "</ul>\n";
  if (server.claim_count > shown)
    html += fmt::format("<p class=\"quiet\">... and {} more</p>\n", server.claim_count - shown);
  return html;
}

std::string drains_html(const ServerPicture& server, Duration age) {
  const auto moment = [&](const std::optional<ServerTime>& time, std::string_view otherwise) {
    if (!time || !server.server_time) return std::string(otherwise);
    return countdown(*time - *server.server_time - age, "due");
  };
  const auto end_of = [&](const DrainPicture& drain) -> std::string {
    // of one that has ended only what it left closed goes on
    if (drain.progress.phase == DrainPhase::kDone && drain.progress.closed == 0) return "";
    const bool is_over = drain.progress.phase == DrainPhase::kDone || !drain.progress.ends;
    return is_over ? "by pgcurfew reopen" : moment(drain.progress.ends, "?");
  };
  std::string rows;
  for (const auto& drain : server.drains) {
    const auto& progress = drain.progress;
    std::string databases;
    for (const auto& name : progress.databases)
      databases += (databases.empty() ? "" : ", ") + name_in_html(name);
    rows += row({html_text(progress.drain), std::string(name_of(progress.mode)),
                 std::string(name_of(progress.phase)), databases, std::to_string(drain.remaining),
                 std::to_string(progress.closed), moment(progress.next_step, ""), end_of(drain),
                 long_text(progress.trouble)});
  }
  return table("Drains",
               {"drain", "mode", "phase", "databases", "sessions left", "gates closed", "next step", "ends",
                "trouble"},
               rows);
}

std::string gates_html(const ServerPicture& server, Duration age) {
  std::string rows;
  for (const auto& gate : server.gates) {
    const auto left = gate.mark.until && server.server_time
                          ? std::optional(*gate.mark.until - *server.server_time - age)
                          : std::nullopt;
    rows += row({name_in_html(gate.database), name_in_html(gate.mark.drain), html_text(gate.mark.by),
                 time_html(gate.mark.since), left ? countdown(*left, "due") : "by pgcurfew reopen"});
  }
  if (server.gate_count > server.gates.size())
    rows += row({fmt::format("... and {} more", server.gate_count - server.gates.size()), "", "", "", ""});
  return table("Closed gates", {"database", "drain", "closed by", "since", "opens"}, rows);
}

std::string breakers_html(const ServerPicture& server, MonotonicTime drawn, Duration age) {
  std::string rows;
  for (const auto& of_mode : server.breakers) {
    for (const auto& breaker : of_mode.open) {
      rows += row(
          {breaker.tenant ? who(breaker.tenant->user, breaker.tenant->database) : std::string("the server"),
           std::string(name_of(of_mode.mode)), countdown(breaker.until - drawn - age, "now")});
    }
  }
  return table("Open breakers", {"of", "mode", "closes"}, rows);
}

std::string section_of(const Picture& picture, const ServerPicture& server, Duration age) {
  const auto mark = [](bool is_good, std::string_view text) {
    return fmt::format("<span class=\"{}\">{}</span>", is_good ? "good" : "bad", text);
  };
  auto html = fmt::format("<h2>{} {}</h2>\n<p>", html_text(server.name),
                          !server.is_up          ? mark(false, "down")
                          : server.holds_still   ? mark(false, "holds still")
                          : server.holds.empty() ? mark(true, "up")
                                                 : mark(false, "up, with holds"));
  if (server.facts)
    html += fmt::format("PostgreSQL {}{}, ", html_text(server.facts->version),
                        server.facts->in_recovery ? " (standby)" : "");
  html += server.look_age ? fmt::format("last look {} ago, ", to_rough_text(*server.look_age + age))
                          : std::string("no look yet, ");
  html += fmt::format("{}, {} sent</p>\n", counted(server.client_backends, "client session"),
                      counted(server.counts.signals_sent, "signal"));
  for (const auto& hold : server.holds)
    html += fmt::format("<p>{} since {}</p>\n", mark(false, html_text(hold.text)), time_html(hold.since));
  return html + breakers_html(server, picture.drawn, age) + drains_html(server, age) +
         gates_html(server, age) + rules_html(server, picture.tally) + claims_html(server, age);
}

std::string reason_of(const Tally::Action& action) {
  if (!action.age || !action.limit) return {};
  return fmt::format("{} {} of limit {}", action.clock, to_rough_text(*action.age), to_text(*action.limit));
}

std::string actions_of(const Tally& tally) {
  std::string rows;
  for (const auto& action : tally.actions) {
    rows += row({time_html(action.at), html_text(action.server), long_text(action.message),
                 html_text(reason_of(action)), html_text(action.outcome),
                 html_text(action.end.empty() ? action.effect : action.end)});
  }
  return rows.empty() ? "<p>No action yet.</p>\n"
                      : table("", {"at", "server", "what", "why", "outcome", "then"}, rows);
}

}  // namespace

std::string page_of(const Picture& picture, MonotonicTime now, Duration age) {
  const auto at = iso_8601(picture.drawn_at + age).substr(11, 8) + " UTC";
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>pgcurfew</title>"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
      "<meta name=\"color-scheme\" content=\"light dark\">"
      "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>"
      "<link rel=\"stylesheet\" href=\"/style.css\"><script src=\"/page.js\" defer></script></head>\n<body>\n"
      "<p id=\"answer\" role=\"status\" hidden></p>\n";
  html += fmt::format("<main data-version=\"{}\" data-at=\"{}\">\n", html_text(picture.version), at);
  html +=
      fmt::format("<h1>pgcurfew {}</h1>\n<p>mode {}, policy {}, {}, since {}; as of <time>{}</time></p>\n",
                  html_text(picture.version), name_of(picture.mode), html_text(picture.policy),
                  html_text(picture.instance), time_html(picture.started), at);
  const auto warn = [&](const std::string& text) {
    html += fmt::format("<p><span class=\"bad\">{}</span></p>\n", html_text(text));
  };
  if (now - picture.drawn > kLoopBound)
    warn(fmt::format("the main loop has not turned for {}", to_rough_text(now - picture.drawn)));
  if (picture.is_stopping) warn("stopping");
  for (const auto& warning : picture.warnings) warn(warning);
  if (!picture.record.trouble.empty()) warn("the record cannot be written: " + picture.record.trouble);
  for (const auto& server : picture.servers) html += section_of(picture, server, age);
  html += "<h2>Last actions</h2>\n" + actions_of(picture.tally);
  return html +
         "</main>\n<p><a href=\"/status\">/status</a> <a href=\"/readyz\">/readyz</a> <a "
         "href=\"/healthz\">/healthz</a> "
         "<a href=\"/metrics\">/metrics</a></p>\n</body></html>\n";
}

}  // namespace pgcurfew
