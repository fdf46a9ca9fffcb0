#include "cli/history.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/exit_code.hpp"
#include "base/duration.hpp"
#include "base/iso_time.hpp"
#include "base/words.hpp"
#include "cli/by_hand.hpp"
#include "cli/history_query.hpp"
#include "cli/moment.hpp"
#include "cli/printing.hpp"
#include "cli/summary.hpp"
#include "engine/ledger.hpp"
#include "engine/order.hpp"
#include "events/catalogue.hpp"
#include "report/history.hpp"
#include "report/segments.hpp"
#include "report/verdict.hpp"
#include "system/disk_segments.hpp"
#include "system/loop.hpp"
#include "system/state_files.hpp"

namespace pgcurfew {

namespace {

using Json = History::Json;

constexpr Duration kByDefault = std::chrono::hours(24);
constexpr std::size_t kWidest = 64;
/// What lines about gates have, as the record writes them.
constexpr std::string_view kGateEvents = R"("event":"gate_)";
constexpr std::string_view kLateIntents = R"("event":"intent_late")";

/// What --outcome takes: outcomes, and ends.
std::vector<std::string_view> outcome_words() {
  std::vector<std::string_view> words{"alerted", "would_signal", "daemon_stopped"};
  for (int kind = 0; kind <= static_cast<int>(ReplyKind::kUnknown); ++kind) {
    words.push_back(name_of(static_cast<ReplyKind>(kind)));
  }
  for (int end = 0; end <= static_cast<int>(End::kStopped); ++end) {
    words.push_back(name_of(static_cast<End>(end)));
  }
  return words;
}

std::string claimant_of(const Json& event) {
  const auto drain = text_in(event, "drain");
  return drain.empty() ? text_in(event, "rule") : "drain " + drain;
}

int pid_of(const Json& event) {
  const auto found = event.find("pid");
  return found != event.end() && found->is_number_integer() ? found->get<int>() : 0;
}

std::string duration_in(const Json& event, std::string_view key) {
  const auto found = event.find(std::string(key));
  if (found == event.end() || !found->is_number()) return {};
  return rough_text(found->get<double>());
}

constexpr std::array<std::string_view, 10> kHeads{"TIME", "SERVER",  "PID",    "SESSION", "RULE",
                                                  "STEP", "OUTCOME", "EFFECT", "END",     "DECISION"};
constexpr std::array<std::string_view, 7> kHeadsOfGates{"TIME",  "SERVER", "DATABASE", "DRAIN",
                                                        "EVENT", "BY",     "DECISION"};
using Row = std::vector<std::string>;

Row row_of(const Json& decision, WallTime now) {
  const auto age = duration_in(decision, "age_s");
  auto outcome = text_in(decision, "outcome");
  if (outcome.empty()) outcome = "?";
  if (decision.contains("late")) outcome += ", late";
  return {
      local_text(time_of(decision), now),
      text_in(decision, "server"),
      std::to_string(pid_of(decision)),
      text_in(decision, "user") + "@" + text_in(decision, "database"),
      claimant_of(decision) + (age.empty() ? "" : fmt::format(" ({} {})", text_in(decision, "clock"), age)),
      text_in(decision, "step"),
      outcome,
      text_in(decision, "effect"),
      text_in(decision, "end"),
      text_in(decision, "decision")};
}

void print_table(const Row& heads, const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(heads.size());
  std::vector<Row> shown{heads};
  for (const auto& row : rows) {
    auto& cells = shown.emplace_back();
    // the decision is to be copied, so it is never cut
    for (std::size_t i = 0; i < row.size(); ++i)
      cells.push_back(printable(row[i], i + 1 < row.size() ? kWidest : 400));
  }
  for (const auto& row : shown) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : shown) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    print("{}\n", line.substr(0, line.find_last_not_of(' ') + 1));
  }
}

void print_none(std::string_view what, const Span& span, const HistoryOptions& options, WallTime now) {
  print("{} between {} and {}{}\n", what, local_text(span.since, now), local_text(span.until, now),
        options.since.empty() ? "; --since looks further back" : "");
}

