"""packaging/demo: it reports correctly what it saw, sets its exit status accordingly, and leaves nothing behind."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.session import PATIENCE_S, wait_until
from support.throwaway import REPOSITORY
from support.web import Web

DEMO = REPOSITORY / "packaging" / "demo"


def load(name):
    specification = importlib.util.spec_from_file_location(name, REPOSITORY / "packaging" / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


account = load("demo_account")
Decision, Fate, DRY_RUN, ENFORCE = account.Decision, account.Fate, account.DRY_RUN, account.ENFORCE
PARTS = {part.name: part for part in account.CAST}


# -- the verdict, on made-up outcomes ---------------------------------------------------------------------------------


def signalled(step, mode=ENFORCE, effect=None, age=2.001):
    return Decision("query-timeout", step, mode, account.ACTED[mode], effect, "query_age", age, 2.0)


def spared(mode=ENFORCE):
    return Decision("query-timeout", "cancel", mode, "moved_on", None, "query_age", 2.0, 2.0)


def passing(mode=ENFORCE):
    return Decision("query-timeout", "cancel", mode, "early", None, "query_age", 1.999, 2.0)


def good_fate(part, mode):
    expected = part.expected(mode)
    decisions = [signalled(step, mode) for step in expected.steps]
    if decisions and mode == ENFORCE:
        decisions[-1].effect = expected.effect
    return Fate(decisions + ([spared(mode)] if expected.is_spared else []), expected.client)


@pytest.mark.parametrize("mode", [DRY_RUN, ENFORCE])
def test_the_verdict_is_good_if_everyone_fares_as_expected(mode):
    text, is_good = account.table(mode, {name: good_fate(part, mode) for name, part in PARTS.items()})
    assert is_good
    assert text.count("as expected") == len(PARTS) and "UNEXPECTED" not in text


@pytest.mark.parametrize("mode", [DRY_RUN, ENFORCE])
@pytest.mark.parametrize("name", PARTS)
def test_the_verdict_is_bad_if_one_fares_otherwise(name, mode):
    fates = {other: good_fate(part, mode) for other, part in PARTS.items()}
    fates[name].client = "something else"
    text, is_good = account.table(mode, fates)
    assert not is_good
    assert text.count("UNEXPECTED") == 1


CANCEL, CANCEL_TOO = signalled("cancel", effect="query_ended"), signalled("cancel")
TERMINATE = signalled("terminate", effect="ended")


@pytest.mark.parametrize("name, mode, decisions, complaint", [
    ("runaway", ENFORCE, [], "steps should have been: cancel"),
    ("runaway", ENFORCE, [signalled("cancel")], "a later look should have shown: query_ended"),
    ("runaway", ENFORCE, [signalled("cancel", effect="query_ended", age=1.999)], "cancel before the limit"),
    ("runaway", ENFORCE, [signalled("cancel", effect="query_ended", age=99)], "cancel late"),
    ("runaway", ENFORCE, [CANCEL_TOO, TERMINATE], "steps should have been: cancel"),
    ("runaway", ENFORCE, [Decision("query-timeout", "cancel", ENFORCE)], "cancel with outcome unknown"),
    ("runaway", DRY_RUN, [CANCEL], "a decision in mode enforce"),
    ("stubborn", ENFORCE, [CANCEL], "steps should have been: cancel, terminate"),
    ("stubborn", ENFORCE, [TERMINATE], "steps should have been: cancel, terminate"),
    ("nimble", ENFORCE, [], "should have been spared at the last moment"),
    ("nimble", ENFORCE, [spared(), CANCEL], "steps should have been: none"),
    ("backup 1", ENFORCE, [CANCEL], "steps should have been: none"),
    ("backup 1", ENFORCE, [spared()], "cancel with outcome moved_on"),
    ("backup 1", ENFORCE, [passing()], "cancel with outcome early"),
    ("backup 2", DRY_RUN, [signalled("terminate", DRY_RUN)], "steps should have been: none"),
    ("replica", ENFORCE, [TERMINATE], "steps should have been: none"),
])
def test_the_verdict_names_what_is_wrong(name, mode, decisions, complaint):
    client = PARTS[name].expected(mode).client
    assert complaint in account.complaints_about(PARTS[name], mode, Fate(decisions, client))


def test_an_order_that_is_given_anew_is_no_fault():
    assert account.complaints_about(PARTS["runaway"], ENFORCE, Fate([passing(), CANCEL], account.CANCELLED)) == []


@pytest.mark.parametrize("mode", [DRY_RUN, ENFORCE])
def test_so_many_cancels_of_the_nimble_one_are_right_as_its_statements_did_last_too_long(mode):
    decisions = [signalled("cancel", mode), spared(mode), signalled("cancel", mode)]
    for overslept, is_good in [(0, False), (1, False), (2, True), (3, True)]:
        fate = Fate(decisions, account.ALL_FINISHED, overslept=overslept)
        assert (account.complaints_about(PARTS["nimble"], mode, fate) == []) is is_good
        assert ("rightly so" in account.in_words(fate)) is (overslept > 0)


def test_decisions_are_put_together_from_the_log():
    common = {"decision": "a-1", "pid": 7, "rule": "r", "step": "cancel", "mode": ENFORCE}
    events = [{"event": "started"},
              {"event": "intent", **common},
              {"event": "intent", **common, "decision": "a-2", "pid": 8},
              {"event": "intent", **common, "decision": "a-3", "if_still": True},
              {"event": "outcome", **common, "outcome": "signalled", "clock": "query_age", "age_s": 2.5, "limit_s": 2},
              {"event": "verified", **common, "effect": "query_ended"}]
    assert account.decisions_of(events, 7) == [
        Decision("r", "cancel", ENFORCE, "signalled", "query_ended", "query_age", 2.5, 2)]


# -- the real thing ---------------------------------------------------------------------------------------------------


def environment(pgcurfew):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return {**clean, "PGCURFEW_BIN": str(pgcurfew)}


def run(pgcurfew, *arguments):
    return subprocess.run([DEMO, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600,
                          env=environment(pgcurfew))


def directory_in(said):
    return Path(said.split(" of its own, in ")[1].split(",")[0])


def processes_with(text):
    """The command lines, of all that run, which hold this text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has just ended
        if text in line:
            found.append(line)
    return found


