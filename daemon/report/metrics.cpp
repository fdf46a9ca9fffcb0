#include "report/metrics.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "engine/ledger.hpp"
#include "engine/order.hpp"
#include "events/catalogue.hpp"
#include "watch/holds.hpp"

namespace pgcurfew {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

double seconds_of(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

double seconds_of(WallTime time) {
  return seconds_of(time.time_since_epoch());
}

/// The families, in the order of their first series.
class Families {
 public:
  void counter(std::string_view name, std::string_view help, const Labels& labels, double value) {
    add(name, help, MetricType::Counter, labels).counter.value = value;
  }

  void counter(std::string_view name, std::string_view help, const Labels& labels, std::uint64_t value) {
    counter(name, help, labels, static_cast<double>(value));
  }

  void gauge(std::string_view name, std::string_view help, const Labels& labels, double value) {
    add(name, help, MetricType::Gauge, labels).gauge.value = value;
  }

  void count(std::string_view name, std::string_view help, const Labels& labels, std::size_t value) {
    gauge(name, help, labels, static_cast<double>(value));
  }

  void histogram(std::string_view name, std::string_view help, const Labels& labels,
                 const Histogram& values) {
    auto& histogram = add(name, help, MetricType::Histogram, labels).histogram;
    for (std::size_t i = 0; i < values.counts().size(); ++i) {
      histogram.sample_count += values.counts()[i];
      const auto bound = i < Histogram::kBounds.size() ? seconds_of(Histogram::kBounds[i])
                                                       : std::numeric_limits<double>::infinity();
      histogram.bucket.push_back({histogram.sample_count, bound});
    }
    histogram.sample_sum = seconds_of(values.sum());
  }

  [[nodiscard]] std::string text() const {
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, all_);
    return out.str();
  }

 private:
  ClientMetric& add(std::string_view name, std::string_view help, MetricType type, const Labels& labels) {
    auto [place, is_new] = places_.try_emplace(std::string(name), all_.size());
    if (is_new) {
      auto& family = all_.emplace_back();
      family.name = name;
      family.help = help;
      family.type = type;
    }
    auto& metric = all_[place->second].metric.emplace_back();
    metric.label = labels;
    return metric;
  }

  std::vector<MetricFamily> all_;
  std::map<std::string, std::size_t> places_;
};

Labels with(Labels labels, Labels more) {
  for (auto& label : more) labels.push_back(std::move(label));
  return labels;
}

std::string word_of(std::string_view word) {
  return std::string(word);
}

// -- counters of rules and drains --------------------------------------------------------------------------

constexpr std::array<StepKind, 2> kDrainSteps{StepKind::kCancel, StepKind::kTerminate};

/// What an order of this step and mode can come to.
std::vector<std::string> outcomes_of(StepKind step, Mode mode) {
  std::vector<std::string> all;
  const bool is_signal = mode == Mode::kEnforce && step != StepKind::kAlert;
  for (auto kind = ReplyKind::kSignalled; kind <= ReplyKind::kUnknown;
       kind = static_cast<ReplyKind>(static_cast<int>(kind) + 1)) {
    if (kind != ReplyKind::kSignalled) {
      all.push_back(word_of(name_of(kind)));
    } else {
      all.push_back(is_signal                  ? word_of(name_of(kind))
                    : step == StepKind::kAlert ? "alerted"
                                               : "would_signal");
    }
  }
  return all;
}

std::vector<std::string> all_ends() {
  std::vector<std::string> all;
  for (auto end = End::kByUs; end <= End::kStopped; end = static_cast<End>(static_cast<int>(end) + 1))
    all.push_back(word_of(name_of(end)));
  return all;
}

/// Adds, with 0, what the policy in force can count.
void add_zeros(const Picture& picture, Tally& tally) {
  const auto add = [&](const Tally::Claimed& of, Mode mode, const auto& steps) {
    tally.episodes.try_emplace(of, 0);
    for (auto& end : all_ends()) tally.ends.try_emplace({of, std::move(end)}, 0);
    for (const auto step : steps) {
      for (auto& outcome : outcomes_of(step, mode))
        tally.outcomes.try_emplace({of, word_of(name_of(step)), std::move(outcome)}, 0);
    }
  };
  for (const auto& server : picture.servers) {
    for (const auto& rule : server.rules) {
      const std::set<StepKind> steps(rule.steps.begin(), rule.steps.end());
      add({server.name, false, rule.name, word_of(name_of(rule.mode))}, rule.mode, steps);
    }
    for (const auto& drain : server.planned_drains)
      add({server.name, true, drain.name, word_of(name_of(drain.mode))}, drain.mode, kDrainSteps);
  }
}

Labels labels_of(const Tally::Claimed& of) {
  return {{"server", of.server}, {of.is_drain ? "drain" : "rule", of.claimant}, {"mode", of.mode}};
}

void add_counts(const Picture& picture, Families& families) {
  auto tally = picture.tally;
  add_zeros(picture, tally);
  for (const auto& [key, number] : tally.outcomes) {
    families.counter(key.of.is_drain ? "pgcurfew_drain_orders_total" : "pgcurfew_orders_total",
                     key.of.is_drain ? "Orders of drains for a session, by what came of them."
                                     : "Orders of rules for a session, by what came of them.",
                     with(labels_of(key.of), {{"step", key.step}, {"outcome", key.outcome}}), number);
  }
  for (const auto& [key, number] : tally.episodes) {
    families.counter(key.is_drain ? "pgcurfew_drain_episodes_total" : "pgcurfew_episodes_total",
                     key.is_drain ? "Episodes of drains that have begun: a session that a drain acts on."
                                  : "Episodes of rules that have begun: a session that a rule acts on.",
                     labels_of(key), number);
  }
  for (const auto& [key, number] : tally.ends) {
    families.counter(
        key.of.is_drain ? "pgcurfew_drain_episodes_ended_total" : "pgcurfew_episodes_ended_total",
        key.of.is_drain ? "Episodes of drains that have ended, by how."
                        : "Episodes of rules that have ended, by how.",
        with(labels_of(key.of), {{"end", key.end}}), number);
  }
  for (const auto& kind : all_kinds()) {
    families.counter("pgcurfew_events_total", "Events, as the log has them.", {{"event", word_of(kind.name)}},
                     tally.events[static_cast<std::size_t>(kind.kind)]);
  }
}

// -- servers -----------------------------------------------------------------------------------------------

void add_holds(const ServerPicture& server, const Labels& of, Families& families) {
  for (auto hold = Hold::kDown; hold <= Hold::kTenantBreakerOpen;
       hold = static_cast<Hold>(static_cast<int>(hold) + 1)) {
    const bool stands = std::any_of(server.holds.begin(), server.holds.end(),
                                    [&](const Holds::Standing& standing) { return standing.hold == hold; });
    families.gauge("pgcurfew_hold",
                   "Whether this hold is in force: pgcurfew does nothing, or less than it should.",
                   with(of, {{"hold", word_of(name_of(hold))}}), stands ? 1 : 0);
  }
  families.gauge("pgcurfew_holds_still", "Whether a hold prevents that any rule acts.", of,
                 server.holds_still ? 1 : 0);
}

void add_sessions(const ServerPicture& server, const Labels& of, Families& families) {
  const auto add = [&](std::string_view state, std::size_t number) {
    families.count("pgcurfew_sessions", "Client sessions as of the last look, by state.",
                   with(of, {{"state", word_of(state)}}), number);
  };
  for (auto state = State::kActive; state <= State::kOther;
       state = static_cast<State>(static_cast<int>(state) + 1)) {
    const auto found = server.by_state.find(state);
    add(name_of(state), found == server.by_state.end() ? 0 : found->second);
  }
  add("unknown", server.without_state);
  families.count("pgcurfew_hidden_sessions", "Sessions that the role of pgcurfew may not see.", of,
                 server.hidden);
}

void add_rules(const ServerPicture& server, const Labels& of, Families& families) {
  for (const auto& rule : server.rules) {
    const auto labels = with(of, {{"rule", rule.name}});
    families.count("pgcurfew_rule_claims",
                   "Sessions that match the rule and are or will be due, as of the last look.", labels,
                   rule.claims);
    families.count("pgcurfew_rule_episodes", "Episodes of the rule under way.", labels, rule.episodes);
  }
}

void add_drains(const ServerPicture& server, const Labels& of, Families& families) {
  for (const auto& plan : server.planned_drains) {
    const auto found =
        std::find_if(server.drains.begin(), server.drains.end(), [&](const DrainPicture& drain) {
          return drain.progress.drain == plan.name && drain.progress.phase != DrainPhase::kDone;
        });
    const auto* running = found == server.drains.end() ? nullptr : &*found;
    const auto labels = with(of, {{"drain", plan.name}});
    families.gauge("pgcurfew_drain_running", "Whether the drain is under way.", labels, running ? 1 : 0);
    families.count("pgcurfew_drain_remaining_sessions", "Sessions that are still in the drained databases.",
                   labels, running ? running->remaining : 0);
    families.count("pgcurfew_drain_closed_gates",
                   "Gates that the drain keeps closed, or that may be closed; or has left closed at its end.",
                   labels, plan.closed_gates);
    for (auto phase = DrainPhase::kGating; phase < DrainPhase::kDone;
         phase = static_cast<DrainPhase>(static_cast<int>(phase) + 1)) {
      families.gauge("pgcurfew_drain_phase", "Whether the drain is in this phase.",
                     with(labels, {{"phase", word_of(name_of(phase))}}),
                     running && running->progress.phase == phase ? 1 : 0);
    }
  }
}

/// Whoever has closed them, and also where no drain of the policy has.
void add_gates(const ServerPicture& server, const Labels& of, Families& families) {
  families.count("pgcurfew_closed_gates",
                 "Databases that pgcurfew keeps closed, by any instance or by hand, as last read.", of,
                 server.gate_count);
}

void add_server(const ServerPicture& server, Duration since_drawn, Families& families) {
  const Labels of{{"server", server.name}};
  families.gauge("pgcurfew_server_up", "Whether the server is connected.", of, server.is_up ? 1 : 0);
  families.gauge(
      "pgcurfew_last_look_age_seconds",
      "Seconds since the sessions of the server could last be read; +Inf: never.", of,
      server.look_age ? seconds_of(*server.look_age + since_drawn) : std::numeric_limits<double>::infinity());
  families.gauge("pgcurfew_last_look_age_bound_seconds", "A last look that is older is a sign of trouble.",
                 of, seconds_of(server.look_bound));
  add_holds(server, of, families);
  const auto privilege = [&](std::string_view name, bool has) {
    families.gauge("pgcurfew_privilege", "Whether the role of pgcurfew has what it needs; 0 until known.",
                   with(of, {{"privilege", word_of(name)}}), has ? 1 : 0);
  };
  privilege("pg_read_all_stats", server.facts && server.facts->can_read_all_stats);
  privilege("pg_signal_backend", server.facts && !server.facts->lacks_signal());
  add_sessions(server, of, families);
  add_rules(server, of, families);
  add_drains(server, of, families);
  add_gates(server, of, families);
  for (const auto& [mode, is_servers, tenants, open] : server.breakers) {
    const auto labels = with(of, {{"mode", word_of(name_of(mode))}});
    families.gauge("pgcurfew_breaker_open",
                   "Open breakers: of the server, and of its tenants; those of a dry run hold nothing.",
                   with(labels, {{"scope", "server"}}), is_servers ? 1 : 0);
    families.count("pgcurfew_breaker_open", "", with(labels, {{"scope", "tenant"}}), tenants);
  }
  families.counter("pgcurfew_signals_sent_total", "Signals that were sent.", of, server.counts.signals_sent);
  families.counter("pgcurfew_signals_late_total",
                   "Signals that were sent before their intent was in the record.", of,
                   server.counts.signals_late);
  families.count("pgcurfew_orders_in_flight", "Orders without a reply.", of, server.orders_in_flight);
  families.histogram("pgcurfew_look_duration_seconds", "How long it took to read the sessions.", of,
                     server.counts.look_durations);
  families.histogram(
      "pgcurfew_overshoot_seconds",
      "How late after it fell due a step of a rule took effect, by the server's clock; includes "
      "what a rule's hours, pauses and the breaker held back.",
      of, server.counts.overshoots);
}

// -- pgcurfew itself ---------------------------------------------------------------------------------------

void add_record(const RecordPicture& record, Families& families) {
  families.counter("pgcurfew_record_appended_events_total", "Events that were appended to the record.", {},
                   record.counts.appended);
  families.counter("pgcurfew_record_appended_bytes_total",
                   "Bytes of events that were appended to the record.", {}, record.counts.appended_bytes);
  families.counter("pgcurfew_record_lost_events_total", "Events that are not in the record.", {},
                   record.lost);
  families.count("pgcurfew_record_waiting_events", "Events that wait to be appended to the record.", {},
                 record.counts.handed_over - record.counts.appended);
  families.count("pgcurfew_record_waiting_bytes", "Bytes of events that wait to be appended to the record.",
                 {}, record.counts.waiting_bytes);
  families.count("pgcurfew_record_unsynced_events", "Events in the record that are not safe on the disk yet.",
                 {}, record.counts.appended - std::min(record.counts.appended, record.counts.synced));
  families.gauge("pgcurfew_record_writable", "Whether the record can be written.", {},
                 record.trouble.empty() ? 1 : 0);
}

void add_place(const PlacePicture& place, Families& families) {
  const Labels of{{"place", place.name}};
  families.counter("pgcurfew_audit_copied_events_total", "Events that were copied to a place of audit.", of,
                   place.copied);
  families.counter("pgcurfew_audit_lost_events_total", "Events that a place of audit will not get.", of,
                   place.lost);
  families.count("pgcurfew_audit_waiting_events", "Events that wait to be copied to a place of audit.", of,
                 place.waiting);
  families.gauge("pgcurfew_audit_working", "Whether events can be copied to a place of audit.", of,
                 place.fails_since ? 0 : 1);
}

void add_process(const Picture& picture, const ProcessFacts& process, Families& families) {
  families.counter("process_cpu_seconds_total", "Processor time, of user and system.", {}, process.cpu_s);
  families.gauge("process_resident_memory_bytes", "Resident memory.", {}, process.resident_bytes);
  families.gauge("process_open_fds", "Open file descriptors.", {}, process.open_descriptors);
  families.gauge("process_max_fds", "Most file descriptors that may be open.", {}, process.most_descriptors);
  families.gauge("process_start_time_seconds", "When pgcurfew was started, in Unix time.", {},
                 seconds_of(picture.started));
}

}  // namespace

