#include "engine/standing.hpp"

namespace pgcurfew {

std::string_view name_of(Stand stand) {
  switch (stand) {
    case Stand::kOrdered:
      return "ordered";
    case Stand::kCarried:
      return "carried";
    case Stand::kLimit:
      return "limit";
    case Stand::kGrace:
      return "grace";
    case Stand::kInFlight:
      return "in_flight";
    case Stand::kUnverified:
      return "unverified";
    case Stand::kFruitless:
      return "fruitless";
    case Stand::kTouched:
      return "touched";
    case Stand::kDenied:
      return "denied";
    case Stand::kUnkillable:
      return "unkillable";
    case Stand::kAtEnd:
      return "at_end";
    case Stand::kNoEffect:
      return "no_effect";
    case Stand::kWhen:
      return "when";
    case Stand::kKeep:
      return "keep";
    case Stand::kHours:
      return "hours";
    case Stand::kRepeat:
      return "repeat";
    case Stand::kAtMost:
      return "at_most";
    case Stand::kPause:
      return "pause";
    case Stand::kBreaker:
      return "breaker";
    case Stand::kElder:
      return "elder";
    case Stand::kLook:
      return "look";
    case Stand::kRoom:
      return "room";
    case Stand::kGates:
      break;
  }
  return "gates";
}

bool is_left_alone(Stand stand) {
  return stand == Stand::kWhen || stand == Stand::kKeep || stand == Stand::kHours;
}

bool is_rationed(Stand stand) {
  return stand == Stand::kAtMost || stand == Stand::kPause || stand == Stand::kBreaker ||
         stand == Stand::kRoom;
}

bool is_held_up(Stand stand) {
  return is_left_alone(stand) || stand == Stand::kAtEnd || stand == Stand::kUnkillable ||
         stand == Stand::kDenied || stand == Stand::kNoEffect;
}

}  // namespace pgcurfew
