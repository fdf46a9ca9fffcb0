#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "drains/gate.hpp"
#include "drains/gate_book.hpp"

namespace pgcurfew {

/// A request of the keeper to PgBouncer's console.
namespace pgbouncer {
/// The reply goes to GateKeeper::pgbouncer_turned.
struct Turn {
  GateOrder order;
};
/// Asks for the state of a closed gate; the answer goes to GateKeeper::pgbouncer_seen. It uses the connection
/// that showed the gate before: as long as that lasts, it is the same PgBouncer process.
struct Look {
  Gate gate;
};
/// Drops that connection.
struct Forget {
  std::string database;
};
using Command = std::variant<Turn, Look, Forget>;
}  // namespace pgbouncer

/// Mediates between a watch and a link if a gate's mark goes to the journal of gates or the gate is
/// PgBouncer's.
///
/// An entry is written before a gate closes, and removed after it is open. If pgcurfew ended in between, the
/// next reading of the gates decides: a database whose limit is not 0 was never closed.
class GateKeeper {
 public:
  /// `server`: its name in the policy. `files`: of the journal of gates; they must outlive the keeper.
  GateKeeper(std::string server, SmallFiles& files) : book_(std::move(server), files) {}

  /// The order that the link has to carry out; if empty, the reply will be among take_replies().
  std::optional<GateOrder> turn(const GateOrder& order);

  /// Completes what the link reports: gates as they were read, and the reply to an order.
  void complete(Gates& gates);
  void complete(GateReply& reply);

  /// To be called when the link has lost its connection: its orders will not be answered.
  void connection_lost();

  /// `may_have_acted`: a command that changes PgBouncer was sent.
  void pgbouncer_turned(GateReply reply, bool may_have_acted);
  void pgbouncer_seen(const std::string& database, PgbouncerState state);

  /// Replies to orders that the link does not carry out.
  [[nodiscard]] std::vector<GateReply> take_replies();
  /// Requests to PgBouncer.
  [[nodiscard]] std::vector<pgbouncer::Command> take_commands();
  /// Errors of the journal of gates.
  [[nodiscard]] std::vector<Event> take_events() { return book_.take_events(); }

 private:
  using Key = GateBook::Key;
  struct Flight {
    GateOrder order;
    JournalEntry entry;
    std::optional<JournalEntry> before;
  };

  std::optional<GateOrder> close(GateOrder order, const std::optional<JournalEntry>& entry);
  std::optional<GateOrder> open(GateOrder order, const std::optional<JournalEntry>& entry);
  std::optional<GateOrder> start(GateOrder order, Flight flight);
  std::optional<Flight> take_flight(const std::string& id, GateKind kind);
  [[nodiscard]] std::set<Key> in_flight() const;
  void settle(Flight flight, GateReply& reply, bool may_have_acted);
  void merge(JournalEntry entry, Gates& gates);
  void look_at_pgbouncer(Gate& gate);
  PgbouncerState look(const Gate& gate);
  void forget(const std::string& database);
  void remove(const JournalEntry& entry);
  void refuse(const GateOrder& order, GateOutcome outcome, Error error);

  GateBook book_;
  std::map<Key, Flight> flights_;
  /// What PgBouncer has shown last of gates that are closed there, by database; kUnknown: nothing since we
  /// started.
  std::map<std::string, PgbouncerState> seen_;
  std::vector<GateReply> replies_;
  std::vector<pgbouncer::Command> commands_;
};

}  // namespace pgcurfew
