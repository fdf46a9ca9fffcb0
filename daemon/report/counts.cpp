#include "report/counts.hpp"

#include <algorithm>
#include <functional>

namespace pgcurfew {

namespace {

constexpr std::size_t kLongestName = 200;

}  // namespace

void NameCounts::count(std::string_view name, std::string_view text) {
  ++total_;
  name = name.substr(0, kLongestName);
  auto found = names_.find(name);
  if (found == names_.end()) {
    if (names_.size() >= kMostNames) return;
    found = names_.emplace(std::string(name), Counted{std::string(text), 0}).first;
  }
  ++found->second.count;
}

std::vector<NameCounts::Entry> NameCounts::top(std::size_t most) const {
  std::vector<Entry> entries;
  entries.reserve(names_.size());
  for (const auto& [name, counted] : names_) entries.push_back({name, counted.text, counted.count});
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.count > b.count; });
  if (entries.size() > most) entries.resize(most);
  return entries;
}

void Durations::add(double seconds) {
  ++count_;
  longest_s_ = std::max(longest_s_, seconds);
  if (kept_.size() < kMostKept) kept_.push_back(seconds);
}

double Durations::median_s() const {
  if (kept_.empty()) return 0;
  auto sorted = kept_;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>((sorted.size() - 1) / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  return *middle;
}

}  // namespace pgcurfew
