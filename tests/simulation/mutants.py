#!/usr/bin/env python3
"""Proves that the checkers of the simulated world bite.

Each mutant is the engine with one deliberate fault, or the model's own guard with a hole. One source file is changed,
compiled and linked in front of the engine's library; pgcurfew_sim must fail, and by one of the checkers named here.

usage: mutants.py BUILD_DIRECTORY [NAME...]      after `cmake --build BUILD_DIRECTORY --target pgcurfew_sim`
"""

import re
import shlex
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path

DAEMON = Path(__file__).resolve().parents[2] / "daemon"
WORLDS = 1000  # the number of worlds in which a fault must show; time is not limited, because a busy machine is slow
HANGS_S = 600


@dataclass
class Mutant:
    """One fault. `changes`: texts that occur in `file` exactly once, each with its replacement.

    `caught_by`: the checkers, one of which must report it. `hole`: in the model's guard, instead of a change or with it.
    `options`: of pgcurfew_sim, if otherwise too few worlds would show it. `first`: the first world.
    """

    name: str
    caught_by: set
    file: str = ""
    changes: tuple = ()
    hole: str = ""
    options: tuple = ()
    first: int = 1


LOCKS = ("--part", "locks")
BOUNDS = ("--part", "bounds")
DRAINS = ("--drains",)
RIVALS = ("--rivals",)
KEEPER = ("--keeper",)

