#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/listen_address.hpp"
#include "base/time.hpp"
#include "report/picture.hpp"

namespace pgcurfew {

/// The user and the password of basic authentication.
struct WebLogin {
  std::string user;
  std::string password;
};

/// A request, as far as answers depend on it.
struct WebRequest {
  std::string method;
  std::string path;  ///< without its query
  std::optional<std::string> host;
  std::optional<WebLogin> login = {};
};

/// Who may ask, and where.
struct WebAccess {
  ListenAddress address;
  std::optional<WebLogin> login;  ///< empty: everybody who can connect
};

struct WebAnswer {
  unsigned status = 200;
  std::string_view type;  ///< the content type
  std::string body;
};

/// What answers are made of, read anew for each. Any thread may call them.
struct WebSources {
  std::function<std::shared_ptr<const Picture>()> picture;  ///< null: there is none yet
  std::function<ProcessFacts()> process;
  /// How long the loop has not drawn a picture although it was asked to.
  std::function<Duration()> silence;
  /// For the age of a picture, which nothing but the page's countdowns needs: silence() is no age.
  std::function<MonotonicTime()> now;
};

/// The answer to a request. Only reads: nothing can be changed through it.
/// *Errors*, in this order: 403 for the name of a host that is not ours; 401 without the login that is
/// needed; 405 for a method other than GET and HEAD; 404 for another path; 503 as /healthz and /readyz say,
/// and while there is no picture.
WebAnswer answer(const WebRequest& request, const WebAccess& access, const WebSources& sources);

/// Whether an answer to /healthz without a login, whoever has given it, looks like one of ours.
bool is_of_pgcurfew(long status, const std::string& body);

}  // namespace pgcurfew
