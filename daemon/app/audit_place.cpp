#include "app/audit_place.hpp"

#include <filesystem>
#include <string_view>

#include <fmt/format.h>

#include "base/words.hpp"
#include "policy/fingerprint.hpp"
#include "postgres/audit_table.hpp"
#include "report/file_sink.hpp"
#include "report/follower.hpp"
#include "report/journal_sink.hpp"
#include "system/careful_files.hpp"
#include "system/journal.hpp"

namespace pgcurfew {

namespace {

/// It was checked before; one that is still wrong cannot connect, and reports that.
Conninfo conninfo_of(const AuditTarget& target) {
  return Conninfo::parse(target.conninfo).value_or(Conninfo{});
}

}  // namespace

std::string name_of(const AuditTarget& target) {
  switch (target.kind) {
    case AuditTarget::Kind::kJournald:
      return "journald";
    case AuditTarget::Kind::kFile:
      return "file " + printable(target.path);
    case AuditTarget::Kind::kTable:
      break;
  }
  return "table " + conninfo_of(target).describe();
}

std::string cursor_of(const AuditTarget& target) {
  const auto file = [](std::string_view kind, const std::string& place) {
    const std::string_view text = place;
    return fmt::format("audit-{}-{}{}", kind, version_of({&text, 1}), kCursorSuffix);
  };
  switch (target.kind) {
    case AuditTarget::Kind::kJournald:
      return "audit-journald" + std::string(kCursorSuffix);
    case AuditTarget::Kind::kFile:
      return file("file", std::filesystem::path(target.path).lexically_normal().string());
    case AuditTarget::Kind::kTable:
      break;
  }
  const auto conninfo = conninfo_of(target);
  std::string place;
  for (const auto& host : conninfo.hosts()) place += host.name + ' ' + host.hostaddr + ' ' + host.port + '\n';
  if (place.empty()) place = conninfo.port() + '\n';
  return file("table", place + conninfo.database());
}

std::unique_ptr<AuditSink> open_sink(const AuditTarget& target) {
  switch (target.kind) {
    case AuditTarget::Kind::kJournald:
      return std::make_unique<JournalSink>(send_to_journal);
    case AuditTarget::Kind::kFile:
      return std::make_unique<FileSink>(target.path, target.rotate, target.keep);
    case AuditTarget::Kind::kTable:
      break;
  }
  return std::make_unique<AuditTable>(conninfo_of(target));
}

Result<void> check_place(const AuditTarget& target) {
  switch (target.kind) {
    case AuditTarget::Kind::kJournald:
      return check_journal();
    case AuditTarget::Kind::kFile:
      if (auto usable = check_event_file(target.path); !usable) return usable;
      return check_space(std::filesystem::path(target.path).parent_path().string());
    case AuditTarget::Kind::kTable:
      break;
  }
  return {};
}

}  // namespace pgcurfew
