#include "policy/reader/audit_reader.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "policy/reader/values.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kAuditExample =
    "Places are written as in [ journald, file: { path: /var/log/pgcurfew/events.json } ].";
constexpr std::string_view kFileExample =
    "It is written as in { path: /var/log/pgcurfew/events.json, rotate: 100MB, keep: 10 }.";
constexpr std::string_view kTableExample = "It is written as in { conninfo: \"host=audit dbname=dba\" }.";

void read_file(const YamlNode& node, AuditTarget& target, Complaints& complaints) {
  target.kind = AuditTarget::Kind::kFile;
  if (!expect_map(node, "file", kFileExample, complaints)) return;
  check_keys(node, Mapping::kAuditFile, complaints);
  const auto key = [](std::string_view name) -> const KeyEntry& { return key_of(Mapping::kAuditFile, name); };
  if (const auto* path = find_required(node, "a file", "path", kFileExample, complaints)) {
    target.path = read_path(*path, "path", kFileExample, complaints);
  }
  if (const auto* rotate = node.find("rotate")) {
    target.rotate = read_size(*rotate, key("rotate"), complaints).value_or(target.rotate);
  }
  if (const auto* keep = node.find("keep")) {
    target.keep = read_count(*keep, key("keep"), complaints).value_or(target.keep);
  }
}

void read_table(const YamlNode& node, AuditTarget& target, Complaints& complaints) {
  target.kind = AuditTarget::Kind::kTable;
  if (!expect_map(node, "table", kTableExample, complaints)) return;
  check_keys(node, Mapping::kAuditTable, complaints);
  if (const auto* conninfo = find_required(node, "a table", "conninfo", kTableExample, complaints)) {
    target.conninfo = read_text(*conninfo, "conninfo", complaints, Lines::kMany).value_or("");
    target.conninfo_place = complaints.place(conninfo->at);
  }
}

std::optional<AuditTarget> read_target(const YamlNode& node, Complaints& complaints) {
  AuditTarget target;
  target.place = complaints.place(node.at);
  if (node.kind != YamlNode::Kind::kMap) {
    const auto word = read_choice(node, key_of(Mapping::kMainFile, "audit"), complaints, "place for events");
    return word ? std::optional(std::move(target)) : std::nullopt;
  }
  if (!expect_map(node, "audit", kAuditExample, complaints)) return std::nullopt;
  check_keys(node, Mapping::kAudit, complaints);
  const auto* file = node.find("file");
  const auto* table = node.find("table");
  if (file != nullptr && table != nullptr) {
    complaints.error(table->at, "a second place within one entry of \"audit\"",
                     "Write each place as an entry of its own, after a dash of its own.");
  }
  if (file != nullptr) {
    read_file(*file, target, complaints);
  } else if (table != nullptr) {
    read_table(*table, target, complaints);
  } else {
    return std::nullopt;
  }
  return target;
}

/// Two that write to one place would write everything twice.
bool are_one_place(const AuditTarget& a, const AuditTarget& b) {
  return a.kind == b.kind && a.path == b.path && a.conninfo == b.conninfo;
}

}  // namespace

std::vector<AuditTarget> read_audit(const YamlNode& node, Complaints& complaints) {
  std::vector<AuditTarget> targets;
  if (!expect_list(node, "audit", kAuditExample, complaints)) return targets;
  for (const auto& value : node.values) {
    auto target = read_target(value, complaints);
    if (!target) continue;
    const bool is_known = std::any_of(targets.begin(), targets.end(), [&](const AuditTarget& other) {
      return are_one_place(other, *target);
    });
    if (is_known) complaints.error(value.at, "this place appears twice in \"audit\"");
    targets.push_back(std::move(*target));
  }
  return targets;
}

}  // namespace pgcurfew
