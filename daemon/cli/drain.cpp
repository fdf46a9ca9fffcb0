#include "cli/drain.hpp"

#include <algorithm>
#include <csignal>
#include <memory>
#include <random>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include "app/configuration.hpp"
#include "app/exit_code.hpp"
#include "app/server_runtime.hpp"
#include "app/teller.hpp"
#include "base/duration.hpp"
#include "base/words.hpp"
#include "cli/by_hand.hpp"
#include "cli/drain_display.hpp"
#include "cli/drain_plan.hpp"
#include "cli/one_look.hpp"
#include "cli/printing.hpp"
#include "drains/drain_events.hpp"
#include "policy/advice/claims.hpp"
#include "policy/condition.hpp"
#include "report/log.hpp"
#include "system/child.hpp"
#include "system/loop.hpp"

namespace pgcurfew {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kRedraw = milliseconds(250);
constexpr Duration kStopDeadline = seconds(10);
constexpr int kInterrupted = 130;

/// A unique application_name for the sessions of a command that runs in a drained database.
std::string command_name() {
  std::random_device random;
  return fmt::format("pgcurfew-drain-{:08x}{:08x}", random(), random());
}

/// Whether a signal that we received has also reached our command. A terminal signals all processes in its
/// foreground, but sends SIGHUP only to the session leader if it is closed.
bool reached_all(int signal, SignalSender sender) {
  return sender == SignalSender::kTerminal && (signal != SIGHUP || getsid(0) != getpid());
}

/// One drain by hand, from its first look to the exit status.
class HandDrain {
 public:
  HandDrain(Loop& loop, const DrainOptions& options, const Policy& policy, const Server& server,
            ServerTime server_time)
      : loop_(loop),
        options_(options),
        drain_(policy.drains.front()),
        offset_from_(server_time),
        offset_at_(Loop::now()),
        log_(log_options_by_hand(policy)),
        recorder_(loop, policy,
                  {[this](const Event& event) { write(event); },
                   [this](const Recorder::State& state) { runtime_.hear_recorder(state); }}),
        runtime_(
            loop, [this](const Event& event) { return write(event); }, server,
            std::make_shared<const Policy>(policy), [this] { look_at_progress(); }),
        redraw_(loop, [this] { redraw(); }),
        deadline_(loop, [this] { leave_closed(); }) {}

  int run(const std::string& command_name) {
    command_name_ = command_name;
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
      const auto callback = [this, signal](SignalSender sender) { interrupt(signal, sender); };
      if (!loop_.on_signal(signal, callback)) return kExitSoftware;
    }
    if (!loop_.on_signal(SIGCHLD, [this](SignalSender) { look_at_progress(); })) return kExitSoftware;
    teller_.set_recorder(&recorder_);
    runtime_.start();
    runtime_.hear_recorder(recorder_.state());
    redraw();
    const int code = loop_.run();
    display_.clear();
    return code < 0 ? kExitSoftware : code;
  }

 private:
  std::uint64_t write(const Event& event) {
    display_.clear();
    return teller_.tell(event);
  }

  [[nodiscard]] ServerTime server_now() const { return offset_from_ + (Loop::now() - offset_at_); }

  void redraw() {
    const auto all = runtime_.drains();
    if (all.empty() && server_now() >= std::get<ServerTime>(drain_.begins) + drain_.duration &&
        !is_finished_) {
      say("pgcurfew: the server was out of reach until the time was over\n");
      return finish(kExitUnavailable);
    }
    if (!all.empty()) display_.show(all.front(), server_now());
    redraw_.arm(Loop::now() + kRedraw);
  }

  void interrupt(int signal, SignalSender sender) {
    // SIGHUP comes more than once when a terminal is closed
    if (is_interrupted_ && signal == SIGHUP) return;
    if (std::exchange(is_interrupted_, true)) {
      say("pgcurfew: left with the gate closed{}; pgcurfew reopen {} opens it\n",
          child_ && !child_->status() ? " while the command still runs" : "",
          printable(options_.databases.front(), 80));
      return finish(kInterrupted);
    }
    if (child_ && !child_->status()) {
      // the command decides what to do with the signal; the gate opens when it has ended
      if (!reached_all(signal, sender)) child_->signal(signal);
      display_.clear();
      return say("pgcurfew: waiting for the command to end; a second signal leaves the gate closed\n");
    }
    stop("it was interrupted");
  }

  void stop(std::string why) {
    if (std::exchange(is_stopping_, true)) return;
    await_gates();
    runtime_.stop({std::move(why)});
    look_at_progress();
  }

