#include "watch/holds.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace pgcurfew {

namespace {

struct Entry {
  Hold hold;
  std::string_view name;
  std::string_view text;
  bool stops_rules = false;
  bool stops_drains = false;
  bool is_seen = false;  ///< seen on the server, over a connection
};

constexpr std::array<Entry, 16> kEntries{{
    {Hold::kDown, "down", "out of reach", true, true},
    {Hold::kGivenUp, "given_up", "stopped", true, true},
    {Hold::kStopping, "stopping", "stopping", true, false},
    {Hold::kClockUnasked, "clock_unasked", "clock not read yet", true, true},
    {Hold::kClockJumped, "clock_jumped", "clock jumped", true, true},
    // gates are opened all the same; closing one waits for the record
    {Hold::kRecordRequired, "record_required", "the required record is behind", true, false},
    {Hold::kRecordFails, "record_fails", "the record is behind", false, false},
    {Hold::kLooksFail, "looks_fail", "cannot look", false, false, true},
    {Hold::kNoReadAllStats, "no_pg_read_all_stats", "lacks pg_read_all_stats", false, false, true},
    {Hold::kNoSignal, "no_pg_signal_backend", "lacks pg_signal_backend", false, false, true},
    {Hold::kHidden, "hidden", "sessions hidden", false, false, true},
    {Hold::kNameless, "nameless", "sessions of unknown name", false, false, true},
    {Hold::kWaitsFail, "waits_fail", "cannot read lock waits", false, false, true},
    {Hold::kGatesFail, "gates_fail", "cannot read gates", false, false, true},
    {Hold::kBreakerOpen, "breaker_open", "breaker open"},
    {Hold::kTenantBreakerOpen, "tenant_breaker_open", "breaker open for tenants"},
}};

constexpr bool has_each_in_its_place() {
  for (std::size_t i = 0; i < kEntries.size(); ++i) {
    if (static_cast<std::size_t>(kEntries[i].hold) != i) return false;
  }
  return kEntries.size() == static_cast<std::size_t>(Hold::kTenantBreakerOpen) + 1;
}
static_assert(has_each_in_its_place());

const Entry& entry_of(Hold hold) {
  return kEntries[static_cast<std::size_t>(hold)];
}

bool is_about_the_clock(Hold hold) {
  return hold == Hold::kClockUnasked || hold == Hold::kClockJumped;
}

}  // namespace

std::string_view name_of(Hold hold) {
  return entry_of(hold).name;
}

std::optional<Duration> Holds::set(Hold hold, bool stands, MonotonicTime now, WallTime wall, std::string text,
                                   bool is_told) {
  const auto at =
      std::find_if(all_.begin(), all_.end(), [&](const Standing& entry) { return entry.hold >= hold; });
  const bool stood = at != all_.end() && at->hold == hold;
  if (stands) {
    if (text.empty()) text = entry_of(hold).text;
    auto& entry = stood ? *at : *all_.insert(at, {hold, wall, now, {}, false});
    entry.text = std::move(text);
    entry.is_told = entry.is_told || is_told;
    return std::nullopt;
  }
  if (!stood) return std::nullopt;
  const auto lasted = at->is_told ? std::optional(now - at->began) : std::nullopt;
  all_.erase(at);
  return lasted;
}

bool Holds::has(Hold hold) const {
  return std::any_of(all_.begin(), all_.end(), [&](const Standing& entry) { return entry.hold == hold; });
}

std::vector<Holds::Standing> Holds::shown() const {
  auto shown = all_;
  if (has(Hold::kDown))
    std::erase_if(shown, [](const Standing& entry) { return entry_of(entry.hold).is_seen; });
  return shown;
}

void Holds::forget_server() {
  std::erase_if(all_, [](const Standing& entry) { return entry_of(entry.hold).is_seen; });
}

/// Opening gates at a stop does not need the clock.
bool Holds::let(Activity activity) const {
  const bool gives_back = activity == Activity::kDrains && has(Hold::kStopping);
  return std::none_of(all_.begin(), all_.end(), [&](const Standing& standing) {
    if (gives_back && is_about_the_clock(standing.hold)) return false;
    const auto& entry = entry_of(standing.hold);
    return activity == Activity::kRules ? entry.stops_rules : entry.stops_drains;
  });
}

}  // namespace pgcurfew
