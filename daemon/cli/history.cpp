#include "cli/history.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/exit_code.hpp"
#include "base/duration.hpp"
#include "base/iso_time.hpp"
#include "base/words.hpp"
#include "cli/by_hand.hpp"
#include "cli/moment.hpp"
#include "cli/printing.hpp"
#include "report/history.hpp"
#include "report/segments.hpp"
#include "system/disk_segments.hpp"
#include "system/loop.hpp"
#include "system/state_files.hpp"

namespace pgcurfew {

namespace {

using Json = History::Json;

constexpr Duration kByDefault = std::chrono::hours(24);
/// Events of a decision are found up to so long after the time that was asked for.
constexpr std::size_t kWidest = 32;

struct Span {
  WallTime since{};
  WallTime until{};
};

Result<Span> span_of(const HistoryOptions& options, WallTime now) {
  Span span{now - kByDefault, now};
  if (!options.since.empty()) {
    const auto since = parse_moment(options.since, now);
    if (!since) return tl::make_unexpected(since.error());
    span.since = *since;
  }
  if (!options.until.empty()) {
    const auto until = parse_moment(options.until, now);
    if (!until) return tl::make_unexpected(until.error());
    span.until = *until;
  }
  return span;
}

/// Calls `take` with each line, from about `since` on.
template <class Take>
Result<void> read_record(const SegmentFiles& files, std::optional<WallTime> since, Take take) {
  RecordReader reader(files);
  if (since) reader.skip_to(*since);
  while (true) {
    const auto lines = reader.read();
    if (!lines) return tl::make_unexpected(lines.error());
    if (lines->empty()) break;
    for (const auto& line : *lines) take(line.text);
  }
  if (reader.damaged() > 0) {
    print_error_text(
        fmt::format("pgcurfew: {} damaged lines of the record were left out\n", reader.damaged()),
        Urgency::kWarning);
  }
  return {};
}

WallTime time_of(const Json& event) {
  return parse_iso_8601(text_in(event, "ts")).value_or(WallTime{});
}

std::string claimant_of(const Json& event) {
  const auto drain = text_in(event, "drain");
  return drain.empty() ? text_in(event, "rule") : "drain " + drain;
}

int pid_of(const Json& event) {
  const auto found = event.find("pid");
  return found != event.end() && found->is_number_integer() ? found->get<int>() : 0;
}

bool is_asked_for(const Json& decision, const HistoryOptions& options, const Span& span) {
  const auto fits = [&](const std::string& wanted, std::string_view key) {
    return wanted.empty() || wanted == text_in(decision, key);
  };
  const auto time = time_of(decision);
  return time >= span.since && time <= span.until && fits(options.rule, "rule") &&
         fits(options.drain, "drain") && fits(options.user, "user") && fits(options.database, "database") &&
         (fits(options.outcome, "outcome") || fits(options.outcome, "end")) &&
         (!options.pid || *options.pid == pid_of(decision));
}

std::string duration_in(const Json& event, std::string_view key) {
  const auto found = event.find(std::string(key));
  if (found == event.end() || !found->is_number()) return {};
  return to_rough_text(
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>(found->get<double>())));
}

constexpr std::array<std::string_view, 9> kHeads{"TIME", "SERVER",  "PID", "SESSION", "FOR",
                                                 "STEP", "OUTCOME", "END", "DECISION"};
using Row = std::array<std::string, kHeads.size()>;

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
      text_in(decision, "end"),
      text_in(decision, "decision")};
}

