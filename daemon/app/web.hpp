#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "app/picture_exchange.hpp"
#include "base/listen_address.hpp"
#include "events/event.hpp"
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

  /// Listens there from now on, and nowhere else; empty: not at all. Does not wait for the end of the server
  /// before.
  void listen(const std::optional<ListenAddress>& address);

  /// Ends all connections. Waits for an answer that is being made, and for no client.
  void stop();

  /// Why it does not listen although it should; empty: it does.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  void draw();
  void open();
  Result<void> try_to_open();
  void close();
  void fail(const Error& error);
  void look_after();

  Listener listener_;
  Wakeup wanted_;  ///< a picture is
  Timer timer_;
  std::shared_ptr<PictureExchange> exchange_;  ///< of this server; null: there is none
  std::optional<ListenAddress> address_;
  std::unique_ptr<ListeningSocket> socket_;
  std::unique_ptr<WebServer> server_;
  std::string trouble_;
  std::optional<MonotonicTime> failed_at_;
};

}  // namespace pgcurfew
