#include "report/page.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/iso_time.hpp"
#include "report/html.hpp"
#include "report/status_json.hpp"

namespace pgcurfew {

namespace {

/// Of the claims of a server; the status has more.
constexpr std::size_t kMostRows = 50;
constexpr std::size_t kMostTextBytes = 480;

constexpr std::string_view kStyle = R"(:root { color-scheme: light dark; }
body { font: 15px/1.4 system-ui, sans-serif; margin: 1rem; max-width: 80rem; }
h1 { font-size: 1.3rem; margin: 0; } h2 { font-size: 1.1rem; margin: 1.5rem 0 .3rem; }
h3 { font-size: 1rem; margin: .8rem 0 .2rem; } p { margin: .2rem 0; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .15rem .6rem .15rem 0; vertical-align: top; }
th { font-weight: 600; border-bottom: 1px solid; } td { border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
.bad { background: #b00020; color: #fff; padding: .1rem .4rem; border-radius: .2rem; }
.good { background: #1b6e3c; color: #fff; padding: .1rem .4rem; border-radius: .2rem; }
.scroll { overflow-x: auto; }
)";

std::string html_text(std::string_view text) {
  return escape_html(text, kMostTextBytes);
}

std::string or_unknown(const std::optional<std::string>& text) {
  return text ? html_text(*text) : "?";
}

std::string who(const std::optional<std::string>& user, const std::optional<std::string>& database) {
  return or_unknown(user) + "@" + or_unknown(database);
}

std::string moment_of(WallTime time) {
  return iso_8601(time).substr(0, 19) + "Z";
}

/// A table with these heads; nothing without rows.
std::string table(std::string_view title, std::initializer_list<std::string_view> heads,
                  const std::string& rows) {
  if (rows.empty()) return {};
  std::string html = fmt::format("<h3>{}</h3><div class=\"scroll\"><table><thead><tr>", title);
  for (const auto head : heads) html += fmt::format("<th scope=\"col\">{}</th>", head);
  return html + "</tr></thead><tbody>\n" + rows + "</tbody></table></div>\n";
}

std::string row(std::initializer_list<std::string> cells) {
  std::string html = "<tr>";
  for (const auto& cell : cells) html += fmt::format("<td>{}</td>", cell);
  return html + "</tr>\n";
}

std::string when_due(const ClaimPicture& claim, const std::optional<ServerTime>& now) {
  if (!claim.due || !now) return "?";
  return *claim.due >= *now ? "in " + to_rough_text(*claim.due - *now)
                            : to_rough_text(*now - *claim.due) + " ago";
}

std::string rules_html(const ServerPicture& server) {
  std::string rows;
  for (const auto& rule : server.rules) {
    std::string stands;
    for (const auto& [stand, number] : rule.stands)
      stands += fmt::format("{}{} {}", stands.empty() ? "" : ", ", name_of(stand), number);
    if (rule.paused_for) stands += " (pauses for another " + to_rough_text(*rule.paused_for) + ")";
    rows += row({html_text(rule.name), std::string(name_of(rule.mode)), std::to_string(rule.claims),
                 std::to_string(rule.episodes), stands});
  }
  return table("Rules", {"rule", "mode", "sessions", "under way", "where they stand"}, rows);
}

std::string claims_html(const ServerPicture& server) {
  std::string rows;
  const auto shown = std::min(server.claims.size(), kMostRows);
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& claim = server.claims[i];
    rows +=
        row({std::to_string(claim.session.pid), who(claim.user, claim.database),
             or_unknown(claim.application_name), claim.state ? std::string(name_of(*claim.state)) : "?",
             html_text(claim.claimant),
             claim.step ? fmt::format("{} ({}/{})", name_of(*claim.step), claim.step_number, claim.step_count)
                        : std::string("?"),
             when_due(claim, server.server_time),
             claim.stand ? std::string(name_of(*claim.stand)) : std::string("?")});
  }
  auto html = table(
      "Claims", {"pid", "session", "application", "state", "rule or drain", "next step", "due", "stands at"},
      rows);
  if (server.claim_count > shown) html += fmt::format("<p>... and {} more</p>\n", server.claim_count - shown);
  return html;
}

std::string drains_html(const ServerPicture& server) {
  std::string rows;
  for (const auto& drain : server.drains) {
    const auto& progress = drain.progress;
    std::string databases;
    for (const auto& name : progress.databases)
      databases += (databases.empty() ? "" : ", ") + html_text(name);
    rows += row({html_text(progress.drain), std::string(name_of(progress.mode)),
                 std::string(name_of(progress.phase)), databases, std::to_string(drain.remaining),
                 std::to_string(progress.closed),
                 progress.ends ? html_text(to_text(*progress.ends)) : std::string("by pgcurfew reopen"),
                 html_text(progress.trouble)});
  }
  return table("Drains", {"drain", "mode", "phase", "databases", "left", "gates closed", "ends", "trouble"},
               rows);
}

std::string breakers_html(const ServerPicture& server, MonotonicTime drawn) {
  std::string rows;
  for (const auto& breaker : server.breakers) {
    rows +=
        row({breaker.tenant ? who(breaker.tenant->user, breaker.tenant->database) : std::string("the server"),
             to_rough_text(std::max(Duration(0), breaker.until - drawn))});
  }
  return table("Open breakers", {"of", "for another"}, rows);
}

std::string section_of(const ServerPicture& server, MonotonicTime drawn) {
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
  html += server.look_age ? fmt::format("last look {} ago, ", to_rough_text(*server.look_age))
                          : std::string("no look yet, ");
  html += fmt::format("{} client sessions, {} signals sent</p>\n", server.client_backends,
                      server.counts.signals_sent);
  for (const auto& hold : server.holds)
    html += fmt::format("<p>{} since {}</p>\n", mark(false, html_text(hold.text)), moment_of(hold.since));
  return html + breakers_html(server, drawn) + drains_html(server) + rules_html(server) + claims_html(server);
}

std::string actions_of(const Tally& tally) {
  std::string rows;
  for (const auto& action : tally.actions) {
    rows += row({moment_of(action.at), html_text(action.server), html_text(action.message),
                 html_text(action.end.empty() ? action.effect : action.end)});
  }
  return rows.empty() ? "<p>No action yet.</p>\n"
                      : table("Last actions", {"at", "server", "what", "then"}, rows);
}

}  // namespace

std::string_view page_style() {
  return kStyle;
}

std::string page_of(const Picture& picture, MonotonicTime now) {
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>pgcurfew</title>"
      "<meta name=\"viewport\" content=\"width=device-width\"><meta http-equiv=\"refresh\" content=\"5\">"
      "<link rel=\"stylesheet\" href=\"/style.css\"></head>\n<body>\n";
  html += fmt::format("<h1>pgcurfew {}</h1>\n<p>mode {}, policy {}, {}, since {}; as of {}</p>\n",
                      html_text(picture.version), name_of(picture.mode), html_text(picture.policy),
                      html_text(picture.instance), moment_of(picture.started), moment_of(picture.drawn_at));
  const auto warn = [&](const std::string& text) {
    html += fmt::format("<p><span class=\"bad\">{}</span></p>\n", html_text(text));
  };
  if (now - picture.drawn > kLoopBound)
    warn(fmt::format("the main loop has not turned for {}", to_rough_text(now - picture.drawn)));
  if (picture.is_stopping) warn("stopping");
  for (const auto& warning : picture.warnings) warn(warning);
  if (!picture.record.trouble.empty()) warn("the record cannot be written: " + picture.record.trouble);
  for (const auto& server : picture.servers) html += section_of(server, picture.drawn);
  html += "<h2>All servers</h2>\n" + actions_of(picture.tally);
  return html +
         "<p><a href=\"/status\">/status</a> <a href=\"/readyz\">/readyz</a> <a "
         "href=\"/healthz\">/healthz</a> "
         "<a href=\"/metrics\">/metrics</a></p>\n</body></html>\n";
}

}  // namespace pgcurfew