  /// Reports an obstacle that waiting cannot remove at once, not at the end of the window.
  void refuse(const Error& obstacle) {
    display_.clear();
    const bool is_missing = obstacle.sqlstate == "3D000";
    const bool is_denied = obstacle.sqlstate == "42501";
    const bool is_held = obstacle.sqlstate == "55006";
    const bool is_our_own = obstacle.sqlstate == "0A000";
    refused_ = complain(obstacle, is_missing   ? kExitNoInput
                                  : is_denied  ? kExitNoPermission
                                  : is_held    ? kExitNotEmpty
                                  : is_our_own ? kExitConfiguration
                                               : kExitUnavailable);
    stop("it cannot begin");
  }

  void look_at_progress() {
    if (is_finished_) return;
    const auto all = runtime_.drains();
    const bool is_over = !all.empty() && all.front().phase == DrainPhase::kDone;
    if (!all.empty()) progress_ = all.front();
    if (is_stopping_ && runtime_.is_stopped()) {
      const bool may_be_closed = !is_over && !all.empty() && drain_.mode == Mode::kEnforce;
      return may_be_closed ? leave_closed() : conclude();
    }
    if (progress_.obstacle && !is_stopping_) return refuse(*progress_.obstacle);
    if (progress_.was_emptied && !is_over && drain_.mode == Mode::kEnforce) use_empty_database();
    if (is_rehearsed()) return stop("the rehearsal has ended");
    if (child_) {
      const auto status = child_->status();
      if (status && !is_stopping_) return stop("the command has ended");
      if (!status) {  // the window may be over while the command runs
        if (is_over || progress_.yielded || progress_.has_opened) warn_of_open_gate();
        return;
      }
    }
    if (is_over) return conclude();
    // if our role may no longer open a gate, do not wait for it without a limit
    if (progress_.phase != DrainPhase::kReopening || is_stopping_ || drain_.mode != Mode::kEnforce) return;
    if (!std::exchange(is_reopening_, true)) await_gates();
  }

  void await_gates() {
    closed_then_ = progress_.closed;
    deadline_.arm(Loop::now() + kStopDeadline);
  }

  /// Prints why the database was not empty, unless that has been printed already.
  void conclude() {
    const int code = exit_code();
    if (code == kExitNotEmpty && !refused_ && !child_ && drain_.mode == Mode::kEnforce) {
      display_.clear();
      const auto why = progress_.yielded            ? "another client has opened the gate"
                       : !progress_.trouble.empty() ? "its gate could not be closed: " + progress_.trouble
                       : progress_.was_emptied      ? "not empty until the end: " + remaining_text(progress_)
                                                    : "not empty in time: " + remaining_text(progress_);
      say("pgcurfew: {}: {}{}\n", database_names(), why,
          options_.command.empty() ? "" : "; the command was not run");
    }
    finish(code);
  }

  void use_empty_database() {
    if (options_.exits_when_empty && options_.command.empty()) {
      display_.clear();
      if (drain_.gate != GateKind::kNone) {
        say("pgcurfew: {}: empty; the gate stays closed until pgcurfew reopen opens it, or a pgcurfew that "
            "watches the server\n",
            database_names());
      }
      return finish(kExitOk);
    }
    if (options_.command.empty() || child_ || was_tried_ || is_stopping_) return;
    was_tried_ = true;
    display_.give_way(leave_taking());
    auto child = Child::start(options_.command, {{"PGAPPNAME", command_name_}});
    if (!child) {
      complain(child.error(), 0);
      command_failed_ = true;
      return stop("the command did not start");
    }
    child_ = *child;
  }

  [[nodiscard]] std::string database_names() const {
    std::string databases;
    for (const auto& name : options_.databases)
      databases += (databases.empty() ? "" : ", ") + printable(name, 80);
    return databases;
  }

  /// `orders: empty, reopens at 14:45:03; the command begins`, in local time.
  [[nodiscard]] std::string leave_taking() const {
    auto text = database_names() + ": empty";
    if (progress_.ends) {
      const auto at = std::chrono::system_clock::now() + (*progress_.ends - server_now());
      text +=
          fmt::format(", reopens at {:%H:%M:%S}", fmt::localtime(std::chrono::system_clock::to_time_t(at)));
    }
    return text + "; the command begins";
  }

  /// The command still runs, but no longer in a drained database.
  void warn_of_open_gate() {
    if (is_stopping_ || std::exchange(was_outlived_, true)) return;
    display_.clear();
    say("pgcurfew: {}: {} is open to all clients again while the command still runs\n",
        progress_.yielded ? "another client has opened the gate" : "the time is over", database_names());
  }

  /// A dry run ends when its last step has been reported.
  bool is_rehearsed() {
    if (drain_.mode == Mode::kEnforce || is_stopping_) return false;
    if (progress_.phase == DrainPhase::kEmpty) return true;
    if (progress_.phase != DrainPhase::kTerminating) return false;
    rehearsed_at_ = rehearsed_at_.value_or(Loop::now() + seconds(2));
    return Loop::now() >= *rehearsed_at_;
  }

