#include "report/detached.hpp"

#include <csignal>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace pgcurfew {

namespace {

/// Threads inherit what is blocked: the loop's thread may not have asked for its signals yet.
class NoSignals {
 public:
  NoSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~NoSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

Result<void> start_detached(std::function<void()> work) {
  const NoSignals no_signals;
  try {
    std::thread(std::move(work)).detach();
  } catch (const std::system_error& error) {
    return failure(std::string("could not start a thread: ") + error.what());
  }
  return {};
}

}  // namespace pgcurfew
