#pragma once

#include <cstdint>
#include <deque>
#include <stdexcept>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "simulation/agenda.hpp"

namespace pgcurfew::simulation {

/// A law of the world was broken.
struct Violation : std::runtime_error {
  Violation(std::string checker_name, const std::string& what)
      : std::runtime_error(what), checker(std::move(checker_name)) {}
  std::string checker;
};

/// What happened: always as a hash, and as text on request.
class Trace {
 public:
  enum class Text { kNone, kLast, kPrint };

  Trace(const Agenda& agenda, Text text) : agenda_(agenda), text_(text) {}

  /// `key` and `number` go into the hash; `line` returns the text.
  template <class Line>
  void note(std::string_view key, std::int64_t number, Line line) {
    mix(static_cast<std::uint64_t>(agenda_.now().count()));
    for (const char c : key) mix(static_cast<unsigned char>(c));
    mix(static_cast<std::uint64_t>(number));
    if (text_ == Text::kNone) return;
    auto full = fmt::format("{:>14.6f}  {:<10} {}", static_cast<double>(agenda_.now().count()) / 1e6, key,
                            std::string(line()));
    if (text_ == Text::kPrint) fmt::print("{}\n", full);
    last_.push_back(std::move(full));
    if (last_.size() > kKept) last_.pop_front();
  }

  /// A decision, for the separate hash of decisions: it depends only on what is decided and when, not on what
  /// is reported.
  void decided(std::string_view what) {
    ++decisions_;
    mix_into(decisions_hash_, static_cast<std::uint64_t>(agenda_.now().count()));
    for (const char c : what) mix_into(decisions_hash_, static_cast<unsigned char>(c));
  }

  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  [[nodiscard]] std::uint64_t decisions() const { return decisions_; }
  [[nodiscard]] std::uint64_t decisions_hash() const { return decisions_hash_; }
  [[nodiscard]] const std::deque<std::string>& last() const { return last_; }

 private:
  static constexpr std::size_t kKept = 60;

  static void mix_into(std::uint64_t& hash, std::uint64_t value) {
    hash = (hash ^ value) * 0x100000001b3ULL ^ (hash >> 29U);
  }
  void mix(std::uint64_t value) { mix_into(hash_, value); }

  const Agenda& agenda_;
  Text text_;
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
  std::uint64_t decisions_ = 0;
  std::uint64_t decisions_hash_ = 0xcbf29ce484222325ULL;
  std::deque<std::string> last_;
};

}  // namespace pgcurfew::simulation
