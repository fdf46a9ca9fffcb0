// Names of time zones: whatever is taken is a zone that answers, and no name leads to a file elsewhere.
#include "base/time_zone.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pgcurfew;
  using fuzz::require;
  const auto name = fuzz::text_of(data, size);
  const auto zone = TimeZone::load(name);
  if (!zone) {
    require(fuzz::is_harmless(zone.error().message), "a message is harmless");
    return 0;
  }
  require(name.find('.') == std::string_view::npos && name.front() != '/', "a name is no path to elsewhere");
  require(zone->name() == name, "the name is kept");
  for (int hours = 0; hours < 24 * 366; hours += 131) {
    const ServerTime time(std::chrono::hours(24 * 365 * 26 + hours));
    const auto civil = zone->civil_at(time);
    require(civil.weekday >= 0 && civil.weekday < 7, "a weekday is one of seven");
    require(zone->first_instant_of(civil) <= time, "the first instant is not later");
    require(zone->end_before(civil) >= zone->first_instant_of(civil), "the last is not before the first");
    require(fuzz::is_harmless(zone->to_text(time)), "a text is harmless");
  }
  return 0;
}
