"""Drains whose gate is PgBouncer's: pauses and refusals, through every end in the middle of either."""

import subprocess

import pytest

from support.kept import DATABASE, gates
from support.pgbouncer import PgBouncer
from support.session import OK, PATIENCE_S, Session, wait_until
from support.stage import seconds_between


@pytest.fixture
def pgbouncer(server, kept):
    made = PgBouncer(server, "kept", "transaction", f"{DATABASE} = ADDRESS")
    yield made
    made.stop()


def through(pgbouncer, by):
    return f"gate: pgbouncer\n    pgbouncer: {{ conninfo: \"{pgbouncer.conninfo('pgbouncer', 'pgcurfew')}\", by: {by} }}"


@pytest.mark.slow
def test_clients_run_through_a_drain_behind_a_pause_without_an_error(server, kept, run, state, pgbouncer):
    pgbench = server.bindir / "pgbench"
    address = ["-h", str(pgbouncer.folder), "-p", "6432", "-U", "app"]
    script = state.parent / "script.sql"
    script.write_text("select 1;\n")
    # For longer than all of this takes on a slow machine, and at a rate that leaves something of that to others.
    bench = subprocess.Popen([pgbench, "-n", "-c", "8", "-T", "20", "-R", "400", "-f", script, *address, DATABASE],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until(lambda: kept.sessions > 0)
    daemon = run(through(pgbouncer, "pause"))
    daemon.wait_for("drain_empty")
    assert pgbouncer.shown(DATABASE) == (True, False) and kept.sessions == 0
    (file,) = gates(state)
    assert "pooler_gate=pause" in file.read_text() and oct(file.stat().st_mode & 0o777) == "0o600"
    assert kept.limit == 9 and bench.poll() is None
    daemon.stop()
    assert pgbouncer.shown(DATABASE) == (False, False) and gates(state) == []
    output, _ = bench.communicate(timeout=20 + PATIENCE_S)
    assert bench.returncode == 0, output
    assert "number of failed transactions: 0 " in output and "aborted" not in output, output


@pytest.fixture
def split(server, kept):
    """Leads to the database, and to one of its name on another server."""
    made = PgBouncer(server, "split", "transaction", f"{DATABASE} = ADDRESS\nfar = host=127.0.0.9 dbname={DATABASE}")
    yield made
    made.stop()


@pytest.mark.parametrize("pools, taken", [("", DATABASE), (", pools: far", "far")])
def test_of_two_servers_databases_of_one_name_only_the_right_one_is_closed_and_opened_again(
        kept, run, state, split, pools, taken):
    drain = through(split, "pause" + pools)
    daemon = run(drain)
    assert daemon.wait_for("gate_closed")["pools"] == taken
    assert {name for name in (DATABASE, "far") if split.shown(name)[0]} == {taken}
    assert f"pools={taken}" in gates(state)[0].read_text()
    daemon.kill()
    daemon = run(drain)
    wait_until(lambda: any(daemon.all(kind) for kind in ("gate_adopted", "gate_closed")))
    daemon.stop()
    assert split.shown(DATABASE) == split.shown("far") == (False, False) and gates(state) == []
    assert not daemon.all("gate_overridden")


def test_a_crash_leaves_a_pause_that_the_next_start_takes_back(kept, run, state, pgbouncer):
    run(through(pgbouncer, "pause")).kill_when(lambda: pgbouncer.shown(DATABASE)[0])
    daemon = run(through(pgbouncer, "pause"))
    wait_until(lambda: any(daemon.all(kind) for kind in ("gate_adopted", "gate_closed")))
    daemon.stop()
    assert pgbouncer.shown(DATABASE) == (False, False) and gates(state) == []


def test_a_disabled_database_refuses_clients_until_it_is_enabled(kept, run, state, pgbouncer):
    client = Session(pgbouncer.conninfo(DATABASE))
    assert client.run("select 1") == OK
    daemon = run(through(pgbouncer, "disable"))
    wait_until(lambda: pgbouncer.shown(DATABASE)[1])
    with pytest.raises(ConnectionError, match="disabled"):
        Session(pgbouncer.conninfo(DATABASE))
    daemon.stop()
    assert pgbouncer.shown(DATABASE) == (False, False) and gates(state) == []
    client.close()


def test_a_pgbouncer_that_is_away_is_told_and_the_server_is_watched_all_the_same(kept, run, pgbouncer):
    pgbouncer.stop()
    daemon = run(through(pgbouncer, "pause"))
    assert daemon.wait_for("gate_failed")["error"]
    assert daemon.all("server_up")


def consoles(pgbouncer):
    """How many sessions of an admin there are beside the one that asks."""
    return sum(row["user"] == "pgcurfew" for row in pgbouncer.console("SHOW CLIENTS")) - 1


HOW = {"pause": (True, False), "disable": (False, True)}


@pytest.mark.parametrize("by", HOW)
def test_a_pgbouncer_that_is_restarted_in_the_window_holds_its_clients_back_again(
        server, kept, run, state, pgbouncer, by):
    daemon = run(through(pgbouncer, by))
    daemon.wait_for("drain_empty")
    wait_until(lambda: consoles(pgbouncer) == 1)
    pgbouncer.stop()
    pgbouncer.start()
    assert daemon.wait_for("gate_lost")["database"] == DATABASE
    wait_until(lambda: pgbouncer.shown(DATABASE) == HOW[by])
    wait_until(lambda: len(daemon.all("gate_closed")) == 2)
    # one that is paused lets clients wait, from their log-in on
    client = subprocess.Popen([server.bindir / "psql", "-XAtc", "select 1", pgbouncer.conninfo(DATABASE)],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if by == "pause":
        with pytest.raises(subprocess.TimeoutExpired):
            client.wait(timeout=0.3)
    else:
        assert "disabled" in client.communicate(timeout=PATIENCE_S)[0]
    wait_until(lambda: consoles(pgbouncer) == 1)
    daemon.stop()
    assert pgbouncer.shown(DATABASE) == (False, False) and gates(state) == [] and consoles(pgbouncer) == 0
    if by == "pause":
        assert client.communicate(timeout=PATIENCE_S)[0] == "1\n"
    assert len(daemon.all("gate_lost")) == 1 and not daemon.all("gate_overridden") and not daemon.all("gate_failed")


@pytest.mark.parametrize("by, back", [("pause", "RESUME"), ("disable", "ENABLE")])
def test_a_drain_yields_to_who_lets_clients_in_at_the_console_by_hand(kept, run, state, pgbouncer, by, back):
    daemon = run(through(pgbouncer, by))
    daemon.wait_for("drain_empty")
    wait_until(lambda: consoles(pgbouncer) == 1)
    pgbouncer.console(f"{back} {DATABASE}")
    assert daemon.wait_for("gate_overridden")["database"] == DATABASE
    assert daemon.wait_for("drain_done")["yielded"] is True
    wait_until(lambda: not gates(state) and consoles(pgbouncer) == 0)
    daemon.stop()
    assert pgbouncer.shown(DATABASE) == (False, False) and not daemon.all("gate_lost")


def test_a_pgbouncer_that_came_back_without_the_database_is_told_and_the_drain_still_ends(kept, run, state, pgbouncer):
    ini = pgbouncer.folder / "ini"
    complete = ini.read_text()
    other = complete.replace(f"{DATABASE} = ", "another = ", 1).replace("port=5432", "port=5432 dbname=another")

    def restart_with(text):
        pgbouncer.stop()
        ini.write_text(text)
        pgbouncer.start()

    def is_in_time():
        restart_with(complete)
        daemon = run(through(pgbouncer, "pause"))
        daemon.wait_for("drain_empty")
        wait_until(lambda: consoles(pgbouncer) == 1)
        restart_with(other)
        assert "leads to kept" in daemon.wait_for("gate_failed")["error"]
        daemon.stop()
        assert gates(state) == [] and not daemon.all("gate_overridden") and not daemon.all("gates_left")
        return seconds_between(daemon.all("drain_done")[-1], daemon.all("stopped")[-1]) < 6

    wait_until(is_in_time)  # one that waited for its deadline, which is eight seconds, would do so each time
