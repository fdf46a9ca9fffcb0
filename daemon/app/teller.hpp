#pragma once

#include <cstdint>
#include <string>

#include "app/recorder.hpp"
#include "events/event.hpp"
#include "report/log.hpp"
#include "report/tally.hpp"

namespace pgcurfew {

/// Passes events to all their receivers. An event without an id is of pgcurfew itself, and gets its id and
/// its time here.
class Teller {
 public:
  explicit Teller(Log& log);

  /// Returns the event's number for the recorder; 0 if there is none.
  std::uint64_t tell(Event event);
  /// All events so far, counted.
  [[nodiscard]] const Tally& tally() const { return tally_; }
  void set_query_text(QueryText query_text) { log_.set_query_text(query_text); }
  /// From now on events are recorded, too. It must outlive this, or be replaced by null.
  void set_recorder(Recorder* recorder) { recorder_ = recorder; }

 private:
  Log& log_;
  Recorder* recorder_ = nullptr;
  Tally tally_;
  std::string prefix_;  ///< of ids: differs from run to run
  std::uint64_t told_ = 0;
};

}  // namespace pgcurfew
