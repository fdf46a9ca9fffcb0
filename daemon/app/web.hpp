#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "app/picture_exchange.hpp"
#include "app/web_place.hpp"
#include "events/event.hpp"
#include "policy/policy.hpp"
#include "report/web_server.hpp"
#include "system/listening_socket.hpp"
#include "system/loop.hpp"
#include "system/wakeup.hpp"

namespace pgcurfew {

/// The web server beside the loop: opens and closes it as the policy says, tries again when it cannot listen,
/// and draws pictures for it.
class Web {
 public:
  struct Listener {
    std::function<std::shared_ptr<const Picture>()> draw;  ///< of the state at this moment
    std::function<void(Event)> tell;
    std::function<void()> changed;  ///< trouble() is another
  };

  Web(Loop& loop, Listener listener);
  ~Web();
  Web(const Web&) = delete;
  Web& operator=(const Web&) = delete;

  /// Listens there from now on, and nowhere else; empty: not at all. `secrets`: of these settings, or why
  /// they cannot be used; then a server that is already as the settings say goes on with those that it has.
  /// Does not wait for the end of the server before.
  void listen(const std::optional<WebSettings>& settings, Result<WebSecrets> secrets);

  /// Ends all connections. Waits for an answer that is being made, and for no client.
  void stop();

  /// Why it does not listen as it should; empty: it does.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  void draw();
  void open(std::unique_ptr<ListeningSocket> kept);
  Result<void> try_to_open(std::unique_ptr<ListeningSocket> kept);
  /// The socket of the server, which no longer listens; null if there is none. Clients that want to connect
  /// wait in its queue.
  std::unique_ptr<ListeningSocket> keep_socket();
  void close();
  void fail(const Error& error);
  void tell_listening();
  void forget_trouble();
  void look_after();

  Listener listener_;
  Wakeup wanted_;  ///< a picture is
  Timer timer_;
  std::shared_ptr<PictureExchange> exchange_;  ///< of this server; null: there is none
  std::optional<WebSettings> settings_;
  Result<WebSecrets> secrets_;  ///< of server_, if there is one
  std::unique_ptr<ListeningSocket> socket_;
  std::unique_ptr<WebServer> server_;
  std::string trouble_;
  std::optional<MonotonicTime> failed_at_;  ///< since when there is no server although there should be
};

}  // namespace pgcurfew
