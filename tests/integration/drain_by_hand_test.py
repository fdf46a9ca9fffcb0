"""Drains by hand on a real server: exit statuses, commands in the empty database, Ctrl-C, what is left behind."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from support.orders import config_of
from support.session import PATIENCE_S, wait_until
from support.stage import parent_of
from support.terminal import Terminal

QUICK = ["--wait", "0s", "--grace", "200ms"]


def outcome_of(process, timeout=PATIENCE_S):
    try:
        output = process.communicate(timeout=timeout)[0]
    except subprocess.TimeoutExpired:
        process.kill()  # what it has said so far says why
        raise TimeoutError(f"{timeout} s went by\n{process.communicate()[0]}") from None
    return process.returncode, output


def first_line_with(text, process):
    """Read as it is written; all up to its end if there is none."""
    read = []
    for line in process.stdout:
        read.append(line)
        if text in line:
            return line
    return "".join(read)


# Of a window whose end a test waits for: much longer than it takes to empty a database on a slow machine.
SHORT = "20s"
# Of one that something else ends.
LONG = "900s"

# for a file, but not for ever
WAITS = "for i in $(seq 2000); do test -e '{}' && break; sleep 0.05; done; "


def test_by_hand_what_no_time_will_mend_is_said_at_once(server, by_hand, orders):
    server.execute("drop database if exists not_ours")
    server.execute("create database not_ours")
    for database, status, words in (("not_ours", 77, "our role may not close its gate"),
                                    ("nosuch", 66, "there is no database nosuch"),
                                    ("postgres", 78, "our own connection is in it")):
        for options in ([], ["--dry-run"]):
            found, output = outcome_of(by_hand("drain", database, "--for", LONG, *options))
            assert (found, words in output) == (status, True), output
            assert "for instance postgres" not in output, output
    # one that could be closed does not stay so for the sake of another that can't
    found, output = outcome_of(by_hand("drain", orders.name, "nosuch", "--for", LONG))
    assert (found, orders.is_as_before()) == (66, True), output


@pytest.mark.slow
def test_by_hand_the_exit_status_tells_whether_it_was_empty_to_the_end(by_hand, orders):
    orders.open("begin", "select 1")
    status, output = outcome_of(by_hand("drain", orders.name, "--for", SHORT, *QUICK))
    assert (status, orders.is_as_before()) == (0, True), output
    orders.open("begin", "select 1", application_name="pg_dump")
    status, output = outcome_of(by_hand("drain", orders.name, "--for", LONG, "--give-up", "2s", *QUICK))
    assert (status, orders.is_as_before()) == (75, True), output
    assert "protected: dumps" in output


def test_by_hand_a_command_runs_in_the_empty_database_and_its_status_is_ours(server, by_hand, orders):
    orders.open("begin", "select 1")
    alone = "select case when count(*) = 1 then 3 else 4 end from pg_stat_activity " \
            "where datname = current_database() and backend_type = 'client backend'"
    script = f"exit $(psql -XAtc \"{alone}\" '{server.conninfo(user='postgres', dbname=orders.name)}')"
    status, output = outcome_of(by_hand("drain", orders.name, "--for", LONG, *QUICK, "--", "sh", "-c", script))
    assert (status, orders.is_as_before()) == (3, True), output
    status, output = outcome_of(by_hand("drain", orders.name, "--for", LONG, *QUICK, "--", "/no/such/command"))
    assert (status, orders.is_as_before()) == (127, True), output


@pytest.mark.slow
@pytest.mark.parametrize("script, expected", [("true", 75), ("exit 3", 3)])
def test_by_hand_a_command_that_outlives_the_window_is_told_of_and_is_no_success(by_hand, orders, tmp_path, script, expected):
    go_on = tmp_path / "go-on"
    started = by_hand("drain", orders.name, "--for", SHORT, *QUICK, "--",
                      "sh", "-c", WAITS.format(go_on) + script)
    assert first_line_with("while the command still runs", started) == "pgcurfew: the time is over: orders is open to all clients again while the command still runs\n"
    wait_until(orders.is_as_before)
    go_on.touch()
    status, output = outcome_of(started)
    assert (status, "still runs" in output) == (expected, False), output


@pytest.mark.slow
def test_by_hand_a_command_is_told_that_one_of_its_gates_is_open_though_another_is_stuck(server, by_hand, orders, tmp_path):
    server.execute("drop database if exists stuck")
    server.execute("create database stuck owner pgcurfew")
    go_on = tmp_path / "go-on"
    try:
        started = by_hand("drain", orders.name, "stuck", "--for", SHORT, *QUICK, "--",
                          "sh", "-c", f"touch '{go_on}.began'; " + WAITS.format(go_on))
        wait_until((tmp_path / "go-on.began").exists)
        with server.connect(autocommit=False) as other:
            other.execute("alter database stuck is_template false")
            assert "while the command still runs" in first_line_with("while the command still runs", started)
            wait_until(lambda: orders.limit == -1)
            other.rollback()
        go_on.touch()
        status, output = outcome_of(started)
        assert (status, orders.is_as_before()) == (75, True), output
    finally:
        server.execute("drop database if exists stuck")


def test_by_hand_a_command_whose_gate_somebody_else_opens_is_no_success(server, by_hand, orders, tmp_path):
    go_on = tmp_path / "go-on"
    started = by_hand("drain", orders.name, "--for", LONG, *QUICK, "--",
                      "sh", "-c", f"touch '{go_on}.began'; " + WAITS.format(go_on))
    wait_until((tmp_path / "go-on.began").exists)
    assert outcome_of(by_hand("reopen", orders.name))[0] == 0
    assert first_line_with("while the command still runs", started).startswith(
        "pgcurfew: another client has opened the gate: orders is open")
    go_on.touch()
    status, output = outcome_of(started)
    assert (status, "still runs" in output) == (75, False), output


def test_by_hand_a_database_that_the_command_renames_is_given_back_under_its_new_name(server, by_hand, orders):
    script = f"psql -Xqc 'alter database {orders.name} rename to orders_since' '{server.conninfo(user='postgres')}'"
    try:
        status, output = outcome_of(by_hand("drain", orders.name, "--for", LONG, *QUICK, "--", "sh", "-c", script))
        left = server.execute("select datconnlimit from pg_database where datname = 'orders_since'")
        marks = server.execute("select 1 from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase "
                               "where datname = 'orders_since' and setconfig::text like '%pgcurfew.drain%'")
    finally:
        server.execute(f"alter database orders_since rename to {orders.name}")
    assert (status, left, marks, orders.is_as_before()) == (0, [(-1,)], [], True), output


def test_by_hand_a_rehearsal_runs_no_command(by_hand, orders, tmp_path):
    ran = tmp_path / "ran"
    status, output = outcome_of(by_hand("drain", orders.name, "--for", LONG, "--dry-run", "--",
                                        "touch", str(ran)))
    assert not ran.exists(), output
    assert (status, orders.is_as_before()) == (0, True), output


def test_by_hand_a_rehearsal_that_only_the_file_asked_for_does_not_pass_for_an_empty_database(
        server, by_hand, orders, tmp_path):
    (tmp_path / "pgcurfew.yaml").write_text(config_of(server, "", mode="dry-run"))
    ran = tmp_path / "ran"
    status, output = outcome_of(by_hand("drain", orders.name, "--for", LONG, "--", "touch", str(ran)))
    assert not ran.exists(), output
    assert (status, orders.is_as_before()) == (75, True), output


def test_by_hand_it_gives_back_when_the_command_has_cost_it_its_connection(server, by_hand, orders):
    script = f"""psql -XAtc "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'pgcurfew'" \\
                 '{server.conninfo(user='postgres')}'"""
    status, output = outcome_of(by_hand("drain", orders.name, "--for", LONG, *QUICK, "--", "sh", "-c", script))
    assert (status, orders.is_as_before()) == (0, True), output


def test_by_hand_who_logs_in_slowly_is_waited_for(server, by_hand, orders, tmp_path):
    slow = subprocess.Popen(["psql", "-Xqc", "select 1", server.conninfo(user="app", dbname=orders.name)],
                            env={**os.environ, "PGOPTIONS": "-c post_auth_delay=900"}, stderr=subprocess.DEVNULL)
    try:
        holders = """select l.pid from pg_locks l join pg_database d on d.oid = l.objid
                     where l.locktype = 'object' and l.classid = 'pg_database'::regclass and d.datname = %s
                           and l.pid not in (select pid from pg_stat_activity where datid is not null)"""
        pid = wait_until(lambda: server.execute(holders, [orders.name]))[0][0]
        began = tmp_path / "began"
        started = by_hand("drain", orders.name, "--for", LONG, *QUICK, "--", "touch", str(began))
        assert f"0 sessions, 1 client still logging in (pid {pid})" in first_line_with("left: ", started)
        # it would be empty after three looks, and a few readings of the gates
        seen = set()
        wait_until(lambda: seen.update(server.execute(
            "select query_start from pg_stat_activity where usename = 'pgcurfew'")) or len(seen) > 20, every=0.001)
        assert not began.exists()
        server.execute(f"select pg_terminate_backend({pid})")
        status, output = outcome_of(started)
        assert (status, began.exists(), orders.is_as_before()) == (0, True, True), output
    finally:
        slow.kill()
        slow.wait()


def test_by_hand_a_walsender_in_the_empty_database_is_named(server, by_hand, orders):
    server.execute("create role wal login replication")
    there = subprocess.Popen(["psql", "-Xqc", "select pg_sleep(600)",
                              server.conninfo(user="wal", dbname=orders.name) + " replication=database"],
                             stderr=subprocess.DEVNULL)
    try:
        pid = wait_until(lambda: server.execute(
            "select pid from pg_stat_activity where backend_type = 'walsender' and datname = %s", [orders.name]))[0][0]
        status, output = outcome_of(by_hand("drain", orders.name, "--for", LONG, *QUICK, "--", "true"))
        assert (status, f"orders is empty; other backends: pid {pid} (walsender)" in output) == (0, True), output
    finally:
        server.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'wal'")
        there.wait()
        server.execute("drop role wal")


@pytest.mark.slow
def test_by_hand_it_ends_though_its_gate_may_not_be_opened_any_more(server, by_hand, orders):
    started = by_hand("drain", orders.name, "--for", SHORT, *QUICK)
    try:
        wait_until(lambda: orders.limit == 0)
        server.execute(f"alter database {orders.name} owner to postgres")
        status, output = outcome_of(started)
        assert (status, orders.limit) == (69, 0), output
        assert "not all gates could be opened" in output
    finally:
        server.execute(f"alter database {orders.name} owner to pgcurfew")
    assert outcome_of(by_hand("reopen", orders.name))[0] == 0
    assert orders.is_as_before()


def test_by_hand_it_gives_back_though_no_synchronous_standby_is_left(server, by_hand, orders):
    # the server waits for a ghost, except where the tests' own commits say that they don't
    server.execute("alter role pgcurfew set synchronous_commit = 'on'")
    try:
        status, output = outcome_of(by_hand("drain", orders.name, "--for", LONG, *QUICK, "--", "true"))
        assert (status, orders.is_as_before()) == (0, True), output
    finally:
        server.execute("alter role pgcurfew reset synchronous_commit")


def test_by_hand_ctrl_c_gives_the_database_back(by_hand, orders):
    started = by_hand("drain", orders.name, "--for", LONG, *QUICK)
    wait_until(lambda: orders.limit == 0)
    started.send_signal(signal.SIGINT)
    status, output = outcome_of(started)
    assert (status, orders.is_as_before()) == (130, True), output


def test_by_hand_it_can_be_left_closed_and_reopened(by_hand, orders):
    status, output = outcome_of(by_hand("drain", orders.name, "--for", LONG, "--exit-when-empty", *QUICK))
    assert (status, orders.limit) == (0, 0), output
    status, output = outcome_of(by_hand("reopen", orders.name))
    assert (status, orders.is_as_before()) == (0, True), output
    status, output = outcome_of(by_hand("reopen", orders.name))
    assert status == 66 and "has no mark" in output


def test_by_hand_reopen_shows_a_mark_that_is_none(server, by_hand, orders):
    server.execute(f"alter database {orders.name} set pgcurfew.drain = 'limit=5 by hand'")
    try:
        for names in ([], [orders.name]):
            status, output = outcome_of(by_hand("reopen", *names))
            assert status == 66 and f'database {orders.name}: the database has a setting pgcurfew.drain that is no mark' in output
            assert '"limit=5 by hand"' in output and "has no mark" not in output and "RESET pgcurfew.drain" in output
        status, output = outcome_of(by_hand("drain", orders.name, "--for", LONG, *QUICK))
        assert "no mark of pgcurfew" in output and status not in (0, 75), output
    finally:
        server.execute(f"alter database {orders.name} reset pgcurfew.drain")


def test_by_hand_a_database_whose_name_looks_like_an_option_stands_behind_two_dashes(server, by_hand, orders):
    server.execute('create database "-x" owner pgcurfew')
    limit = "select datconnlimit from pg_database where datname = '-x'"
    try:
        status, output = outcome_of(by_hand("drain", "--for", LONG, *QUICK, "--", "-x", "--", "sh", "-c", "exit 3", "--"))
        assert (status, server.execute(limit)) == (3, [(-1,)]), output
        status, output = outcome_of(by_hand("drain", "--for", LONG, "--exit-when-empty", *QUICK, "--", "-x"))
        assert (status, server.execute(limit)) == (0, [(0,)]), output
        status, output = outcome_of(by_hand("reopen", "--", "-x"))
        assert (status, server.execute(limit)) == (0, [(-1,)]), output
        for nothing in (["--"], ["--", "--", "true"], []):
            status, output = outcome_of(by_hand("drain", "--for", LONG, *nothing))
            assert status == 64 and "DATABASE is required" in output, output
    finally:
        server.execute('drop database "-x"')


@pytest.mark.slow
def test_by_hand_what_was_killed_is_given_back_by_reopen_and_by_a_daemon_that_knows_nothing_of_it(
        server, by_hand, orders, daemon):
    for is_by_daemon in (False, True):
        started = by_hand("drain", orders.name, "--for", SHORT, *QUICK)
        wait_until(lambda: orders.limit == 0)
        started.kill()
        started.wait()
        if is_by_daemon:
            config = config_of(server, "rules: [ { name: r, match: { user: nobody, state: idle, state_age: 1h }, "
                                       "escalate: [terminate] } ]")
            found = daemon(config).wait_for("gate_found")
            assert found["database"] == orders.name
            wait_until(orders.is_as_before)
        else:
            assert outcome_of(by_hand("reopen"))[0] == 0
            assert orders.is_as_before()


def test_by_hand_reopen_does_not_wait_for_a_server_that_is_away_and_opens_the_gates_of_the_others(
        server, by_hand, orders, tmp_path):
    path = tmp_path / "pgcurfew.yaml"
    config = path.read_text()
    away = f'{{ name: away, conninfo: "host={tmp_path} user=pgcurfew" }}'

    def is_in_time():
        path.write_text(config)
        status, output = outcome_of(by_hand("drain", orders.name, "--for", LONG, "--exit-when-empty", *QUICK))
        assert (status, orders.limit) == (0, 0), output
        path.write_text(config.replace("servers: [ ", f"servers: [ {away}, "))
        began = time.monotonic()
        status, output = outcome_of(by_hand("reopen"))
        took = time.monotonic() - began
        assert (status, orders.is_as_before()) == (69, True), output
        told = [line for line in output.splitlines() if "away" in line]
        assert len(told) == 1 and told[0].startswith("pgcurfew: server away is out of reach: "), output
        return took < 5

    # It waits for up to ten seconds where that is worth it: here that would be so each time.
    wait_until(is_in_time)


# -- on a terminal ----------------------------------------------------------------------------------------------------

COUNTER = """
import os, signal, sys, time
told = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda *ignored: None)
signal.signal(signal.SIGUSR1, lambda *ignored: sys.exit(3))
signal.set_wakeup_fd(told)  # each one at once: two that come together would run one handler
os.write(told, f"{os.getpid()}\\n".encode())
while True:
    time.sleep(1)
