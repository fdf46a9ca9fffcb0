#include "policy/prose/describe_drain.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/words.hpp"
#include "policy/prose/describe.hpp"

namespace pgcurfew {

namespace {

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 2 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::vector<std::string> fields_of(std::string_view written) {
  std::vector<std::string> fields;
  while (!written.empty()) {
    const auto end = std::min(written.find(' '), written.size());
    fields.emplace_back(written.substr(0, end));
    written.remove_prefix(std::min(end + 1, written.size()));
  }
  return fields;
}

/// `1-5` -> `mon-fri`, `SUN` -> `sun`; empty for steps, which are shown as written.
std::optional<std::string> weekdays_text(std::string_view field) {
  constexpr std::array<std::string_view, 8> kDays{"sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun"};
  if (field.find_first_of("*/") != std::string_view::npos) return std::nullopt;
  std::string text;
  for (std::size_t i = 0; i < field.size(); ++i) {
    const char c = field[i];
    const bool stands_alone = i == 0 || field[i - 1] == ',' || field[i - 1] == '-';
    if (c >= '0' && c <= '9') {
      if (!stands_alone || c > '7') return std::nullopt;
      text += kDays[static_cast<std::size_t>(c - '0')];
    } else {
      text += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      if (c == ',') text += ' ';
    }
  }
  return text;
}

/// `every day at 02:00`, `every sun at 02:00`, `on day 1 of each month at 02:00`; otherwise the cron text.
std::string schedule_text(const std::string& written) {
  const auto fields = fields_of(written);
  auto as_written = fmt::format("by the schedule \"{}\" in", printable(written));
  if (fields.size() != 5 || !is_number(fields[0]) || !is_number(fields[1]) || fields[3] != "*")
    return as_written;
  const auto time = fmt::format("{:0>2}:{:0>2}", fields[1], fields[0]);
  if (fields[2] == "*" && fields[4] == "*") return fmt::format("every day at {}", time);
  if (fields[2] == "*") {
    const auto days = weekdays_text(fields[4]);
    return days ? fmt::format("every {} at {}", *days, time) : as_written;
  }
  if (is_number(fields[2]) && fields[4] == "*") {
    return fmt::format("on day {} of each month at {}", fields[2], time);
  }
  return as_written;
}

/// " (next Sun 2026-11-29 02:00 CET)"
std::string next_text(const Drain& drain, ServerTime now) {
  if (const auto current = window_at(drain, now)) {
    return fmt::format(" (under way until {})", drain.zone.to_text(current->end));
  }
  const bool is_once = std::holds_alternative<ServerTime>(drain.begins);
  const auto next = window_after(drain, now);
  if (!next) return is_once ? " (past: it does not run again)" : " (it does not run within eight years)";
  return is_once ? std::string() : fmt::format(" (next {})", drain.zone.to_text(next->start));
}

std::string databases_text(const Drain& drain) {
  std::vector<std::string> names;
  bool has_wildcard = false;
  for (const auto& pattern : drain.databases) {
    names.push_back(printable(pattern.written()));
    has_wildcard = has_wildcard || !pattern.is_exact();
  }
  auto text = fmt::format("{}", fmt::join(names, ", "));
  if (names.size() > 1) text.replace(text.rfind(", "), 2, " and ");
  return fmt::format("{} {}{}", names.size() == 1 && !has_wildcard ? "database" : "databases", text,
                     has_wildcard ? " (without templates and, unless named, postgres and our own)" : "");
}

std::string gate_text(const Drain& drain) {
  switch (drain.gate) {
    case GateKind::kConnectionLimit:
      return "connection limit 0 keeps new sessions out, except superusers'";
    case GateKind::kPgbouncer:
      return drain.pgbouncer_gate == PgbouncerGate::kPause ? "a PgBouncer makes new sessions wait (PAUSE)"
                                                           : "a PgBouncer refuses new sessions (DISABLE)";
    case GateKind::kNone:
      break;
  }
  return "nothing keeps new sessions out";
}

std::string steps_text(const Drain& drain) {
  std::string text;
  if (drain.wait > Duration::zero()) {
    text = fmt::format("sessions have {} to end by themselves", to_text(drain.wait));
  }
  for (const auto& step : drain.escalate) {
    const auto action =
        step.kind == StepKind::kCancel ? "statements are cancelled" : "the remaining sessions are terminated";
    const auto when = step.after > Duration::zero() ? fmt::format(" {} later", to_text(step.after)) : "";
    text += fmt::format("{}{}{}", text.empty() ? "" : ", then ", action, when);
  }
  return text;
}

std::string give_up_text(const GiveUp& give_up) {
  const auto after = to_text(give_up.after);
  switch (give_up.then) {
    case GiveUpAction::kReopen:
      return fmt::format("if it is not empty after {} it is reopened", after);
    case GiveUpAction::kHold:
      return fmt::format(
          "if it is not empty after {} no more signals are sent, and the gate stays closed until "
          "the end",
          after);
    case GiveUpAction::kAlert:
      break;
  }
  return fmt::format("if it is not empty after {} it alerts and goes on", after);
}

std::string announce_text(const std::vector<Duration>& times) {
  std::vector<std::string> texts;
  texts.reserve(times.size());
  for (const auto time : times) texts.push_back(to_text(time));
  auto text = fmt::format("{}", fmt::join(texts, ", "));
  if (texts.size() > 1) text.replace(text.rfind(", "), 2, " and ");
  return fmt::format("it alerts {} before", text);
}

}  // namespace

std::string beginnings_of(const Drain& drain) {
  if (const auto* schedule = std::get_if<CronSchedule>(&drain.begins)) {
    return fmt::format("{} {}", schedule_text(schedule->written()), drain.zone.name());
  }
  return fmt::format("once, at {}", drain.zone.to_text(std::get<ServerTime>(drain.begins)));
}

std::string sentence_of(const Drain& drain, std::optional<ServerTime> now) {
  std::vector<std::string> parts;
  parts.push_back(fmt::format("{}: {}{} empties {} and keeps {} empty for {}", drain.name,
                              beginnings_of(drain), now ? next_text(drain, *now) : "", databases_text(drain),
                              drain.databases.size() == 1 && drain.databases[0].is_exact() ? "it" : "them",
                              to_text(drain.duration)));
  parts.push_back(gate_text(drain));
  parts.push_back(steps_text(drain));
  parts.emplace_back(drain.terminates_latecomers ? "sessions that still get in are terminated"
                                                 : "sessions that still get in are left alone");
  for (const auto& exception : drain.except) parts.push_back("not " + phrase_of(exception.match));
  if (drain.give_up) parts.push_back(give_up_text(*drain.give_up));
  if (drain.gate != GateKind::kNone) {
    parts.emplace_back(drain.reopens ? "in the end the gate is opened again"
                                     : "in the end the gate stays closed until pgcurfew reopen");
  }
  if (!drain.announce.empty()) parts.push_back(announce_text(drain.announce));
  if (!drain.servers.empty()) {
    auto servers = drain.servers;
    for (auto& server : servers) server = printable(server);
    parts.push_back(fmt::format("only on server {}", or_list(servers)));
  }
  if (drain.mode == Mode::kDryRun) parts.emplace_back("a dry run, so it only reports what it would do");
  std::erase(parts, std::string());
  return fmt::format("{}.", fmt::join(parts, "; "));
}

}  // namespace pgcurfew
