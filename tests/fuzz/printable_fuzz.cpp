// Strangers' texts made safe for a terminal.
#include "base/words.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pgcurfew;
  using fuzz::require;
  if (size == 0) return 0;
  const auto text = fuzz::text_of(data + 1, size - 1);
  const std::size_t limit = data[0];
  const auto shown = printable(text, limit);
  require(fuzz::is_harmless(shown), "it is UTF-8 without controls");
  require(shown.size() <= 4 * limit + 3, "it is not longer than its escapes make it");
  const auto whole = printable(text, text.size());
  require(printable(whole, whole.size()) == whole, "what is printable stays as it is");
  // C1 controls and what turns the direction of writing
  for (const std::string_view hidden : {"\xC2\x9B", "\xE2\x80\xAE", "\xE2\x81\xA6"}) {
    require(whole.find(hidden) == std::string_view::npos, "nothing hides in it");
  }
  (void)nearest_word(text.substr(0, 100), {"query_age", "state_age", "database"});
  return 0;
}
