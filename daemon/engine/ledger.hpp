#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "engine/breaker.hpp"
#include "engine/claim.hpp"
#include "engine/order.hpp"
#include "engine/repeats.hpp"
#include "engine/session.hpp"

namespace pgcurfew {

/// How a logged episode ended.
enum class End {
  kByUs,            ///< after a signal of this claimant
  kByAnotherClaim,  ///< after a signal of another claimant
  kByItself,        ///< the session no longer does what the claimant forbids
  kGone,            ///< the session has ended, by its client or by another's action
  kUnseen,          ///< the same, as far as our role can see
  kSpared,          ///< an exception or a protection applies now
  kDenied,          ///< the server does not let us signal it
  kUnkillable,      ///< it has outlived the last step
  kRuleRemoved,     ///< a reload has taken the rule away, or changed it
  kDrainOver,
  kConnectionLost,  ///< the server is another one now, or was restarted
  kStopped,         ///< pgcurfew stops
};
std::string_view name_of(End end);  ///< `by_us`, `by_another_claim`, ...

/// Whether a signal was sent, or may have been, to an episode's session: the claimant's own, or another
/// claimant's that counted for it.
enum class Signalled { kNo, kByAnother, kByUs };

/// How an episode ended after such signals; `otherwise`: without one.
inline End end_after(Signalled signalled, End otherwise) {
  if (signalled == Signalled::kNo) return otherwise;
  return signalled == Signalled::kByUs ? End::kByUs : End::kByAnotherClaim;
}

/// The progress of one episode on its ladder. Exists from its first order on.
struct Episode {
  /// Its id: that of the first logged decision. Empty: the end was logged, or nothing was yet.
  std::string id;
  std::string claimant;  ///< the name of its rule or drain
  ServerTime anchor{};
  std::size_t next_step = 0;
  std::optional<StepKind> taken;  ///< the strongest step that took effect; a drain's ladder follows it
  /// When the step before took effect, by the server's clock; the next step's grace counts from it.
  std::optional<ServerTime> stepped_at;
  /// No order before a look of this number or later was taken.
  std::uint64_t look_needed = 0;
  /// No order before this moment, after one without effect.
  std::optional<MonotonicTime> not_before;
  int fruitless = 0;  ///< orders in a row without effect
  int spared = 0;     ///< how many of those because the session had changed since the look
  Mode mode = Mode::kDryRun;
  std::string policy;                   ///< version of the policy that ordered last
  std::string decision;                 ///< id of the order in flight or awaiting verification
  std::optional<std::string> database;  ///< the session's, in that order
  std::optional<std::string> user;
  /// For a drain, whose anchor outlives statements: query_start when that order was made.
  std::optional<ServerTime> query_start;
  std::size_t ordered_step = 0;  ///< which step that order is
  std::size_t steps = 0;         ///< of the whole ladder
  StepKind ordered_kind = StepKind::kAlert;
  bool in_flight = false;
  bool is_carried = false;           ///< that order is another claimant's, and at least as strong
  bool awaits_verification = false;  ///< a signal was sent, or may have been
  bool told_still_there = false;
  std::optional<ServerTime> acted_at;        ///< when its first signal was sent, or would have been
  StepKind acted_first = StepKind::kCancel;  ///< and which step it was
  Signalled signalled = Signalled::kNo;
  bool is_closed = false;  ///< nothing more will be ordered: unkillable

  [[nodiscard]] bool has_acted() const { return acted_at.has_value(); }
};

struct EpisodeKey {
  SessionKey session;
  Claimant claimant;
  auto operator<=>(const EpisodeKey&) const = default;
};

using Episodes = std::map<EpisodeKey, Episode>;

/// The recent actions of a rule, for `at_most` and `pause`.
struct Pace {
  std::uint64_t look_number = 0;  ///< the look that the count is for
  std::size_t signals = 0;        ///< ordered from that look
  Duration pause{};               ///< the rule's
  std::optional<MonotonicTime> paused_until;
};

/// What has been done so far, per server. In memory only: after a crash every ladder begins at its first
/// step.
struct Ledger {
  Episodes episodes;
  /// Of removed rules with an order in flight: the end is logged after the outcome.
  std::vector<std::pair<EpisodeKey, Episode>> leaving;
  /// Sessions with an order sent: no other may follow before a look of this number.
  std::unordered_map<SessionKey, std::uint64_t> touched;
  /// Sessions that the server does not let us signal; tried once, until a reload or another connection.
  std::unordered_set<SessionKey> denied;
  std::uint64_t looks_sent = 0;
  std::uint64_t decisions = 0;
  std::size_t in_flight = 0;  ///< orders without a reply
  std::string prefix;         ///< of decision ids: differs from one run of the daemon to the next
  std::map<std::size_t, Pace>
      paces;  ///< by the rule's index in the policy in force; of rules with `at_most` or `pause`
  Repeats repeats;
  /// Cases whose skipped cancel was logged, with the episode's anchor.
  std::map<EpisodeKey, ServerTime> told_skips;
  Breaker breaker;
  Breaker rehearsed_breaker;  ///< the same for the rules in dry-run

  /// Null if there is none.
  [[nodiscard]] const Episode* find(const EpisodeKey& key) const {
    const auto found = episodes.find(key);
    return found == episodes.end() ? nullptr : &found->second;
  }
};

}  // namespace pgcurfew
