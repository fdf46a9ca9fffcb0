#pragma once

#include <string>
#include <vector>

#include "simulation/policy_writer.hpp"

namespace pgcurfew::simulation {

/// The parts of random rules other than conditions on identity, state and age.
class RuleExtras {
 public:
  RuleExtras(const PolicyWish& wish, Random& random) : wish_(wish), random_(random) {}

  /// Conditions on locks, and the names of the ages among them; empty if the world has no locks.
  struct Blocking {
    std::vector<std::string> conditions;
    std::vector<std::string> ages;
    bool is_for_waiters = false;
  };
  Blocking blocking();

  /// `unprotect` and `timezone`: lines at the top of the file.
  std::string head();

  /// Lines of a rule: keep and related keys, when, hours, repeat.
  std::string lines();

  /// `a` to `b` times the world's pace.
  std::string duration(double low, double high);
  std::string transactions();

 private:
  std::string selection();
  std::string when();
  std::string hours(std::string_view key);
  std::string window();
  std::string repeat();

  const PolicyWish& wish_;
  Random& random_;
  bool has_zone_ = false;
};

}  // namespace pgcurfew::simulation
