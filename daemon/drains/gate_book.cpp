#include "drains/gate_book.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/words.hpp"
#include "drains/unclaimed_gates.hpp"
#include "events/fields.hpp"

namespace pgcurfew {

namespace {

/// Only a DBA can change that: a drain by hand ends at once.
constexpr const char* kNotInPrerequisiteState = "55000";

/// Whether an entry and an order, both of one cluster, are for the same gate.
bool is_of(const JournalEntry& entry, const GateOrder& order) {
  if (entry.kind != name_of(order.kind)) return false;
  return entry.oid != 0 ? entry.oid == order.oid : entry.database == order.database;
}

}  // namespace

std::optional<GateKind> GateBook::kind_of(const JournalEntry& entry) {
  for (const auto kind : {GateKind::kConnectionLimit, GateKind::kPgbouncer}) {
    if (entry.kind == name_of(kind)) return kind;
  }
  return std::nullopt;
}

void GateBook::note(const Gates& gates) {
  cluster_ = gates.system_identifier;
  known_.clear();
  for (const auto& gate : gates.gates) known_[gate.oid] = {gate.database, gate.limit, gate.mark};
}

const GateBook::Known* GateBook::known(std::uint32_t oid) const {
  const auto found = known_.find(oid);
  return found == known_.end() ? nullptr : &found->second;
}

std::vector<Event> GateBook::take_events() {
  return std::exchange(events_, {});
}

/// Once each, because the gates are read again and again.
void GateBook::complain(const Error& error) {
  if (!complaints_.insert(error.message).second) return;
  Event event(Kind::kJournalFailed,
              fmt::format("the journal of gates of {}: {}", server_, printable(error.message)));
  event.server = server_;
  event.add(error);
  events_.push_back(std::move(event));
}

/// The kinds and databases of the entries that name our cluster.
std::set<std::string> GateBook::named_of(const std::vector<JournalEntry>& entries) const {
  std::set<std::string> named;
  for (const auto& entry : entries) {
    const bool is_named = !cluster_.empty() && entry.system_identifier == cluster_;
    if (is_named && entry.server == server_) named.insert(entry.kind + ' ' + entry.database);
  }
  return named;
}

std::vector<JournalEntry> GateBook::read(const std::set<Key>& in_flight) {
  auto contents = journal_.read();
  std::vector<JournalEntry> entries;
  has_listed_ = contents.has_value();
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
    const auto key = key_of(entry);
    const auto opened = opened_.find(key);
    if (opened != opened_.end() && opened->second == entry.mark) {
      // the gate is open; only the entry could not be removed then
      remove(entry);
    } else if (is_ours(entry, named) || in_flight.contains(key)) {
      entries_.insert_or_assign(key, entry);
      entries.push_back(std::move(entry));
    } else {
      tell_of_others(entry);
    }
  }
  // it is unknown which of them is damaged
  for (const auto& [key, entry] : before) {
    if (!contents->damaged.empty() && entries_.insert({key, entry}).second) entries.push_back(entry);
  }
  return entries;
}

/// Whether an entry of a server of our name belongs to the cluster that we are connected to. An entry that
/// names no cluster, or that we cannot decide, does if a database of its name is as it says, unless another
/// entry that names our cluster says the same.
bool GateBook::is_ours(const JournalEntry& entry, const std::set<std::string>& named) const {
  if (!cluster_.empty() && !entry.system_identifier.empty()) return entry.system_identifier == cluster_;
  if (cluster_.empty() && entry.system_identifier.empty()) return true;
  if (entry.system_identifier.empty() && named.contains(entry.kind + ' ' + entry.database)) return false;
  return std::any_of(known_.begin(), known_.end(), [&](const auto& known) {
    const auto& [oid, database] = known;
    const bool is_closed = database.limit == 0 || kind_of(entry) == GateKind::kPgbouncer;
    return database.database == entry.database && (entry.oid == 0 || entry.oid == oid) && is_closed;
  });
}

/// Once each: another pgcurfew has to open these gates.
void GateBook::tell_of_others(const JournalEntry& entry) {
  const auto file = journal_.path_of(entry);
  if (!complaints_.insert(fmt::format("{} {}", file, entry.mark)).second) return;
  const bool is_named = !cluster_.empty() && !entry.system_identifier.empty();
  events_.push_back(
      unclaimed_gate_event({entry, file}, is_named ? WhyUnclaimed::kCluster : WhyUnclaimed::kUnnamedCluster));
}

/// PgBouncer's gates are identified by the names of its databases, and an oid means nothing without its
/// cluster.
JournalEntry GateBook::entry_for(const GateOrder& order) const {
  JournalEntry entry;
  entry.server = server_;
  entry.system_identifier = cluster_;
  entry.database = order.database;
  if (!cluster_.empty() && order.kind == GateKind::kConnectionLimit) entry.oid = order.oid;
  entry.kind = name_of(order.kind);
  return entry;
}

std::optional<JournalEntry> GateBook::find(const GateOrder& order, const std::set<Key>& in_flight) {
  std::optional<JournalEntry> found;
  for (auto& entry : read(in_flight)) {
    if (!is_of(entry, order)) continue;
    // of two entries for one gate, the older one did not name its cluster
    if (!found || found->system_identifier.empty()) found = std::move(entry);
  }
  return found;
}

/// Whether an entry was listed by the last reading, or belongs to another cluster.
bool GateBook::knows(const JournalEntry& entry) const {
  const auto key = key_of(entry);
  const auto opened = opened_.find(key);
  const bool is_over = opened != opened_.end() && opened->second == entry.mark;
  return is_over || entries_.contains(key) || (has_listed_ && entry.system_identifier.empty());
}

Result<void> GateBook::write_first(const JournalEntry& entry) {
  auto unnamed = entry;
  unnamed.system_identifier.clear();
  unnamed.oid = 0;
  for (const auto& file : {entry, unnamed}) {
    auto found = journal_.find(file);
    if (found && *found && !knows(**found)) {
      // another instance may have written it since; the next reading lists it
      return failure(
          fmt::format("the journal of gates has a file {} that was not listed", journal_.path_of(file)),
          "It may belong to a gate that has to be opened.");
    }
    if (found) continue;
    auto error = found.error();
    error.sqlstate = kNotInPrerequisiteState;
    return tl::make_unexpected(std::move(error));
  }
  auto written = journal_.write(entry);
  if (written) entries_.insert_or_assign(key_of(entry), entry);
  return written;
}

void GateBook::write(const JournalEntry& entry) {
  entries_.insert_or_assign(key_of(entry), entry);
  if (const auto written = journal_.write(entry); !written) complain(written.error());
}

void GateBook::remove(const JournalEntry& entry) {
  const auto removed = journal_.remove(entry);
  const auto key = key_of(entry);
  entries_.erase(key);
  opened_.erase(key);
  if (removed) return;
  complain(removed.error());
  opened_.insert_or_assign(key, entry.mark);
}

}  // namespace pgcurfew
