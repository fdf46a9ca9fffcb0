"""What `history --summary` says of a dry run, beside what the test knows of it."""

import json
import re
import shlex
import statistics
import time
from html.parser import HTMLParser

import pytest

from support import record
from support.session import wait_until
from support.stage import WATCHFUL, outcome_of, outcomes
from support.statements import SLEEP
from support.throwaway import REPOSITORY

RULES = """
- name: limit
  match: { application_name: APP, state: active, query_age: 300ms }
  escalate: [cancel, terminate: { after: 4s }]
- name: forgotten
  match: { application_name: APP, state: idle in transaction, state_age: 300ms }
  escalate: [alert, terminate: { after: 60s }]
- name: holders
  match: { application_name: APP-holder, blocks: 1, blocks_for: 200ms }
  escalate: [terminate]
""" + WATCHFUL


@pytest.fixture
def summary_of(command, state):
    """The summary of the record, as JSON."""
    def ask(*arguments):
        done = command("history", "--directory", state, "--summary", "--json", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


@pytest.fixture
def decisions_of(command, state):
    def ask(*arguments):
        done = command("history", "--directory", state, "--json", *arguments)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return ask


def by_name(summary):
    return {rule["rule"]: rule for rule in summary["rules"]}


def ended(daemon, session):
    return wait_until(lambda: daemon.all("ended", pid=session.pid))[0]


@pytest.fixture
def rehearsed(stage, state):
    """A dry run with an end for each kind of fate; returns the daemon that ran it, stopped."""
    daemon = stage.enforce(RULES, mode="dry-run", environment={"STATE_DIRECTORY": str(state)})
    within = [stage.running("select pg_sleep(2), 'secret'") for _ in range(2)]
    beyond = stage.running(SLEEP)
    forgotten = stage.forgotten()
    outcome_of(daemon, forgotten)
    assert forgotten.run("rollback") == "ok"
    for session in [*within, forgotten]:
        ended(daemon, session)
    wait_until(lambda: len(outcomes(daemon, beyond)) == 2)
    stage.superuser.execute("select pg_cancel_backend(%s)", [beyond.pid])
    ended(daemon, beyond)
    block(stage, daemon)
    left = stage.running(SLEEP)
    outcome_of(daemon, left)
    daemon.stop()
    stage.server.end([left])
    return daemon


def block(stage, daemon):
    """A session that two others wait for."""
    holder = stage.open("begin", "select pg_advisory_xact_lock(4711)", application_name=f"{stage.app}-holder")
    waiters = [stage.waiting("select pg_advisory_lock(4711)", "advisory", application_name=f"{stage.app}-waiter")
               for _ in range(2)]
    wait_until(lambda: daemon.all("intent", pid=holder.pid))
    stage.server.end([holder])
    ended(daemon, holder)
    stage.server.end(waiters)


def test_a_summary_says_what_became_of_a_dry_run(stage, rehearsed, summary_of):
    summary = summary_of()
    rules = by_name(summary)
    assert set(rules) == {"limit", "forgotten", "holders"}
    assert {rule["mode"] for rule in rules.values()} == {"dry-run"}
    limit = rules["limit"]
    assert (limit["episodes"], limit["sessions"], limit["cancelled"], limit["terminated"]) == (4, 4, 4, 0)
    assert (limit["within_grace"], limit["if_still"], limit["lived_on"]["episodes"]) == (2, 1, 1)
    assert limit["ends"] == {"by_itself": 3, "stopped": 1}
    assert limit["lived_on"]["longest_s"] == limit["lived_on"]["median_s"] >= 4
    assert (limit["clock"], limit["limit_s"]) == ("query_age", 0.3)
    assert {entry["query"]: entry["episodes"] for entry in limit["queries"]}["select pg_sleep(?), ?"] == 2
    assert limit["users"] == [{"user": "app", "episodes": 4}]
    assert limit["application_names"] == [{"application_name": stage.app, "episodes": 4}]
    assert sum(limit["hours"]) == 4
    forgotten = rules["forgotten"]
    assert (forgotten["episodes"], forgotten["only_alerted"], forgotten["within_grace"]) == (1, 1, 1)
    assert forgotten["lived_on"] == {"episodes": 0}
    holders = rules["holders"]
    assert (holders["episodes"], holders["terminated"], holders["lived_on"]["episodes"]) == (1, 1, 1)
    assert holders["blocking"]["longest_waiters"] == [{"waiter": f"app ({stage.app}-waiter)", "episodes": 1}]
    assert 1 <= holders["blocking"]["most"] <= 2


def known(decisions):
    """The totals that a reader of `history --json` would count."""
    rules = {}
    for decision in decisions:
        rules.setdefault(decision["rule"], []).append(decision)
    return {name: {"decisions": len(made), "episodes": len({one["episode"] for one in made}),
                   "sessions": len({one["session_id"] for one in made}),
                   "outcomes": {word: sum(one["outcome"] == word for one in made)
                                for word in {one["outcome"] for one in made}}}
            for name, made in rules.items()}


def test_totals_are_those_of_the_decisions_that_the_same_filters_show(stage, rehearsed, summary_of, decisions_of):
    since = rehearsed.all("outcome")[2]["ts"]
    some = rehearsed.all("intent")[0]["pid"]
    for filters in ([], ["--rule", "limit"], ["--outcome", "by_itself"], ["--outcome", "alerted"], ["--pid", some],
                    ["--since", since], ["--until", since], ["--user", "app"], ["--user", "nobody"],
                    ["--database", "postgres"], ["--server", "stage"], ["--drain", "limit"]):
        decisions = decisions_of(*filters)
        summary = summary_of(*filters)
        assert {rule["rule"]: {key: rule[key] for key in ("decisions", "episodes", "sessions", "outcomes")}
                for rule in summary["rules"]} == known(decisions), filters
        assert summary["decisions"] == len(decisions)
    assert known(decisions_of("--user", "nobody")) == {} != known(decisions_of("--pid", some))


def test_the_time_lived_on_is_that_of_the_log(rehearsed, summary_of, decisions_of):
    lived = [one["since_step_s"] for one in decisions_of("--rule", "limit")
             if one.get("end") == "by_itself" and "next_after_s" not in one]
    said = by_name(summary_of())["limit"]["lived_on"]
    assert (said["median_s"], said["longest_s"]) == (statistics.median_low(lived), max(lived))


def test_as_text_it_has_no_literal_and_says_its_period(rehearsed, command, state):
    done = command("history", "--directory", state, "--summary")
    assert done.returncode == 0, done.stderr
    assert "secret" not in done.stdout
    assert "the record begins at" in done.stdout.splitlines()[1]
    assert "Enforced, it would have cancelled 4 queries." in done.stdout
    assert "2 episodes ended by themselves within the grace, before the next step." in done.stdout
    assert re.search(r"^rule holders \(dry-run, \S+ 200ms\)$", done.stdout, re.MULTILINE)


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []
        self.open = []
        self.attributes = set()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read_page(command, state):
    done = command("history", "--directory", state, "--summary", "--html")
    assert done.returncode == 0, done.stderr
    page = Reader()
    page.feed(done.stdout)
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object", "form", "base", "a", "b"} & set(page.tags)
    assert not {name for name in page.attributes if name.startswith("on")} | ({"src", "href"} & page.attributes)
    assert "url(" not in done.stdout and "@import" not in done.stdout
    return done.stdout


def test_as_a_page_it_is_whole_and_asks_for_nothing_from_outside(rehearsed, command, state):
    page = read_page(command, state)
    assert "would have been cancelled" in page and "secret" not in page
    assert "http://" not in page and "https://" not in page


def a_minute_ago():
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - 60))


