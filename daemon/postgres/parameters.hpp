#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/look_plan.hpp"
#include "engine/order.hpp"
#include "engine/session.hpp"
#include "postgres/rows.hpp"

namespace pgcurfew {

/// The parameters of a prepared statement, in binary, as libpq takes them.
class Parameters {
 public:
  /// Of statement::look.
  static Parameters of_look(QueryTexts texts);
  /// Of statement::waits: for all sessions in the look that wait for a lock. Empty if there are none.
  static std::optional<Parameters> of_waits(const Look& look);
  /// Of statement::waits, for a single backend.
  static Parameters of_waits(std::int32_t pid);
  /// Of statement::guard, the one with edges if the guard has any.
  /// *Shapes*: at most kMostBlockEdges edges; more are an error of the caller, because none may be left out.
  static Parameters of_guard(const Guard& guard, const NameCache& names);

  Parameters(Parameters&&) = default;
  Parameters& operator=(Parameters&&) = default;
  Parameters(const Parameters&) = delete;
  Parameters& operator=(const Parameters&) = delete;
  ~Parameters() = default;

  [[nodiscard]] int count() const { return static_cast<int>(values_.size()); }
  [[nodiscard]] const char* const* values() const { return values_.data(); }
  [[nodiscard]] const int* lengths() const { return lengths_.data(); }
  [[nodiscard]] const int* formats() const { return formats_.data(); }

 private:
  explicit Parameters(std::vector<std::optional<std::string>> bytes);
  std::vector<std::optional<std::string>> bytes_;  ///< values_ points into it, also after a move
  std::vector<const char*> values_;
  std::vector<int> lengths_;
  std::vector<int> formats_;
};

}  // namespace pgcurfew
