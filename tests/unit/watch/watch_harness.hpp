#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/engine_fixture.hpp"
#include "events/catalogue.hpp"
#include "watch/watch.hpp"

namespace pgcurfew::testing {

inline const char* const kRules =
    "rules: [ { name: r, match: { state: active, query_age: 10s }, "
    "escalate: [ cancel, terminate: { after: 30s } ] } ]";

/// A watch in a world whose time moves only when a test moves it. The server's clock differs from it by
/// `skew`.
class Harness {
 public:
  explicit Harness(const std::string& rules = kRules) : Harness(policy_of(rules)) {}
  explicit Harness(Policy policy)
      : watch(std::make_shared<const Policy>(std::move(policy)), {"s", "w", 42}) {}

  /// The record takes events at once, unless `record_stands_still`.
  std::vector<Command> happen(const Happening& what) {
    auto commands = note(watch.on(what, MonotonicTime(now), wall()));
    while (!record_stands_still && recorded < told.size()) {
      recorded = told.size();
      for (auto& more : note(watch.on(happening::Appended{recorded}, MonotonicTime(now), wall()))) {
        commands.push_back(std::move(more));
      }
    }
    return commands;
  }
  std::vector<Command> note(std::vector<Command> commands) {
    for (const auto& command : commands) {
      if (const auto* append = std::get_if<command::Append>(&command)) {
        EXPECT_EQ(fault_of(append->event), "");
        told.push_back(append->event);
        EXPECT_EQ(append->number, told.size());
      }
      if (const auto* look = std::get_if<command::TakeLook>(&command)) look_number = look->number;
      if (const auto* send = std::get_if<command::Send>(&command)) {
        orders.insert(orders.end(), send->orders.begin(), send->orders.end());
      }
    }
    return commands;
  }
  /// The holds, as the status shows them.
  [[nodiscard]] std::string holds() const {
    std::string text;
    for (const auto& hold : watch.status().holds) text += (text.empty() ? "" : ", ") + hold.text;
    return text;
  }
  [[nodiscard]] WallTime wall() const { return WallTime(std::chrono::days(20000) + now); }
  std::vector<Command> tick(Duration time) {
    now = time;
    return happen(happening::Tick{});
  }
  [[nodiscard]] ServerTime server_now() const { return at(now) + skew; }

  void connect() {
    happen(happening::Tick{});
    ServerFacts facts;
    facts.role = "pgcurfew";
    facts.can_read_all_stats = facts.can_signal = true;
    facts.postmaster_start = postmaster_start;
    happen(happening::Connected{facts});
  }
  /// Delivers the requested look, taken now.
  std::vector<Command> take(Look seen) {
    seen.number = look_number;
    seen.taken_at = server_now();
    seen.connection_slots = connection_slots;
    return happen(happening::LookTaken{std::move(seen)});
  }
  std::vector<Command> look(std::vector<Session> sessions) {
    Look seen;
    seen.sessions = std::move(sessions);
    return take(std::move(seen));
  }
  std::vector<Command> reply(ReplyKind kind) {
    Reply answer;
    answer.kind = kind;
    if (kind != ReplyKind::kUnknown) answer.server_time = server_now();
    return happen(happening::Replied{orders.back().decision, answer});
  }
  [[nodiscard]] std::vector<std::string> told_kinds() const { return kinds_of(told); }

  Watch watch;
  bool record_stands_still = false;
  std::size_t recorded = 0;
  Duration now = 0s;
  Duration skew = 0s;
  int connection_slots = 0;
  ServerTime postmaster_start = at(-24h);
  std::uint64_t look_number = 0;
  std::vector<Event> told;
  std::vector<Order> orders;
};

template <class Kind>
bool wants(const std::vector<Command>& commands) {
  return std::any_of(commands.begin(), commands.end(),
                     [](const Command& command) { return std::holds_alternative<Kind>(command); });
}

}  // namespace pgcurfew::testing
