#include "cli/check_places.hpp"

#include <string>
#include <string_view>

#include <fmt/format.h>

#include "app/audit_place.hpp"
#include "app/web_place.hpp"
#include "base/duration.hpp"
#include "base/size.hpp"
#include "base/words.hpp"
#include "cli/printing.hpp"
#include "system/state_files.hpp"

namespace pgcurfew {

namespace {

constexpr std::size_t kMostError = 400;

void warn(std::string_view place, const Error& error) {
  auto text = fmt::format("pgcurfew: warning: not possible now: {}: {}\n", place,
                          printable(error.message, kMostError));
  if (!error.hint.empty()) text += fmt::format("hint: {}\n", printable(error.hint, kMostError));
  print_error_text(text, Urgency::kWarning);
}

bool check_record(const RecordBounds& record) {
  const auto recordable = check_state_directory();
  if (record != RecordBounds() || !recordable) {
    print("record: events are kept for {}, up to {}{}\n", to_text(record.keep), size_text(record.size),
          record.is_required ? "; without it no signal is sent and no gate is closed" : "");
  }
  if (!recordable) warn("record", recordable.error());
  return recordable.has_value();
}

bool check_web_place(const WebSettings& web) {
  const auto found = check_web(web);
  print("web: {}{}\n", describe(web), found.is_ours ? "; a running pgcurfew does already" : "");
  for (const auto& error : found.obstacles) warn("web", error);
  return found.obstacles.empty();
}

}  // namespace

bool check_places(const Policy& policy) {
  bool good = check_record(policy.record);
  if (policy.tells_server_log) print("server log: a line in the server's own log tells of each signal\n");
  if (policy.web) good = check_web_place(*policy.web) && good;
  for (const auto& target : policy.audit) {
    const auto place = name_of(target);
    print("audit: events are copied to {}\n", place);
    if (const auto usable = check_place(target); !usable) {
      warn("audit " + place, usable.error());
      good = false;
    }
  }
  return good;
}

}  // namespace pgcurfew
