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

void Checks::on_handed_over(int instance, const Event& event, std::uint64_t number) {
  if (event.kind != Kind::kIntent && event.kind != Kind::kGateIntent) return;
  auto& book = books_[instance];
  const auto decision = field_of<std::string>(event, "decision").value_or("");
  auto& intents = book.record.intents;
  std::erase_if(intents,
                [&](const auto& entry) { return entry.second.at < site_.agenda.now() - minutes(1); });
  intents[decision] = {number, site_.agenda.now(), book.look, book.policy, false};
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
  const auto patience = is_required ? kRequiredPatience : kPatience;
  const bool was_stalled = book.record.stalled_until > intent.at;
  if (!was_stalled && site_.agenda.now() > intent.at + patience + kSlack) {
    throw Violation("waits",
                    fmt::format("{} has waited for {}", decision, to_text(site_.agenda.now() - intent.at)));
  }
  return intent;
}

void Checks::check_late(Book& book, const Event& event) {
  const auto decision = field_of<std::string>(event, "decision").value_or("");
  const auto found = book.record.intents.find(decision);
  if (found == book.record.intents.end()) throw Violation("intent", decision + " is late and has none");
  if (found->second.number <= book.record.heard) {
    throw Violation("false-claim", decision + " is called late though its intent is in the record");
  }
  found->second.is_late = true;
}

}  // namespace pgcurfew::simulation
