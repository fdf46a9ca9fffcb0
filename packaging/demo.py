"""What packaging/demo runs once everything is installed and built: the two acts on a server of its own, or one look at
a server of the user's. The cast stands in demo_cast.py, what is expected of it in demo_account.py."""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.dont_write_bytecode = True
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY / "packaging")]

import demo_account as account  # noqa: E402

EXECUTABLE = Path(os.environ.get("PGCURFEW_BIN") or REPOSITORY / "build" / "release" / "pgcurfew")
EXIT_USAGE = 64

# Limits of seconds where a real policy has minutes.
POLICY = """
mode: {mode}
web: {{ listen: "{listen}" }}
servers:
  - name: demo
    conninfo: {conninfo}
protect:
  - {{ user: backup }}
rules:
  - name: query-timeout
    match: {{ state: active, query_age: 2s }}
    except:
      - {{ user: checkout, query_age: 10min }}
    escalate:
      - cancel
      - terminate: {{ after: 2s }}
  - name: forgotten-transactions
    match: {{ state: [idle in transaction, idle in transaction (aborted)], state_age: 1s }}
    escalate: [terminate]
"""
LONGEST_ACT = 90  # seconds; a good one takes about four or five
ACTS = {account.DRY_RUN: "First act, a dry run: nothing may happen to anyone.",
        account.ENFORCE: "Second act, enforced: the same cast again."}

FIRST_LOOK = """
mode: dry-run
servers:
  - name: yours
    conninfo: {conninfo}
protect:
  - {{ user: [postgres, "*backup*", "*repl*"] }}
rules:
  - name: long-queries
    match: {{ state: active, query_age: 10min }}
    escalate: [cancel, terminate: {{ after: 30s }}]
  - name: forgotten-transactions
    match: {{ state: idle in transaction, state_age: 5min }}
    escalate: [terminate]
  - name: failed-transactions
    match: {{ state: idle in transaction (aborted), state_age: 1min }}
    escalate: [terminate]
  - name: long-transactions
    match: {{ transaction_age: 2h }}
    escalate: [terminate]
"""
WATCH_SECONDS = 5


def say(text=""):
    print(text, flush=True)


def has_colours():
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def title(text):
    say(f"\n{account.BOLD}{text}{account.PLAIN}" if has_colours() else f"\n{text}")


# -- being interrupted ------------------------------------------------------------------------------------------------


class Interrupted(BaseException):
    def __init__(self, number):
        super().__init__()
        self.number = number


class Interruption:
    """A signal that asks us to end, as an exception in the main thread: once, and not while it would do harm."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self):
        self._is_deferred = False
        self._number = None

    def watch(self):
        for each in self.SIGNALS:
            signal.signal(each, self._come)

    def _come(self, number, _frame):
        for each in self.SIGNALS:
            signal.signal(each, signal.SIG_IGN)  # cleaning up shall not be interrupted in turn
        self._number = number
        if not self._is_deferred:
            raise Interrupted(number)

    @contextmanager
    def deferred(self):
        """Until the block ends: so that nothing is started that nobody is there to end."""
        self._is_deferred = True
        try:
            yield
        finally:
            self._is_deferred = False
        if self._number is not None:
            raise Interrupted(self._number)


interruption = Interruption()


def end_as_interrupted(number):
    """So that whoever started us sees that it was the signal."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


# -- the acts ---------------------------------------------------------------------------------------------------------
# What needs psycopg is imported here and not above: a look at a server of the user's works without it.


def await_the_end(daemon, cast, mode):
    """Until the log tells of all that has to come. What has not come by then the account will miss."""
    awaited = [("nimble", "outcome", {"outcome": "moved_on"})]
    for part in account.CAST:
        expected = part.expected(mode)
        if not expected.steps:
            continue
        if mode == account.ENFORCE:
            awaited.append((part.name, "verified", {"step": expected.steps[-1], "effect": expected.effect}))
        else:
            awaited.append((part.name, "outcome", {"step": expected.steps[-1], "outcome": account.ACTED[mode]}))
    deadline = time.monotonic() + LONGEST_ACT
    for name, kind, fields in awaited:
        try:
            daemon.wait_for(kind, pid=cast.pid_of(name), timeout=max(0, deadline - time.monotonic()), **fields)
        except TimeoutError:
            return


