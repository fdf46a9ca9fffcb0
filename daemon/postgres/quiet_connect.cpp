#include "postgres/quiet_connect.hpp"

#include <array>
#include <mutex>
#include <string_view>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace pgcurfew {

namespace {

/// Captures what is written to standard error during its lifetime. Only one thread at a time does so.
class ErrorCatcher {
 public:
  ErrorCatcher()
      : caught_(memfd_create("pgcurfew-stderr", MFD_CLOEXEC)),
        before_(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) {
    if (caught_ >= 0 && before_ >= 0) dup2(caught_, STDERR_FILENO);
  }
  ~ErrorCatcher() {
    if (caught_ >= 0 && before_ >= 0) dup2(before_, STDERR_FILENO);
    if (before_ >= 0) close(before_);
    if (caught_ >= 0) close(caught_);
  }
  ErrorCatcher(const ErrorCatcher&) = delete;
  ErrorCatcher& operator=(const ErrorCatcher&) = delete;

  /// The beginning of the captured text, on one line.
  [[nodiscard]] std::string text() const {
    std::array<char, 1024> buffer{};
    const auto count = caught_ < 0 ? 0 : pread(caught_, buffer.data(), buffer.size(), 0);
    std::string line(buffer.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
    for (char& c : line) c = c == '\n' ? ' ' : c;
    while (line.ends_with(' ')) line.pop_back();
    return line;
  }

 private:
  int caught_;
  int before_;
};

void drop_notice(void*, const PGresult*) {}

}  // namespace

StartedConnection start_quietly(const std::vector<std::pair<std::string, std::string>>& parameters) {
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  for (const auto& [keyword, value] : parameters) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  // it does not block: addresses are numbers
  static std::mutex one_at_a_time;
  const std::unique_lock held(one_at_a_time);
  const ErrorCatcher catcher;
  StartedConnection started{PQconnectStartParams(keywords.data(), values.data(), 0), {}};
  if (started.conn != nullptr) PQsetNoticeReceiver(started.conn, drop_notice, nullptr);
  constexpr std::string_view kPrefix = "WARNING: ";
  auto said = catcher.text();
  if (said.starts_with(kPrefix)) said.erase(0, kPrefix.size());
  if (!said.empty()) started.warning = "libpq warns: " + said + ".";
  return started;
}

}  // namespace pgcurfew
