#include "system/journal.hpp"

#include <cerrno>
#include <system_error>

#include <fmt/format.h>
#include <sys/uio.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

namespace pgcurfew {

Result<void> check_journal() {
  constexpr auto kSocket = "/run/systemd/journal/socket";
  if (access(kSocket, F_OK) == 0) return {};
  return failure(
      fmt::format("journald is not there: {}: {}", kSocket, std::generic_category().message(errno)));
}

Result<void> send_to_journal(const std::vector<std::string>& fields) {
  if (auto checked = check_journal(); !checked) return checked;
  std::vector<iovec> parts;
  parts.reserve(fields.size());
  for (const auto& field : fields) {
    // it is only read
    parts.push_back({const_cast<char*>(field.data()), field.size()});
  }
  const int result = sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
  if (result >= 0) return {};
  return failure(fmt::format("could not write to the journal: {}", std::generic_category().message(-result)));
}

}  // namespace pgcurfew
