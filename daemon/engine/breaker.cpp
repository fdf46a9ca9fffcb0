#include "engine/breaker.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace pgcurfew {

namespace {

std::size_t room_below(std::size_t bound, std::size_t taken) {
  return bound > taken ? bound - taken : 0;
}

}  // namespace

std::size_t Breaker::Account::sent_within(Duration time, MonotonicTime now) const {
  return static_cast<std::size_t>(sent.end() - std::upper_bound(sent.begin(), sent.end(), now - time));
}

std::size_t Breaker::Account::room(const Limits& limits, Duration per, MonotonicTime now) const {
  return std::min(room_below(limits.signals, taken(per, now)),
                  room_below(limits.at_once, taken(kAtOnce, now)));
}

Breaker::Limits Breaker::limits_of(const Safety& safety, std::size_t client_backends) {
  return {static_cast<std::size_t>(safety.signals), share_of(safety, client_backends)};
}

/// One call of admit().
class Breaker::Round {
 public:
  Round(Breaker& breaker, const Safety& safety, std::size_t client_backends, MonotonicTime now)
      : breaker_(breaker), safety_(safety), now_(now) {
    all_ = limits_of(safety, client_backends);
    shared_ = all_.without_reserve();
  }

  Admission run(const std::vector<Due>& due, std::size_t most) {
    most_ = most;
    for (std::size_t i = 0; i < due.size(); ++i) {
      auto& queue = queues_[due[i].tenant];
      queue.waiting.push_back(i);
      if (!due[i].is_shown) continue;
      ++queue.shown;
      ++shown_of_roles_[due[i].tenant.user];
    }
    for (auto& [tenant, queue] : queues_) {
      queue.account = &breaker_.tenants_[tenant];
      queue.of_role = &breaker_.roles_[tenant.user];
      open_if_too_many(tenant, queue);
    }
    open_server_if_too_many();
    auto roles = roles_by_turn();
    if (!breaker_.is_open()) take_turns(roles);
    take_from_reserve(roles);
    for (auto& [tenant, queue] : queues_) open_if_exhausted(tenant, queue);
    open_server_if_exhausted();
    for (auto& trip : admission_.trips) {
      trip.admitted = trip.tenant ? queues_.at(*trip.tenant).taken : admission_.admitted.size();
    }
    return std::move(admission_);
  }

 private:
  /// The due sessions of one tenant.
  struct Queue {
    Account* account = nullptr;
    Account* of_role = nullptr;
    std::vector<std::size_t> waiting;  ///< indices, in order
    std::size_t shown = 0;             ///< how many of them a look has shown
    std::size_t taken = 0;             ///< how many have been admitted, from the front
    [[nodiscard]] std::size_t left() const { return waiting.size() - taken; }
  };
  /// A role's databases take turns.
  struct Role {
    Account* account = nullptr;
    std::vector<Queue*> queues;
    std::size_t next = 0;
  };

  /// The role with the fewest signals comes first, and of equal ones the one whose session has waited
  /// longest.
  std::vector<Role> roles_by_turn() {
    std::map<std::optional<std::string>, Role> by_name;
    for (auto& [tenant, queue] : queues_) {
      auto& role = by_name[tenant.user];
      role.account = queue.of_role;
      role.queues.push_back(&queue);
    }
    const auto turn = [this](const Account& account, const Queue& first) {
      return std::pair(taken(account, safety_.per), first.waiting.front());
    };
    std::vector<Role> roles;
    for (auto& entry : by_name) {
      auto& queues = entry.second.queues;
      std::sort(queues.begin(), queues.end(), [&](const Queue* one, const Queue* other) {
        return turn(*one->account, *one) < turn(*other->account, *other);
      });
      roles.push_back(std::move(entry.second));
    }
    std::sort(roles.begin(), roles.end(), [&](const Role& one, const Role& other) {
      return turn(*one.account, *one.queues.front()) < turn(*other.account, *other.queues.front());
    });
    return roles;
  }

  /// The role's database whose turn it is, if any can be admitted.
  Queue* next_of(Role& role) {
    for (std::size_t i = 0; i < role.queues.size(); ++i) {
      const auto at = (role.next + i) % role.queues.size();
      auto* queue = role.queues[at];
      if (queue->left() == 0 || queue->account->open_until || room(*queue->account, shared_) == 0) continue;
      role.next = at + 1;
      return queue;
    }
    return nullptr;
  }

  [[nodiscard]] std::size_t sent_within(const Account& account, Duration time) const {
    return account.sent_within(time, now_);
  }
  [[nodiscard]] std::size_t taken(const Account& account, Duration time) const {
    return account.taken(time, now_);
  }
  [[nodiscard]] std::size_t room(const Account& account, const Limits& limits) const {
    return account.room(limits, safety_.per, now_);
  }
  /// When the oldest signal within a time no longer counts; an order without a reply wakes us by its reply.
  void wake_when_forgotten(const Account& account, Duration time) {
    if (account.in_flight > 0) return;
    const auto oldest = std::upper_bound(account.sent.begin(), account.sent.end(), now_ - time);
    if (oldest != account.sent.end()) wake_by(*oldest + time);
  }
  void wake_by(MonotonicTime time) { admission_.wake = std::min(admission_.wake.value_or(time), time); }

