#include <chrono>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "simulation/checks.hpp"

/// The checks of what an instance does before its intents are in the record.
namespace pgcurfew::simulation {

namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

/// The time for which an order waits for its intent, and no longer.
constexpr Duration kPatience = milliseconds(10);
constexpr Duration kRequiredPatience = milliseconds(2000);
/// A timer fires a little late.
constexpr Duration kSlack = milliseconds(1);

}  // namespace

void Checks::on_heard(int instance, std::uint64_t number) {
  auto& record = books_[instance].record;
  record.heard = number;
  record.heard_at = site_.agenda.now();
}

void Checks::on_append_failed(int instance, bool fails) {
  auto& record = books_[instance].record;
  record.fails = fails;
  if (fails) record.behind_until = record.handed_over;
}

void Checks::on_handed_over(int instance, const Event& event, std::uint64_t number) {
  books_[instance].record.handed_over = number;
  if (event.kind != Kind::kIntent && event.kind != Kind::kGateIntent) return;
  auto& book = books_[instance];
  const auto decision = field_of<std::string>(event, "decision").value_or("");
  auto& intents = book.record.intents;
  std::erase_if(intents,
                [&](const auto& entry) { return entry.second.at < site_.agenda.now() - minutes(1); });
  intents[decision] = {number, site_.agenda.now(), book.look, book.policy, false};
}

/// An order waits for its intent, unless another has just waited in vain or the record fails.
void Checks::check_patience(const RecordBook& record, const Basis& intent) const {
  // it may have been decided before a stall that its intent was handed over after
  const bool has_waited = site_.agenda.now() >= intent.at + kPatience || record.stalled_until >= intent.at;
  const bool is_silent = record.late_at && *record.late_at >= record.heard_at;
  const bool is_behind = record.fails || record.heard < record.behind_until;
  if (!has_waited && !is_silent && !is_behind) {
    throw Violation("impatient",
                    fmt::format("an order is called late after {}", to_text(site_.agenda.now() - intent.at)));
  }
}

/// A signal leaves once its intent is in the record, or soon without and marked; if the record is required,
/// never without.
Checks::Basis Checks::check_intent(Book& book, const std::string& decision, bool is_marked_late) const {
  const auto found = book.record.intents.find(decision);
  if (found == book.record.intents.end()) throw Violation("intent", decision + " has none, or an old one");
  const auto& intent = found->second;
  const bool is_required = intent.policy->record.is_required;
  const bool is_recorded = intent.number <= book.record.appended;
  if (!is_recorded && is_required) {
    throw Violation("unrecorded", decision + " is sent before its intent is in the required record");
  }
  if (!is_recorded && is_marked_late && !intent.is_late) {
    throw Violation("unrecorded",
                    decision + " is sent before its intent is in the record, and is not marked");
  }
  if (!is_recorded && !is_required) {
    check_patience(book.record, intent);
    book.record.late_at = site_.agenda.now();
  }
  const auto patience = is_required ? kRequiredPatience : kPatience;
  const bool was_stalled = book.record.stalled_until > intent.at;
  if (!was_stalled && site_.agenda.now() > intent.at + patience + kSlack) {
    throw Violation("waits",
                    fmt::format("{} has waited for {}", decision, to_text(site_.agenda.now() - intent.at)));
  }
  return intent;
}

void Checks::check_late(Book& book, const Event& event) const {
  const auto decision = field_of<std::string>(event, "decision").value_or("");
  const auto found = book.record.intents.find(decision);
  if (found == book.record.intents.end()) throw Violation("intent", decision + " is late and has none");
  if (found->second.number <= book.record.heard) {
    throw Violation("false-claim", decision + " is called late though its intent is in the record");
  }
  check_patience(book.record, found->second);
  found->second.is_late = true;
}

}  // namespace pgcurfew::simulation
