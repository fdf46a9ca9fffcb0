#include <fmt/format.h>

#include "app/gate_keeper.hpp"
#include "app/unclaimed_gates.hpp"

/// The part of the keeper that knows which entries of the journal are of its server.
namespace pgcurfew {

namespace {

/// Of two gates of one cluster.
bool is_of(const JournalEntry& entry, const GateOrder& order) {
  if (entry.kind != name_of(order.kind)) return false;
  return entry.oid != 0 ? entry.oid == order.oid : entry.database == order.database;
}

}  // namespace

std::optional<GateKind> GateKeeper::kind_of(const JournalEntry& entry) {
  for (const auto kind : {GateKind::kConnectionLimit, GateKind::kPgbouncer}) {
    if (entry.kind == name_of(kind)) return kind;
  }
  return std::nullopt;
}

/// Kinds and databases of the entries that name our cluster.
std::set<std::string> GateKeeper::named_of(const std::vector<JournalEntry>& entries) const {
  std::set<std::string> named;
  for (const auto& entry : entries) {
    const bool is_named = !cluster_.empty() && entry.system_identifier == cluster_;
    if (is_named && entry.server == server_) named.insert(entry.kind + ' ' + entry.database);
  }
  return named;
}

Result<Journal> GateKeeper::open_journal() {
  if (journal_) return *journal_;
  auto directory = find_state_directory();
  if (!directory) return tl::make_unexpected(directory.error());
  journal_.emplace(std::move(*directory));
  return *journal_;
}

std::vector<JournalEntry> GateKeeper::read_entries(const Journal& journal) {
  auto contents = journal.read();
  std::vector<JournalEntry> entries;
  if (!contents) {
    complain(contents.error());
    for (const auto& entry : entries_) entries.push_back(entry.second);
    return entries;
  }
  for (const auto& error : contents->damaged) complain(error);
  const auto before = std::exchange(entries_, {});
  const auto named = named_of(contents->entries);
  for (auto& entry : contents->entries) {
    if (entry.server != server_ || !kind_of(entry)) continue;
    const auto key = journal.path_of(entry);
    const auto opened = opened_.find(key);
    if (opened != opened_.end() && opened->second == entry.mark) {
      // the gate is open; only the entry could not be removed then
      remove(journal, entry);
    } else if (is_ours(entry, named) || flights_.contains(key)) {
      entries_.insert_or_assign(key, entry);
      entries.push_back(std::move(entry));
    } else {
      tell_of_others(journal, entry);
    }
  }
  // which of them it is that is damaged, nobody can tell
  for (const auto& [key, entry] : before) {
    if (!contents->damaged.empty() && entries_.insert({key, entry}).second) entries.push_back(entry);
  }
  return entries;
}

/// Whether an entry of a server of our name is of the cluster that we are connected to. One that does not
/// say so, and one about which we cannot tell, is if a database of its name is as it says, and that is not
/// what another entry says, which does name our cluster.
bool GateKeeper::is_ours(const JournalEntry& entry, const std::set<std::string>& named) const {
  if (!cluster_.empty() && !entry.system_identifier.empty()) return entry.system_identifier == cluster_;
  if (cluster_.empty() && entry.system_identifier.empty()) return true;
  if (entry.system_identifier.empty() && named.contains(entry.kind + ' ' + entry.database)) return false;
  return std::any_of(known_.begin(), known_.end(), [&](const auto& known) {
    const auto& [oid, database] = known;
    const bool is_closed = database.limit == 0 || kind_of(entry) == GateKind::kPgbouncer;
    return database.database == entry.database && (entry.oid == 0 || entry.oid == oid) && is_closed;
  });
}

/// Once each: it is for somebody else to give that back.
void GateKeeper::tell_of_others(const Journal& journal, const JournalEntry& entry) {
  const auto file = journal.path_of(entry);
  if (!complaints_.insert(fmt::format("{} {}", file, entry.mark)).second) return;
  const bool is_named = !cluster_.empty() && !entry.system_identifier.empty();
  events_.push_back(
      unclaimed_gate_event({entry, file}, is_named ? WhyUnclaimed::kCluster : WhyUnclaimed::kUnnamedCluster));
}

/// PgBouncer's gates go by the names of its databases, and without its cluster an oid says nothing.
JournalEntry GateKeeper::entry_for(const GateOrder& order) const {
  JournalEntry entry;
  entry.server = server_;
  entry.system_identifier = cluster_;
  entry.database = order.database;
  if (!cluster_.empty() && order.kind == GateKind::kConnectionLimit) entry.oid = order.oid;
  entry.kind = name_of(order.kind);
  return entry;
}

std::optional<JournalEntry> GateKeeper::find_entry(const Journal& journal, const GateOrder& order) {
  std::optional<JournalEntry> found;
  for (auto& entry : read_entries(journal)) {
    if (!is_of(entry, order)) continue;
    // of two for one gate the older one did not name its cluster
    if (!found || found->system_identifier.empty()) found = std::move(entry);
  }
  return found;
}

void GateKeeper::write(const Journal& journal, const JournalEntry& entry) {
  entries_.insert_or_assign(journal.path_of(entry), entry);
  try_to(journal.write(entry));
}

void GateKeeper::remove(const Journal& journal, const JournalEntry& entry) {
  const auto removed = journal.remove(entry);
  try_to(removed);
  if (kind_of(entry) == GateKind::kPgbouncer) watched_pgbouncers_.forget(entry.database);
  const auto key = journal.path_of(entry);
  entries_.erase(key);
  opened_.erase(key);
  if (!removed) opened_.insert_or_assign(key, entry.mark);
}

}  // namespace pgcurfew
