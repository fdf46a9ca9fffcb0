#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "policy/policy.hpp"
#include "report/web_server.hpp"

namespace pgcurfew {

/// What the files that `web` names contain.
struct WebSecrets {
  std::optional<TlsIdentity> identity;  ///< empty: no TLS
  std::string password;

  bool operator==(const WebSecrets&) const = default;
};

/// `web`: empty: nothing is needed. *Errors*: a file that we may not read; a key or a password that others
/// may use; no password; no PEM; a key of another certificate.
Result<WebSecrets> usable_secrets(const std::optional<WebSettings>& web);

/// The password of basic authentication; empty if there is none. *Errors*: as usable_secrets().
Result<std::string> read_web_password(const WebSettings& web);

/// The server's certificate with its issuers', as PEM; empty without TLS. *Errors*: as usable_secrets().
Result<std::string> read_web_certificate(const WebSettings& web);

/// Where the web server listens and who may read, in a few words.
std::string describe(const WebSettings& web);

/// Whether this user could start the web server now.
struct WebCheck {
  std::vector<Error> obstacles;  ///< all that prevent it
  bool is_ours = false;          ///< a pgcurfew listens there already, which is none
};
/// *Units*: waits at most four seconds for a process that listens there.
WebCheck check_web(const WebSettings& web);

}  // namespace pgcurfew