@pytest.mark.slow
def test_the_demo_goes_as_it_says(pgcurfew):
    done = run(pgcurfew)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("as expected") == 2 * len(PARTS) + 1
    assert "\033" not in done.stdout
    assert not directory_in(done.stdout).exists()
    wait_until(lambda: not processes_with(str(directory_in(done.stdout))))


@pytest.mark.parametrize("number, to_group", [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_an_interrupted_demo_leaves_nothing_behind(number, to_group, pgcurfew):
    # Ctrl-C reaches the whole group, kill only the one.
    process = subprocess.Popen([DEMO], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, env=environment(pgcurfew), start_new_session=True)
    try:
        said = ""
        while "First act" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        directory = directory_in(said)
        # In the midst of an act: the cast is at it.
        wait_until(lambda: any("idle in transaction" in line for line in titles_of_servers(directory)))
        assert any("pgcurfew run" in line for line in processes_with(str(directory)))
        listen = re.search(r"look at http://(127\.0\.0\.1:(\d+))/ or at pgcurfew status --listen \1$", said, re.M)
        assert "<h2>demo" in Web(int(listen[2])).ask("/").text
        began = time.monotonic()
        (os.killpg if to_group else os.kill)(process.pid, number)
        said += process.stdout.read()
        # Not at its end, which has status 0, and not after the 90 seconds that it would give an act.
        assert process.wait(PATIENCE_S) == -number, said
        assert time.monotonic() - began < PATIENCE_S
        assert "interrupted" in said
        wait_until(lambda: not processes_with(str(directory)))
        assert not directory.exists()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def titles_of_servers(directory):
    """What the processes of the server in that directory call themselves."""
    pid = (directory / "data" / "postmaster.pid").read_text().split()[0]
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    titles = []
    for child in children:
        try:
            titles.append(Path(f"/proc/{child}/cmdline").read_text(errors="replace"))
        except OSError:
            continue
    return titles


def test_an_unknown_argument_is_a_usage_error(pgcurfew):
    for arguments in (["--fast"], ["--conninfo"], ["--conninfo="], ["x"]):
        done = run(pgcurfew, *arguments)
        assert (done.returncode, done.stdout) == (64, "")
        assert done.stderr.startswith("packaging/demo: ")


@pytest.mark.slow
def test_a_look_at_a_server_of_the_users_changes_nothing_there(pgcurfew, server, session):
    forgetful = session()
    forgetful.run("begin")
    server.execute("alter role pgcurfew set log_statement = 'all'")
    server.execute("alter role pgcurfew set default_transaction_read_only = on")
    try:
        logged_before = len(server.log())
        done = run(pgcurfew, "--conninfo", server.conninfo(user="pgcurfew"))
    finally:
        server.execute("alter role pgcurfew reset all")
    assert done.returncode == 0, done.stdout + done.stderr
    line, = [line for line in done.stdout.splitlines() if line.split()[:1] == [str(forgetful.pid)]]
    assert "forgotten-transactions: would terminate in" in line
    assert "mode DRY-RUN" in done.stdout
    assert forgetful.run("commit") == "ok"
    logged = server.log()[logged_before:]
    statements = re.findall(r" pgcurfew@postgres LOG: +(?:statement|execute [^:]+):\s*(\w+)", logged)
    assert "SELECT" in statements and set(statements) <= {"SELECT", "SET", "WITH"}
    assert "ERROR" not in logged  # as a WITH that writes would have been


def test_a_server_out_of_reach_is_told_as_explain_tells_it(pgcurfew, tmp_path):
    done = run(pgcurfew, "--conninfo", f"host={tmp_path} user=nobody")
    assert done.returncode == 69
    assert "server yours:" in done.stderr