"""


@pytest.fixture
def on_terminal(pgcurfew, server, orders, tmp_path):
    """Starts the same on a terminal."""
    config = tmp_path / "pgcurfew.yaml"
    config.write_text(config_of(server, ""))
    started = []

    def start(*arguments, before=()):
        made = Terminal([*before, pgcurfew, *arguments[:1], "--config", config, *arguments[1:]],
                        {**os.environ, "STATE_DIRECTORY": str(tmp_path), "NO_COLOR": "1"})
        started.append(made)
        return made

    yield start
    for made in started:
        made.close()


def test_on_a_terminal_an_event_is_a_short_line_and_elsewhere_it_has_all_its_fields(on_terminal, by_hand, orders):
    orders.open("begin", "select 1")
    terminal = on_terminal("drain", orders.name, "--for", LONG, "--exit-when-empty", *QUICK)
    assert terminal.wait(PATIENCE_S) == 0
    events = [line for line in terminal.output.splitlines() if re.match(r"(\x1b\[\S*?[AJ]|\r)*\d\d:\d\d:\d\d ", line)]
    assert any(line.endswith("NOTICE: closed the gate of database orders") for line in events), terminal.output
    assert any(re.search(r" about to terminate pid \d+ app@orders \(drain \S+\)$", line) for line in events), terminal.output
    assert max(map(len, events)) < 120 and "decision=" not in terminal.output
    orders.give_back()
    _, output = outcome_of(by_hand("drain", orders.name, "--for", LONG, "--exit-when-empty", *QUICK))
    assert re.search(r"(?m)^\S+ \d\d:\d\d:\d\d\.\d{3}Z NOTICE  closed the gate .* decision=\S+ ", output), output


class Counter:
    """A command in the empty database that writes down the signals it gets."""

    def __init__(self, on_terminal, orders, path, *, shell=False):
        self._path = path
        # a shell that stays, as the leader of the session
        before = ["sh", "-c", '"$@"; exit $?', "sh"] if shell else []
        self.terminal = on_terminal("drain", orders.name, "--for", LONG, *QUICK, "--", sys.executable, "-c", COUNTER,
                                    path, before=before)
        wait_until(lambda: path.exists() and path.read_bytes().endswith(b"\n"))
        self.pid = int(path.read_text())
        self.parent = parent_of(self.pid)

    def _read(self):
        return [signal.Signals(number).name for number in self._path.read_bytes().split(b"\n", 1)[1]]

    @property
    def signals(self):
        """Those it got once pgcurfew has dealt with its own."""
        wait_until(self._read)
        wait_until(lambda: not self._is_pending_at_parent())
        time.sleep(0.2)  # from there to here
        return self._read()

    def _is_pending_at_parent(self):
        with open(f"/proc/{self.parent}/status", encoding="ascii") as status:
            return any(int(line.split()[1], 16) for line in status if line.startswith("ShdPnd:"))

    def end(self):
        os.kill(self.pid, signal.SIGUSR1)
        return self.terminal.wait(PATIENCE_S)


@pytest.mark.parametrize("shell", [False, True])
def test_on_a_terminal_a_command_gets_one_ctrl_c_and_not_ours_too(on_terminal, orders, tmp_path, shell):
    counter = Counter(on_terminal, orders, tmp_path / "signals", shell=shell)
    counter.terminal.type("\x03")
    assert counter.signals == ["SIGINT"]
    if shell:
        counter.end()
    else:
        assert counter.end() == 3
    wait_until(orders.is_as_before)


def test_a_signal_to_pgcurfew_alone_reaches_the_command(on_terminal, orders, tmp_path):
    counter = Counter(on_terminal, orders, tmp_path / "signals")
    os.kill(counter.parent, signal.SIGTERM)
    assert counter.signals == ["SIGTERM"]
    assert counter.end() == 3
    assert orders.is_as_before()


@pytest.mark.parametrize("shell", [False, True])
def test_a_terminal_that_is_closed_tells_the_command_once(on_terminal, orders, tmp_path, shell):
    """The kernel signals the leader of the session, and once that has ended its foreground processes."""
    counter = Counter(on_terminal, orders, tmp_path / "signals", shell=shell)
    counter.terminal.hang_up()
    assert counter.signals == ["SIGHUP"]
    os.kill(counter.pid, signal.SIGUSR1)
    wait_until(orders.is_as_before)


@pytest.mark.slow
def test_nobody_who_reads_what_it_says_leaves_no_gate_closed(by_hand, orders, tmp_path):
    """As with `2>&1 | head -1`."""
    go_on = tmp_path / "go-on"
    started = by_hand("drain", orders.name, "--for", SHORT, *QUICK, "--",
                      "sh", "-c", f"touch '{go_on}.began'; " + WAITS.format(go_on))
    wait_until((tmp_path / "go-on.began").exists)
    started.stdout.close()
    started.stdout = None
    wait_until(orders.is_as_before)  # that the command still runs is said before
    go_on.touch()
    assert started.wait(PATIENCE_S) == 75
    assert orders.is_as_before()


@pytest.mark.slow
def test_a_stopped_terminal_keeps_no_gate_closed_when_the_time_is_over(on_terminal, orders):
    orders.open("begin", "select 1", application_name="pg_dump")  # so that there is more to show
    terminal = on_terminal("drain", orders.name, "--for", SHORT, *QUICK)
    wait_until(lambda: orders.limit == 0)
    terminal.type("\x13")
    wait_until(orders.is_as_before)
    assert terminal.process.wait(PATIENCE_S) == 75


def test_a_stopped_terminal_keeps_it_from_no_end(on_terminal, orders):
    terminal = on_terminal("drain", orders.name, "--for", LONG, *QUICK)
    terminal.lines_until("reopens in")
    wait_until(lambda: orders.limit == 0)
    terminal.type("\x13")
    time.sleep(1)  # in which it would draw four times
    terminal.process.terminate()
    assert terminal.process.wait(PATIENCE_S) == 130
    assert orders.is_as_before()


@pytest.mark.slow
def test_a_command_that_fills_a_stopped_terminal_keeps_no_gate_closed(on_terminal, orders):
    terminal = on_terminal("drain", orders.name, "--for", SHORT, *QUICK, "--", "yes")
    terminal.lines_until("y\r\ny\r\n")
    terminal.type("\x13")
    wait_until(orders.is_as_before)
    terminal.process.terminate()
    assert terminal.process.wait(PATIENCE_S) == 128 + signal.SIGTERM


def test_on_a_terminal_nothing_is_written_over_what_the_command_says(on_terminal, orders, tmp_path):
    go_on = tmp_path / "go-on"
    terminal = on_terminal("drain", orders.name, "--for", LONG, *QUICK, "--",
                           "sh", "-c", "echo the command begins to speak; " + WAITS.format(go_on) + "printf 'and its last word'")
    shown = terminal.lines_until("the command begins to speak")
    assert any(re.search(r"orders: empty, reopens at \d\d:\d\d:\d\d; the command begins$", line) for line in shown)
    time.sleep(1)  # in which it would draw four times
    go_on.touch()
    assert terminal.wait(PATIENCE_S) == 0
    after = terminal.output[terminal.output.index("the command begins to speak"):]
    assert "and its last word" in after and "\x1b[" not in after, after
