"""The account of the demo: what was expected of each of the cast, how they fared, and the table that tells it.

Nothing here speaks to a server or starts anything.
"""

import textwrap
from dataclasses import dataclass, field

DRY_RUN, ENFORCE = "dry-run", "enforce"
ACTED = {DRY_RUN: "would_signal", ENFORCE: "signalled"}
# Far more than pgcurfew needs, so that a busy machine spoils nothing: this shows what happens, not how fast.
LATEST = 60.0
# Nothing was done, and it is tried again at once: asked a moment too soon, the server's list of backends moved, or the
# order got there too late.
PASSING = ("early", "shifted", "stale")

# What a client saw.
RUNS_ON = "still running"
WAITS = "still waits for the lock"
PROCEEDED = "got the lock and proceeded"
COMMITTED = "its COMMIT went through"
CANCELLED = "error 57014: query cancelled"
TERMINATED = "error 57P01: session terminated"
ALL_FINISHED = "every statement finished"
STREAMS = "received the WAL written since"


@dataclass
class Decision:
    """One order of pgcurfew, from its log: the intent, its outcome, and what a later look showed."""

    rule: str
    step: str
    mode: str
    outcome: str | None = None
    effect: str | None = None
    clock: str = ""
    age: float = 0.0
    limit: float = 0.0

    def has_acted(self):
        return self.outcome == ACTED[self.mode]

    def in_words(self):
        would = "would " if self.mode == DRY_RUN else ""
        at = f"{self.clock} {self.age:.3f}s of limit {self.limit:g}s"
        if self.has_acted():
            effects = {"query_ended": "; then saw that the query ended", "ended": "; then saw that it was gone"}
            return f"{self.rule}: {would}{self.step}, {at}{effects.get(self.effect, '')}"
        if self.outcome in ("moved_on", "gone"):
            return f"{self.rule}: {would}{self.step}, but found at the last moment that it had moved on: spared"
        return f"{self.rule}: {would}{self.step}, {at}: {self.outcome or 'no outcome'}"


@dataclass
class Fate:
    """How one of the cast fared in one act."""

    decisions: list = field(default_factory=list)
    client: str = ""
    explained: str = ""  # what `pgcurfew explain` says of whom it leaves alone
    overslept: int = 0  # how many statements of one who is to be spared did run past the limit: the machine was busy


@dataclass(frozen=True)
class Expectation:
    """`steps`: those whose signal was sent (or would have been), in order. `effect`: of the last one, if enforced."""

    client: str
    steps: tuple = ()
    effect: str | None = None
    is_spared: bool = False


@dataclass(frozen=True)
class Part:
    """One of the cast."""

    name: str
    habit: str
    dry: Expectation
    enforced: Expectation

    def expected(self, mode):
        return self.dry if mode == DRY_RUN else self.enforced


def _unharmed(client):
    return {"dry": Expectation(client), "enforced": Expectation(client)}


CAST = [
    Part("runaway", "runs a query without end",
         Expectation(RUNS_ON, ("cancel",)), Expectation(CANCELLED, ("cancel",), "query_ended")),
    Part("stubborn", "runs a PL/pgSQL loop that swallows every cancel",
         Expectation(RUNS_ON, ("cancel",)), Expectation(TERMINATED, ("cancel", "terminate"), "ended")),
    Part("forgetful", "updates an order, then leaves its transaction idle",
         Expectation(COMMITTED, ("terminate",)), Expectation(TERMINATED, ("terminate",), "ended")),
    Part("blocked", "waits for the order that `forgetful` has locked",
         Expectation(WAITS), Expectation(PROCEEDED)),
    Part("nimble", "runs one statement after the other, each just short of the limit",
         **{act: Expectation(ALL_FINISHED, is_spared=True) for act in ("dry", "enforced")}),
    Part("backup 1", "is exempt; runs a query without end", **_unharmed(RUNS_ON)),
    Part("backup 2", "is exempt; leaves its transaction idle", **_unharmed(COMMITTED)),
    Part("replica", "streams the WAL, as a standby does", **_unharmed(STREAMS)),
]