  /// `counted`: the account that has reached the bound in `limits`.
  void open(Account& account, std::optional<Tenant> tenant, Bound bound, std::size_t due,
            const Account& counted, const Limits& limits) {
    account.open_until = now_ + safety_.quiet;
    account.announced_until = now_ + 2 * safety_.quiet;
    const bool is_share = bound == Bound::kShare;
    admission_.trips.push_back(
        {std::move(tenant), bound, sent_within(counted, is_share ? kAtOnce : safety_.per), due,
         is_share ? limits.at_once : limits.signals, is_share ? all_.at_once : all_.signals, 0});
  }

  /// Whether more are due at once than allowed; reported once, and not again while it lasts.
  bool is_news_that_too_many(Account& account, std::size_t sent, std::size_t shown, std::size_t at_once) {
    const bool too_many = sent + shown > at_once && shown > 0;
    const bool was_announced = account.announced_until && now_ <= *account.announced_until;
    account.announced_until.reset();
    if (too_many) account.announced_until = now_ + 2 * safety_.quiet;
    return too_many && !was_announced;
  }

  void open_if_too_many(const Tenant& tenant, Queue& queue) {
    auto& account = *queue.account;
    if (account.open_until) return;
    // a role that connects to many databases has one session in each of them
    const auto sent = sent_within(*queue.of_role, kAtOnce);
    const bool is_news = is_news_that_too_many(account, sent, shown_of_roles_[tenant.user], shared_.at_once);
    // those that the server's breaker holds back become too many because of it
    if (is_news && !breaker_.is_open()) {
      open(account, tenant, Bound::kShare, queue.left(), *queue.of_role, shared_);
    }
  }

  void open_server_if_too_many() {
    if (breaker_.is_open()) return;
    std::map<const Account*, std::size_t> of_roles;
    for (const auto& entry : queues_) {
      const auto& queue = entry.second;
      if (queue.account->open_until) continue;
      // a tenant or a role can get no more than its own part
      auto& shown = of_roles[queue.of_role];
      shown += std::min(queue.shown, room(*queue.account, shared_));
      shown = std::min(shown, room(*queue.of_role, shared_));
    }
    std::size_t shown = 0;
    for (const auto& entry : of_roles) shown += entry.second;
    auto& server = breaker_.server_;
    if (is_news_that_too_many(server, sent_within(server, kAtOnce), shown, all_.at_once))
      open(server, {}, Bound::kShare, all_due(), server, all_);
  }

  [[nodiscard]] std::size_t all_due() const {
    std::size_t due = 0;
    for (const auto& entry : queues_) {
      // those that a tenant's breaker holds back are reported with it
      if (!entry.second.account->open_until) due += entry.second.waiting.size();
    }
    return due;
  }

  void admit_next(Queue& queue) {
    admission_.admitted.push_back(queue.waiting[queue.taken++]);
    ++queue.account->in_flight;
    ++queue.of_role->in_flight;
    ++breaker_.server_.in_flight;
  }

  [[nodiscard]] bool is_full() const { return admission_.admitted.size() >= most_; }

  void take_turns(std::vector<Role>& roles) {
    for (bool goes_on = true; goes_on;) {
      goes_on = false;
      for (auto& role : roles) {
        if (is_full() || room(breaker_.server_, shared_) == 0) return;
        if (room(*role.account, shared_) == 0) continue;
        auto* queue = next_of(role);
        if (queue == nullptr) continue;
        admit_next(*queue);
        goes_on = true;
      }
    }
  }

  /// The bound that sent signals have reached; empty if only orders without a reply use it up.
  [[nodiscard]] std::optional<Bound> exhausted(const Account& account) const {
    if (sent_within(account, safety_.per) >= shared_.signals) return Bound::kSignals;
    if (sent_within(account, kAtOnce) >= shared_.at_once) return Bound::kShare;
    return std::nullopt;
  }

  void open_if_exhausted(const Tenant& tenant, Queue& queue) {
    auto& account = *queue.account;
    if (account.open_until || queue.left() == 0) return;
    for (const auto* counted : {&account, queue.of_role}) {
      const auto bound = exhausted(*counted);
      if (bound) return open(account, tenant, *bound, queue.waiting.size(), *counted, shared_);
    }
  }

  void open_server_if_exhausted() {
    auto& server = breaker_.server_;
    const bool is_one_left = std::any_of(queues_.begin(), queues_.end(), [](const auto& entry) {
      return !entry.second.account->open_until && entry.second.left() > 0;
    });
    if (breaker_.is_open() || !is_one_left) return;
    if (const auto bound = exhausted(server)) open(server, {}, *bound, all_due(), server, shared_);
  }

