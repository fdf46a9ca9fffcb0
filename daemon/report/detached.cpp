#include "report/detached.hpp"

#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "report/no_signals.hpp"

namespace pgcurfew {

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
