// Where the web server listens: the first line is the address, the second a host that a request names.
#include "base/listen_address.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pgcurfew;
  using fuzz::require;
  auto rest = fuzz::text_of(data, size);
  const auto written = fuzz::next_part(rest, '\n');
  const auto address = parse_listen_address(written);
  if (!address) {
    require(fuzz::is_harmless(address.error().message), "a message is harmless");
    require(fuzz::is_harmless(address.error().hint), "a hint is harmless");
    return 0;
  }
  const auto again = parse_listen_address(to_text(*address));
  require(again && *again == *address, "the text of an address is read back to the same");
  require(is_host_of(*address, "localhost"), "each is this machine's");
  if (!address->is_unix()) {
    require(is_host_of(*address, to_text(*address)), "an address is its own host");
    require(is_host_of(*address, std::string{rest} + "x.example") == !address->is_local(),
            "the name of another site is not, unless other machines reach it");
  }
  return 0;
}
