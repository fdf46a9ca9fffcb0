"""The record: it has what the log has, survives what the daemon does not, and delays no signal."""

import json
import os
import random
import re
import subprocess
import time
import zlib
from collections import Counter

import pytest

from support import record
from support.session import OK, PATIENCE_S, QUERY_CANCELED, wait_until
from support.stalling import takes_lock

RULE = """
- name: short
  match: { application_name: "t*", state: active, query_age: 200ms }
  escalate: [cancel]
"""
UNBOUNDED = "safety: { signals: 10000 per 1s, share: 100% }\n"


@pytest.fixture
def enforce(stage, state):
    def start(more=""):
        return stage.enforce(RULE, environment={"STATE_DIRECTORY": str(state)}, more=UNBOUNDED + more)

    return start


def cancelled(stage, name="t"):
    return stage.open(application_name=name).run("select pg_sleep(120)")


def test_check_says_that_nothing_could_be_recorded(pgcurfew, stage, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text(stage.policy(RULE, more=UNBOUNDED), encoding="utf-8")

    def said(state, *options):
        return subprocess.run([str(pgcurfew), "check", *options, str(config)], capture_output=True, text=True, check=False,
                              timeout=60, env={**os.environ, "STATE_DIRECTORY": str(state)})

    good = said(tmp_path)
    assert "record:" not in good.stdout + good.stderr
    bad = said(tmp_path / "none")
    assert "\nrecord: events are kept for 30d, up to 1GB\n" in bad.stdout and bad.returncode == 0
    assert bad.stderr.endswith(f"\npgcurfew: warning: not possible now: record: could not write to the state directory "
                               f"{tmp_path}/none: No such file or directory\n")
    assert said(tmp_path, "--server").returncode == 0
    assert said(tmp_path / "none", "--server").returncode == 69


def test_the_record_has_all_that_the_log_has(stage, enforce, state):
    daemon = enforce()
    assert cancelled(stage) == QUERY_CANCELED
    daemon.wait_for("ended")
    daemon.stop()
    own = {"seq", "run", "crc"}
    recorded = [{key: value for key, value in event.items() if key not in own} for event in record.lines(state)]
    assert recorded == [dict(event) for event in daemon.events]
    assert len({event["run"] for event in record.lines(state)}) == 1
    assert sorted(path.name for path in state.iterdir() if path.suffix != ".jsonl") == ["record.lock"]


def test_query_texts_are_redacted_in_it_too(stage, enforce, state):
    daemon = enforce()
    stage.open(application_name="t").run("select pg_sleep(120), 'top secret'")
    daemon.wait_for("ended")
    daemon.stop()
    assert record.of(state, "outcome")[0]["query"] == "select pg_sleep(?), ?"
    assert b"secret" not in b"".join(path.read_bytes() for path in state.iterdir())


def test_no_one_else_may_read_it(stage, enforce, state):
    enforce().stop()
    assert {oct(path.stat().st_mode & 0o777) for path in state.iterdir()} == {"0o600"}


def test_a_record_that_cannot_be_written_delays_no_signal_and_is_caught_up_with(stage, enforce, state):
    daemon = enforce()
    state.rename(state.with_name("away"))
    assert cancelled(stage) == QUERY_CANCELED
    assert daemon.wait_for("record_failed")["required"] is False
    late = daemon.wait_for("intent_late")
    intent = daemon.wait_for("intent", decision=late["decision"])
    assert (intent["pid"], intent["rule"]) == (late["pid"], "short")
    daemon.wait_for("ended")
    state.with_name("away").rename(state)
    daemon.wait_for("record_again")
    assert cancelled(stage) == QUERY_CANCELED
    daemon.stop()
    assert [event["id"] for event in record.lines(state)] == [event["id"] for event in daemon.events]


def test_a_required_record_that_cannot_be_written_holds_signals_back(stage, enforce, state):
    daemon = enforce("record: { required: true }\n")
    assert cancelled(stage) == QUERY_CANCELED
    state.rename(state.with_name("away"))
    session = stage.open(application_name="t").start("select pg_sleep(3)")
    assert daemon.wait_for("record_failed")["required"] is True
    assert session.outcome() == OK, "it was cancelled without an intent in the record"
    state.with_name("away").rename(state)
    daemon.wait_for("record_again")
    assert cancelled(stage) == QUERY_CANCELED
    daemon.stop()
    assert not daemon.all("intent_late")
    signalled = {event["decision"] for event in daemon.all("outcome", outcome="signalled")}
    assert signalled <= {event["decision"] for event in record.of(state, "intent")}


def test_a_process_that_stands_still_in_the_midst_of_an_append_delays_no_signal(stage, enforce, state):
    daemon = enforce()
    with open(state / "record.lock", "r+b") as lock:
        wait_until(lambda: takes_lock(lock))
        assert cancelled(stage) == QUERY_CANCELED
        daemon.wait_for("intent_late")
        daemon.wait_for("record_failed", error=f"another process holds {state}/record.lock")
    daemon.wait_for("record_again")
    daemon.stop()
    assert [event["id"] for event in record.lines(state)] == [event["id"] for event in daemon.events]


def test_what_was_under_way_at_a_crash_is_ended_by_the_next_start(stage, enforce, state):
    daemon = enforce()
    assert cancelled(stage) == QUERY_CANCELED
    daemon.kill_when(lambda: daemon.all("outcome"))
    begun = record.of(state, "intent")[0]
    again = enforce()
    ended = again.wait_for("ended", end="daemon_stopped", episode=begun["episode"])
    assert (ended["pid"], ended["backend_start"]) == (begun["pid"], begun["backend_start"])
    again.stop()
    enforce().stop()
    assert len(record.of(state, "ended", episode=begun["episode"])) == 1
    assert not list(state.glob("*.run"))


def test_each_signal_has_its_intent_in_the_record_whenever_the_daemon_is_killed(stage, server, enforce, state):
    """The server's log says which sessions were cancelled; %c in it is the session_id of our events."""
    mark = len(server.log())
    late = Counter()
    choice = random.Random(7)
    for _ in range(20):
        daemon = enforce()
        sessions = [stage.open(application_name="t") for _ in range(6)]
        for session in sessions:
            session.start("select pg_sleep(120)")
        daemon.wait_for("intent")
        time.sleep(choice.random() * 0.01)
        daemon.kill()
        late.update(event["session_id"] for event in daemon.all("intent_late"))
        stage.server.end(sessions)
    intents = Counter(event["session_id"] for event in record.of(state, "intent"))
    signals = Counter(re.findall(r"\] (\w+\.\w+) \S+ ERROR:  canceling statement due to user request",
                                 server.log()[mark:]))
    assert signals, "no signal was sent"
    assert not signals - intents - late


def test_a_drain_by_hand_goes_into_the_same_record(stage, orders, by_hand, tmp_path):
    daemon = stage.enforce(RULE)
    process = by_hand("drain", orders.name, "--for", "1min", "--wait", "0s", "--grace", "1s", "--exit-when-empty")
    assert process.wait(PATIENCE_S) == 0
    assert cancelled(stage) == QUERY_CANCELED
    daemon.wait_for("ended")
    daemon.stop()
    events = record.lines(tmp_path)
    by_run = {run: [event["event"] for event in events if event["run"] == run] for run in {e["run"] for e in events}}
    own = next(kinds for kinds in by_run.values() if "started" in kinds)
    hand = next(kinds for kinds in by_run.values() if "started" not in kinds)
    assert own == [event.kind for event in daemon.events]
    assert {"drain_began", "gate_intent", "gate_closed"} <= set(hand)


def test_history_shows_each_decision_and_its_story(stage, enforce, state, command):
    daemon = enforce()
    session = stage.open(application_name="t\x1b[2J")
    assert session.run("select pg_sleep(120)") == QUERY_CANCELED
    daemon.wait_for("ended")
    daemon.stop()
    table = command("history", "--directory", state)
    assert table.returncode == 0, table.stderr
    head, row = table.stdout.splitlines()
    assert head.split() == ["TIME", "SERVER", "PID", "SESSION", "RULE", "STEP", "OUTCOME", "EFFECT", "END", "DECISION"]
    decision = daemon.all("intent")[0]["decision"]
    # a disk that is slow just now makes an intent late, which is shown
    assert row.replace("signalled, late", "signalled").split()[-5:] == ["cancel", "signalled", "query_ended", "by_us", decision]
    assert str(session.pid) in row.split()

    story = command("history", "--directory", state, "--decision", decision)
    assert story.returncode == 0, story.stderr
    assert "\x1b" not in story.stdout
    for kind in ("intent", "outcome", "ended"):
        assert daemon.all(kind)[0]["message"] in story.stdout
    assert "query_age was" in story.stdout and "select pg_sleep(?)" in story.stdout

    printed = command("history", "--directory", state, "--json", "--pid", session.pid)
    (one,) = [json.loads(line) for line in printed.stdout.splitlines()]
    assert (one["decision"], one["outcome"], one["end"], one["effect"]) == (decision, "signalled", "by_us", "query_ended")


@pytest.mark.parametrize("asked, is_shown", [
    (("--rule", "short"), True), (("--rule", "other"), False), (("--user", "app"), True), (("--user", "x"), False),
    (("--database", "postgres"), True), (("--database", "x"), False), (("--outcome", "signalled"), True),
    (("--outcome", "by_us"), True), (("--outcome", "denied"), False), (("--pid", "1"), False),
    (("--since", "1h"), True), (("--since", "3d", "--until", "1h"), False), (("--drain", "short"), False),
    (("--server", "main"), True), (("--server", "x"), False)])
def test_history_is_asked_for_what_is_of_interest(history_of_one, asked, is_shown):
    result = history_of_one(*asked)
    assert result.returncode == 0, result.stderr
    assert ("signalled" in result.stdout) == is_shown
    assert ("no such decision" in result.stdout) != is_shown


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A record with one decision, written as pgcurfew writes it."""
    directory = tmp_path_factory.mktemp("recorded")
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - 60))
    common = {"ts": now, "level": "INFO", "message": "m", "server": "main", "decision": "d-1", "rule": "short",
              "pid": 7, "episode": "d-1", "user": "app", "database": "postgres", "step": "cancel"}
    events = [{**common, "event": "intent"}, {**common, "event": "outcome", "outcome": "signalled"},
              {**common, "event": "ended", "end": "by_us"}]
    record.write(directory, events)
    return directory


@pytest.fixture
def history_of_one(command, recorded):
    return lambda *asked: command("history", "--directory", recorded, *asked)


def test_damaged_lines_are_left_out_of_history_and_counted(command, tmp_path, recorded):
    (segment,) = recorded.glob("record-*.jsonl")
    copy = tmp_path / segment.name
    copy.write_bytes(segment.read_bytes().replace(b"signalled", b"signaXXed") + b"{torn")
    result = command("history", "--directory", tmp_path)
    assert result.returncode == 0
    assert "the record lacks 1 events" in result.stderr
    assert result.stdout.splitlines()[1].split()[-3:] == ["?", "by_us", "d-1"]


def test_history_says_why_it_has_nothing_to_show(command, tmp_path, recorded):
    empty = command("history")
    assert (empty.returncode, empty.stdout) == (66, "")
    assert f"there is no record in {tmp_path}" in empty.stderr
    unknown = command("history", "--directory", recorded, "--decision", "x-1")
    assert (unknown.returncode, unknown.stdout) == (66, "")
    nowhere = command("history", "--directory", tmp_path / "x")
    assert (nowhere.returncode, nowhere.stdout) == (66, "")


@pytest.mark.parametrize("asked, complaint", [
    (("--since", "yesterday"), "hint: It is written as in 2h"),
    (("--since", "1h", "--until", "2h"), "--since is later than --until"),
    (("--outcome", "signaled"), "hint: Did you mean signalled?"),
    (("--decision", ""), "must not be empty"), (("--user", ""), "must not be empty"), (("--pid", "0"), "--pid")])
def test_history_refuses_what_it_cannot_mean(history_of_one, asked, complaint):
    wrong = history_of_one(*asked)
    assert (wrong.returncode, wrong.stdout) == (64, "")
    assert complaint in wrong.stderr


def test_a_line_that_was_taken_out_is_missed(command, tmp_path, recorded):
    (segment,) = recorded.glob("record-*.jsonl")
    first, _, *rest = segment.read_bytes().splitlines(keepends=True)
    (tmp_path / segment.name).write_bytes(first + b"".join(rest))
    result = command("history", "--directory", tmp_path)
    assert "the record lacks 1 events" in result.stderr


def test_the_story_of_a_gate_is_told_too(orders, by_hand, command, tmp_path):
    process = by_hand("drain", orders.name, "--for", "1min", "--wait", "0s", "--grace", "1s", "--exit-when-empty")
    assert process.wait(PATIENCE_S) == 0
    (intent,) = record.of(tmp_path, "gate_intent")
    story = command("history", "--decision", intent["decision"])
    assert story.returncode == 0, story.stderr
    assert intent["message"] in story.stdout
    assert record.of(tmp_path, "gate_closed")[0]["message"] in story.stdout


def test_lines_that_others_have_written_with_checksums_of_their_own_end_nothing(stage, enforce, state, command):
    """Whoever may write to the state directory can make a checksum, too."""
    state.mkdir(exist_ok=True)
    intent = ('"ts":"2026-11-30T14:03:05.123Z","event":"intent","decision":"d-1","episode":"e","rule":"r","mode":"enforce","server":"stage",'
              '"session_id":"s.1","step":"cancel","user":"app","database":"x"')
    deep = "[" * 100000 + "]" * 100000
    hostile = [f'{intent},"pid":{deep}', f'{intent},"pid":1,"age_s":1e300,"limit_s":-1e13', f'{intent},"pid":1,"zz":{deep}']
    text = b""
    for seq, keys in [*enumerate(hostile, 1), (2**64 - 1, f'{intent},"pid":1')]:
        body = f'{{"seq":{seq},"run":"a",{keys}'.encode()
        text += body + b',"crc":"%08x"}\n' % zlib.crc32(body)
    (state / "record-00000000000000000001-1764511445000000.jsonl").write_bytes(text)
    (state / "record-18446744073709551615-1764511445000000.jsonl").write_bytes(b"")
    for more in ((), ("--json",), ("--summary",), ("--decision", "d-1")):
        done = command("history", "--directory", state, "--since", "10000d", *more)
        assert done.returncode == 0 and done.stdout, (more, done)
    daemon = enforce()
    assert cancelled(stage) == QUERY_CANCELED
    daemon.wait_for("ended")
    daemon.stop()
    done = command("history", "--directory", state, "--json", "--outcome", "signalled")
    assert done.returncode == 0 and daemon.all("outcome")[0]["decision"] in done.stdout
