#pragma once

#include <cstddef>
#include <cstdint>

namespace pgcurfew {

/// Bounds what a peer can make libpq hold in memory: it keeps a reply until that is whole, however long it
/// is.
class Intake {
 public:
  explicit Intake(std::size_t most) : most_(most) {}

  /// To be called before each read. Whether no more than `most` bytes have come since the last reply ended.
  /// *Shapes*: one read can bring a whole row, of at most 1 GB, where that comes as fast as it is read. Of a
  /// local socket the kernel tells only what waits to be read, so libpq's buffer is taken for what it reads
  /// at once: at most twice of what came is counted, and a row longer than that buffer escapes it. *Source*:
  /// TCP_INFO; libpq's pqReadData().
  bool take(int fd);

  /// A reply has ended.
  void reset();

 private:
  std::size_t most_;
  std::uint64_t received_ = 0;  ///< since the connection began
  std::uint64_t start_ = 0;     ///< of which belong to replies that have ended
};

}  // namespace pgcurfew
