#pragma once

#include <cstddef>

namespace pgcurfew {

/// Limits how much memory a peer can make libpq use. libpq keeps a reply until it is complete, and a row of
/// up to 1 GB before any of it can be read.
///
/// One call of libpq reads as long as more data arrives. Its reads all go through recv(), where they are
/// counted: the program defines that function, and the loader makes libpq use it, too.
/// *Source*: libpq's pqReadData(), pqsecure_raw_read(). Tested in tests/integration/resilience_test.py.
class Intake {
 public:
  explicit Intake(std::size_t most) : most_(most) {}

  /// Counts the bytes that this thread receives during its lifetime. After kAtOnce bytes, recv() reports that
  /// there are no more for now, so that other connections get their turn. It must exist during each call of
  /// libpq that may read.
  class Reading {
   public:
    explicit Reading(Intake& intake);
    ~Reading();
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;
  };

  /// Whether no more than `most` bytes have arrived since the last reply ended.
  [[nodiscard]] bool is_within() const { return received_ <= most_; }

  /// A reply has ended.
  void reset() { received_ = 0; }

  /// How many bytes may be received now: the rest of kAtOnce in this Reading.
  [[nodiscard]] std::size_t room() const { return room_; }
  void count(std::size_t bytes);

  static constexpr std::size_t kAtOnce = std::size_t{1} << 20;

 private:
  std::size_t most_;
  std::size_t received_ = 0;  ///< since the last reply ended
  std::size_t room_ = 0;
};

}  // namespace pgcurfew
