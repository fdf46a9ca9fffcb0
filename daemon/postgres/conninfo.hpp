#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace pgcurfew {

/// A libpq connection string, parsed.
class Conninfo {
 public:
  /// *Errors*: a string that libpq cannot parse (the message does not quote it, because it may contain a
  /// password); a service file; a value, such as a port or an sslmode, that libpq would refuse only when it
  /// connects.
  /// *Source*: libpq's connectOptions2().
  static Result<Conninfo> parse(const std::string& text);

  /// Whether the string itself contains a password.
  [[nodiscard]] bool has_password() const;

  /// One of the hosts, with its port.
  struct Host {
    std::string name;  ///< a socket directory, an address, or a name
    std::string port;
    std::string hostaddr;
    /// Whether libpq would look the name up, which blocks.
    [[nodiscard]] bool needs_look_up() const;
  };
  /// In the order in which libpq tries them. Empty: libpq's default.
  [[nodiscard]] std::vector<Host> hosts() const;

  /// Keywords and values for PQconnectStartParams, with our own settings added. Each host name is replaced by
  /// its entry in `addresses`; a host without an entry is left out. The list is rotated so that the address
  /// number `first`, modulo their count, is tried first. `with_known`: also the hosts that need no look-up.
  /// If the string names hosts, no environment variable changes where it leads. *Errors*: no host is left.
  [[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> parameters(
      const std::map<std::string, std::vector<std::string>>& addresses, std::size_t first = 0,
      bool with_known = true) const;

  /// The database that the string names; empty if it names none.
  [[nodiscard]] std::string database() const { return value("dbname"); }
  /// The port that the string names; empty if it names none.
  [[nodiscard]] std::string port() const { return value("port"); }
  void set_database(std::string name) { values_["dbname"] = std::move(name); }
  /// What the connection calls itself; otherwise it is `pgcurfew`.
  void set_application_name(std::string name) { application_name_ = std::move(name); }

  /// Where it leads, without secrets: `db1:5432,db2 dbname=postgres user=pgcurfew`.
  [[nodiscard]] std::string describe() const;

 private:
  /// *Errors*: a value with which libpq would not connect.
  [[nodiscard]] Result<void> check() const;
  [[nodiscard]] bool names_hosts() const;
  [[nodiscard]] std::string value(const std::string& keyword) const;
  std::map<std::string, std::string> values_;
  std::string application_name_ = "pgcurfew";
};

}  // namespace pgcurfew