int show_decisions(const SegmentFiles& files, const HistoryOptions& options, WallTime now) {
  const auto span = span_of(options, kByDefault, now);
  if (!span) return complain(span.error(), kExitUsage);
  History history;
  const auto read = read_record(files, span->since, [&](const std::string& line) {
    history.take(line);
    return true;
  });
  if (!read) return complain(read.error(), kExitNoPermission);
  std::vector<Row> rows;
  for (const auto& decision : history.decisions()) {
    if (!is_asked_for(decision, options, *span)) continue;
    if (options.json) {
      print("{}\n", to_ascii(decision));
    } else {
      rows.push_back(row_of(decision, now));
    }
  }
  if (options.json) return kExitOk;
  if (rows.empty()) {
    print_none("no such decision", *span, options, now);
  } else {
    print_table({kHeads.begin(), kHeads.end()}, rows);
  }
  return kExitOk;
}

/// What was done to gates, with the decision of each where it has one.
int show_gates(const SegmentFiles& files, const HistoryOptions& options, WallTime now) {
  const auto span = span_of(options, kByDefault, now);
  if (!span) return complain(span.error(), kExitUsage);
  std::vector<Row> rows;
  const auto take = [&](const std::string& line) {
    if (line.find(kGateEvents) == std::string::npos) return true;
    const auto event = Json::parse(line, nullptr, false);
    if (!event.is_object() || !is_asked_for(event, options, *span)) return true;
    const auto kind = text_in(event, "event");
    if (kind == name_of(Kind::kGateIntent)) return true;
    if (options.json) {
      print("{}\n", to_ascii(event));
    } else {
      rows.push_back({local_text(time_of(event), now), text_in(event, "server"), text_in(event, "database"),
                      text_in(event, "drain"), kind, text_in(event, "by"), text_in(event, "decision")});
    }
    return true;
  };
  if (const auto read = read_record(files, span->since, take); !read)
    return complain(read.error(), kExitNoPermission);
  if (options.json) return kExitOk;
  if (rows.empty()) {
    print_none("no gate was turned", *span, options, now);
  } else {
    print_table({kHeadsOfGates.begin(), kHeadsOfGates.end()}, rows);
  }
  return kExitOk;
}

void print_intent(const Json& intent, WallTime now) {
  const auto shown = [&](std::string_view key) { return printable(text_in(intent, key), 200); };
  const auto start = parse_iso_8601(text_in(intent, "backend_start"));
  print("session   pid {} on {}{}\n", pid_of(intent), shown("server"),
        start ? ", connected since " + local_text(*start, now) : "");
  print("client    {}@{}", shown("user"), shown("database"));
  if (!shown("application_name").empty()) print(", application_name {}", shown("application_name"));
  if (!shown("client_addr").empty()) print(", from {}", shown("client_addr"));
  print("\n{:<10}{} (mode {}, policy {})\n", text_in(intent, "drain").empty() ? "rule" : "drain",
        printable(text_in(intent, "drain") + text_in(intent, "rule")), shown("mode"), shown("policy"));
  const auto age = duration_in(intent, "age_s");
  if (!age.empty()) {
    print("because   {} was {}, the limit is {}\n", shown("clock"), age, duration_in(intent, "limit_s"));
  }
}

/// What the session did when the step was taken, as far as the record shows.
void print_outcome(const std::vector<Json>& events, const std::string& decision) {
  for (const auto& event : events) {
    if (text_in(event, "decision") != decision || text_in(event, "event") != name_of(Kind::kOutcome))
      continue;
    if (const auto type = text_in(event, "wait_event_type"); !type.empty())
      print("waits     for {}: {}\n", printable(type, 80), printable(text_in(event, "wait_event"), 80));
    if (event.contains("query")) print("query     {}\n", printable(text_in(event, "query"), 2000));
    return;
  }
}

/// The first event of the decision: its intent, or that of a gate. Empty if there is none.
Result<std::optional<Json>> find_decision(const SegmentFiles& files, const std::string& decision) {
  std::optional<Json> found;
  const auto find = [&](const std::string& line) {
    if (line.find(decision) == std::string::npos) return true;
    auto event = Json::parse(line, nullptr, false);
    if (event.is_object() && text_in(event, "decision") == decision) found = std::move(event);
    return !found;
  };
  if (const auto read = read_record(files, std::nullopt, find); !read)
    return tl::make_unexpected(read.error());
  return found;
}