  int exit_code() {
    constexpr int kCommandNotFound = 127;
    if (refused_) return *refused_;
    if (command_failed_) return kCommandNotFound;
    if (child_ && child_->status()) {
      // the end of the command did not run in an empty database
      return was_outlived_ && *child_->status() == kExitOk ? kExitNotEmpty : *child_->status();
    }
    if (is_interrupted_) return kInterrupted;
    // without --dry-run, status 0 would mean that the database is empty
    if (drain_.mode == Mode::kDryRun) return options_.dry_run ? kExitOk : kExitNotEmpty;
    const bool is_occupied = std::any_of(progress_.remaining.begin(), progress_.remaining.end(),
                                         [](const Remaining& entry) { return !entry.reason.empty(); });
    const bool was_well = progress_.was_emptied && !progress_.yielded && !progress_.gave_up && !is_occupied;
    return was_well ? kExitOk : kExitNotEmpty;
  }

  void leave_closed() {
    if (progress_.closed < closed_then_) return await_gates();  // gates open one after the other
    display_.clear();
    say("pgcurfew: not all gates could be opened; run pgcurfew reopen once nothing prevents it\n");
    if (!progress_.trouble.empty()) say("pgcurfew: {}\n", printable(progress_.trouble, 400));
    finish(kExitUnavailable);
  }

  void finish(int code) {
    is_finished_ = true;
    loop_.exit(code);
  }

  Loop& loop_;
  const DrainOptions& options_;
  const Drain& drain_;
  ServerTime offset_from_;
  MonotonicTime offset_at_;
  Log log_;
  Teller teller_{log_};
  Recorder recorder_;
  DrainDisplay display_;
  DrainProgress progress_;
  std::optional<Child> child_;
  std::string command_name_;
  std::optional<MonotonicTime> rehearsed_at_;
  std::optional<int> refused_;  ///< exit status of a drain that could not begin
  bool was_tried_ = false;
  bool command_failed_ = false;
  bool was_outlived_ = false;  ///< the command was still running when the gate opened
  bool is_interrupted_ = false;
  bool is_reopening_ = false;
  std::size_t closed_then_ = 0;  ///< the number of closed gates at the last check of whether gates open
  bool is_stopping_ = false;
  bool is_finished_ = false;
  ServerRuntime runtime_;
  Timer redraw_;
  Timer deadline_;
};

void warn_of_claims(const Drain& plan, const std::vector<std::string>& written) {
  for (std::size_t i = 0; i < plan.except.size(); ++i) {
    const auto fields = claimable_fields(plan.except[i].match);
    if (fields.empty()) continue;
    say("pgcurfew: warning: --except {} relies on {}, which any client can choose\n",
        printable(written[i], 80), fields);
    say("pgcurfew: hint: Any client can stay that way: write --except user=NAME.\n");
  }
}

}  // namespace

int drain_now(const DrainOptions& options) {
  auto plan = plan_from(options);
  if (!plan) return complain(plan.error(), kExitUsage);
  warn_of_claims(*plan, options.except);
  const auto loaded = read_configuration(options.configuration);
  complain_of_errors(loaded);
  if (loaded.has_errors()) return kExitConfiguration;
  const auto servers = choose_servers(*loaded.policy, options.server, true);
  if (!servers) return complain(servers.error(), kExitUsage);

  auto policy = *loaded.policy;
  policy.servers = *servers;
  const auto looks = look_once(policy);
  auto asked = policy;
  asked.rules.clear();
  asked.drains = {*plan};
  complain_of(asked, policy.servers.front(), looks.front());
  if (const int code = exit_code_of(asked, looks.front()); code != kExitOk) return code;

  const auto name = command_name();
  if (!options.command.empty()) {
    Exception own;
    own.match.conditions = {condition_of(Field::kApplicationName, TextTest{{TextPattern::exact(name)}})};
    plan->except.push_back(std::move(own));
  }
  plan->begins = looks.front().look->taken_at;
  plan->mode = options.dry_run ? Mode::kDryRun : policy.mode;
  if (plan->mode == Mode::kDryRun && !options.dry_run) {
    say("pgcurfew: {} says mode: dry-run, so this is a rehearsal\n", printable(options.configuration));
  }
  policy.rules.clear();
  policy.drains = {*plan};
  auto loop = Loop::create();
  if (!loop) return complain(loop.error(), kExitSoftware);
  HandDrain drain(*loop, options, policy, policy.servers.front(), looks.front().look->taken_at);
  return drain.run(name);
}

}  // namespace pgcurfew
