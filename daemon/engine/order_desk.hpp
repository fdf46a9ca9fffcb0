#pragma once

#include <vector>

#include "engine/decision.hpp"
#include "engine/docket.hpp"
#include "engine/due_steps.hpp"
#include "engine/ledger.hpp"

namespace pgcurfew {

/// Makes orders from the chosen steps, and enters them in the ledger.
class OrderDesk {
 public:
  /// Adds to `decision`; all references must outlive the desk.
  OrderDesk(const Policy& policy, const Look& look, const Docket& docket, Ledger& ledger, Now now,
            Decision& decision)
      : policy_(policy), look_(look), docket_(docket), ledger_(ledger), now_(now), decision_(decision) {}

  /// Makes an order for a step; the superseded steps are for the same session, and count as done by it.
  void place(const DueStep& due, const std::vector<DueStep>& superseded, bool is_signal);

 private:
  [[nodiscard]] const Session& session_of(const DueStep& due) const { return look_.sessions[due.session]; }
  [[nodiscard]] const Rule& rule_of(const DueStep& due) const { return policy_.rules[due.claimant.rule]; }
  Order describe(const DueStep& due);
  void describe_rule(const DueStep& due, Order& order);
  [[nodiscard]] Guard guard_for(const DueStep& due) const;
  /// The episode that the order now belongs to.
  const Episodes::value_type& note_in_ledger(const DueStep& due, const Order& order, bool is_carried);
  /// Whether another claim's signal was sent to the session.
  [[nodiscard]] Signalled signalled_by_another(const EpisodeKey& key) const;
  void note_pace(std::size_t rule);

  const Policy& policy_;
  const Look& look_;
  const Docket& docket_;
  Ledger& ledger_;
  const Now now_;
  Decision& decision_;
};

}  // namespace pgcurfew
