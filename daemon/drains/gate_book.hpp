#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "drains/gate.hpp"
#include "drains/gate_journal.hpp"
#include "events/event.hpp"

namespace pgcurfew {

/// What the journal says of one server's gates: which of its entries are this server's, as they stand there
/// or, where that cannot be read or written any more, as they should.
class GateBook {
 public:
  using Key = std::string;  ///< the file of the gate's entry

  /// A database as it was read last.
  struct Known {
    std::string database;
    int limit = -1;
    std::optional<GateMark> mark;  ///< in the server
  };

  /// `server`: its name in the policy. `files` outlive the book.
  GateBook(std::string server, SmallFiles& files)
      : server_(std::move(server)), files_(files), journal_(files) {}

  /// To be called before what follows.
  /// *Errors*: there is no place for a journal.
  [[nodiscard]] Result<void> open() { return files_.find(); }

  /// What the server's catalog shows, which tells whose an entry is.
  void note(const Gates& gates);
  /// Null: a database of this oid was not there.
  [[nodiscard]] const Known* known(std::uint32_t oid) const;
  /// A refused order has told its limit.
  void note_limit(std::uint32_t oid, int limit) { known_[oid].limit = limit; }

  /// All that are this server's. `in_flight`: of gates that are being turned. Tells of those that are another
  /// cluster's, once each.
  std::vector<JournalEntry> read(const std::set<Key>& in_flight);
  /// The entry of an order's gate.
  std::optional<JournalEntry> find(const GateOrder& order, const std::set<Key>& in_flight);
  /// A new one for it.
  [[nodiscard]] JournalEntry entry_for(const GateOrder& order) const;

  /// Writes an entry that must stand there before its gate is closed.
  /// *Errors*: it does not, or what stands there cannot be read: it may hold what is to be given back.
  [[nodiscard]] Result<void> write_first(const JournalEntry& entry);
  /// An error is logged, and the change counts as made.
  void write(const JournalEntry& entry);
  void remove(const JournalEntry& entry);

  /// Tells what is wrong, once.
  void complain(const Error& error);
  [[nodiscard]] std::vector<Event> take_events();

  static std::optional<GateKind> kind_of(const JournalEntry& entry);
  static Key key_of(const JournalEntry& entry) { return GateJournal::file_of(entry); }

 private:
  [[nodiscard]] bool is_ours(const JournalEntry& entry, const std::set<std::string>& named) const;
  [[nodiscard]] std::set<std::string> named_of(const std::vector<JournalEntry>& entries) const;
  void tell_of_others(const JournalEntry& entry);
  [[nodiscard]] bool knows(const JournalEntry& entry) const;

  std::string server_;
  SmallFiles& files_;
  GateJournal journal_;
  std::map<Key, JournalEntry> entries_;   ///< what stands there, or should
  std::map<Key, std::string> opened_;     ///< marks that could not be removed
  bool has_listed_ = false;               ///< when it was read last
  std::string cluster_;                   ///< its system identifier; empty: not known
  std::map<std::uint32_t, Known> known_;  ///< by the database's oid
  std::set<std::string> complaints_;      ///< that were told
  std::vector<Event> events_;
};

}  // namespace pgcurfew
