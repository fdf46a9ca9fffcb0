#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/small_files.hpp"

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

/// What we have to give back, in one file for each gate, so that a damaged one takes no other with it.
class GateJournal {
 public:
  /// With which the names of its files end.
  static constexpr std::string_view kSuffix = ".gate";

  /// `files` outlives it, and has found its place before anything is called.
  explicit GateJournal(SmallFiles& files) : files_(files) {}

  /// Replaces the entry of the same gate: of the same server, cluster and kind, and of the same oid or, if it
  /// has none, the same database.
  /// *Errors*: as of SmallFiles.
  Result<void> write(const JournalEntry& entry);

  /// Does nothing if there is none.
  /// *Errors*: as of SmallFiles.
  Result<void> remove(const JournalEntry& entry);

  struct Contents {
    std::vector<JournalEntry> entries;  ///< in no order
    std::vector<Error> damaged;         ///< files that cannot be read, each with its name and a hint
  };
  /// *Errors*: the files cannot be listed.
  [[nodiscard]] Result<Contents> read() const;

  /// The entry of the same gate, if there is one.
  /// *Errors*: its file cannot be read, or is damaged: as in Contents.
  [[nodiscard]] Result<std::optional<JournalEntry>> find(const JournalEntry& entry) const;

  /// The name of the file of this gate's entry; different gates have different files.
  [[nodiscard]] static std::string file_of(const JournalEntry& entry);
  /// As people find it.
  [[nodiscard]] std::string path_of(const JournalEntry& entry) const {
    return files_.path_of(file_of(entry));
  }

 private:
  [[nodiscard]] Result<std::optional<JournalEntry>> read_file(const std::string& name) const;

  SmallFiles& files_;
};

/// The text of a file, and back.
/// *Errors*: it is incomplete, or not of our making.
std::string journal_text(const JournalEntry& entry);
Result<JournalEntry> parse_journal_text(std::string_view text);

}  // namespace pgcurfew
