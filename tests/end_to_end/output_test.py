"""Where the log goes and how it looks there; that no reader can hold the daemon up; that no secret gets out."""

import json
import os
import re
import subprocess
from contextlib import contextmanager

import pytest

from support.session import PATIENCE_S, QUERY_CANCELED, wait_until, wait_until_quick
from support.stage import UNBOUNDED
from support.terminal import Terminal

LIMIT = """
- name: limit
  match: { application_name: APP, state: active, query_age: 400ms }
  escalate: [cancel, alert]
"""
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def terminal(pgcurfew, tmp_path):
    """Starts the daemon on a terminal of its own."""
    opened = []

    def run(policy, *arguments, **environment):
        path = tmp_path / "terminal.yaml"
        path.write_text(policy)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PG") and k not in ("NO_COLOR", "TERM")}
        opened.append(Terminal([pgcurfew, "run", "--config", path, *arguments],
                               {**clean, "TERM": "xterm", **environment}))
        return opened[-1]

    yield run
    for made in opened:
        made.close()


@pytest.fixture
def raw_daemon(pgcurfew, tmp_path):
    """Starts the daemon with descriptors of the test's choice."""
    started = []

    def start(policy, *arguments, **kwargs):
        path = tmp_path / "raw.yaml"
        path.write_text(policy)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        started.append(subprocess.Popen([pgcurfew, "run", "--config", path, *arguments], env=clean,
                                        **{"stdin": subprocess.DEVNULL, **kwargs}))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


# -- how it looks ---------------------------------------------------------------------------------------------------


def test_on_a_terminal_it_is_text_in_colours_and_begins_with_the_mode_in_capitals(stage, terminal):
    shown = terminal(stage.policy(LIMIT)).lines_until("watching stage")
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z \x1b\[[0-9;]+mNOTICE \x1b\[0m mode ENFORCE: 1 servers?, "
                    r"1 rules? ", shown[0])
    assert all(ESCAPE.sub("", line).isprintable() for line in shown)


@pytest.mark.parametrize("arguments, environment, kind", [
    ([], {"NO_COLOR": "1"}, "plain text"),
    (["--log-format", "text"], {"NO_COLOR": ""}, "plain text"),
    (["--log-format", "json"], {}, "json"),
])
def test_on_a_terminal_it_can_be_plain_or_json(stage, terminal, arguments, environment, kind):
    shown = terminal(stage.policy(LIMIT), *arguments, **environment).lines_until("watching stage")
    assert not any("\x1b" in line for line in shown)
    if kind == "json":
        assert json.loads(shown[0])["event"] == "started"
    else:
        assert " NOTICE  mode ENFORCE" in shown[0]


def test_beside_a_terminal_it_is_json_unless_told_otherwise(stage, raw_daemon):
    process = raw_daemon(stage.policy(LIMIT), stdout=subprocess.PIPE)
    assert json.loads(process.stdout.readline())["mode"] == "enforce"
    process = raw_daemon(stage.policy(LIMIT), "--log-format", "text", stdout=subprocess.PIPE)
    line = process.stdout.readline().decode()
    assert " NOTICE  mode ENFORCE" in line and "\x1b" not in line


def test_a_journal_is_told_the_priority_of_each_line(stage, raw_daemon):
    read, write = os.pipe()
    status = os.fstat(write)
    os.environ["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
    try:
        process = raw_daemon(stage.policy(LIMIT, servers={"dead": "host=/nowhere"}), stdout=write)
    finally:
        del os.environ["JOURNAL_STREAM"]
        os.close(write)
    with os.fdopen(read) as lines:
        started, down = lines.readline(), lines.readline()
    assert started.startswith('<5>{"ts"') and down.startswith('<3>{"ts"')
    process.kill()


def test_debug_tells_more_and_is_off_by_default(stage):
    session = stage.running()
    daemon = stage.enforce(LIMIT)
    assert session.outcome() == QUERY_CANCELED
    assert not any(event["level"] == "DEBUG" for event in daemon.events)
    daemon.stop()
    other = stage.enforce(LIMIT, "--debug")
    assert stage.running().outcome() == QUERY_CANCELED
    other.stop()


# -- readers that do not read ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", [(1,), (2,), (1, 2), (0, 1),
                                    (0, 1, 2)], ids=str)
def test_it_works_with_its_standard_descriptors_closed(stage, raw_daemon, closed):
    first = stage.running()
    process = raw_daemon(stage.policy(LIMIT), stdin=None, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         preexec_fn=lambda: [os.close(descriptor) for descriptor in closed])
    assert first.outcome() == QUERY_CANCELED
    assert stage.running().outcome() == QUERY_CANCELED
    assert process.poll() is None
    process.terminate()
    assert process.wait(PATIENCE_S) == 0


