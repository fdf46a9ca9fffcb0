#include "postgres/look_assembly.hpp"

#include <utility>

namespace pgcurfew {

bool NameBook::wants_reading(bool has_met_unknown, MonotonicTime now) const {
  const bool is_old = !read_at_ || now - *read_at_ >= kLifetime;
  return may_try(now) && (is_old || has_met_unknown);
}

void NameBook::take(Names NameCache::*which, Names names, MonotonicTime now) {
  names_.*which = std::move(names);
  names_.nameless.clear();
  read_at_ = now;
}

void NameBook::note_nameless(std::unordered_set<std::uint32_t> unknown, MonotonicTime now) {
  if (read_at_ == now && may_try(now)) names_.nameless.merge(unknown);
}

LookAssembly::Missing LookAssembly::take_rows(ResultPtr result, const command::TakeLook& asked,
                                              const ServerFacts& facts, const NameBook& names,
                                              MonotonicTime now) {
  auto rows = read_look(result.get(), names.names(), facts);
  Missing missing;
  missing.names = names.wants_reading(rows && !rows->unknown.empty(), now);
  if (rows && asked.with_waits) missing.waits = Parameters::of_waits(rows->look);
  under_way_ =
      UnderWay{std::move(result), std::move(rows), asked.number, missing.names, missing.waits.has_value()};
  return missing;
}

void LookAssembly::take_names(const ServerFacts& facts, NameBook& names, MonotonicTime now) {
  if (!under_way_ || !under_way_->lacks_names) return;
  under_way_->lacks_names = false;
  under_way_->rows = read_look(under_way_->result.get(), names.names(), facts);
  if (under_way_->rows) names.note_nameless(under_way_->rows->unknown, now);
}

void LookAssembly::take_waits(std::optional<std::vector<LockWait>> waits) {
  if (!under_way_) return;
  under_way_->lacks_waits = false;
  under_way_->waits = std::move(waits);
}

std::optional<Result<Look>> LookAssembly::take_finished() {
  if (!under_way_ || under_way_->lacks_names || under_way_->lacks_waits) return std::nullopt;
  auto done = std::move(*under_way_);
  under_way_.reset();
  if (!done.rows) return tl::make_unexpected(done.rows.error());
  auto look = std::move(done.rows->look);
  look.number = done.number;
  look.waits_failed = !done.waits;
  look.waits = std::move(done.waits).value_or(std::vector<LockWait>());
  return look;
}

}  // namespace pgcurfew
