#pragma once

#include <cstdint>
#include <optional>
#include <unordered_set>
#include <vector>

#include "postgres/connection.hpp"
#include "postgres/parameters.hpp"
#include "postgres/rows.hpp"
#include "watch/watch.hpp"

namespace pgcurfew {

/// The names of databases and roles as they were last read from the server.
class NameBook {
 public:
  [[nodiscard]] const NameCache& names() const { return names_; }

  /// Whether to read the names again: they are old, or a look has met an oid without a name. Not soon after a
  /// failed reading.
  [[nodiscard]] bool wants_reading(bool has_met_unknown, MonotonicTime now) const;

  /// `which`: those of databases, or those of roles.
  void take(Names NameCache::*which, Names names, MonotonicTime now);
  void take_failure(MonotonicTime now) { failed_at_ = now; }
  /// A name may belong to another object now: the next look reads the names again.
  void doubt() { read_at_.reset(); }
  /// The server has no names for these oids. Does nothing unless all names were read just now.
  void note_nameless(std::unordered_set<std::uint32_t> unknown, MonotonicTime now);

  /// How long names are used before they are read again, and the pause after a failed reading.
  static constexpr Duration kLifetime = std::chrono::minutes(1);
  static constexpr Duration kPause = std::chrono::seconds(30);

 private:
  [[nodiscard]] bool may_try(MonotonicTime now) const { return !failed_at_ || now - *failed_at_ >= kPause; }

  NameCache names_;
  std::optional<MonotonicTime> read_at_;
  std::optional<MonotonicTime> failed_at_;
};

/// Assembles one look from the rows, the names of databases and roles, and the lock waits. Each comes with a
/// separate request.
class LookAssembly {
 public:
  /// What else the look needs.
  struct Missing {
    bool names = false;               ///< to be read again
    std::optional<Parameters> waits;  ///< of the sessions that wait
  };

  /// `result`: the rows of a successful statement.
  Missing take_rows(ResultPtr result, const command::TakeLook& asked, const ServerFacts& facts,
                    const NameBook& names, MonotonicTime now);
  /// Names were read, or could not be.
  void take_names(const ServerFacts& facts, NameBook& names, MonotonicTime now);
  /// Empty: lock waits could not be read.
  void take_waits(std::optional<std::vector<LockWait>> waits);

  /// The look, once nothing is missing; it is returned only once. *Errors*: rows of another shape than the
  /// statement promises.
  std::optional<Result<Look>> take_finished();

  void forget() { under_way_.reset(); }

 private:
  struct UnderWay {
    ResultPtr result;
    Result<LookRows> rows;
    std::uint64_t number = 0;
    bool lacks_names = false;
    bool lacks_waits = false;
    std::optional<std::vector<LockWait>> waits = std::vector<LockWait>();
  };
  std::optional<UnderWay> under_way_;
};

}  // namespace pgcurfew