def test_it_outlives_the_reader_of_its_log(stage, raw_daemon):
    process = raw_daemon(stage.policy(LIMIT), stdout=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    for _ in range(2):
        assert stage.running().outcome() == QUERY_CANCELED
    assert process.poll() is None
    process.terminate()
    assert process.wait(PATIENCE_S) == 0


@contextmanager
def full_pipe():
    """A pipe that takes nothing more until its reader reads: (read, write)."""
    read, write = os.pipe()
    try:
        os.set_blocking(write, False)
        with pytest.raises(BlockingIOError):
            while True:
                os.write(write, b"x" * 4096 + b"\n")
        os.set_blocking(write, True)
        yield read, write
    finally:
        os.close(read)
        os.close(write)


def test_a_reader_that_stalls_delays_no_signal(stage, raw_daemon):
    policy = stage.policy(LIMIT)

    def cancel_a_session():
        # Each time a daemon of its own: that it waits for its reader but once is too often.
        with full_pipe() as (_, write):
            process = raw_daemon(policy, stdout=write)
            assert stage.running().outcome() == QUERY_CANCELED
            process.kill()
            process.wait()

    wait_until_quick(cancel_a_session, 2)


def test_a_reader_that_stalls_is_told_what_it_missed(stage, raw_daemon):
    with full_pipe() as (read, write):
        process = raw_daemon(stage.policy(LIMIT), stdout=write)
        assert stage.running().outcome() == QUERY_CANCELED
        read_all = os.fdopen(os.dup(read), "rb", buffering=0)
        os.set_blocking(read, False)
        seen = b""

        def has_been_told():
            nonlocal seen
            try:
                seen += read_all.read(1 << 20) or b""
            except BlockingIOError:
                pass
            return b'"log_lost"' in seen

        # Whatever is logged from now on finds room.
        has_been_told()
        assert stage.running().outcome() == QUERY_CANCELED
        wait_until(has_been_told)
        read_all.close()
        line = next(line for line in seen.splitlines() if b'"log_lost"' in line)
        # What filled the pipe may have ended without a newline.
        assert json.loads(line[line.index(b"{"):])["lost"] >= 3
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


def test_a_full_pipe_for_its_errors_delays_neither_its_start_nor_its_signals(stage, raw_daemon, tmp_path):
    """What is said before the loop turns, what libpq says, and what the server says as we connect."""
    passwords = tmp_path / "pgpass"
    passwords.write_text("*:*:*:*:secret\n")
    passwords.chmod(0o644)  # libpq warns of that each time
    conninfo = stage.server.conninfo(user="pgcurfew", password="secret", passfile=str(passwords))
    without = stage.server.conninfo(user="pgcurfew", passfile=str(passwords))
    for line in (conninfo, without):
        with full_pipe() as (_, write):
            process = raw_daemon(stage.policy(LIMIT, servers={"stage": line}), stdout=subprocess.DEVNULL, stderr=write)
            assert stage.running().outcome() == QUERY_CANCELED
            process.terminate()
            assert process.wait(PATIENCE_S) == 0


def test_what_libpq_and_the_server_warn_of_as_we_connect_gets_to_no_standard_error(stage, daemon, tmp_path):
    passwords = tmp_path / "pgpass"
    passwords.write_text("*:*:*:*:secret\n")
    passwords.chmod(0o644)
    away = f"host=/nowhere user=pgcurfew passfile={passwords}"
    collation = "update pg_database set datcollversion = %s where datname = 'postgres' returning 1"
    before = None
    if stage.server.version >= 15:
        before = stage.superuser.execute("select datcollversion from pg_database where datname = 'postgres'").fetchone()
        stage.superuser.execute(collation, ["0"])
    try:
        started = daemon(stage.policy(LIMIT, servers={"stage": stage.server.conninfo(user="pgcurfew"), "away": away}))
        started.wait_for("server_up")
        down = started.wait_for("server_down")
        started.stop()
    finally:
        if before:
            stage.superuser.execute(collation, before)
    assert started.stderr == ""
    assert down["hint"].startswith("libpq warns: password file ") and down["hint"].endswith("(0600) or less.")


def test_a_terminal_that_is_stopped_delays_no_signal(stage, terminal):
    shown = terminal(stage.policy(LIMIT))
    shown.lines_until("watching stage")
    shown.type("\x13")
    for _ in range(3):
        assert stage.running().outcome() == QUERY_CANCELED
    shown.process.terminate()
    assert shown.process.wait(PATIENCE_S) == 0


def test_whoever_reads_but_the_beginning_of_what_a_command_says_ends_it_by_no_signal(stage, command, pgcurfew, tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(stage.policy(LIMIT))
    for arguments in (["check", path], ["schema"], ["explain", "--config", path], ["--help"], ["nonsense"]):
        expected = command(*arguments).returncode
        read, write = os.pipe()
        os.close(read)
        try:
            done = subprocess.run([pgcurfew, *arguments], stdout=write, stderr=write, timeout=PATIENCE_S)
        finally:
            os.close(write)
        assert done.returncode == expected, arguments


def test_a_full_disk_under_its_log_does_no_harm(stage, raw_daemon):
    with open("/dev/full", "wb") as full:
        process = raw_daemon(stage.policy(LIMIT), stdout=full)
        assert stage.running().outcome() == QUERY_CANCELED
        assert process.poll() is None


# -- secrets --------------------------------------------------------------------------------------------------------

SECRET = "hunter2-in-conninfo"
CONNINFOS = [
    f"host=/nowhere user=pgcurfew password={SECRET}",
    f"host=127.0.0.1 port=1 user=pgcurfew password={SECRET} sslpassword={SECRET}",
    f"postgresql://pgcurfew:{SECRET}@127.0.0.1:1/postgres",
    f"postgresql://127.0.0.1:1/postgres?user=pgcurfew&password={SECRET}",
    f"host=127.0.0.1 password='{SECRET}",
    f"host=127.0.0.1 password = {SECRET} {SECRET}",
    f"postgresql://pgcurfew:{SECRET}@[127.0.0.1:1/postgres",
    f"postgresql://pgcurfew:p@{SECRET}@127.0.0.1:1/postgres",
    f"postgresql://pgcurfew:p/{SECRET}@127.0.0.1:1/postgres",
    f"host=127.0.0.1 port=1 connect_timeout={SECRET}",
]


@pytest.mark.parametrize("conninfo", CONNINFOS, ids=[text.replace(SECRET, "X") for text in CONNINFOS])
@pytest.mark.parametrize("spoil", ["", ", conninfos: x", ", labels: [", ", labels: { a: 010 }"],
                         ids=["a good line", "an unknown key", "not YAML", "a wrong value"])
def test_a_password_gets_into_no_output(stage, command, daemon, tmp_path, conninfo, spoil):
    text = (f'mode: enforce\nservers:\n- {{ name: a, conninfo: "{conninfo}"{spoil} }}\n{UNBOUNDED}\n'
            f"rules:\n{LIMIT}")
    path = tmp_path / "secret.yaml"
    path.write_text(text)
    for arguments in (["check", path], ["explain", "--config", path], ["explain", "--json", "--config", path]):
        done = command(*arguments)
        assert SECRET not in done.stdout + done.stderr
    started = daemon(text, "--debug")
    try:
        started.wait_for("server_down")
        started.stop()
    except TimeoutError:
        assert started.wait() == 78
    assert SECRET not in "\n".join(started.lines) + started.stderr


@pytest.mark.parametrize("spoil", ["", ", conninfos: x"])
def test_a_password_under_a_misspelt_word_gets_into_no_output(command, tmp_path, spoil):
    path = tmp_path / "misspelt.yaml"
    path.write_text(f'servers:\n- {{ name: a, conninfo: "host=/nowhere pasword={SECRET}"{spoil} }}\n')
    done = command("check", path)
    assert done.returncode == 78
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize("server", [f"conninfo: host=/nowhere password=x,{SECRET}", f"conninfo: host=/nowhere password=x: {SECRET}",
                                    f"conninfo: host=/nowhere password=x,&{SECRET}",
                                    f"conninfo: host=/nowhere\n password=x,\n {SECRET}"])
def test_the_rest_of_a_password_without_quotes_gets_into_no_output(command, tmp_path, server):
    path = tmp_path / "plain.yaml"
    path.write_text(f"servers:\n- {{ name: a, {server} }}\n")
    done = command("check", path)
    assert done.returncode == 78
    assert SECRET not in done.stdout + done.stderr


def test_a_password_in_a_reload_that_is_refused_is_not_told(stage):
    daemon = stage.enforce(LIMIT)
    daemon.reload(stage.policy(LIMIT, servers={"stage": f"host=/nowhere pasword={SECRET}"}))
    daemon.wait_for("reload_refused")
    daemon.wait_for("configuration_error")
    daemon.stop()
    assert SECRET not in "\n".join(daemon.lines) + daemon.stderr


def test_a_password_of_several_lines_is_not_told_with_an_error_in_its_midst(command, tmp_path):
    path = tmp_path / "folded.yaml"
    path.write_text(f"servers:\n- name: a\n  conninfo: >\n    host=/nowhere\n    password=\n    {SECRET}\n  labls: x\n"
                    f"- name: b\n  conninfo: |\n    host=/nowhere {SECRET}\n")
    done = command("check", path)
    assert done.returncode == 78
    assert SECRET not in done.stdout + done.stderr


def test_a_password_is_not_on_the_servers_side_either(stage):
    daemon = stage.enforce(LIMIT, servers={"stage": stage.server.conninfo(user="pgcurfew", password=SECRET)})
    shown = stage.superuser.execute("select application_name, query from pg_stat_activity where pid = %s",
                                    [daemon.wait_for("server_up")["backend_pid"]]).fetchone()
    assert SECRET not in "".join(shown)
    assert SECRET not in open(f"/proc/{daemon.pid}/cmdline").read()
