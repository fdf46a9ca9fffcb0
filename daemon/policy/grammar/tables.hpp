#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/duration.hpp"
#include "policy/grammar/key.hpp"

/// The tables behind grammar.hpp, one for each mapping; no other file reads them.
namespace pgcurfew::grammar {

/// The highest possible number of sessions.
/// *Source*: guc_tables.c: the greatest max_connections.
inline constexpr std::int64_t kMostSessions = 262'143;

// Bounds of durations, in microseconds.
inline constexpr std::int64_t kSecond = Duration(std::chrono::seconds(1)).count();
inline constexpr std::int64_t kDay = Duration(std::chrono::hours(24)).count();
inline constexpr std::int64_t kLongest = 10'000 * kDay;

// Bounds of sizes, in bytes.
inline constexpr std::int64_t kMegabyte = std::int64_t{1} << 20U;
inline constexpr std::int64_t kTerabyte = std::int64_t{1} << 40U;

inline constexpr std::array<std::string_view, 2> kModes{"dry-run", "enforce"};

std::span<const KeyEntry> main_file();
std::span<const KeyEntry> drop_in();
std::span<const KeyEntry> server();
std::span<const KeyEntry> rule();
std::span<const KeyEntry> match();
std::span<const KeyEntry> blocks();
std::span<const KeyEntry> exception();
std::span<const KeyEntry> protection();
std::span<const KeyEntry> when();
std::span<const KeyEntry> window();
std::span<const KeyEntry> repeat();
std::span<const KeyEntry> step();
std::span<const KeyEntry> drain();
std::span<const KeyEntry> drain_exception();
std::span<const KeyEntry> pgbouncer();
std::span<const KeyEntry> wait();
std::span<const KeyEntry> give_up();
std::span<const KeyEntry> safety();
std::span<const KeyEntry> report();
std::span<const KeyEntry> record();
std::span<const KeyEntry> audit();
std::span<const KeyEntry> audit_file();
std::span<const KeyEntry> audit_table();
std::span<const KeyEntry> web();
std::span<const KeyEntry> web_tls();
std::span<const KeyEntry> web_basic_auth();

}  // namespace pgcurfew::grammar
