#pragma once

#include <cstdint>
#include <string>

#include "events/event.hpp"
#include "report/log.hpp"

namespace pgcurfew {

/// Passes events to all their receivers. An event without an id is of pgcurfew itself, and gets its id and
/// its time here.
class Teller {
 public:
  explicit Teller(Log& log);

  void tell(Event event);
  void set_query_text(QueryText query_text) { log_.set_query_text(query_text); }

 private:
  Log& log_;
  std::string prefix_;  ///< of ids: differs from run to run
  std::uint64_t told_ = 0;
};

}  // namespace pgcurfew