  void take_from_reserve(std::vector<Role>& roles) {
    if (!breaker_.is_open() && room(breaker_.server_, shared_) > 0) return;
    for (auto& role : roles) {
      if (is_full()) return;
      if (room(breaker_.server_, all_) == 0) {
        wake_when_forgotten(breaker_.server_, safety_.per);
        wake_when_forgotten(breaker_.server_, kAtOnce);
        return;
      }
      const auto& account = *role.account;
      if (taken(account, safety_.per) >= reserve_of(all_.signals)) {
        wake_when_forgotten(account, safety_.per);
        continue;
      }
      if (taken(account, kAtOnce) > 0) {
        wake_when_forgotten(account, kAtOnce);
        continue;
      }
      if (auto* queue = next_of(role)) {
        admit_next(*queue);
        wake_by(now_ + kAtOnce);
      }
    }
  }

  Breaker& breaker_;
  const Safety& safety_;
  const MonotonicTime now_;
  std::size_t most_ = 0;
  Limits all_;     ///< for the server
  Limits shared_;  ///< without the reserve: for one tenant, or for all together at full speed
  std::map<Tenant, Queue> queues_;
  std::map<std::optional<std::string>, std::size_t> shown_of_roles_;
  Admission admission_;
};

std::size_t Breaker::share_of(const Safety& safety, std::size_t client_backends) {
  if (safety.share >= 1) return std::numeric_limits<std::size_t>::max();
  const auto share =
      static_cast<std::size_t>(std::floor(safety.share * static_cast<double>(client_backends)));
  return std::max(kAlwaysPass + 1, share);
}

bool Breaker::may_go(const Safety& safety, const Tenant& tenant, std::size_t client_backends,
                     MonotonicTime now) const {
  const auto all = limits_of(safety, client_backends);
  const auto shared = all.without_reserve();
  const auto has_room = [&](const Account& account) { return account.room(shared, safety.per, now) > 0; };
  if (const auto found = tenants_.find(tenant); found != tenants_.end()) {
    if (found->second.open_until || !has_room(found->second)) return false;
  }
  const auto role = roles_.find(tenant.user);
  if (role != roles_.end() && !has_room(role->second)) return false;
  if (!is_open() && has_room(server_)) return true;
  const auto taken = role == roles_.end() ? 0 : role->second.taken(safety.per, now);
  return taken < reserve_of(all.signals) && server_.room(all, safety.per, now) > 0;
}

Breaker::Admission Breaker::admit(const Safety& safety, const std::vector<Due>& due,
                                  std::size_t client_backends, std::size_t most, MonotonicTime now) {
  const auto forget = [&](Account& account) {
    while (!account.sent.empty() && account.sent.front() + std::max(safety.per, kAtOnce) <= now) {
      account.sent.pop_front();
    }
  };
  forget(server_);
  for (auto& entry : tenants_) forget(entry.second);
  for (auto& entry : roles_) forget(entry.second);
  auto admission = Round(*this, safety, client_backends, now).run(due, most);
  std::erase_if(tenants_, [&](const auto& entry) {
    const auto& account = entry.second;
    const bool was_announced = account.announced_until && now <= *account.announced_until;
    return account.sent.empty() && account.in_flight == 0 && !account.open_until && !was_announced;
  });
  std::erase_if(roles_,
                [](const auto& entry) { return entry.second.sent.empty() && entry.second.in_flight == 0; });
  if (is_open()) admission.wake = std::min(admission.wake.value_or(*server_.open_until), *server_.open_until);
  for (const auto& entry : tenants_) {
    const auto& until = entry.second.open_until;
    if (until) admission.wake = std::min(admission.wake.value_or(*until), *until);
  }
  return admission;
}

void Breaker::answered(const Tenant& tenant, bool may_have_left, MonotonicTime now) {
  for (auto* account : {&server_, &roles_[tenant.user], &tenants_[tenant]}) {
    if (account->in_flight > 0) --account->in_flight;
    if (may_have_left) account->sent.push_back(now);
  }
}

std::vector<std::optional<Tenant>> Breaker::close_if_quiet(MonotonicTime now) {
  std::vector<std::optional<Tenant>> closed;
  const auto close = [&](Account& account, std::optional<Tenant> tenant) {
    if (!account.open_until || now < *account.open_until) return;
    account.open_until.reset();
    closed.push_back(std::move(tenant));
  };
  close(server_, {});
  for (auto& [tenant, account] : tenants_) close(account, tenant);
  return closed;
}

std::size_t Breaker::open_tenants() const {
  return static_cast<std::size_t>(std::count_if(tenants_.begin(), tenants_.end(), [](const auto& entry) {
    return entry.second.open_until.has_value();
  }));
}

std::vector<Breaker::Open> Breaker::open(std::size_t most) const {
  std::vector<Open> all;
  if (server_.open_until) all.push_back({std::nullopt, *server_.open_until});
  for (const auto& [tenant, account] : tenants_) {
    if (all.size() >= most) break;
    if (account.open_until) all.push_back({tenant, *account.open_until});
  }
  return all;
}

}  // namespace pgcurfew