MUTANTS = [
    Mutant("a drain is deaf to what others have just signalled", {"two-signals"}, "engine/due_steps.cpp",
           (("if (due && may_be_signalled(session_of(*due).key, standings[i]))", "if (due)"),), options=RIVALS),
    Mutant("an end is told at each look", {"one-end"}, "engine/narrate.cpp", (("  episode.id.clear();\n", ""),)),
    Mutant("the end of what is gone is not told", {"one-end"}, "engine/settle.cpp",
           (("      tell_end(key, episode, end_of(key, episode, session, a_case, rule));\n", ""),)),
    Mutant("what another claim has ended has ended by itself", {"false-claim"}, "engine/settle.cpp",
           (("end_after(std::max(episode.signalled, by_another), otherwise)", "end_after(episode.signalled, otherwise)"),), options=RIVALS),
    Mutant("whatever ends was ended by another claim", {"false-claim"}, "engine/settle.cpp",
           (("signalled_.contains(key.session) ? Signalled::kByAnother : Signalled::kNo", "Signalled::kByAnother"),)),
    Mutant("a stop tells no ends", {"one-end"}, "watch/watch.cpp",
           (("end_all(ledger_, End::kStopped,", "end_all(*std::make_unique<Ledger>(), End::kStopped,"),)),
    Mutant("what a dry run supposes takes up a bound", {"dry-run"}, "engine/due_steps.cpp",
           (("due.if_still = due.mode == Mode::kDryRun && episode->has_acted();", "due.if_still = false;"),)),
    Mutant("the guard forgets backend_start", {"identity"}, hole="backend_start"),
    Mutant("the guard forgets the anchors", {"episode", "no-match", "early", "ladder"}, hole="anchors"),
    Mutant("the guard forgets the limit", {"early"}, hole="not_before"),
    Mutant("acts on a look of an earlier connection", {"stale-look"}, "watch/watch.cpp",
           (("  retry_at_ = now + wait;\n  look_.reset();\n", "  retry_at_ = now + wait;\n"),
            ("  next_due_.reset();\n  decide_at_.reset();\n  if (const auto lasted", "  must_decide_ = true;\n  if (const auto lasted"))),
    Mutant("acts on a look of an earlier policy", {"replaced-policy"}, "watch/watch.cpp",
           (("look_is_outdated_ = look_sent_.has_value();", "look_is_outdated_ = false;"),)),
    Mutant("counts from the wrong timestamp", {"early"}, "engine/judge.cpp",
           (("start_of(rule, session, age.clock)", "start_of(rule, session, Clock::kSessionAge)"),)),
    Mutant("escalates across episodes", {"ladder", "false-claim"}, "engine/settle.cpp",
           (("a_case == nullptr || a_case->judgement.anchor != episode.anchor;",
             "a_case == nullptr;\n    if (!over) episode.anchor = a_case->judgement.anchor;"),)),
    Mutant("skips the protect list", {"protected"}, "engine/judge.cpp",
           (("if (may_fit(match, session)) return &match;",
             "if (!match.protection.empty() && may_fit(match, session)) return &match;"),)),
    Mutant("ignores the exceptions", {"exempt", "early"}, "engine/judge.cpp",
           (("return may_fit(candidate.match, session); });",
             "return false && may_fit(candidate.match, session); });"),)),
    Mutant("spares no session of its own", {"own"}, "engine/judge.cpp",
           (("if (session.is_own) return Immunity::kOwn;", ""),)),
    Mutant("takes unknown for success", {"ladder"}, "engine/settle.cpp",
           (("    case ReplyKind::kUnknown:\n      episode.awaits_verification = order.is_signal();\n      note_signal(episode, order);\n      break;",
             "    case ReplyKind::kUnknown:\n      episode.next_step = episode.ordered_step + 1;\n"
             "      episode.stepped_at = replied_at;\n      break;"),)),
    Mutant("says that unknown is success", {"unknown-is-not-success"}, "watch/watch.cpp",
           (("  Reply unknown;\n", "  Reply unknown;\n  unknown.kind = ReplyKind::kSignalled;\n"),)),
    Mutant("ignores the grace", {"ladder"}, "engine/ladder.cpp", (("next.due += step.after;", ""),)),
    Mutant("signals in dry-run", {"dry-run"}, "engine/decide.cpp",
           (("is_admitted[i] = true;\n      order(choices[i], mode == Mode::kEnforce);",
             "is_admitted[i] = true;\n      order(choices[i], true);"),)),
    Mutant("ignores that the clock was set", {"early", "ladder"}, "engine/server_clock.cpp",
           (("if (!forward && !back) return;", "return;"),)),
    Mutant("takes no fresh look between signals", {"two-signals", "ladder"}, "engine/due_steps.cpp",
           (("touched->second > docket_.look_number", "false"),
            ("episode.look_needed > docket_.look_number", "false"))),
    Mutant("ignores the bounds", {"too-many"}, "engine/breaker.cpp",
           (("return std::min(room_below(limits.signals, taken(per, now)),",
             "return 1000 + std::min(room_below(limits.signals, taken(per, now)),"),)),
    Mutant("counts orders that came to nothing", {"error-event"}, "engine/breaker.cpp",
           (("if (may_have_left) account->sent.push_back(now);", "account->sent.push_back(may_have_left ? now : now);"),), options=BOUNDS),
    Mutant("condemns a herd that no look has shown", {"error-event"}, "engine/decide.cpp",
           (("due.push_back({tenant_of(session_of(choice.chosen)), is_shown(choice.chosen)});",
             "due.push_back({tenant_of(session_of(choice.chosen)), true});"),
            ("auto waiting = leave_for_a_look(choices);", "std::vector<Choice> waiting;\n    if (false) waiting = leave_for_a_look(choices);")),
           options=BOUNDS, first=2_060),
    Mutant("a tenant's breaker holds back everybody", {"late"}, "engine/breaker.cpp",
           (("queue->account->open_until || room(*queue->account, shared_) == 0",
             "breaker_.open_tenants() > 0 || room(*queue->account, shared_) == 0"),), options=BOUNDS),
    Mutant("believes in every change for ever", {"late"}, "engine/settle.cpp", (("      if (!episode.is_carried) ++episode.spared;\n", ""),)),
    Mutant("the guard forgets who is spared by name", {"protected", "protected-by-default", "exempt"}, "engine/guard.cpp",
           (("if (pattern.as_like()) guard_.texts[condition.field].spares.push_back(pattern);", "(void)pattern;"),), options=("--late",)),
    Mutant("the guard forgets what the rule asks of a text", {"no-match"}, "engine/guard.cpp",
           ((")) {\n      guard_.texts[condition.field].fits = texts->any_of;", ")) {\n      (void)texts;"),), options=("--late",)),
    Mutant("waits for whoever reads the log", {"late", "reconnect", "error-event"}, hole="telling"),
    Mutant("does not wake when somebody falls due", {"late"}, "watch/watch.cpp",
           (("if (next_due_) earlier(wake_at_, clock_.when(*next_due_));", ""),
            ("if (const auto at = pulse_at()) earlier(wake_at_, *at);", ""),)),
    Mutant("wakes all the time", {"busy-loop"}, "watch/watch.cpp",
           (("  wake_at_ = earliest_deadline();\n", "  wake_at_ = now;\n"),)),
    Mutant("does not come back", {"reconnect", "busy-loop"}, "watch/watch.cpp",
           (("retry_at_ = now + wait;", "retry_at_ = now + wait * 1000;"),)),
    Mutant("tells no intent", {"untold", "intent"}, "engine/order_desk.cpp",
           (("decision_.events.push_back(intent_event(order));", ""),)),
    Mutant("rests on the order of the rows", {"row-order"}, "engine/docket.cpp",
           (("Docket make_docket(const Policy& policy, const Look& look, const ClockSteps& steps) {\n",
             "Docket make_docket(const Policy& policy, const Look& all, const ClockSteps& steps) {\n"
             "  auto look = all;\n  if (look.sessions.size() > 3) look.sessions.pop_back();\n"),)),
    Mutant("takes a waiter for a blocker", {"waiter"}, "engine/judge.cpp",
           (("if (blocking.is_asked && !blocking.may_wait && is_held_up(session)) {",
             "if (false && is_held_up(session)) {"),), hole="lock_wait", options=LOCKS),
    Mutant("the guard forgets who waits for whom", {"no-match", "early"}, hole="edges", options=(*LOCKS, "--late")),
    Mutant("sends a guard without the waits", {"no-match", "early"}, "engine/guard.cpp",
           (("guard_.edges = edges_of(blocking, session_);", ""),), options=(*LOCKS, "--late")),
    Mutant("the guard forgets xmin", {"no-match"}, hole="xmin", options=("--part", "xmin", "--late")),
    Mutant("the guard forgets the server's role", {"when"}, hole="in_recovery",
           options=("--part", "when", "--late"), first=500),
    Mutant("counts what it held up while it waited", {"early", "ladder"}, "engine/blockers.cpp",
           (("since.push_back(free == session.free_since.end() ? found->second : std::max(found->second, free->second));",
             "since.push_back(found->second);"),), options=LOCKS),
    Mutant("trusts that nobody waits between two looks", {"early", "ladder"}, "engine/blockers.cpp",
           (("surely_free_since(session).value_or(look.taken_at);",
             "surely_free_since(session).value_or(last_look_ == ServerTime{} ? look.taken_at : ServerTime{});"),),
           options=LOCKS),
    Mutant("counts a chain from its oldest wait", {"early", "ladder"}, "engine/judge.cpp",
           (("return blocking_since(blocking_of(rule.match), session);",
             "return waiting_since(blocking_of(rule.match), session);"),), options=LOCKS),
    Mutant("counts from the first waiter, not the last asked for", {"early", "ladder"}, "engine/blockers.cpp",
           (("return since[blocking.at_least - 1];", "return since[0];"),), options=LOCKS),
    Mutant("keeps one less", {"keep"}, "engine/selection.cpp",
           ((": cases.size() - *selection.keep;", ": cases.size() - *selection.keep + 1;"),), options=("--part", "selection")),
    Mutant("takes the oldest for the newest", {"keep"}, "engine/selection.cpp",
           (("const bool newest_first = selection.victims == Victims::kNewest;", "const bool newest_first = false;"),), options=("--part", "selection")),
    Mutant("counts all groups as one", {"keep"}, "engine/selection.cpp",
           (("groups[{a_case.rule, group_of(selection, look.sessions[a_case.session])}]",
             "groups[{a_case.rule, std::string()}]"),), options=("--part", "selection")),
    Mutant("ignores at_most", {"at-most"}, "engine/decide.cpp",
           (("room.many = std::min(due, *selection.at_most > taken ? *selection.at_most - taken : 0);", ""),), options=("--part", "selection")),
    Mutant("ignores pause", {"pause"}, "engine/decide.cpp",
           (("if (pace.paused_until && *pace.paused_until > now_.monotonic)", "if (false)"),), options=("--part", "selection")),
    Mutant("ignores the hours", {"hours"}, "engine/due_steps.cpp",
           (("if (!is_open(a_case.rule)) {", "if (is_open(a_case.rule); false) {"),)),
    Mutant("ignores when", {"when"}, "engine/docket.cpp",
           (("when_holds.push_back(holds(rule.when, look, docket.client_backends));",
             "when_holds.push_back(rule.when.role || !rule.when.role);"),)),
    Mutant("counts the repetitions of all together", {"ladder"}, "engine/repeats.cpp",
           (("return RepeatKey{rule.name, std::move(*value)};", "return RepeatKey{rule.name, {}};"),)),
    Mutant("counts repetitions of any time", {"ladder"}, "engine/repeats.cpp",
           (("return time + repeat.within > now;", "return time <= now;"),
            ("count.acted.front() + repeat.within <= now", "false"))),
    Mutant("does not pause for those who repeat", {"repeat"}, "engine/due_steps.cpp",
           (("if (const auto until = ledger_.repeats.paused_until(*key, now_.monotonic)) {",
             "if (const auto until = ledger_.repeats.paused_until(*key, now_.monotonic); until && false) {"),)),
    Mutant("drain: signals before all gates are closed", {"no-gate", "drain-ladder"}, "drains/drain_gates.cpp",
           (("if (!all_closed()) return;\n  if (since_) {", "if (!any_closed()) return;\n  if (since_) {"),
            ("entry.second.mark->since);", "entry.second.mark.value_or(GateMark{}).since);")), options=DRAINS),
    Mutant("drain: signals before the gates were read again", {"no-gate"}, "drains/drain_sessions.cpp",
           (("(all_known() && all_closed())", "all_closed()"),), options=DRAINS),
    Mutant("drain: forgets what others left closed", {"not-given-back", "drain-ladder"}, "drains/drain.cpp",
           (("if (!gates_ || is_stopping_) return;", "if (!gates_ || gates_) return;"),), options=DRAINS),
    Mutant("drain: does not see that somebody opened the gate", {"overridden", "no-gate"}, "drains/drain_gates.cpp",
           (("  yield(database, ours, is_ours);", "  (void)now;"),), options=DRAINS),
    Mutant("drain: takes another instance for a stranger", {"no-gate", "opened-early"}, "drains/drain_gates.cpp",
           (("const bool is_ours = gate.mark && gate.mark->drain == plan_.name;",
             "const bool is_ours = gate.mark && gate.mark_text == ours.mark_text;"),), options=DRAINS),
    Mutant("drain: counts the wait from the window", {"drain-ladder"}, "drains/drain_gates.cpp",
           (("since_ = std::min(std::max(*since_, window_.start), now.server);", "since_ = window_.start;"),), options=DRAINS),
    Mutant("keeper: writes nothing before the gate closes", {"limit-lost"}, "drains/gate_book.cpp",
           (("auto written = journal_.write(entry);\n  if (written)", "Result<void> written;\n  if (written)"),), options=DRAINS),
    Mutant("drain: forgets who logs in", {"not-empty"}, "drains/drain_gates.cpp",
           (("    ours.logging_in = here->logging_in;", "    ours.logging_in.emplace();"),), options=DRAINS),
    Mutant("drain: ends the excepted", {"drain-spares"}, "drains/drain_sessions.cpp",
           (("if (is_excepted(plan_, session)) {", "if (false && is_excepted(plan_, session)) {"),), options=DRAINS),
    Mutant("drain: ends whoever comes late before it was empty", {"latecomer"}, "drains/drain_sessions.cpp",
           (("claims.were_emptied = was_emptied_since_;", "claims.were_emptied = true;"),), options=KEEPER),
    Mutant("drain: signals though PgBouncer has lost a gate", {"no-gate"}, "drains/drain_sessions.cpp",
           (("(all_known() && all_closed())", "all_known()"),), options=KEEPER),
    Mutant("drain: closes again what people have opened", {"overridden"}, "drains/drain_gates.cpp",
           (("if (is_ours && gate.is_lost && !is_ending_)", "if (is_ours && gate.limit != 0 && !is_ending_)"),), options=KEEPER),
    Mutant("drain: gives back what is to stay closed", {"held"}, "drains/drain.cpp",
           (("if (!gate.mark->until && !is_asked_for) continue;", ""),
            ("at = *gate.mark->until +", "at = gate.mark->until.value_or(now.server) +")), options=KEEPER),
    Mutant("reopen: leaves a gate closed", {"reopen"}, "drains/drain.cpp",
           (("return to_reopen_->empty() ||", "return (to_reopen_->empty() && database != \"app\") ||"),), options=KEEPER),
    Mutant("keeper: closes at PgBouncer before it is written down", {"unwritten"}, "drains/gate_keeper.cpp",
           (("if (const auto written = book_.write_first(made); !written) {",
             "if (const auto written = order.kind == GateKind::kPgbouncer ? Result<void>() : book_.write_first(made); !written) {"),), options=KEEPER),
    Mutant("keeper: overwrites what it could not list", {"limit-lost"}, "drains/gate_book.cpp",
           (("if (found && *found && !knows(**found)) {", "if (found && *found && !knows(**found) && false) {"),), options=KEEPER),
    Mutant("keeper: tells of a disk that is good", {"error-event"}, "drains/gate_book.cpp",
           (("  if (removed) return;\n", ""), ("complain(removed.error());", "complain({\"it is full\", {}, {}, {}});")), options=KEEPER),
    # the guard refuses each order, so the order is repeated without end
    Mutant("skips the built-in protections", {"protected-by-default", "busy-loop"}, "engine/judge.cpp",
           (("if (may_fit(match, session)) return &match;",
             "if (match.protection.empty() && may_fit(match, session)) return &match;"),)),
    Mutant("asks for no text of a query", {"protected-by-default", "protected", "exempt"}, "engine/look_plan.cpp",
           (("return asked ? QueryTexts::kAll : texts;", "return asked ? QueryTexts::kNone : texts;"),
            ("texts = QueryTexts::kActive;", "texts = QueryTexts::kNone;"))),
    Mutant("a signal does not wait for its intent", {"unrecorded"}, "watch/watch_record.cpp",
           (("dispatch(outbox_.take_recorded(recorded_), now);", "dispatch(outbox_.take_all(), now);"),)),
    Mutant("a late intent is not marked", {"unrecorded"}, "watch/watch_record.cpp",
           (("    tell(intent_late_event(waiting, now - waiting.since));\n", ""),)),
    Mutant("a required record is not waited for", {"unrecorded"}, "watch/watch_record.cpp",
           (("  if (policy_->record.is_required) {\n", "  if (now == MonotonicTime{}) {\n"),)),
    Mutant("every order waits as long as for a required record", {"waits"}, "watch/watch_record.cpp",
           (("is_record_silent_ ? Duration(0) : kPatience", "is_record_silent_ ? Duration(0) : kRequiredPatience"),)),
    Mutant("an earlier event than the intent is enough", {"unrecorded"}, "watch/watch_record.cpp",
           (("intents_[std::get<std::string>(value)] = told_;", "intents_[std::get<std::string>(value)] = told_ - 1;"),)),
    Mutant("a look from before an order was sent shows its effect", {"two-signals"}, "engine/settle.cpp",
           (("  ledger.touched[session] = ledger.looks_sent + 1;\n", "  ledger.touched[session] = 0;\n"),
            ("    if (it->second.decision == order.decision) it->second.look_needed = ledger.looks_sent + 1;\n", "")),
           options=RIVALS),
    Mutant("what was sent waits for ever", {"not-empty", "late"}, "watch/watch_record.cpp",
           (("      note_sent(*order, ledger_);\n", ""),), options=DRAINS),
    Mutant("a look while an order waits permits another", {"two-signals"}, "watch/watch.cpp",
           (("    note_waiting(order, ledger_);\n", ""),), options=RIVALS, first=9_000_000),
    Mutant("orders of a replaced policy are still sent", {"replaced-policy", "drain-replaced", "dry-run"}, "watch/watch.cpp",
           (("  take_back(outbox_.take_all(), \"the policy was replaced\", now);\n", ""),)),
    Mutant("orders of what is over are still sent", {"no-window", "overridden", "no-gate", "distrust"}, "watch/watch_record.cpp",
           (("  take_back_unwanted(now);\n  dispatch", "  dispatch"),), options=DRAINS),
    Mutant("what was never sent may have been", {"false-claim"}, "watch/watch.cpp",
           (("  take_back(outbox_.take_unwanted(is_turn), why, now);\n", "  outbox_.take_unwanted(is_turn);\n"),)),
    Mutant("no order waits for its intent", {"impatient"}, "watch/watch_record.cpp",
           (("  return is_record_silent_ ? Duration(0) : kPatience;\n", "  return Duration(0);\n"),)),
    Mutant("a record that was silent once is never waited for", {"impatient"}, "watch/watch_record.cpp",
           (("  is_record_silent_ = false;\n", ""),)),
    Mutant("a record that works again stays behind", {"impatient", "late", "error-event"}, "watch/watch_record.cpp",
           (("  record_fails_ = false;\n", ""),)),
]


