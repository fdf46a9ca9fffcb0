// Durations: what is taken is within its bounds, and its shortest text is read back to the same.
#include "base/duration.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pgcurfew;
  using fuzz::require;
  const auto duration = parse_duration(fuzz::text_of(data, size));
  if (!duration) {
    require(!duration.error().message.empty(), "a refusal has a message");
    require(fuzz::is_harmless(duration.error().message), "a message is harmless");
    require(fuzz::is_harmless(duration.error().hint), "a hint is harmless");
    return 0;
  }
  require(*duration >= Duration(0), "it is not negative");
  require(*duration <= std::chrono::hours(24) * 10'000, "it is at most 10000 days");
  const auto text = to_text(*duration);
  const auto again = parse_duration(text);
  require(again.has_value(), "its text is read back");
  require(*again == *duration, "its text is read back to the same");
  require(fuzz::is_harmless(to_rough_text(*duration)), "its rough text is harmless");
  return 0;
}
