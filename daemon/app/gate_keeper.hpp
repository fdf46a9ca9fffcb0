#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "app/pgbouncer_watch.hpp"
#include "drains/gate.hpp"
#include "postgres/pgbouncer.hpp"
#include "system/journal.hpp"
#include "system/loop.hpp"
#include "watch/watch.hpp"

namespace pgcurfew {

/// Stands between a watch and a link where a gate's mark goes to the journal, and turns PgBouncer's gates.
///
/// The journal is written before a gate closes, and forgets it after it is open. What an end in the middle
/// has left open is settled when the gates are read next: a database whose limit is not 0 was never closed.
class GateKeeper {
 public:
  /// `on_progress`: proceed() has something to tell.
  /// `hosts`: of the server.
  GateKeeper(Loop& loop, std::string server, std::vector<Conninfo::Host> hosts,
             std::function<void()> on_progress);

  /// The order that the link has to carry out, or nothing: proceed() will tell the reply.
  std::optional<GateOrder> turn(const GateOrder& order);

  /// Completes what the link has told of gates.
  void complete(Happening& what);

  /// The link has lost its connection: what it was asked to turn will not be answered.
  void forget_orders();

  /// Replies of our own, and what is wrong with the journal.
  std::vector<Happening> take_happenings();
  std::vector<Event> take_events();

  /// Whether a gate of PgBouncer's is being turned.
  [[nodiscard]] bool is_busy() const { return !pgbouncers_.empty(); }

 private:
  using Key = std::string;  ///< the file of the gate's entry
  struct Flight {
    GateOrder order;
    JournalEntry entry;
    std::optional<JournalEntry> before;
  };
  struct Pgbouncer {
    explicit Pgbouncer(PgbouncerTurn made) : turn(std::move(made)) {}
    PgbouncerTurn turn;
    std::vector<std::unique_ptr<Readiness>> readiness;
    std::vector<bool> ready;
    std::unique_ptr<Timer> timer;
  };
  struct Known {
    std::string database;
    int limit = -1;
    std::optional<GateMark> mark;  ///< in the server
  };

  // gate_keeper_journal.cpp
  static std::optional<GateKind> kind_of(const JournalEntry& entry);
  Result<Journal> open_journal();
  /// Those of our cluster: as the journal has them or, if it cannot be read any more, as we knew them last.
  std::vector<JournalEntry> read_entries(const Journal& journal);
  [[nodiscard]] bool is_ours(const JournalEntry& entry, const std::set<std::string>& named) const;
  [[nodiscard]] std::set<std::string> named_of(const std::vector<JournalEntry>& entries) const;
  void tell_of_others(const Journal& journal, const JournalEntry& entry);
  [[nodiscard]] JournalEntry entry_for(const GateOrder& order) const;
  std::optional<JournalEntry> find_entry(const Journal& journal, const GateOrder& order);
  void write(const Journal& journal, const JournalEntry& entry);
  void remove(const Journal& journal, const JournalEntry& entry);

  // gate_keeper.cpp
  std::optional<GateOrder> close(const Journal& journal, GateOrder order,
                                 const std::optional<JournalEntry>& entry);
  std::optional<GateOrder> open(const Journal& journal, GateOrder order,
                                const std::optional<JournalEntry>& entry);
  std::optional<GateOrder> start(const Key& key, GateOrder order, Flight flight);
  void pump_pgbouncer(const Key& key);
  void settle(Flight flight, GateReply& reply, bool may_have_acted);
  void merge(Gates& gates);
  void merge_entry(const Journal& journal, JournalEntry entry, Gates& gates);
  void look_at_pgbouncer(Gate& gate);
  void refuse(const GateOrder& order, GateOutcome outcome, Error error);
  void complain(const Error& error);
  void try_to(const Result<void>& done);

  Loop& loop_;
  std::string server_;
  std::vector<Conninfo::Host> hosts_;
  std::function<void()> on_progress_;
  std::map<Key, Flight> flights_;
  std::map<Key, std::unique_ptr<Pgbouncer>> pgbouncers_;
  std::vector<std::unique_ptr<Pgbouncer>> finished_;  ///< until their calls have returned
  PgbouncerWatch watched_pgbouncers_;                 ///< those that are closed
  std::optional<Journal> journal_;                    ///< once found, for good: no other has our entries
  std::map<Key, JournalEntry> entries_;               ///< what stands there, or should
  std::map<Key, std::string> opened_;                 ///< marks that could not be removed
  std::string cluster_;                               ///< its system identifier; empty: not known
  std::map<std::uint32_t, Known> known_;              ///< as it was read last, by the database's oid
  std::set<std::string> complaints_;                  ///< that were told
  std::vector<Happening> happened_;
  std::vector<Event> events_;
};

}  // namespace pgcurfew
