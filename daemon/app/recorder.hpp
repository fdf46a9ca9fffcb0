#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/result.hpp"
#include "base/time.hpp"
#include "events/event.hpp"
#include "policy/policy.hpp"
#include "report/picture.hpp"
#include "report/record.hpp"
#include "system/loop.hpp"
#include "system/wakeup.hpp"

namespace pgcurfew {

/// The record, beside the loop: hands events over to it, and hears how far it is.
class Recorder {
 public:
  /// What the watches have to know.
  struct State {
    std::uint64_t done = 0;        ///< the first so many events are in the record, as firmly as required
    std::optional<Error> trouble;  ///< why it cannot be written just now
  };
  struct Listener {
    std::function<void(Event)> tell;            ///< an event about the record itself
    std::function<void(const State&)> changed;  ///< after each change of the state
  };

  /// The record is in the state directory; without one it is in trouble all the time.
  Recorder(Loop& loop, const Policy& policy, Listener listener);

  /// Tells the ends of what earlier processes have not finished, once they are found.
  void finish_earlier_runs();

  /// How far the record is safe, for threads that read it; null if there is no record. The first call makes
  /// the record notice events of other processes.
  [[nodiscard]] std::shared_ptr<SafeEnd> watch_safe_end();
  /// Where the record is; empty if there is no directory for it.
  [[nodiscard]] const std::optional<std::string>& directory() const { return directory_; }
  /// What identifies this process in the record, and since when it may have appended to it.
  [[nodiscard]] const std::string& run() const { return run_; }
  [[nodiscard]] WallTime began_at() const { return began_at_; }

  /// Hands an event over, as it is to be shown. Returns its number, from 1.
  std::uint64_t append(const Event& event);

  void replace_policy(const Policy& policy);

  [[nodiscard]] const State& state() const { return state_; }
  [[nodiscard]] RecordPicture picture() const;

 private:
  void hear();
  void settle();
  [[nodiscard]] std::optional<Error> find_trouble() const;

  Listener listener_;
  Wakeup wakeup_;
  Timer timer_;
  QueryText query_text_;
  RecordBounds bounds_;
  const std::string run_;
  const WallTime began_at_;
  const std::optional<std::string> directory_;
  std::unique_ptr<Record> record_;  ///< null: there is no directory for it
  State state_;
  std::uint64_t handed_over_ = 0;
  /// Events that are not in the record yet: the record's number, and ours. Those that were lost have none.
  std::deque<std::pair<std::uint64_t, std::uint64_t>> waiting_;
  MonotonicTime waits_since_{};  ///< while some wait: since there was any progress
  std::uint64_t lost_ = 0;
  std::uint64_t told_lost_ = 0;
  bool is_full_ = false;                    ///< an event was lost, and those before it still wait
  std::optional<Error> own_trouble_;        ///< as the record reports it
  std::optional<MonotonicTime> failed_at_;  ///< while there is trouble
  std::optional<bool> told_required_;       ///< what was told of it
};

}  // namespace pgcurfew