/// Tells a gate's story, from its closing to its opening, however long ago.
Result<std::vector<Json>> read_story_of_gate(const SegmentFiles& files, const Json& of) {
  std::vector<Json> events;
  const auto collect = [&](const std::string& line) {
    if (line.find(kGateEvents) == std::string::npos && line.find(kLateIntents) == std::string::npos)
      return true;
    auto event = Json::parse(line, nullptr, false);
    if (event.is_object()) events.push_back(std::move(event));
    return true;
  };
  if (const auto read = read_record(files, std::nullopt, collect); !read)
    return tl::make_unexpected(read.error());
  return story_of_gate(events, of);
}

/// Tells all that was logged about a session, up to now.
Result<std::vector<Json>> read_story_of_session(const SegmentFiles& files, const Json& of, WallTime since) {
  std::vector<Json> events;
  const auto session = text_in(of, "session_id");
  const auto collect = [&](const std::string& line) {
    if (line.find(session) == std::string::npos) return true;
    auto event = Json::parse(line, nullptr, false);
    if (event.is_object() && text_in(event, "session_id") == session &&
        text_in(event, "server") == text_in(of, "server"))
      events.push_back(std::move(event));
    return true;
  };
  if (const auto read = read_record(files, since, collect); !read) return tl::make_unexpected(read.error());
  return events;
}

/// All that was logged about the decision's session, or about its gate.
int tell_story(const SegmentFiles& files, const HistoryOptions& options, WallTime now) {
  const auto decision = find_decision(files, options.decision);
  if (!decision) return complain(decision.error(), kExitNoPermission);
  if (!*decision) {
    return complain(failure(fmt::format("the record has no decision {}", printable(options.decision, 80)), {},
                            "pgcurfew history shows which there are.")
                        .value(),
                    kExitNoInput);
  }
  const auto& intent = **decision;
  const bool is_of_session = !text_in(intent, "session_id").empty();
  const auto events = is_of_session ? read_story_of_session(files, intent, time_of(intent) - kByDefault)
                                    : read_story_of_gate(files, intent);
  if (!events) return complain(events.error(), kExitNoPermission);
  if (options.json) {
    for (const auto& event : *events) print("{}\n", to_ascii(event));
    return kExitOk;
  }
  if (is_of_session) {
    print_intent(intent, now);
    print_outcome(*events, options.decision);
    print("\n");
  }
  for (const auto& event : *events) {
    print("{}  {}\n", local_text(time_of(event), now), printable(text_in(event, "message"), 1000));
  }
  return kExitOk;
}

/// The directory to read, which need not be there.
std::string directory_of(const HistoryOptions& options) {
  if (!options.directory.empty()) return options.directory;
  if (const auto found = find_state_directory(kRecordSuffix, IfAbsent::kLeave)) return *found;
  const char* given = std::getenv("STATE_DIRECTORY");
  return given != nullptr && *given != '\0' ? given : "/var/lib/pgcurfew";
}

Result<void> check_outcome(const std::string& outcome) {
  const auto words = outcome_words();
  if (outcome.empty() || std::find(words.begin(), words.end(), outcome) != words.end()) return {};
  const auto meant = nearest_word(outcome, words);
  return failure(
      fmt::format("there is no outcome \"{}\"", printable(outcome, 80)), {},
      meant ? fmt::format("Did you mean {}?", *meant) : "pgcurfew-log(5) lists outcomes and ends.");
}

}  // namespace

int show_history(const HistoryOptions& options) {
  if (const auto checked = check_outcome(options.outcome); !checked)
    return complain(checked.error(), kExitUsage);
  const auto directory = directory_of(options);
  const DiskSegments files(directory);
  const auto segments = list_segments(files);
  constexpr std::string_view kHint =
      "Set STATE_DIRECTORY as it is for the service, or name the directory with --directory.";
  if (!segments) {
    std::error_code unknown;
    const bool is_there = std::filesystem::exists(directory, unknown) || unknown;
    return complain(
        failure(segments.error().message, {},
                is_there ? "Run this as the user of the service, or as root." : std::string(kHint))
            .value(),
        is_there ? kExitNoPermission : kExitNoInput);
  }
  if (segments->empty()) {
    return complain(
        failure(fmt::format("there is no record in {}", directory), {}, std::string(kHint)).value(),
        kExitNoInput);
  }
  const auto now = Loop::wall_time();
  if (options.summary) return show_summary(files, options, now);
  if (options.gates) return show_gates(files, options, now);
  return options.decision.empty() ? show_decisions(files, options, now) : tell_story(files, options, now);
}

}  // namespace pgcurfew
