#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/recorder.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "events/event.hpp"
#include "policy/policy.hpp"
#include "report/follower.hpp"
#include "report/picture.hpp"
#include "system/loop.hpp"
#include "system/wakeup.hpp"

namespace pgcurfew {

/// Keeps one follower of the record for each place of `audit`, beside the loop, and tells what becomes of
/// them.
class Auditor {
 public:
  struct Listener {
    std::function<void(Event)> tell;  ///< an event about a place
    std::function<void()> changed;    ///< after each change of places()
  };

  Auditor(Loop& loop, Recorder& recorder, const std::vector<AuditTarget>& targets, Listener listener);
  ~Auditor() = default;
  Auditor(const Auditor&) = delete;
  Auditor& operator=(const Auditor&) = delete;

  /// Places that stay the same go on undisturbed.
  void replace_targets(const std::vector<AuditTarget>& targets);

  [[nodiscard]] std::vector<PlacePicture> places() const;

  /// Waits at most half a second until all places have what is safe in the record. Returns whether they have,
  /// so that no thread is left behind.
  bool finish();

 private:
  struct Copy {
    AuditTarget target;
    std::string name;
    std::string cursor;
    std::unique_ptr<RecordFollower> follower;  ///< null: it has not begun
    MonotonicTime wanted_at{};                 ///< since when it is to be copied to
    std::optional<MonotonicTime> failed_at;
    std::optional<WallTime> fails_since;
    std::string trouble;
    std::uint64_t told_missed = 0;
    std::uint64_t told_refused = 0;
    std::optional<MonotonicTime> told_refused_at;
  };

  void add(const AuditTarget& target);
  void start(Copy& copy);
  void hear();
  [[nodiscard]] std::optional<Error> trouble_of(const Copy& copy, const RecordFollower::State& state) const;
  void settle(Copy& copy);
  void tell_lost(Copy& copy, const RecordFollower::State& state);

  Recorder& recorder_;
  Listener listener_;
  Wakeup wakeup_;
  Timer timer_;
  std::shared_ptr<SafeEnd> safe_end_;
  std::vector<Copy> copies_;
  /// By name: what earlier followers of a place have counted.
  std::map<std::string, PlacePicture> counted_;
  std::vector<Copy> leaving_;  ///< not wanted any more, and possibly still at work
};

}  // namespace pgcurfew
