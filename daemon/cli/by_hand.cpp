#include "cli/by_hand.hpp"

#include <cstdlib>

#include <fmt/format.h>
#include <unistd.h>

#include "base/words.hpp"
#include "cli/diagnostics.hpp"
#include "cli/printing.hpp"

namespace pgcurfew {

int complain(const Error& error, int code) {
  say("pgcurfew: {}\n", printable(error.message));
  if (!error.hint.empty()) say("pgcurfew: hint: {}\n", printable(error.hint));
  return code;
}

void complain_of_errors(const LoadResult& loaded) {
  if (!loaded.has_errors()) return;
  print_diagnostics(loaded);
}

LogOptions log_options_by_hand(const Policy& policy) {
  LogOptions options;
  const bool on_terminal = isatty(STDOUT_FILENO) != 0;
  // short lines leave room for the live display; a file is searched later
  options.format = on_terminal ? LogFormat::kBrief : LogFormat::kText;
  options.colour = on_terminal && std::getenv("NO_COLOR") == nullptr;
  options.journal_prefix = is_journal(STDOUT_FILENO, std::getenv("JOURNAL_STREAM"));
  options.query_text = policy.query_text;
  return options;
}

Result<std::vector<Server>> choose_servers(const Policy& policy, const std::string& name, bool only_one) {
  std::string names;
  for (const auto& server : policy.servers) {
    if (server.name == name) return std::vector<Server>{server};
    names += (names.empty() ? "" : ", ") + server.name;
  }
  if (!name.empty())
    return failure(fmt::format("no server \"{}\"", printable(name, 80)), {}, "There are " + names + ".");
  if (only_one && policy.servers.size() > 1) {
    return failure("there are several servers", {}, "Name one with --server: " + names + ".");
  }
  return policy.servers;
}

}  // namespace pgcurfew
