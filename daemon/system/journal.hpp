#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace pgcurfew {

/// How far the turning of a gate had got when it was written down.
enum class JournalState { kClosing, kClosed, kOpening };
std::string_view name_of(JournalState state);  ///< `closing`, `closed`, `opening`

/// A gate whose mark does not stand in its server.
struct JournalEntry {
  std::string server;             ///< its name in the policy
  std::string system_identifier;  ///< of its cluster; empty: not known, or written by pgcurfew of old
  std::string database;           ///< any bytes
  std::uint32_t oid = 0;          ///< of the database; 0: not known, or of a gate that goes by names
  std::string kind;               ///< of the gate, as the policy calls it
  std::string mark;
  std::string pgbouncer_conninfo;  ///< may hold a password, never printed
  std::string pgbouncer_gate;
  std::vector<std::string> pools;  ///< PgBouncer's own databases that were closed; empty: not known
  JournalState state = JournalState::kClosing;
  bool operator==(const JournalEntry&) const = default;
};

/// Where the journal is: $STATE_DIRECTORY (systemd's) if that is set; otherwise the first of
/// /var/lib/pgcurfew if we may write there or read an entry, $XDG_STATE_HOME/pgcurfew,
/// ~/.local/state/pgcurfew. The last two are made if need be. What is there can be given back without the
/// right to write. *Errors*: it is not there, or not for us.
Result<std::string> find_state_directory();

/// What we have to give back, on this machine's disk: one file for each gate, so that a damaged one takes no
/// other with it. What write() and remove() have done outlasts a power failure.
class Journal {
 public:
  explicit Journal(std::string directory) : directory_(std::move(directory)) {}

  /// Replaces the entry of the same gate: of the same server, cluster and kind, and of the same oid or, if it
  /// has none, the same database.
  /// *Errors*: the system's; what was there before is there still, or the new entry is.
  [[nodiscard]] Result<void> write(const JournalEntry& entry) const;

  /// Does nothing if there is none.
  /// *Errors*: the system's.
  [[nodiscard]] Result<void> remove(const JournalEntry& entry) const;

  struct Contents {
    std::vector<JournalEntry> entries;  ///< in no order
    std::vector<Error> damaged;         ///< files that cannot be read, each with its name and a hint
  };
  /// *Errors*: the directory cannot be read, or is not there.
  [[nodiscard]] Result<Contents> read() const;

  /// The entry of the same gate, if there is one.
  /// *Errors*: its file cannot be read, or is damaged: as in Contents.
  [[nodiscard]] Result<std::optional<JournalEntry>> find(const JournalEntry& entry) const;

  /// Where the entry of this gate stands; different gates have different files.
  [[nodiscard]] std::string path_of(const JournalEntry& entry) const;

 private:
  [[nodiscard]] Result<JournalEntry> read_file(const std::string& path) const;
  std::string directory_;
};

/// The text of a file, and back.
/// *Errors*: it is incomplete, or not of our making.
std::string journal_text(const JournalEntry& entry);
Result<JournalEntry> parse_journal_text(std::string_view text);

}  // namespace pgcurfew
