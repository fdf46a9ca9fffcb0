#pragma once

#include <cstdint>
#include <string>

#include "events/event.hpp"
#include "report/log.hpp"

namespace pgcurfew {

/// Hands events to all who hear of them. What has no id yet is of pgcurfew itself, and gets its id and its
/// time here.
class Teller {
 public:
  explicit Teller(Log& log);

  void tell(Event event);
  void set_query_text(QueryText query_text) { log_.set_query_text(query_text); }

 private:
  Log& log_;
  std::string prefix_;  ///< of ids: differs from one run to the next
  std::uint64_t told_ = 0;
};

}  // namespace pgcurfew
