#include "report/output.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>

#include <poll.h>
#include <signal.h>
#include <unistd.h>

namespace pgcurfew {

namespace {

constexpr int kPatienceMs = 10;

/// Keeps a write to a broken pipe from raising SIGPIPE, whatever the process does with that signal, and
/// without changing the process's handling of it; libpq does the same. Lets our alarm through.
class SignalsWhileWriting {
 public:
  SignalsWhileWriting() noexcept {
    sigemptyset(&sigpipe_);
    sigaddset(&sigpipe_, SIGPIPE);
    sigset_t pending;
    sigemptyset(&pending);
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &alarm, nullptr);
  }
  ~SignalsWhileWriting() {
    if (!was_pending_) {
      const timespec at_once{};
      while (sigtimedwait(&sigpipe_, nullptr, &at_once) == -1 && errno == EINTR) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SignalsWhileWriting(const SignalsWhileWriting&) = delete;
  SignalsWhileWriting& operator=(const SignalsWhileWriting&) = delete;

 private:
  sigset_t sigpipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

bool is_writable(int descriptor, int patience_ms) noexcept {
  pollfd ready{descriptor, POLLOUT, 0};
  // an interrupted wait counts as over: it is bounded either way
  return poll(&ready, 1, patience_ms) == 1 && (ready.revents & POLLOUT) != 0;
}

extern "C" void interrupt_write(int) {}

/// An alarm that interrupts a write of this thread.
bool make_alarm(timer_t& alarm) noexcept {
  struct sigaction action {};
  action.sa_handler = interrupt_write;  // and no SA_RESTART
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGALRM, &action, nullptr) != 0) return false;
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGALRM;
  event._sigev_un._tid = gettid();
  return timer_create(CLOCK_MONOTONIC, &event, &alarm) == 0;
}

void set_alarm(timer_t alarm, int milliseconds) noexcept {
  // repeated, because an alarm just before the write would be lost
  const timespec wait{0, milliseconds * 1'000'000L};
  const itimerspec times{wait, wait};
  timer_settime(alarm, 0, &times, nullptr);
}

}  // namespace

Output::Output(int descriptor) noexcept : descriptor_(descriptor), has_alarm_(make_alarm(alarm_)) {}

Output::~Output() {
  if (has_alarm_) timer_delete(alarm_);
}

bool Output::is_ready() const noexcept {
  return is_writable(descriptor_, 0);
}

std::size_t Output::write(std::string_view bytes) noexcept {
  using namespace std::chrono;
  const SignalsWhileWriting guard;
  const auto patience_end = steady_clock::now() + milliseconds(is_stalled_ ? 0 : kPatienceMs);
  std::size_t written = 0;
  while (written < bytes.size()) {
    const auto rest = ceil<milliseconds>(patience_end - steady_clock::now());
    // a reader that delayed us for one line does not delay the next
    const int patience_ms = is_stalled_ ? 0 : std::clamp(static_cast<int>(rest.count()), 0, kPatienceMs);
    if (!is_writable(descriptor_, patience_ms)) break;
    const auto count = write_piece(bytes.substr(written, PIPE_BUF), patience_ms);
    if (count > 0) {
      written += static_cast<std::size_t>(count);
    } else if (count == 0 || errno != EINTR || steady_clock::now() >= patience_end) {
      break;  // EPIPE, ENOSPC, EAGAIN, ...: the error cannot be reported anywhere
    }
  }
  is_stalled_ = written < bytes.size();
  return written;
}

/// A writable pipe or socket takes PIPE_BUF bytes without blocking, unless another process fills it first; a
/// terminal blocks if it has room for less. Then the alarm ends the write.
long Output::write_piece(std::string_view piece, int patience_ms) const noexcept {
  if (has_alarm_) set_alarm(alarm_, std::max(1, patience_ms));
  const auto count = ::write(descriptor_, piece.data(), piece.size());
  const int error = errno;
  if (has_alarm_) set_alarm(alarm_, 0);
  errno = error;
  return count;
}

}  // namespace pgcurfew
