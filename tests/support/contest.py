"""What the benches share: the load, and the tools that are compared in limiting it.

Each contender is a context manager over a running server; while it is entered, it ends what runs longer than LIMIT.
$PGCURFEW_BENCH_LOG names a file to which the daemons' logs are added.
"""

import contextlib
import json
import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from support.session import PATIENCE_S
from support.throwaway import REPOSITORY, Throwaway

LIMIT = 2.0  # seconds
USER = "app"


def executable() -> Path:
    """The daemon to measure: $PGCURFEW_BIN, or that of preset release."""
    path = Path(os.environ.get("PGCURFEW_BIN") or REPOSITORY / "build" / "release" / "pgcurfew").resolve()
    if not os.access(path, os.X_OK):
        raise SystemExit(f"{path} is not there: build it with cmake --workflow --preset release")
    return path


def build_load() -> Path:
    """Builds the load generator if needed and returns its path."""
    for command in (["cmake", "--preset", "bench"],
                    ["cmake", "--build", "--preset", "bench", "--target", "bench_sessions"]):
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return REPOSITORY / "build" / "release" / "tests" / "bench_sessions"


def server_for(sessions, settings=()) -> Throwaway:
    # Each session costs two descriptors and a slot; nothing else of the server is under test.
    return Throwaway([f"max_connections = {sessions + 20}", "autovacuum = off", "log_min_error_statement = panic",
                      "log_min_messages = panic", *settings])


class Statement:
    __slots__ = ("kind", "took", "sqlstate", "arrived")

    def __init__(self, line):
        self.kind, took, self.sqlstate, arrived = line.split()
        self.took = float(took)
        self.arrived = float(arrived)  # on the clock of time.monotonic()

    @property
    def cancelled(self):
        return self.sqlstate == "57014"


def run_load(load, server, sessions, seconds, *pattern, when_connected=lambda: None):
    """Runs a pattern of bench_sessions to its end and returns its statements."""
    command = [str(load), server.conninfo(user=USER), str(sessions), str(seconds), *map(str, pattern)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            first = process.stderr.readline()
            when_connected()
            said, complaint = process.communicate(timeout=seconds + 120)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise SystemExit(f"bench_sessions failed:\n{first}{complaint}")
    return [Statement(line) for line in said.splitlines()]


# -- contenders -----------------------------------------------------------------------------------------------------


class Cost:
    """What a contender's own process used while it was entered, where it has one."""

    cpu_percent = None
    rss_mib = None
    peak_mib = None


class Daemon(Cost):
    """A daemon that runs."""

    def __init__(self, pid, log):
        self.pid = pid
        self._log = log

    def events(self):
        """What it has logged so far."""
        return json_lines(self._log)

    def memory_mib(self, what="VmRSS"):
        """A line of /proc/PID/status."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(what + ":"):
                return int(line.split()[1]) / 1024
        return None


@contextlib.contextmanager
def statement_timeout(server):
    """The server's own limit, set for the role; it needs no one outside."""
    server.execute(f"alter role {USER} set statement_timeout = '{LIMIT}s'")
    yield Cost()
    server.execute(f"alter role {USER} reset statement_timeout")


@contextlib.contextmanager
def _each_second(server, work):
    """Calls work(connection) once a second, as psql's \\watch 1 would."""
    ended = threading.Event()
    connection = server.connect()

    def loop():
        due = time.monotonic()
        while not ended.is_set():
            work(connection)
            due += 1
            ended.wait(max(0.0, due - time.monotonic()))

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield Cost()
    finally:
        ended.set()
        thread.join()
        connection.close()


OVERDUE = f"""from pg_stat_activity
              where state = 'active' and usename = '{USER}' and now() - query_start > interval '{LIMIT}s'"""


def watch_loop(server):
    """`SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE ... \\watch 1`."""
    return _each_second(server, lambda connection: connection.execute(f"select pg_cancel_backend(pid) {OVERDUE}"))


def bare_pid(server):
    """A look once a second, and right after it a cancel for each pid that was found, without another question."""

    def work(connection):
        for (pid,) in connection.execute(f"select pid {OVERDUE}").fetchall():
            connection.execute("select pg_cancel_backend(%s)", [pid])

    return _each_second(server, work)


POLICY = """
mode: enforce
servers:
  - name: bench
    conninfo: "{conninfo}"
rules:
  - name: limit
    match: {{ user: {user}, state: active, query_age: {limit_ms}ms }}
    escalate: [cancel]
safety: {{ signals: 10000 per 1s, share: 100% }}
"""


@contextlib.contextmanager
def pgcurfew(server, limit=LIMIT, instances=1):
    """The daemon, with a policy of one rule; optionally several daemons with the same one."""
    policy = POLICY.format(conninfo=server.conninfo(user=server.make_watchdog_role()), user=USER,
                           limit_ms=int(limit * 1000))
    with contextlib.ExitStack() as entered:
        costs = [entered.enter_context(enforcing(policy)) for _ in range(instances)]
        total = Cost()
        yield total
        entered.close()
        total.cpu_percent = sum(cost.cpu_percent for cost in costs)
        total.rss_mib = sum(cost.rss_mib for cost in costs)


@contextlib.contextmanager
def enforcing(policy, inside=(), environment=None):
    """The daemon, with this policy of one server, once it sees that; `inside`: a command that runs another one."""
    with tempfile.TemporaryDirectory(prefix="pgcurfew-bench-") as directory:
        config = Path(directory) / "pgcurfew.yaml"
        config.write_text(policy, encoding="utf-8")
        log = Path(directory) / "log"
        with open(log, "wb") as output:
            # its own state directory: the usual one may be that of a daemon at work
            process = subprocess.Popen([*inside, executable(), "run", "--config", config, "--log-format", "json"],
                                       stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                       env={**os.environ, "STATE_DIRECTORY": directory, **(environment or {})})
        try:
            deadline = time.monotonic() + PATIENCE_S
            while '"server_up"' not in log.read_text(errors="replace"):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"pgcurfew does not see the server:\n{log.read_text(errors='replace')}")
                time.sleep(0.01)
            cost, began, used = Daemon(process.pid, log), time.monotonic(), _cpu_seconds(process.pid)
            yield cost
            if process.poll() is not None:
                raise SystemExit(f"pgcurfew ended:\n{log.read_text(errors='replace')[-4000:]}")
            cost.cpu_percent = 100 * (_cpu_seconds(process.pid) - used) / (time.monotonic() - began)
            cost.rss_mib, cost.peak_mib = cost.memory_mib(), cost.memory_mib("VmHWM")
            kept = os.environ.get("PGCURFEW_BENCH_LOG")
            if kept:
                with open(kept, "ab") as all_logs:
                    all_logs.write(log.read_bytes())
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _cpu_seconds(pid):
    """What all its threads used, in nanoseconds' grain: /proc/PID/stat counts in hundredths of a second."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def json_lines(path):
    """The whole lines of a file; none if it is not there."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]


# -- tables ---------------------------------------------------------------------------------------------------------


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def cell(value, digits=1):
    return "-" if value is None else f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def print_table(head, rows):
    rows = [head, *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for row in rows:
        print("  ".join(text.ljust(width) if i == 0 else text.rjust(width)
                        for i, (text, width) in enumerate(zip(row, widths))).rstrip(), flush=True)
