#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace pgcurfew {

/// libpq's connection string, taken apart.
class Conninfo {
 public:
  /// *Errors*: a string that libpq cannot parse (without quoting it: it may hold a password), a service file;
  /// a port, an sslmode or a target_session_attrs that libpq would refuse only when it connects.
  /// *Source*: libpq's connectOptions2().
  static Result<Conninfo> parse(const std::string& text);

  /// Whether a secret stands in the string itself.
  [[nodiscard]] bool has_password() const;

  /// One of the hosts, with the port that stands beside it.
  struct Host {
    std::string name;  ///< a socket directory, an address, or a name
    std::string port;
    std::string hostaddr;
    /// Whether libpq itself would look it up, and block.
    [[nodiscard]] bool needs_look_up() const;
  };
  /// In the order in which libpq tries them. Empty: libpq's default.
  [[nodiscard]] std::vector<Host> hosts() const;

  /// Keywords and values for PQconnectStartParams, with our own settings enforced and each host replaced by
  /// what `addresses` has for its name (a host without an entry is left out). The address number `first`,
  /// modulo their count, is tried first, then those behind it and those before. `with_known`: also the hosts
  /// that need no look-up. Where the string names hosts, no environment variable leads elsewhere. *Errors*:
  /// no host is left.
  [[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> parameters(
      const std::map<std::string, std::vector<std::string>>& addresses, std::size_t first = 0,
      bool with_known = true) const;

  /// The database that it names; empty if it does not.
  [[nodiscard]] std::string database() const { return value("dbname"); }
  void set_database(std::string name) { values_["dbname"] = std::move(name); }

  /// Where it leads, without secrets: `db1:5432,db2 dbname=postgres user=pgcurfew`.
  [[nodiscard]] std::string describe() const;

 private:
  /// *Errors*: what libpq would not connect with.
  [[nodiscard]] Result<void> check() const;
  [[nodiscard]] bool names_hosts() const;
  [[nodiscard]] std::string value(const std::string& keyword) const;
  std::map<std::string, std::string> values_;
};

}  // namespace pgcurfew