void print_table(const std::vector<Row>& rows) {
  std::array<std::size_t, kHeads.size()> widths{};
  std::vector<Row> shown{Row()};
  std::copy(kHeads.begin(), kHeads.end(), shown.front().begin());
  for (const auto& row : rows) {
    auto& cells = shown.emplace_back();
    // the decision is to be copied, so it is never cut
    for (std::size_t i = 0; i < row.size(); ++i) {
      cells[i] = printable(row[i], i + 1 < row.size() ? 2 * kWidest : 400);
    }
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

int show_decisions(const SegmentFiles& files, const HistoryOptions& options, WallTime now) {
  const auto span = span_of(options, now);
  if (!span) return complain(span.error(), kExitUsage);
  History history;
  const auto read = read_record(files, span->since, [&](const std::string& line) { history.take(line); });
  if (!read) return complain(read.error(), kExitNoPermission);
  std::vector<Row> rows;
  for (const auto& decision : history.decisions()) {
    if (!is_asked_for(decision, options, *span)) continue;
    if (options.json) {
      constexpr bool kAscii = true;
      print("{}\n", decision.dump(-1, ' ', kAscii, Json::error_handler_t::replace));
    } else {
      rows.push_back(row_of(decision, now));
    }
  }
  if (options.json) return kExitOk;
  if (rows.empty()) {
    print("nothing was decided between {} and {}{}\n", local_text(span->since, now),
          local_text(span->until, now), options.since.empty() ? "; --since looks further back" : "");
    return kExitOk;
  }
  print_table(rows);
  return kExitOk;
}

void print_intent(const Json& intent) {
  const auto shown = [&](std::string_view key) { return printable(text_in(intent, key), 200); };
  print("session   pid {} on {}, since {}\n", pid_of(intent), shown("server"), shown("backend_start"));
  print("client    {}@{}", shown("user"), shown("database"));
  if (!shown("application_name").empty()) print(", application_name {}", shown("application_name"));
  if (!shown("client_addr").empty()) print(", from {}", shown("client_addr"));
  print("\nclaim     {} (mode {}, policy {})\n", printable(claimant_of(intent)), shown("mode"),
        shown("policy"));
  const auto age = duration_in(intent, "age_s");
  if (!age.empty()) {
    print("because   {} was {}, the limit is {}\n", shown("clock"), age, duration_in(intent, "limit_s"));
  }
}

/// All that was told about the decision, and about others of its episode.
int tell_story(const SegmentFiles& files, const HistoryOptions& options, WallTime now) {
  std::string episode;
  std::string query;
  std::optional<Json> intent;
  const auto find = [&](const std::string& line) {
    if (intent || line.find(options.decision) == std::string::npos) return;
    auto event = Json::parse(line, nullptr, false);
    if (!event.is_object() || text_in(event, "decision") != options.decision ||
        text_in(event, "event") != "intent")
      return;
    episode = text_in(event, "episode");
    intent = std::move(event);
  };
  if (const auto read = read_record(files, std::nullopt, find); !read)
    return complain(read.error(), kExitNoPermission);
  if (!intent) {
    return complain(failure(fmt::format("the record has no decision {}", printable(options.decision, 80)), {},
                            "pgcurfew history shows which there are.")
                        .value(),
                    kExitNoInput);
  }
  std::vector<Json> events;
  const auto collect = [&](const std::string& line) {
    if (line.find(episode) == std::string::npos) return;
    auto event = Json::parse(line, nullptr, false);
    if (!event.is_object()) return;
    const bool is_of_it = text_in(event, "episode") == episode &&
                          text_in(event, "rule") == text_in(*intent, "rule") &&
                          text_in(event, "drain") == text_in(*intent, "drain");
    if (!is_of_it) return;
    if (auto text = text_in(event, "query"); !text.empty()) query = std::move(text);
    events.push_back(std::move(event));
  };
  if (const auto read = read_record(files, time_of(*intent) - kByDefault, collect); !read)
    return complain(read.error(), kExitNoPermission);
  if (options.json) {
    for (const auto& event : events) print("{}\n", event.dump());
    return kExitOk;
  }
  print_intent(*intent);
  if (!query.empty()) print("query     {}\n", printable(query, 2000));
  print("\n");
  for (const auto& event : events) {
    print("{}  {}\n", local_text(time_of(event), now), printable(text_in(event, "message"), 1000));
  }
  return kExitOk;
}

}  // namespace

int show_history(const HistoryOptions& options) {
  auto directory = options.directory.empty() ? find_state_directory(kRecordSuffix) : options.directory;
  if (!directory) {
    return complain(failure("there is no state directory that may be read", {},
                            "Run this as the user of the service, or name the directory with --directory.")
                        .value(),
                    kExitNoInput);
  }
  const DiskSegments files(*directory);
  const auto segments = list_segments(files);
  if (!segments) return complain(segments.error(), kExitNoPermission);
  if (segments->empty()) {
    return complain(
        failure(fmt::format("there is no record in {}", *directory), {},
                "Set STATE_DIRECTORY as it is for the service, or name the directory with --directory.")
            .value(),
        kExitNoInput);
  }
  const auto now = Loop::wall_time();
  return options.decision.empty() ? show_decisions(files, options, now) : tell_story(files, options, now);
}

}  // namespace pgcurfew
