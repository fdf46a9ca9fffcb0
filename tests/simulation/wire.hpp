#pragma once

#include <functional>
#include <memory>

#include "simulation/site.hpp"
#include "watch/watch.hpp"

namespace pgcurfew::simulation {

class Checks;

/// A model of Link: one connection at a time, one pipeline, requests carried out in order, each at a separate
/// time. Requests may still be carried out after their sender has disconnected.
class Wire {
 public:
  /// `deliver` receives what happens to the current connection.
  Wire(Site& site, Checks& checks, int instance, Random random,
       std::function<void(const Happening&, std::shared_ptr<const LookCopy>)> deliver);

  void connect();
  void disconnect();
  void take_look(const command::TakeLook& look);
  void take_pulse();
  void send(const std::vector<Order>& orders);
  void read_gates(bool with_logins);
  void turn_gate(const GateOrder& order);

  /// The server of the connection has ended, or has closed the connection.
  void lose_server(std::size_t node, std::string_view why);
  /// Differs from one connection to the next; never 0.
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  /// The process has ended, and receives nothing any more.
  void abandon() { disconnect(); }

 private:
  struct Connection {
    std::size_t node = 0;
    std::uint64_t generation = 0;
    std::int32_t pid = 0;
    std::uint64_t birth = 0;
    Duration last_execution{};
    Duration last_reply{};
    bool is_up = false;
    bool is_heard = true;   ///< its messages are received
    bool is_served = true;  ///< the server reads its requests
    bool is_mute = false;   ///< its replies no longer arrive
    int known_roles = 0;
    std::optional<Duration> names_failed;
  };
  using ConnectionPtr = std::shared_ptr<Connection>;
  enum class Fate { kGood, kCutBefore, kCutAfter, kMute, kTruncated };

  void open(const ConnectionPtr& connection);
  void fail_to_connect(const ConnectionPtr& connection, std::string message, std::string sqlstate);
  void request(std::function<void(const ConnectionPtr&, Fate)> execute);
  void execute_look(const ConnectionPtr& connection, Fate fate, const command::TakeLook& look);
  void ask_for_waits(const ConnectionPtr& connection, Look look, std::shared_ptr<LookCopy> copy);
  void execute_waits(const ConnectionPtr& connection, Fate fate, Look look,
                     const std::shared_ptr<LookCopy>& copy);
  void execute_order(const ConnectionPtr& connection, Fate fate, const Order& order);
  void execute_turn(const ConnectionPtr& connection, Fate fate, const GateOrder& order);
  [[nodiscard]] int roles_made(std::size_t node) const;
  Duration name_delay(const ConnectionPtr& connection, const LookCopy& copy);
  Look look_of(const Connection& connection, const LookCopy& copy, QueryTexts texts);
  void answer(const ConnectionPtr& connection, Fate fate, Happening what,
              std::shared_ptr<const LookCopy> copy = nullptr, Duration later = Duration(0));
  void cut(const ConnectionPtr& connection, std::string_view why);
  Fate draw_fate();
  Duration travel();
  Server& server_of(const Connection& connection) { return *site_.nodes[connection.node].server; }

  Site& site_;
  Checks& checks_;
  int instance_;
  Random random_;
  std::function<void(const Happening&, std::shared_ptr<const LookCopy>)> deliver_;
  ConnectionPtr current_;
  std::uint64_t epoch_ = 1;
};

}  // namespace pgcurfew::simulation
