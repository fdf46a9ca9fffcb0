#include "app/configuration_reader.hpp"

#include <system_error>
#include <utility>

#include "app/configuration.hpp"

namespace pgcurfew {

ConfigurationReader::ConfigurationReader(Loop& loop, std::string path,
                                         std::function<void(LoadResult, Result<WebSecrets>)> done)
    : path_(std::move(path)), done_(std::move(done)), finished_(loop, [this] { finish(); }) {}

ConfigurationReader::~ConfigurationReader() {
  if (thread_.joinable()) thread_.join();
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
  const auto work = [this, wake = finished_.caller()]() noexcept {
    result_ = read_configuration(path_);
    secrets_ = result_.policy ? usable_secrets(result_.policy->web) : WebSecrets{};
    wake();
  };
  try {
    if (finished_.is_open()) {
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
  if (thread_.joinable()) thread_.join();
  if (!std::exchange(is_reading_, false)) return;
  if (std::exchange(must_read_again_, false)) return start();
  done_(std::move(result_), std::move(secrets_));
}

}  // namespace pgcurfew
