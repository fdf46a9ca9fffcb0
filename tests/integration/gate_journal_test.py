"""Gates whose mark is in the journal of gates: what it is needed for, when pgcurfew ends at any moment."""

import os
import re
import subprocess
import time
from datetime import datetime, timedelta, timezone

import pytest

from support.kept import DATABASE, Kept, gates, policy
from support.session import PATIENCE_S, wait_until
from support.throwaway import Throwaway


def test_the_journal_holds_what_was_before_as_long_as_the_gate_is_closed(kept, run, state):
    daemon = run()
    wait_until(lambda: kept.limit == 0)
    (file,) = wait_until(lambda: gates(state))
    assert "mark=limit=9 " in file.read_text() and oct(file.stat().st_mode & 0o777) == "0o600"
    wait_until(lambda: "state=closed" in file.read_text())
    daemon.stop()
    assert kept.limit == 9 and gates(state) == []


def test_after_a_crash_the_next_start_goes_on_with_the_drain_and_gives_back_what_was_before(kept, run, state):
    run().kill_when(lambda: kept.limit == 0)
    assert len(gates(state)) == 1
    daemon = run()
    daemon.wait_for("gate_adopted")
    daemon.stop()
    assert kept.limit == 9 and gates(state) == []


@pytest.mark.parametrize("delay", [0, 0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.03, 0.05])
def test_a_crash_at_any_instant_of_the_closing_or_the_opening_loses_nothing(kept, run, state, delay):
    daemon = run()
    daemon.wait_for("server_up")
    time.sleep(delay)
    daemon.kill()
    daemon = run()
    wait_until(lambda: kept.limit == 0)
    daemon.process.terminate()
    time.sleep(delay)
    daemon.kill()
    daemon = run()
    wait_until(lambda: daemon.all("gate_adopted") or daemon.all("gate_closed"))
    assert kept.limit == 0
    daemon.stop()
    assert kept.limit == 9 and gates(state) == []


def test_a_limit_that_somebody_else_has_set_is_left_alone_and_forgotten(kept, run, state):
    # of one that says no more than that it is about to close, another limit would mean that it never did
    run().kill_when(lambda: kept.limit == 0 and "state=closed" in gates(state)[0].read_text())
    kept.set_limit(33)
    daemon = run()
    wait_until(lambda: not gates(state))
    daemon.stop()
    assert kept.limit == 33


def test_without_a_directory_for_the_journal_the_gate_stays_open(kept, run, state):
    state.rmdir()
    daemon = run()
    failed = daemon.wait_for("gate_failed")
    assert "journal" in failed["error"], failed
    assert kept.limit == 9


@pytest.mark.parametrize("harm", ["moved", "read-only", "damaged"])
def test_a_gate_is_opened_though_its_journal_was_lost_meanwhile(kept, run, state, harm):
    daemon = run()
    wait_until(lambda: kept.limit == 0)
    (file,) = wait_until(lambda: gates(state))
    wait_until(lambda: "state=closed" in file.read_text())
    if harm == "moved":
        state.rename(state.with_name("away"))
    elif harm == "damaged":
        file.write_text("nothing")
    else:
        # what not even root may write to
        if subprocess.run(["chattr", "+i", str(state), str(file)], stderr=subprocess.DEVNULL).returncode:
            pytest.skip("the file system knows no immutable files")
    try:
        if harm != "read-only":
            daemon.wait_for("journal_failed")
        daemon.stop()
        assert kept.limit == 9
        assert not daemon.all("gate_overridden")
    finally:
        if harm == "read-only":
            subprocess.run(["chattr", "-i", str(state), str(file)], check=True)


def test_a_damaged_file_is_told_and_keeps_nothing_else_from_its_work(kept, run, state):
    (state / "main.00.connection-limit.gate").write_text("pgcurfew gate 1\nserver=ma")
    daemon = run()
    told = daemon.wait_for("journal_failed")
    assert "main.00.connection-limit.gate is damaged" in told["message"] and told["hint"]
    wait_until(lambda: kept.limit == 0)
    daemon.stop()
    assert kept.limit == 9 and len(daemon.all("journal_failed")) == 1


def reopen(pgcurfew, daemon, state, *databases):
    """With the files of that daemon: the exit status, and what it said."""
    ended = subprocess.run([pgcurfew, "reopen", "--config", daemon.config, *databases], text=True, timeout=PATIENCE_S,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           env={**os.environ, "STATE_DIRECTORY": str(state)})
    return ended.returncode, ended.stdout


