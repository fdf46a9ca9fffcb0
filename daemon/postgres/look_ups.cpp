#include "postgres/look_ups.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <netdb.h>

#include "base/words.hpp"

namespace pgcurfew {

/// Shared with the threads, which may outlive LookUps. The mutex must be held to access anything but
/// constants.
struct LookUps::Shared {
  Shared(LookUp how, Bounds most, Clock time)
      : look_up(std::move(how)), bounds(most), clock(std::move(time)) {}

  using Waiting = std::vector<std::weak_ptr<Told>>;
  struct Name {
    Waiting waiting;
    std::optional<MonotonicTime> begun;  ///< when its latest look-up began; empty: it is in the queue
    std::uint64_t look_up = 0;           ///< the number of that look-up
  };
  struct Turn {
    std::string name;
    std::uint64_t look_up;
  };

  [[nodiscard]] bool is_within_patience(const Name& name) const {
    return name.begun && clock() - *name.begun < bounds.patience;
  }

  [[nodiscard]] bool has_place() const {
    const auto taken = std::count_if(names.begin(), names.end(),
                                     [this](const auto& name) { return is_within_patience(name.second); });
    return static_cast<std::size_t>(taken) < bounds.at_once;
  }

  /// Removes names from the queue that no caller waits for any more.
  void drop_forgotten() {
    std::erase_if(queue, [this](const auto& name) {
      auto& waiting = names.at(name).waiting;
      std::erase_if(waiting, [](const auto& one) { return one.expired(); });
      return waiting.empty() && names.erase(name) == 1;
    });
  }

  /// The turn of the first name in the queue, if there is a place for it.
  std::optional<Turn> take_turn() {
    drop_forgotten();
    if (queue.empty() || !has_place()) return std::nullopt;
    Turn turn{queue.front(), ++last_look_up};
    queue.pop_front();
    names.at(turn.name).begun = clock();
    names.at(turn.name).look_up = turn.look_up;
    return turn;
  }

  void give_back(const Turn& turn) {
    names.at(turn.name).begun.reset();
    queue.push_front(turn.name);
  }

  /// Returns the callbacks to call.
  Waiting end(const Turn& turn) {
    const auto found = names.find(turn.name);
    if (found == names.end()) return {};
    auto waiting = std::exchange(found->second.waiting, {});
    // a later look-up of the name may still be under way
    if (found->second.begun && found->second.look_up == turn.look_up) names.erase(found);
    return waiting;
  }

  /// A thread's work: `first`, and then the queue.
  static void work(const std::shared_ptr<Shared>& shared, const Turn& first) noexcept {
    for (std::optional<Turn> turn = first; turn;) {
      const auto numbers = shared->look_up(turn->name);
      std::unique_lock<std::mutex> lock(shared->mutex);
      const auto waiting = shared->end(*turn);
      lock.unlock();
      for (const auto& one : waiting) {
        if (const auto to_tell = one.lock()) (*to_tell)(numbers);
      }
      lock.lock();
      turn = shared->take_turn();
      if (!turn) --shared->threads;
    }
  }

  const LookUp look_up;
  const Bounds bounds;
  const Clock clock;
  std::mutex mutex;
  std::map<std::string, Name> names;  ///< being looked up, or in the queue
  std::deque<std::string> queue;
  std::size_t threads = 0;
  std::uint64_t last_look_up = 0;
};

namespace {

LookUps::Numbers ask_system(const std::string& name) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (getaddrinfo(name.c_str(), nullptr, &wanted, &list) != 0) return {};
  LookUps::Numbers numbers;
  for (const auto* entry = list; entry != nullptr; entry = entry->ai_next) {
    std::array<char, NI_MAXHOST> number{};
    if (getnameinfo(entry->ai_addr, entry->ai_addrlen, number.data(), number.size(), nullptr, 0,
                    NI_NUMERICHOST) == 0) {
      std::string text = number.data();
      if (std::find(numbers.begin(), numbers.end(), text) == numbers.end())
        numbers.push_back(std::move(text));
    }
  }
  freeaddrinfo(list);
  return numbers;
}

}  // namespace

LookUps::LookUps(LookUp look_up, Bounds bounds, Start start, Clock clock)
    : shared_(std::make_shared<Shared>(std::move(look_up), bounds, std::move(clock))),
      start_(std::move(start)) {}

const std::shared_ptr<LookUps>& LookUps::of_system() {
  static const auto kOfSystem = std::make_shared<LookUps>(ask_system);
  return kOfSystem;
}

bool LookUps::start_thread(std::function<void()> work) {
  try {
    std::thread(std::move(work)).detach();
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

MonotonicTime LookUps::steady_now() {
  return MonotonicTime(
      std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

Result<void> LookUps::ask(const std::string& name, const std::shared_ptr<Told>& told) {
  const std::lock_guard<std::mutex> lock(shared_->mutex);
  auto& asked = shared_->names[name];
  // a name whose look-up hangs is asked for again and again: the list must not grow
  std::erase_if(asked.waiting, [](const auto& waiting) { return waiting.expired(); });
  asked.waiting.push_back(told);
  const bool is_queued =
      std::find(shared_->queue.begin(), shared_->queue.end(), name) != shared_->queue.end();
  if (!is_queued && !shared_->is_within_patience(asked)) {
    asked.begun.reset();
    shared_->queue.push_back(name);
  }
  // several may begin if the patience with others has just run out
  while (const auto turn = shared_->take_turn()) {
    const bool is_full = shared_->threads >= shared_->bounds.in_all;
    if (!is_full && start_([shared = shared_, first = *turn] { Shared::work(shared, first); })) {
      ++shared_->threads;
      continue;
    }
    shared_->give_back(*turn);
    if (asked.begun) break;  // another name could not be started
    asked.waiting.pop_back();
    shared_->drop_forgotten();
    if (is_full) {
      return failure(fmt::format("could not look up {}: {} other look-ups have not ended",
                                 printable(name, 80), shared_->threads),
                     {}, "Check that the name service answers.");
    }
    return failure(fmt::format("could not look up {}: no thread could be started", printable(name, 80)), {},
                   "Check the limit on tasks (TasksMax of its unit), and free memory.");
  }
  return {};
}

}  // namespace pgcurfew
