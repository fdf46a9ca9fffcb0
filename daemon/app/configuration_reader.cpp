#include "app/configuration_reader.hpp"

#include <cstdint>
#include <system_error>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

#include "app/configuration.hpp"

namespace pgcurfew {

ConfigurationReader::ConfigurationReader(Loop& loop, std::string path, std::function<void(LoadResult)> done)
    : path_(std::move(path)),
      done_(std::move(done)),
      finished_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      readiness_(loop, [this] { finish(); }) {
  readiness_.watch(finished_, false, false);
}

ConfigurationReader::~ConfigurationReader() {
  if (thread_.joinable()) thread_.join();
  readiness_.watch(-1, false, false);
  if (finished_ >= 0) close(finished_);
}

void ConfigurationReader::read() {
  if (is_reading_) {
    must_read_again_ = true;
  } else {
    start();
  }
}

void ConfigurationReader::start() {
  is_reading_ = true;
  const auto work = [this]() noexcept {
    result_ = read_configuration(path_);
    const std::uint64_t one = 1;
    // cannot fail: the counter of an eventfd is far from full
    [[maybe_unused]] const auto written = write(finished_, &one, sizeof one);
  };
  try {
    if (finished_ >= 0) {
      thread_ = std::thread(work);
      return;
    }
  } catch (const std::system_error&) {
    // no thread can be started: read on this one
  }
  work();
  finish();
}

void ConfigurationReader::finish() {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(finished_, &count, sizeof count);
  if (thread_.joinable()) thread_.join();
  if (!std::exchange(is_reading_, false)) return;
  if (std::exchange(must_read_again_, false)) return start();
  done_(std::move(result_));
}

}  // namespace pgcurfew
