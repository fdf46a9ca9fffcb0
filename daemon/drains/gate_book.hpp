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

/// The journal of gates for one server: the entries of this server as they are in the files or, if these can
/// no longer be read or written, as they should be.
class GateBook {
 public:
  using Key = std::string;  ///< the file of the gate's entry

  /// A database as last read.
  struct Known {
    std::string database;
    int limit = -1;
    std::optional<GateMark> mark;  ///< the mark in the server
  };

  /// `server`: its name in the policy. `files` must outlive the book.
  GateBook(std::string server, SmallFiles& files)
      : server_(std::move(server)), files_(files), journal_(files) {}

  /// Must be called before the functions below.
  /// *Errors*: there is no directory for the journal of gates.
  [[nodiscard]] Result<void> open() { return files_.find(); }

  /// Takes what the server's catalog shows, which decides whose an entry is.
  void note(const Gates& gates);
  /// Null if there was no database with this oid.
  [[nodiscard]] const Known* known(std::uint32_t oid) const;
  /// Takes the limit that a refused order returned.
  void note_limit(std::uint32_t oid, int limit) { known_[oid].limit = limit; }

  /// All entries of this server. `in_flight`: entries of gates that are being turned. Reports entries of
  /// another cluster, once each.
  std::vector<JournalEntry> read(const std::set<Key>& in_flight);
  /// The entry of an order's gate.
  std::optional<JournalEntry> find(const GateOrder& order, const std::set<Key>& in_flight);
  /// A new entry for an order's gate.
  [[nodiscard]] JournalEntry entry_for(const GateOrder& order) const;

  /// Writes an entry that must be stored before its gate is closed.
  /// *Errors*: it could not be stored, or the present entry cannot be read, which may hold a gate that has to
  /// be opened.
  [[nodiscard]] Result<void> write_first(const JournalEntry& entry);
  /// On an error it logs the error, and the change counts as made.
  void write(const JournalEntry& entry);
  void remove(const JournalEntry& entry);

  /// Reports an error, once.
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
  std::map<Key, JournalEntry> entries_;   ///< the entries as they are in the files, or should be
  std::map<Key, std::string> opened_;     ///< marks that could not be removed
  bool has_listed_ = false;               ///< the last reading listed the files
  std::string cluster_;                   ///< its system identifier; empty: unknown
  std::map<std::uint32_t, Known> known_;  ///< by the database's oid
  std::set<std::string> complaints_;      ///< errors that were reported
  std::vector<Event> events_;
};

}  // namespace pgcurfew
