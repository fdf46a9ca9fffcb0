#include <algorithm>
#include <chrono>
#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "app/instance.hpp"
#include "app/mode_text.hpp"
#include "app/service.hpp"
#include "base/counted.hpp"

/// The part of the service that shows its state: the status line, and the picture.
namespace pgcurfew {

namespace {

constexpr Duration kStatusInterval = std::chrono::seconds(1);

/// `14:03:22Z`; on another day than today `2026-11-27 14:03:22Z`.
std::string time_text(WallTime time) {
  const auto day_of = [](WallTime one) {
    return std::chrono::floor<std::chrono::days>(one.time_since_epoch());
  };
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
  const auto utc = fmt::gmtime(static_cast<std::time_t>(seconds));
  return day_of(time) == day_of(Loop::wall_time()) ? fmt::format("{:%H:%M:%S}Z", utc)
                                                   : fmt::format("{:%Y-%m-%d %H:%M:%S}Z", utc);
}

}  // namespace

std::string Service::status_text() const {
  std::size_t up = 0;
  std::size_t sessions = 0;
  std::uint64_t signals = 0;
  std::uint64_t late = 0;
  std::optional<MonotonicTime> next_due;
  std::string holds;
  std::string_view holds_of;
  std::string drains;
  for (const auto& server : servers_) {
    const auto status = server->status();
    up += status.is_up ? 1 : 0;
    sessions += status.client_backends;
    signals += status.signals_sent;
    late += status.signals_late;
    if (status.next_due) next_due = std::min(next_due.value_or(*status.next_due), *status.next_due);
    if (!status.drains.empty()) drains += fmt::format("; {}: {}", server->name(), status.drains);
    for (const auto& hold : status.holds) {
      holds += fmt::format("{} {} since {}",
                           holds_of == server->name() ? "," : fmt::format("; {}:", server->name()), hold.text,
                           time_text(hold.since));
      holds_of = server->name();
    }
  }
  std::string due = "nothing due";
  if (next_due) {
    const auto wait = std::max(Duration(0), *next_due - Loop::now());
    due = fmt::format(
        "next due {:%H:%M:%S}Z",
        fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() + wait)));
  }
  std::string own;
  for (const auto& warning : warnings()) own += "; " + warning;
  const auto late_text = late > 0 ? fmt::format(", {} before their intent was recorded", late) : "";
  return fmt::format("{}: {}/{} servers up, {}, {}, {} sent{}{}{}{}", capitals(policy_->mode), up,
                     servers_.size(), counted(sessions, "session"), due, counted(signals, "signal"),
                     late_text, drains, holds, own);
}

std::vector<std::string> Service::warnings() const {
  std::vector<std::string> all;
  if (reload_.is_refused) all.emplace_back("the last reload was refused");
  if (!web_.trouble().empty()) all.push_back(web_.trouble());
  for (const auto& place : auditor_.places()) {
    if (!place.fails_since) continue;
    all.push_back(fmt::format("audit: {} fails since {}, {} {}: {}", place.name,
                              time_text(*place.fails_since), place.waiting,
                              place.waiting == 1 ? "event waits" : "events wait", place.trouble));
  }
  return all;
}

std::shared_ptr<const Picture> Service::draw() const {
  auto picture = std::make_shared<Picture>();
  picture->version = PGCURFEW_VERSION;
  picture->instance = instance_name();
  picture->started = started_;
  picture->drawn_at = Loop::wall_time();
  picture->drawn = Loop::now();
  picture->mode = policy_->mode;
  picture->policy = policy_->version;
  picture->is_stopping = is_stopping_;
  picture->warnings = warnings();
  picture->is_web_failing = !web_.trouble().empty();
  for (const auto& server : servers_) {
    auto& drawn = picture->servers.emplace_back(server->picture());
    if (const auto before = counts_before_.find(drawn.name); before != counts_before_.end())
      drawn.counts += before->second;
  }
  picture->tally = teller_.tally();
  picture->reload = reload_;
  picture->record = recorder_.picture();
  picture->audit = auditor_.places();
  return picture;
}

void Service::tell_status() {
  const auto now = Loop::now();
  if (now < told_at_ + kStatusInterval) {
    status_timer_.arm(told_at_ + kStatusInterval);
    return;
  }
  auto text = status_text();
  if (text == told_status_) return;
  told_at_ = now;
  told_status_ = std::move(text);
  notify_manager("STATUS=" + told_status_);
}

}  // namespace pgcurfew
