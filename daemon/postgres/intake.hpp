#pragma once

#include <cstddef>

namespace pgcurfew {

/// Bounds what a peer can make libpq hold in memory: it keeps a reply until that is whole, and a row of up to
/// 1 GB before anything of it can be seen.
///
/// One call of libpq's reads for as long as more comes. So its reads, which all go through recv(), are
/// counted where they are made: the program defines that function, which the loader then gives libpq, too.
/// *Source*: libpq's pqReadData(), pqsecure_raw_read(). Tried in tests/integration/resilience_test.py.
class Intake {
 public:
  explicit Intake(std::size_t most) : most_(most) {}

  /// As long as it lives, what this thread receives counts; after kAtOnce bytes there seems to be no more for
  /// now, so that others have their turn. To be held around each call of libpq's that may read.
  class Reading {
   public:
    explicit Reading(Intake& intake);
    ~Reading();
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;
  };

  /// Whether no more than `most` bytes have come since the last reply ended.
  [[nodiscard]] bool is_within() const { return received_ <= most_; }

  /// A reply has ended.
  void reset() { received_ = 0; }

  /// How much may be received now: within a Reading, of what is left of kAtOnce.
  [[nodiscard]] std::size_t room() const { return room_; }
  void count(std::size_t bytes);

  static constexpr std::size_t kAtOnce = std::size_t{1} << 20;

 private:
  std::size_t most_;
  std::size_t received_ = 0;  ///< since the last reply ended
  std::size_t room_ = 0;
};

}  // namespace pgcurfew