def test_a_gate_of_a_server_that_was_renamed_in_the_policy_is_told_wherever_somebody_can_hear_it(
        server, kept, run, state, pgcurfew):
    run().kill_when(lambda: kept.limit == 0)
    (file,) = gates(state)
    named = policy(server, kept.role)
    renamed = policy(server, kept.role, name="another", at=datetime.now(timezone.utc) + timedelta(days=1)).replace(
        "name: main", "name: renamed")
    daemon = run(text=renamed)
    told = daemon.wait_for("gate_unclaimed")
    assert told["level"] == "WARNING" and (told["server"], told["database"], told["file"]) == (
        "main", DATABASE, str(file)), told
    assert told["limit_before"] == 9 and told["drain"] == "nightly" and told["by"] and told["until"]
    assert "back to 9 by hand" in told["hint"] and "under that name" in told["hint"]
    daemon.reload(renamed + "# changed\n")
    wait_until(lambda: len(daemon.all("gate_unclaimed")) == 2)
    for names in ([], [DATABASE]):
        status, output = reopen(pgcurfew, daemon, state, *names)
        assert (status, kept.limit) == (69, 0) and str(file) in output and "has no mark" not in output, output
    status, output = reopen(pgcurfew, daemon, state, "elsewhere")
    assert status == 66 and str(file) not in output, output
    # the hint holds what it promises
    daemon.reload(named)
    daemon.wait_for("gate_adopted")
    daemon.stop()
    assert kept.limit == 9 and gates(state) == [] and len(daemon.all("gate_unclaimed")) == 2


def test_a_gate_that_a_reload_gives_back_with_its_server_is_not_told_as_left(server, kept, run, state):
    daemon = run()
    daemon.wait_for("gate_closed")
    daemon.reload(policy(server, kept.role, at=datetime.now(timezone.utc) + timedelta(days=1)).replace(
        "name: main", "name: renamed"))
    wait_until(lambda: kept.limit == 9)
    daemon.stop()
    assert gates(state) == [] and not daemon.all("gate_unclaimed")


@pytest.fixture(scope="module")
def other_cluster():
    with Throwaway([]) as throwaway:
        yield throwaway


def test_a_gate_of_another_cluster_is_left_alone_and_told_though_its_server_has_the_same_name(
        kept, run, state, pgcurfew, other_cluster):
    run().kill_when(lambda: kept.limit == 0)
    (file,) = gates(state)
    text = file.read_text()
    others = Kept(other_cluster)
    daemon = run(text=policy(other_cluster, kept.role))
    told = daemon.wait_for("gate_unclaimed")
    assert told["level"] == "WARNING" and (told["database"], told["file"]) == (DATABASE, str(file)), told
    assert "another cluster" in told["message"] and "back to 9 by hand" in told["hint"], told
    assert told["system_identifier"] == kept.server.execute("select system_identifier::text from pg_control_system()")[0][0]
    # the one's gate is no obstacle to the other's
    wait_until(lambda: others.limit == 0)
    assert len(gates(state)) == 2
    others.set_limit(33)
    for names in ([], [DATABASE]):
        status, output = reopen(pgcurfew, daemon, state, *names)
        assert (status, others.limit, kept.limit) == (69, 33, 0) and str(file) in output, output
    assert reopen(pgcurfew, daemon, state, "elsewhere")[0] == 66
    daemon.stop()
    assert gates(state) == [file] and file.read_text() == text and len(daemon.all("gate_unclaimed")) == 1
    others.drop()
    daemon = run()
    daemon.wait_for("gate_adopted")
    daemon.stop()
    assert kept.limit == 9 and gates(state) == []


@pytest.fixture
def renamed(server, kept):
    """Renames the database; the test's end names it back."""
    name = DATABASE + "_since"
    yield lambda: server.execute(f"alter database {DATABASE} rename to {name}")
    if server.execute("select 1 from pg_database where datname = %s", [name]):
        server.execute("alter database kept_since rename to kept")


def test_a_database_that_is_renamed_in_its_window_is_given_back_under_its_new_name(server, kept, run, state, renamed):
    daemon = run()
    daemon.wait_for("drain_empty")
    renamed()
    assert daemon.wait_for("gate_renamed")["database"] == "kept_since"
    daemon.stop()
    assert limits(server, "kept_since") == [9] and gates(state) == [] and not daemon.all("gate_overridden")


def test_a_database_that_is_renamed_while_nobody_watches_is_given_back(server, kept, run, state, renamed, pgcurfew):
    daemon = run()
    daemon.kill_when(lambda: kept.limit == 0)
    renamed()
    status, output = reopen(pgcurfew, daemon, state)
    assert (status, limits(server, "kept_since"), gates(state)) == (0, [9], []), output