def commands_of(build):
    """The compile command of each file of the daemon, by its path in it, and the link command of pgcurfew_sim."""
    text = subprocess.run(["ninja", "-C", build, "-t", "commands", "pgcurfew_sim"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    compiles, link = {}, None
    for line in text.splitlines():
        words = shlex.split(line)
        source = Path(words[words.index("-c") + 1]) if "-c" in words else None
        if source and source.is_relative_to(DAEMON):
            compiles[source.relative_to(DAEMON).as_posix()] = words
        elif " -o " in line and line.split(" -o ")[1].split()[0].endswith("pgcurfew_sim"):
            link = shlex.split(re.sub(r"^: && | && :$", "", line))
    return compiles, link


def faulty_text(mutant):
    """The changed source; raises ValueError if the fault no longer fits the engine."""
    text = (DAEMON / mutant.file).read_text()
    for old, new in mutant.changes:
        if text.count(old) != 1:
            raise ValueError(f"stands {text.count(old)} times in {mutant.file}: {old!r}")
        text = text.replace(old, new)
    return text


def mutate(mutant, compiles, directory):
    """The command that compiles the changed source, and its object file; raises what faulty_text does."""
    source = directory / Path(mutant.file).name
    source.write_text(faulty_text(mutant))
    command = list(compiles[mutant.file])
    target = str(source.with_suffix(".o"))
    command[command.index("-c") + 1] = str(source)
    command[command.index("-o") + 1] = target
    for option in ("-MF", "-MT"):
        command[command.index(option) + 1] = target + ".d"
    # faults may leave a parameter unused
    return command + ["-Wno-error"], target


def run_mutant(mutant, build, compiles, link):
    """Whether it was caught by the right checker, what happened, and in how many seconds it was found."""
    directory = build / "mutants" / re.sub(r"\W+", "_", mutant.name)
    directory.mkdir(parents=True, exist_ok=True)
    executable = build / "tests/simulation/pgcurfew_sim"
    if mutant.changes:
        try:
            compilation, target = mutate(mutant, compiles, directory)
        except ValueError as error:
            return False, str(error), 0
        done = subprocess.run(compilation, cwd=build, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            return False, "does not compile: " + done.stderr[-500:], 0
        executable = directory / "pgcurfew_sim"
        linking = list(link)
        linking[linking.index("-o") + 1] = str(executable)
        # before the library, so that the library's version of the file is not linked
        linking.insert(linking.index("-o"), target)
        linking.append("-Wl,--strip-debug")
        done = subprocess.run(linking, cwd=build, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            return False, "does not link: " + done.stderr[-500:], 0
    command = [str(executable), "--seeds", f"{mutant.first}..{mutant.first + WORLDS - 1}", "--quiet", *mutant.options]
    if mutant.hole:
        command += ["--hole", mutant.hole]
    began = time.monotonic()
    try:
        output = subprocess.run(command, text=True, capture_output=True, check=False, timeout=HANGS_S).stdout
    except subprocess.TimeoutExpired:
        return False, "hangs", HANGS_S
    seconds = time.monotonic() - began
    if mutant.changes:
        executable.unlink()
    found = re.search(r"^seed (\d+): checker ([\w-]+)", output, re.MULTILINE)
    if not found:
        return False, "survives", seconds
    return found.group(2) in mutant.caught_by, f"{found.group(2)} (seed {found.group(1)})", seconds


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    build = Path(sys.argv[1]).resolve()
    wanted = [mutant for mutant in MUTANTS if not sys.argv[2:] or mutant.name in sys.argv[2:]]
    compiles, link = commands_of(build)
    failed = 0
    with ThreadPoolExecutor(cpu_count()) as pool:
        results = pool.map(lambda mutant: run_mutant(mutant, build, compiles, link), wanted)
        for mutant, (caught, what, seconds) in zip(wanted, results):
            failed += not caught
            print(f"{'caught' if caught else 'MISSED':7} {mutant.name:45} {what:40} {seconds:5.1f} s", flush=True)
    print(f"{len(wanted)} mutants, {failed} missed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
