#include "simulation/faults.hpp"

namespace pgcurfew::simulation {

namespace {

class Draw {
 public:
  explicit Draw(Random& random) : random_(random), eagerness_(random.chance(0.5) ? 0.15 : 0.45) {}

  bool some() { return random_.chance(eagerness_); }
  /// 0, or a probability up to `most`.
  double rate(double most) {
    if (!some()) return 0;
    return most * static_cast<double>(random_.between(1, 100)) / 100;
  }

 private:
  Random& random_;
  double eagerness_;
};

}  // namespace

Faults draw_faults(Random& random) {
  Faults faults;
  if (random.chance(0.125)) return faults;
  Draw draw(random);
  faults.refused = draw.rate(0.6);
  faults.connect_hangs = draw.rate(0.3);
  faults.slow = draw.rate(0.1);
  faults.cut_before = draw.rate(0.05);
  faults.cut_after = draw.rate(0.05);
  faults.mute = draw.rate(0.03);
  faults.truncated = draw.rate(0.2);
  faults.late_action = draw.rate(0.1);
  faults.shifted = draw.rate(0.3);
  faults.waits_fail = draw.rate(0.3);
  faults.restarts = draw.rate(3);
  faults.failovers = draw.rate(3);
  faults.promotions = draw.rate(3);
  faults.clock_steps = draw.rate(4);
  faults.small_clock_steps = draw.rate(6);
  faults.catalog_locks = draw.rate(4);
  faults.exhaustions = draw.rate(4);
  faults.reloads = draw.rate(8);
  faults.stops = draw.rate(4);
  faults.crashes = draw.rate(4);
  faults.stalls = draw.rate(5);
  if (draw.some()) faults.drift_ppm = static_cast<int>(random.between(-60, 60));
  faults.lacks_read_all_stats = random.chance(0.04);
  faults.lacks_signal = random.chance(0.03);
  faults.superusers = draw.rate(0.3);
  faults.swallowers = draw.rate(0.4);
  faults.deaf = draw.rate(0.4);
  faults.frozen = draw.rate(0.2);
  faults.slow_to_die = draw.rate(0.5);
  faults.new_names = draw.rate(0.5);
  faults.prepared = draw.rate(0.3);
  faults.hostile = draw.rate(0.7);
  if (draw.some()) faults.herds = 0.3 + draw.rate(0.5);
  faults.two_instances = random.chance(0.15);
  faults.stopped_readers = draw.rate(0.9);
  faults.disk_stalls = draw.rate(0.2);
  faults.disk_fails = draw.rate(0.02);
  faults.record_is_required = random.chance(0.15);
  return faults;
}

}  // namespace pgcurfew::simulation
