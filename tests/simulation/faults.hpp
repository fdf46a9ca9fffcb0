#pragma once

#include "simulation/random.hpp"

namespace pgcurfew::simulation {

/// Which faults one world has, and how often. Each seed draws only some of them, because a fault that is
/// always present hides the effects of others.
struct Faults {
  // chances per connection made
  double refused = 0;
  double connect_hangs = 0;
  // chances per request
  double slow = 0;
  double cut_before = 0;   ///< the connection is lost before the server acted
  double cut_after = 0;    ///< after the server acted
  double mute = 0;         ///< the server acts, but the reply never comes
  double truncated = 0;    ///< the reply to a look cannot be read
  double late_action = 0;  ///< the request is delayed on its way to the server
  double waits_fail = 0;   ///< lock waits cannot be read
  double shifted = 0;      ///< a backend's number in the status array moves during the guard
  // average number in a fault phase
  double restarts = 0;
  double failovers = 0;
  double promotions = 0;
  double clock_steps = 0;
  double small_clock_steps = 0;
  double catalog_locks = 0;
  double exhaustions = 0;  ///< 53300
  double reloads = 0;
  double stops = 0;
  double crashes = 0;
  double stalls = 0;
  // of the server
  int drift_ppm = 0;
  bool lacks_read_all_stats = false;
  bool lacks_signal = false;
  // of the sessions, each a share
  double superusers = 0;
  double swallowers = 0;
  double deaf = 0;
  double frozen = 0;
  double slow_to_die = 0;
  double locks = 0;            ///< of the statements: those that take a lock
  double prepared = 0;         ///< of the transactions: those that are prepared and finished later
  double new_names = 0;        ///< those of roles created after the names were read
  double hostile = 0;          ///< those that change what guards read whenever they are read
  double herds = 0;            ///< those whose statements begin together and end just before a limit
  double stopped_readers = 0;  ///< of the time: the output is not read, as by a stopped terminal
  bool two_instances = false;
  // of the disk that the record is on, a chance per append
  double disk_stalls = 0;
  double disk_fails = 0;
  bool record_is_required = false;  ///< by the policy
};

/// The faults of one seed. Every eighth seed has none.
Faults draw_faults(Random& random);

}  // namespace pgcurfew::simulation
