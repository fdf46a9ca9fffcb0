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

/// What a keeper wants to be done at PgBouncer's console.
namespace pgbouncer {
/// The reply goes to GateKeeper::pgbouncer_turned.
struct Turn {
  GateOrder order;
};
/// How a gate stands that was closed; the answer goes to GateKeeper::pgbouncer_seen. Over the connection that
/// showed it before, for as long as it lasts it is the same PgBouncer.
struct Look {
  Gate gate;
};
/// To drop that connection.
struct Forget {
  std::string database;
};
using Command = std::variant<Turn, Look, Forget>;
}  // namespace pgbouncer

/// Stands between a watch and a link where a gate's mark goes to the journal or the gate is PgBouncer's.
///
/// The journal is written before a gate closes, and forgets it after it is open. What an end in the middle
/// has left open is settled when the gates are read next: a database whose limit is not 0 was never closed.
class GateKeeper {
 public:
  /// `server`: its name in the policy. `files`: of the journal; they outlive the keeper.
  GateKeeper(std::string server, SmallFiles& files) : book_(std::move(server), files) {}

  /// The order that the link has to carry out, or nothing: the reply will be among take_replies().
  std::optional<GateOrder> turn(const GateOrder& order);

  /// Completes what the link has told: gates as they were read, and the reply to an order.
  void complete(Gates& gates);
  void complete(GateReply& reply);

  /// The link has lost its connection: what it was asked to turn will not be answered.
  void connection_lost();

  /// `may_have_acted`: something was sent that changes PgBouncer.
  void pgbouncer_turned(GateReply reply, bool may_have_acted);
  void pgbouncer_seen(const std::string& database, PgbouncerState state);

  /// Replies to orders that the link does not carry out.
  [[nodiscard]] std::vector<GateReply> take_replies();
  /// What is to be asked of PgBouncer.
  [[nodiscard]] std::vector<pgbouncer::Command> take_commands();
  /// What is wrong with the journal.
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
  std::map<std::string, PgbouncerState> seen_;  ///< of gates that are closed at PgBouncer, by database
  std::set<std::string> shown_;                 ///< of these, those that PgBouncer has shown since we started
  std::vector<GateReply> replies_;
  std::vector<pgbouncer::Command> commands_;
};

}  // namespace pgcurfew
