#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pgcurfew {

/// Counts by name, in bounded memory.
/// *Shapes*: tells the first `kMostNames` names apart, each with its first 200 bytes; further names are
/// counted together.
class NameCounts {
 public:
  static constexpr std::size_t kMostNames = 10'000;

  struct Entry {
    std::string name;
    std::string text;  ///< what was given with the name first
    std::uint64_t count = 0;
  };

  void count(std::string_view name, std::string_view text = {});

  /// The names with the highest counts, highest first; of equal ones in the order of their bytes.
  [[nodiscard]] std::vector<Entry> top(std::size_t most) const;
  /// The count of all names together.
  [[nodiscard]] std::uint64_t total() const { return total_; }

 private:
  struct Counted {
    std::string text;
    std::uint64_t count = 0;
  };
  std::map<std::string, Counted, std::less<>> names_;
  std::uint64_t total_ = 0;
};

/// Durations, in bounded memory.
class Durations {
 public:
  static constexpr std::size_t kMostKept = 100'000;

  void add(double seconds);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  /// Of the first `kMostKept`: the middle one, or the lower of the two in the middle; 0 if there is none.
  [[nodiscard]] double median_s() const;
  [[nodiscard]] double longest_s() const { return longest_s_; }

 private:
  std::vector<double> kept_;
  std::uint64_t count_ = 0;
  double longest_s_ = 0;
};

}  // namespace pgcurfew
