#include "engine/selection.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

namespace pgcurfew {

std::string group_of(const Selection& selection, const Session& session) {
  std::string group;
  for (const auto field : selection.per) {
    const auto value = value_of(session, field);
    // with its length before it, so that no two groups look the same
    group += value ? fmt::format("{}:{};", value->size(), *value) : std::string("-;");
  }
  return group;
}

std::vector<std::size_t> victims_of(const Policy& policy, const Look& look, const Docket& docket,
                                    const Ledger& ledger, std::vector<std::size_t> cases) {
  if (cases.empty()) return {};
  const auto& selection = policy.rules[docket.cases[cases.front()].rule].selection;
  if (cases.size() <= *selection.keep) return {};
  const auto key_of = [&](std::size_t i) { return look.sessions[docket.cases[i].session].key; };
  const auto age_key = [&](std::size_t i) {
    return std::pair(docket.cases[i].judgement.clock_start, key_of(i));
  };
  const bool newest_first = selection.victims == Victims::kNewest;
  std::sort(cases.begin(), cases.end(), [&](std::size_t a, std::size_t b) {
    return newest_first ? age_key(b) < age_key(a) : age_key(a) < age_key(b);
  });
  const auto surplus = selection.victims == Victims::kAll ? cases.size() : cases.size() - *selection.keep;
  std::erase_if(cases, [&](std::size_t i) { return ledger.denied.contains(key_of(i)); });
  cases.resize(std::min(cases.size(), surplus));
  return cases;
}

Chosen chosen_cases(const Policy& policy, const Look& look, const Docket& docket, const Ledger& ledger,
                    ServerTime now) {
  Chosen chosen{std::vector<bool>(docket.cases.size(), true),
                std::vector<std::size_t>(docket.cases.size(), 0)};
  std::map<std::pair<std::size_t, std::string>, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < docket.cases.size(); ++i) {
    const auto& a_case = docket.cases[i];
    const auto& selection = policy.rules[a_case.rule].selection;
    // a session that is not due yet is considered again when it falls due
    if (!selection.keep || a_case.judgement.due > now) continue;
    chosen.is_chosen[i] = false;
    groups[{a_case.rule, group_of(selection, look.sessions[a_case.session])}].push_back(i);
  }
  for (auto& entry : groups) {
    for (const auto i : entry.second) chosen.group_size[i] = entry.second.size();
    for (const auto i : victims_of(policy, look, docket, ledger, std::move(entry.second)))
      chosen.is_chosen[i] = true;
  }
  return chosen;
}

}  // namespace pgcurfew