def complaints_about(part, mode, fate):
    """What is not as expected, in words; empty if all is."""
    expected = part.expected(mode)
    complaints = []
    if fate.client != expected.client:
        complaints.append(f"the client should have seen: {expected.client}")
    sent = tuple(decision.step for decision in fate.decisions if decision.has_acted())
    if sent[fate.overslept:] != expected.steps:
        complaints.append(f"steps should have been: {', '.join(expected.steps) or 'none'}")
    for decision in fate.decisions:
        complaints += _complaints_about_decision(decision, mode, expected)
    if mode == ENFORCE and expected.effect and (not fate.decisions or fate.decisions[-1].effect != expected.effect):
        complaints.append(f"a later look should have shown: {expected.effect}")
    if expected.is_spared and not any(d.outcome in ("moved_on", "gone") for d in fate.decisions):
        complaints.append("should have been spared at the last moment")
    return list(dict.fromkeys(complaints))


def _complaints_about_decision(decision, mode, expected):
    if decision.mode != mode:
        yield f"a decision in mode {decision.mode}"
    if decision.has_acted():
        if decision.age < decision.limit:
            yield f"{decision.step} before the limit"
        # the second step waits for its grace
        if (decision.step,) == expected.steps[:1] and decision.age > decision.limit + LATEST:
            yield f"{decision.step} late"
        return
    was_passing = decision.outcome in PASSING and (expected.steps or expected.is_spared)
    was_spared = decision.outcome in ("moved_on", "gone") and expected.is_spared
    if not was_passing and not was_spared:
        yield f"{decision.step} with outcome {decision.outcome or 'unknown'}"


def decisions_of(events, pid):
    """The orders against one pid, put together from the log's events."""
    decisions = {}
    for event in events:
        # what a dry run rehearses past its first would-be effect would not have happened
        if event.get("pid") != pid or "decision" not in event or event.get("if_still"):
            continue
        if event["event"] == "intent":
            decisions[event["decision"]] = Decision(event["rule"], event["step"], event["mode"])
        decision = decisions.get(event["decision"])
        if decision and event["event"] == "outcome":
            decision.outcome, decision.clock = event["outcome"], event["clock"]
            decision.age, decision.limit = event["age_s"], event["limit_s"]
        if decision and event["event"] == "verified":
            decision.effect = event["effect"]
    return list(decisions.values())


def in_words(fate):
    """What pgcurfew decided about one of the cast."""
    if not fate.decisions:
        return f"nothing: {fate.explained}" if fate.explained else "nothing"
    counts = {}
    for decision in fate.decisions:
        words = decision.in_words()
        counts[words] = counts.get(words, 0) + 1
    told = [words if count == 1 else f"{words} ({count} times)" for words, count in counts.items()]
    if fate.overslept and any(decision.has_acted() for decision in fate.decisions):
        told.append("rightly so: this machine is so busy that it did run past its limit")
    return "\n".join(told)


# -- the table --------------------------------------------------------------------------------------------------------

HEAD = ("WHO", "WHAT IT DOES", "WHAT PGCURFEW DECIDED", "WHAT ITS CLIENT SAW", "")
WIDTHS = (9, 27, 46, 20, 11)
GREEN, RED, BOLD, PLAIN = "\033[32m", "\033[31m", "\033[1m", "\033[0m"


def _wrapped(text, width):
    return [line for part in text.split("\n") for line in textwrap.wrap(part, width, subsequent_indent=" ")] or [""]


def table_row(cells, colour=""):
    """Cells side by side, each wrapped to its column; the colour goes to the last one."""
    columns = [_wrapped(cell, width) for cell, width in zip(cells, WIDTHS)]
    lines = []
    for i in range(max(len(column) for column in columns)):
        parts = [(column[i] if i < len(column) else "").ljust(width) for column, width in zip(columns, WIDTHS)]
        if colour and parts[-1].strip():
            parts[-1] = f"{colour}{parts[-1].rstrip()}{PLAIN}"
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def table(mode, fates, has_colours=False):
    """`fates`: by the name of the part. Gives back the text and whether all was as expected."""
    rows = [table_row(HEAD), table_row(["-" * width for width in WIDTHS])]
    is_good = True
    for part in CAST:
        complaints = complaints_about(part, mode, fates[part.name])
        is_good = is_good and not complaints
        cells = (part.name, part.habit, in_words(fates[part.name]), fates[part.name].client)
        verdict, colour = ("as expected", GREEN) if not complaints else ("UNEXPECTED", RED)
        rows.append(table_row((*cells, verdict), colour if has_colours else ""))
        rows += [f"  {part.name}: {complaint}" for complaint in complaints]
    return "\n".join(rows), is_good
