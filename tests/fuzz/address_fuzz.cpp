// Addresses and networks: the first line is a pattern, the second an address.
#include "base/address.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pgcurfew;
  using fuzz::require;
  auto rest = fuzz::text_of(data, size);
  const auto written = fuzz::next_part(rest, '\n');
  const auto address = parse_address(rest);
  if (address) {
    const auto again = parse_address(to_text(*address));
    require(again && *again == *address, "the text of an address is read back to the same");
    const auto exact = AddressPattern::parse(to_text(*address));
    require(exact && exact->matches(*address), "an address fits itself");
    const auto all = AddressPattern::parse(address->is_v6 ? "::/0" : "0.0.0.0/0");
    const bool is_mapped = to_text(*address).starts_with("::ffff:");
    require(is_mapped || (all && all->matches(*address)), "the network of all has each address");
  } else {
    require(fuzz::is_harmless(address.error().message), "a message is harmless");
  }
  const auto pattern = AddressPattern::parse(written);
  if (!pattern) {
    require(fuzz::is_harmless(pattern.error().message), "a message is harmless");
    require(fuzz::is_harmless(pattern.error().hint), "a hint is harmless");
    return 0;
  }
  require(pattern->written() == written, "what is written is kept");
  if (address) require(!pattern->is_local() || !pattern->matches(*address), "no address is local");
  return 0;
}