HOSTILE = "</td><script>alert(1)</script>\x1b[2J\u202e\"'&<img src=x onerror=alert(1)>"


def test_names_that_clients_choose_do_nothing_to_a_page_or_a_terminal(command, state):
    common = {"ts": a_minute_ago(), "server": "main", "decision": "d-1", "episode": "d-1", "rule": "r<b>",
              "mode": "dry-run", "step": "cancel", "pid": 7, "session_id": HOSTILE, "user": HOSTILE,
              "database": HOSTILE, "application_name": HOSTILE, "blocks": 1, "longest_waiter_user": HOSTILE,
              "longest_waiter_application_name": HOSTILE, "clock": HOSTILE, "age_s": 1.0, "limit_s": 1.0}
    record.write(state, [{**common, "event": "intent"},
                         {**common, "event": "outcome", "outcome": "would_signal", "query": f"select 1 as \"{HOSTILE}"},
                         {**common, "event": "ended", "end": HOSTILE}])
    page = read_page(command, state)
    assert "&lt;script&gt;" in page and "\x1b" not in page and "\u202e" not in page
    text = command("history", "--directory", state, "--summary").stdout
    assert "script" in text and "\x1b" not in text and "\u202e" not in text
    printed = command("history", "--directory", state, "--summary", "--json").stdout
    assert json.loads(printed)["rules"][0]["users"] == [{"user": HOSTILE, "episodes": 1}]
    assert printed.isascii()


@pytest.mark.parametrize("asked", [("--html",), ("--summary", "--html", "--json"), ("--summary", "--decision", "d-1"),
                                   ("--summary", "--since", "1h", "--until", "2h"), ("--summary", "--outcome", "x")])
def test_it_refuses_what_it_cannot_mean(command, state, asked):
    record.write(state, [{"event": "started", "ts": a_minute_ago()}])
    done = command("history", "--directory", state, *asked)
    assert (done.returncode, done.stdout) == (64, "")


ROLLOUT = (REPOSITORY / "packaging/man/pgcurfew-rollout.7.scd").read_text(encoding="utf-8")


@pytest.mark.parametrize("line", sorted(set(re.findall(r"^\$ pgcurfew (.*)$", ROLLOUT, re.MULTILINE))))
def test_the_commands_of_the_rollout_work(stage, server, command, tmp_path, line):
    """On a server that pgcurfew may watch, with the page's own file, and the record of a daemon that runs by it."""
    config = tmp_path / "pgcurfew.yaml"
    text = re.search(r"^```\n(mode: dry-run.*?)^```$", ROLLOUT, re.MULTILINE | re.DOTALL)[1]
    config.write_text(re.sub(r'conninfo: ".*"', f'conninfo: "{server.conninfo(user="pgcurfew")}"', text))
    record.write(tmp_path, [{"event": "started", "ts": a_minute_ago()}])
    name, *options = shlex.split(re.split(r" [|>] ", line)[0])
    done = command(name, *options, *(["--config", config] if name in ("check", "explain") else []))
    assert (done.returncode, done.stderr) == (0, ""), line
    assert done.stdout


def test_an_empty_summary_is_a_summary(command, state):
    record.write(state, [{"event": "started", "ts": a_minute_ago()}])
    assert "no such decision" in command("history", "--directory", state, "--summary").stdout
    done = command("history", "--directory", state, "--summary", "--json")
    assert json.loads(done.stdout)["rules"] == []
    read_page(command, state)
