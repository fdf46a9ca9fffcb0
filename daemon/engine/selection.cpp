#include "engine/selection.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

namespace pgcurfew {

namespace {

class Chooser {
 public:
  Chooser(const Policy& policy, const Snapshot& snapshot, const Docket& docket, const Ledger& ledger)
      : policy_(policy), snapshot_(snapshot), docket_(docket), ledger_(ledger) {}

  std::vector<bool> run(ServerTime now) {
    std::vector<bool> chosen(docket_.cases.size(), true);
    std::map<std::pair<std::size_t, std::string>, std::vector<std::size_t>> groups;
    for (std::size_t i = 0; i < docket_.cases.size(); ++i) {
      const auto& a_case = docket_.cases[i];
      const auto& selection = policy_.rules[a_case.rule].selection;
      if (!selection.keep) continue;
      chosen[i] = false;
      if (a_case.judgement.due > now) {
        // not yet one of them; asked again when it falls due
        chosen[i] = true;
        continue;
      }
      groups[{a_case.rule, group_of(selection, snapshot_.sessions[a_case.session])}].push_back(i);
    }
    for (auto& [key, cases] : groups) choose(policy_.rules[key.first].selection, cases, chosen);
    return chosen;
  }

 private:
  void choose(const Selection& selection, std::vector<std::size_t>& cases, std::vector<bool>& chosen) const {
    if (cases.size() <= *selection.keep) return;
    auto surplus = cases.size() - *selection.keep;
    if (selection.victims == Victims::kAll) surplus = cases.size();
    const bool newest_first = selection.victims == Victims::kNewest;
    std::sort(cases.begin(), cases.end(), [&](std::size_t a, std::size_t b) {
      return newest_first ? age_key(b) < age_key(a) : age_key(a) < age_key(b);
    });
    for (const auto i : cases) {
      if (surplus == 0) return;
      if (ledger_.denied.contains(session_of(i).key)) continue;
      chosen[i] = true;
      --surplus;
    }
  }

  const Session& session_of(std::size_t i) const { return snapshot_.sessions[docket_.cases[i].session]; }
  std::pair<ServerTime, SessionKey> age_key(std::size_t i) const {
    return {docket_.cases[i].judgement.clock_start, session_of(i).key};
  }

  const Policy& policy_;
  const Snapshot& snapshot_;
  const Docket& docket_;
  const Ledger& ledger_;
};

}  // namespace

std::string group_of(const Selection& selection, const Session& session) {
  std::string group;
  for (const auto field : selection.per) {
    const auto value = value_of(session, field);
    // with its length before it, so that no two groups read the same
    group += value ? fmt::format("{}:{};", value->size(), *value) : std::string("-;");
  }
  return group;
}

std::vector<bool> chosen_cases(const Policy& policy, const Snapshot& snapshot, const Docket& docket,
                               const Ledger& ledger, ServerTime now) {
  return Chooser(policy, snapshot, docket, ledger).run(now);
}

}  // namespace pgcurfew
