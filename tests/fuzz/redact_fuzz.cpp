// Throws bytes at the redaction of query texts: strangers write them.
#include "fuzz.hpp"
#include "report/redact.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using pgcurfew::fuzz::require;
  const auto query = pgcurfew::fuzz::text_of(data, size);
  const auto once = pgcurfew::redact(query);
  require(once.size() <= 2 * size + 8, "it does not grow");
  require(pgcurfew::redact(once) == once, "what is redacted stays as it is");
  // an apostrophe survives in a quoted name only
  if (query.find('"') == std::string_view::npos) {
    require(once.find('\'') == std::string_view::npos, "no literal survives");
  }
  return 0;
}
