#pragma once

#include <string>

#include "base/time.hpp"
#include "report/picture.hpp"

namespace pgcurfew {

/// The picture in Prometheus's text format, version 0.0.4.
/// *Shapes*: a family may have labels of the policy (server, rule, drain) and of closed lists of words, never
/// names or texts of sessions. All series of the policy in force are there from the start, with 0.
/// *Units*: seconds and bytes.
std::string metrics_of(const Picture& picture, const ProcessFacts& process, MonotonicTime now);

}  // namespace pgcurfew
