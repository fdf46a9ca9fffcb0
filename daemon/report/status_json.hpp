#pragma once

#include <string>

#include "base/time.hpp"
#include "report/picture.hpp"

namespace pgcurfew {

/// The version of the form of status_json(): it changes when a field's meaning does, or one is removed.
inline constexpr int kStatusVersion = 1;

/// If the loop has not drawn a picture for so long although it was asked, it hangs.
inline constexpr Duration kLoopBound = std::chrono::seconds(5);

/// All that the picture has, as one JSON object. Its form is in pgcurfew(8), STATUS.
/// *Shapes*: pure ASCII; invalid UTF-8 is U+FFFD; what is not known is null. No query texts.
std::string status_json(const Picture& picture, MonotonicTime now);

/// A body in JSON that names what is wrong, if anything is.
struct Health {
  bool is_good = false;
  std::string body;
};

/// Whether the loop turns. `picture` may be null: none was drawn yet; `now`: until when it is known that the
/// loop has not drawn another.
Health health_of(const Picture* picture, MonotonicTime now);

/// Whether each server was looked at lately, and no hold keeps rules from acting. Lists all holds.
Health readiness_of(const Picture* picture, MonotonicTime now);

}  // namespace pgcurfew