std::string metrics_of(const Picture& picture, const ProcessFacts& process, MonotonicTime now) {
  Families families;
  const auto since_drawn = std::max(Duration(0), now - picture.drawn);
  families.gauge("pgcurfew_build_info", "The version of pgcurfew.", {{"version", picture.version}}, 1);
  families.gauge("pgcurfew_policy_info", "The version of the policy in force, and its mode.",
                 {{"policy", picture.policy}, {"mode", word_of(name_of(picture.mode))}}, 1);
  families.gauge("pgcurfew_web_failing",
                 "Whether the web server cannot listen or use its files as the policy says.", {},
                 picture.is_web_failing ? 1 : 0);
  families.gauge("pgcurfew_config_last_reload_successful",
                 "Whether the last reload, or the start, has taken the files.", {},
                 picture.reload.is_refused ? 0 : 1);
  families.gauge("pgcurfew_config_last_reload_timestamp_seconds", "When that was, in Unix time.", {},
                 seconds_of(picture.reload.at));
  families.gauge("pgcurfew_stopping", "Whether pgcurfew was told to stop.", {}, picture.is_stopping ? 1 : 0);
  families.gauge("pgcurfew_loop_age_seconds",
                 "For how long the loop has not answered, if it was asked for what is shown here.", {},
                 seconds_of(since_drawn));
  for (const auto& server : picture.servers) add_server(server, since_drawn, families);
  add_counts(picture, families);
  add_record(picture.record, families);
  for (const auto& place : picture.audit) add_place(place, families);
  add_process(picture, process, families);
  return families.text();
}

}  // namespace pgcurfew
