#include "app/wall_clock.hpp"

#include "base/iso_time.hpp"
#include "system/loop.hpp"

namespace pgcurfew {

ServerTime wall_clock() {
  return server_time_of(Loop::wall_time());
}

}  // namespace pgcurfew