def explained(config, pid):
    """What `pgcurfew explain` says of a session that is left alone."""
    from support.session import PATIENCE_S
    done = subprocess.run([EXECUTABLE, "explain", "--config", config, "--pid", str(pid), "--json"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S)
    try:
        session = json.loads(done.stdout)[0]["sessions"][0]
    except (ValueError, LookupError):
        return ""
    if session["never_touched"]:
        return session["never_touched"]
    nearest = session["nearest"]
    # an exception's later limit
    return f"{nearest['rule']} would {nearest['step']} not before another {nearest['due_in_s']:.0f} s" if nearest else ""


def play(mode, server, config):
    """One act. Gives back how everyone fared, what went wrong beside that, and pgcurfew's log."""
    from demo_cast import Cast
    from support.daemon import Daemon
    with ExitStack() as started:
        with interruption.deferred():
            daemon = Daemon(EXECUTABLE, config)
            started.callback(daemon.kill)
        daemon.wait_for("server_up")
        cast = started.enter_context(closing(Cast(server)))
        fates = {part.name: account.Fate() for part in account.CAST}
        for part in account.CAST:
            if not part.expected(mode).steps and not part.expected(mode).is_spared:
                fates[part.name].explained = explained(config, cast.pid_of(part.name))
        await_the_end(daemon, cast, mode)
        for name, client in cast.clients(mode).items():
            fates[name].client = client
        status = stop(daemon)  # before the cast goes: the log shall not tell of that
    for part in account.CAST:
        fates[part.name].decisions = account.decisions_of(daemon.events, cast.pid_of(part.name))
    fates["nimble"].overslept = cast.nimble.overslept
    troubles = [] if status == 0 else [f"pgcurfew ended with status {status}"]
    strangers = {event["pid"] for event in daemon.all("intent")} - cast.pids()
    troubles += [f"pgcurfew decided about pid {pid}, which is none of the cast" for pid in sorted(strangers)]
    return fates, troubles, daemon.lines


def stop(daemon):
    from support.session import PATIENCE_S
    daemon.process.terminate()
    try:
        return daemon.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        return f"none within {PATIENCE_S} s"


def demo():
    from demo_cast import prepare
    from support.throwaway import Throwaway
    from support.web import Web, free_port
    began = time.monotonic()
    all_is_good = True
    with ExitStack() as started:
        with interruption.deferred():
            server = started.enter_context(Throwaway(["wal_sender_timeout = 0"]))
        prepare(server)
        say(f"A PostgreSQL {server.version} of its own, in {server.directory}, on a unix socket only.")
        config = server.directory / "pgcurfew.yaml"
        web = Web(free_port())

        def write_policy(mode):
            config.write_text(POLICY.format(mode=mode, listen=web.listen,
                                            conninfo=json.dumps(server.conninfo(user="pgcurfew"))))

        write_policy(account.ENFORCE)
        say_policy(config)
        say(f"While it runs, look at http://{web.listen}/ or at pgcurfew status --listen {web.listen}")
        for mode, announcement in ACTS.items():
            title(announcement)
            write_policy(mode)
            fates, troubles, log = play(mode, server, config)
            text, is_good = account.table(mode, fates, has_colours())
            say("\n" + text)
            for trouble in troubles:
                say(f"UNEXPECTED: {trouble}")
            if troubles or not is_good:
                all_is_good = False
                say("\nThe log of pgcurfew:\n" + "\n".join(log))
        for trouble in tell_history(server.directory, log):
            all_is_good = False
            say(f"UNEXPECTED: {trouble}")
    title(f"{'All as expected' if all_is_good else 'NOT all as expected'}, after {time.monotonic() - began:.0f} s. "
          "The server is gone again.")
    return 0 if all_is_good else 1


def tell_history(directory, log):
    """What the record says of the last act, whose log this is. Gives back what is wrong with it."""
    signalled = [event["decision"] for event in map(json.loads, log) if event.get("outcome") == "signalled"]

    def history(*arguments):
        done = subprocess.run([EXECUTABLE, "history", "--directory", directory, *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        return done.stdout or done.stderr

    title("Who was ended, and why: pgcurfew history --outcome signalled")
    table = history("--outcome", "signalled")
    say("\n" + table)
    troubles = [] if all(decision in table for decision in signalled) else ["the record lacks a signal"]
    if signalled:
        title(f"One of them: pgcurfew history --decision {signalled[-1]}")
        say("\n" + history("--decision", signalled[-1]))
    say("pgcurfew status shows what a running pgcurfew sees and has done, and so does the page at http://127.0.0.1:9187/,\n"
        'with web: { listen: "127.0.0.1:9187" } in its policy.')
    say("README.md says how to go on; man pgcurfew, pgcurfew.yaml and pgcurfew-log have all of it.")
    return troubles


def say_policy(config):
    done = subprocess.run([EXECUTABLE, "check", config], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"pgcurfew check failed:\n{done.stdout}{done.stderr}")
    say("Its rules:")
    for line in done.stdout.splitlines():
        if not line.startswith(("mode:", "server ")):
            say(f"  {line}")


# -- a server of the user's -------------------------------------------------------------------------------------------


def look_at(conninfo):
    """A dry run twice over: the policy says so, and so does the command line."""
    with tempfile.TemporaryDirectory(prefix="pgcurfew-") as directory:
        config = Path(directory) / "pgcurfew.yaml"
        config.touch(mode=0o600)  # the connection string may hold a password
        config.write_text(FIRST_LOOK.format(conninfo=json.dumps(conninfo)))
        say_policy(config)
        title("What they make of each session now:")
        status = subprocess.run([EXECUTABLE, "explain", "--config", config], stdin=subprocess.DEVNULL).returncode
        if status in (0, 77):
            title(f"What falls due within the next {WATCH_SECONDS} seconds, in a dry run:")
            watch(config, directory)
        title("Nothing was changed on the server.")
        return status


def watch(config, directory):
    """The record of this look goes with its directory."""
    with ExitStack() as started:
        with interruption.deferred():
            process = subprocess.Popen([EXECUTABLE, "run", "--dry-run", "--config", config, "--log-format", "text"],
                                       stdin=subprocess.DEVNULL, env={**os.environ, "STATE_DIRECTORY": directory})
            started.callback(process.wait)
            started.callback(process.terminate)
        with suppress(subprocess.TimeoutExpired):
            process.wait(WATCH_SECONDS)


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(EXIT_USAGE, f"packaging/demo: {message}\n")


def main():
    parser = Parser(prog="packaging/demo", description="Shows pgcurfew at work.")
    parser.add_argument("--conninfo", help="look at this server instead, in a dry run")
    arguments = parser.parse_args()
    interruption.watch()
    try:
        return look_at(arguments.conninfo) if arguments.conninfo else demo()
    except Interrupted as interrupted:
        say("\ninterrupted; everything is cleaned up")
        end_as_interrupted(interrupted.number)
    except BrokenPipeError:  # the reader of our account has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
