#include "app/configuration.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <system_error>

#include <fmt/format.h>

#include "app/audit_place.hpp"
#include "app/plan_checks.hpp"
#include "app/wall_clock.hpp"
#include "postgres/conninfo.hpp"

namespace pgcurfew {

namespace {

namespace fs = std::filesystem;

/// The loader refuses larger files; this limit only keeps a mistake such as /dev/zero from using up memory.
constexpr std::size_t kReadAtMost = (1U << 20) + 1;

Diagnostic unreadable(const std::string& path, const std::string& why, std::string hint = {}) {
  return {Severity::kError, {path, 0, 0}, fmt::format("cannot read the file: {}", why), std::move(hint), {}};
}

/// The hint, if there is one.
std::string hint_for(const std::string& path, const std::error_code& error) {
  if (error == std::errc::permission_denied) {
    return "Run it as a user who may read the file, for instance with sudo -u pgcurfew.";
  }
  if (error == std::errc::no_such_file_or_directory && path == kDefaultConfiguration) {
    return "Name another one with --config, or begin with the example in the README.";
  }
  return {};
}

Diagnostic unreadable(const std::string& path, const std::error_code& error) {
  return unreadable(path, error.message(), hint_for(path, error));
}

/// *Errors*: adds a diagnostic and returns nothing.
std::optional<Source> read_source(const std::string& path, std::vector<Diagnostic>& diagnostics) {
  std::error_code error;
  const auto status = fs::status(path, error);
  if (!fs::exists(status)) {
    diagnostics.push_back(
        unreadable(path, error ? error : std::make_error_code(std::errc::no_such_file_or_directory)));
    return std::nullopt;
  }
  if (!fs::is_regular_file(status)) {
    diagnostics.push_back(unreadable(path, "it is not a regular file"));
    return std::nullopt;
  }
  std::ifstream file(path, std::ios::binary);
  std::string text(kReadAtMost, '\0');
  if (!file || (!file.read(text.data(), static_cast<std::streamsize>(text.size())) && !file.eof())) {
    diagnostics.push_back(unreadable(path, std::error_code(errno, std::generic_category())));
    return std::nullopt;
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  return Source{path, std::move(text)};
}

std::vector<Source> read_drop_ins(const std::string& main_path, std::vector<Diagnostic>& diagnostics) {
  const auto folder = fs::path(main_path).parent_path() / "policies.d";
  std::error_code error;
  std::vector<std::string> paths;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const auto& path = it->path();
    if (path.filename().string().front() == '.') continue;
    if (path.extension() == ".yaml") paths.push_back(path.string());
    // must not be skipped silently
    if (path.extension() == ".yml") diagnostics.push_back(unreadable(path.string(), "drop-ins end in .yaml"));
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    diagnostics.push_back(unreadable(folder.string(), error));
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Source> sources;
  for (const auto& path : paths) {
    if (auto source = read_source(path, diagnostics)) sources.push_back(std::move(*source));
  }
  return sources;
}

/// Returns whether libpq could use it.
bool check_conninfo(const std::string& text, const Place& place, std::vector<Diagnostic>& diagnostics) {
  const auto conninfo = Conninfo::parse(text);
  if (!conninfo) {
    // without the line itself: it may hold a password
    diagnostics.push_back({Severity::kError, place, conninfo.error().message, conninfo.error().hint, {}});
  } else if (conninfo->has_password()) {
    diagnostics.push_back(
        {Severity::kWarning,
         place,
         "conninfo contains a password",
         "Every user who may read the file can see it: put it into a pgpass file (PGPASSFILE).",
         {}});
  }
  return conninfo.has_value();
}

void check_conninfos(LoadResult& loaded) {
  if (!loaded.policy) return;
  bool good = true;
  for (const auto& server : loaded.policy->servers) {
    good = check_conninfo(server.conninfo, server.conninfo_place, loaded.diagnostics) && good;
  }
  for (const auto& target : loaded.policy->audit) {
    if (target.kind != AuditTarget::Kind::kTable) continue;
    good = check_conninfo(target.conninfo, target.conninfo_place, loaded.diagnostics) && good;
  }
  if (!good) loaded.policy.reset();
}

/// Two writers to one place would write everything twice, and move one cursor.
void check_places(LoadResult& loaded) {
  if (!loaded.policy) return;
  std::set<std::string> cursors;
  bool good = true;
  for (const auto& target : loaded.policy->audit) {
    if (cursors.insert(cursor_of(target)).second) continue;
    good = false;
    loaded.diagnostics.push_back(
        {Severity::kError, target.place, "this is the place of an earlier entry of \"audit\"", {}, {}});
  }
  if (!good) loaded.policy.reset();
}

LoadResult with_unreadable(LoadResult loaded, std::vector<Diagnostic> unreadable_files) {
  if (unreadable_files.empty()) return loaded;
  loaded.policy.reset();
  loaded.diagnostics.insert(loaded.diagnostics.begin(), std::make_move_iterator(unreadable_files.begin()),
                            std::make_move_iterator(unreadable_files.end()));
  return loaded;
}

LoadResult load_main(const Source& main) {
  std::vector<Diagnostic> diagnostics;
  const auto drop_ins = read_drop_ins(main.name, diagnostics);
  auto loaded = load_policy(main, drop_ins);
  check_conninfos(loaded);
  check_places(loaded);
  check_plans(loaded, wall_clock());
  return with_unreadable(std::move(loaded), std::move(diagnostics));
}

}  // namespace

LoadResult read_configuration(const std::string& path) {
  std::vector<Diagnostic> diagnostics;
  const auto main = read_source(path, diagnostics);
  if (!main) return {std::nullopt, std::move(diagnostics)};
  return load_main(*main);
}

LoadResult read_any(const std::string& path) {
  std::vector<Diagnostic> diagnostics;
  const auto source = read_source(path, diagnostics);
  if (!source) return {std::nullopt, std::move(diagnostics)};
  if (looks_like_main_file(*source)) return load_main(*source);
  auto loaded = load_drop_in(*source);
  check_plans(loaded, wall_clock());
  return loaded;
}

void make_dry(Policy& policy) {
  policy.mode = Mode::kDryRun;
  for (auto& rule : policy.rules) rule.mode = Mode::kDryRun;
  for (auto& drain : policy.drains) drain.mode = Mode::kDryRun;
}

}  // namespace pgcurfew
