#pragma once

#include <string>

#include <tl/expected.hpp>

namespace pgcurfew {

/// An expected failure, in PostgreSQL's manner: the primary message in lower case and without a full stop,
/// detail and hint as whole sentences (either may be empty).
struct Error {
  std::string message;
  std::string detail;
  std::string hint;
  std::string sqlstate;  ///< five characters, empty where no server was involved

  bool operator==(const Error&) const = default;
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> failure(std::string message, std::string detail = {}, std::string hint = {},
                                     std::string sqlstate = {}) {
  return tl::unexpected<Error>(
      Error{std::move(message), std::move(detail), std::move(hint), std::move(sqlstate)});
}

}  // namespace pgcurfew