def test_a_database_that_is_created_anew_in_its_window_is_closed_too(server, kept, run, state):
    daemon = run()
    daemon.wait_for("drain_empty")
    server.execute(f"drop database {DATABASE}")
    server.execute(f"create database {DATABASE} template template0 owner keeper connection limit 5")
    daemon.wait_for("gate_replaced")
    wait_until(lambda: kept.limit == 0)
    daemon.stop()
    assert kept.limit == 5 and gates(state) == [] and not daemon.all("gate_overridden")


def limits(server, *names):
    return [server.execute("select datconnlimit from pg_database where datname = %s", [name])[0][0] for name in names]


def make_old(state):
    """Writes the one entry there is as pgcurfew of old would have."""
    (file,) = gates(state)
    text = file.read_text().replace("pgcurfew gate 2", "pgcurfew gate 1")
    old_file_of(state).write_text(re.sub(r"(system_identifier|oid|pools)=.*\n", "", text))
    file.unlink()
    return old_file_of(state)


def test_what_pgcurfew_of_old_has_written_down_is_given_back(kept, run, state):
    run().kill_when(lambda: kept.limit == 0)
    make_old(state)
    daemon = run()
    daemon.wait_for("gate_adopted")
    daemon.stop()
    assert kept.limit == 9 and gates(state) == [] and not daemon.all("gate_unclaimed")


def test_what_pgcurfew_of_old_has_written_down_of_a_database_that_is_open_here_is_left_alone_and_told(kept, run, state):
    run().kill_when(lambda: kept.limit == 0)
    old = make_old(state)
    text = old.read_text()
    kept.set_limit(12)
    daemon = run()
    assert "another cluster" in daemon.wait_for("gate_unclaimed")["message"]
    daemon.wait_for("gate_closed")
    # by then it has read the journal again, with a gate that it has closed itself
    daemon.wait_for("drain_empty")
    daemon.stop()
    assert kept.limit == 12 and gates(state) == [old] and old.read_text() == text


@pytest.fixture
def read_only(state):
    """Makes it what not even root may write to, and writable again."""
    files = []

    def chattr(how, *names):
        return subprocess.run(["chattr", how, *names], stderr=subprocess.DEVNULL).returncode == 0

    def make(is_read_only):
        if is_read_only:
            files[:] = [state, *gates(state)]
        done = not files or chattr("+i" if is_read_only else "-i", *files)
        if not is_read_only:
            files.clear()
        elif not done:
            pytest.skip("the file system knows no immutable files")

    yield make
    make(False)


def test_what_stands_in_a_journal_that_cannot_be_written_is_given_back_and_removed_when_it_can(
        kept, run, state, read_only):
    run().kill_when(lambda: kept.limit == 0)
    (file,) = gates(state)
    # its time is over, and that of the drain is not
    file.write_text(re.sub(r"until=\d+", "until=1", re.sub(r"since=\d+", "since=0", file.read_text())))
    read_only(True)
    daemon = run()
    assert daemon.wait_for("gate_opened")["outcome"] == "opened"
    assert kept.limit == 9 and str(file) in daemon.wait_for("journal_failed")["error"]
    # and without a journal no gate is closed
    assert str(state) in daemon.wait_for("gate_failed")["error"] and kept.limit == 9
    read_only(False)
    daemon.wait_for("gate_closed")
    assert "mark=limit=9 " in file.read_text()
    daemon.stop()
    assert kept.limit == 9 and gates(state) == []


def old_file_of(state):
    """Of the database's own gate, as pgcurfew of old called it: without the cluster."""
    return state / f"main.{DATABASE.encode().hex()}.connection-limit.gate"


def test_a_gate_whose_file_is_damaged_is_not_closed_for_it_may_hold_the_limit(kept, run, state):
    run().kill_when(lambda: kept.limit == 0)
    (damaged,) = gates(state)
    text = damaged.read_text().replace("\nend\n", "\n")
    damaged.write_text(text)
    daemon = run()
    failed = daemon.wait_for("gate_failed")
    assert f"{damaged} is damaged" in failed["error"] and failed["hint"], failed
    daemon.stop()
    assert damaged.read_text() == text and kept.limit == 0
    kept.set_limit(9)
    damaged.unlink()


def test_a_gate_whose_damaged_file_was_removed_is_closed(kept, run, state):
    damaged = old_file_of(state)
    damaged.write_text("pgcurfew gate 1\n")
    daemon = run()
    daemon.wait_for("gate_failed")
    assert kept.limit == 9
    damaged.unlink()
    daemon.wait_for("gate_closed")
    daemon.stop()
    assert kept.limit == 9 and gates(state) == []
