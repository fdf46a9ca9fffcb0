#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/small_files.hpp"

namespace pgcurfew {

/// The progress of turning a gate when its entry was written.
enum class JournalState { kClosing, kClosed, kOpening };
std::string_view name_of(JournalState state);  ///< `closing`, `closed`, `opening`

/// A gate whose mark is not in its server.
struct JournalEntry {
  std::string server;             ///< its name in the policy
  std::string system_identifier;  ///< of its cluster; empty: unknown, or written by an older pgcurfew
  std::string database;           ///< any bytes
  std::uint32_t oid = 0;          ///< of the database; 0: unknown, or the gate is identified by name
  std::string kind;               ///< of the gate, as in the policy
  std::string mark;
  std::string pgbouncer_conninfo;  ///< may hold a password, never printed
  std::string pgbouncer_gate;
  std::vector<std::string> pools;  ///< PgBouncer's own databases that were closed; empty: unknown
  JournalState state = JournalState::kClosing;
  bool operator==(const JournalEntry&) const = default;
};

/// The journal of gates that we have to open again, in one file per gate, so that a damaged file does not
/// affect the others.
class GateJournal {
 public:
  /// The suffix of its files' names.
  static constexpr std::string_view kSuffix = ".gate";

  /// `files` must outlive the journal, and must have found its directory before any call.
  explicit GateJournal(SmallFiles& files) : files_(files) {}

  /// Replaces the entry of the same gate: the same server, cluster and kind, and the same oid or, if it has
  /// none, the same database.
  /// *Errors*: as of SmallFiles.
  Result<void> write(const JournalEntry& entry);

  /// Removes an entry; does nothing if there is none.
  /// *Errors*: as of SmallFiles.
  Result<void> remove(const JournalEntry& entry);

  struct Contents {
    std::vector<JournalEntry> entries;  ///< in no particular order
    std::vector<Error> damaged;         ///< files that cannot be read, each with its name and a hint
  };
  /// *Errors*: the files cannot be listed.
  [[nodiscard]] Result<Contents> read() const;

  /// The entry of the same gate, if there is one.
  /// *Errors*: its file cannot be read, or is damaged: as in Contents.
  [[nodiscard]] Result<std::optional<JournalEntry>> find(const JournalEntry& entry) const;

  /// The name of the file of this gate's entry; different gates have different files.
  [[nodiscard]] static std::string file_of(const JournalEntry& entry);
  /// The path of a file, for messages.
  [[nodiscard]] std::string path_of(const JournalEntry& entry) const {
    return files_.path_of(file_of(entry));
  }

 private:
  [[nodiscard]] Result<std::optional<JournalEntry>> read_file(const std::string& name) const;

  SmallFiles& files_;
};

/// The text of a file, and back.
/// *Errors*: it is incomplete, or was not written by pgcurfew.
std::string journal_text(const JournalEntry& entry);
Result<JournalEntry> parse_journal_text(std::string_view text);

}  // namespace pgcurfew
