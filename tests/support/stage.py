"""Sessions for the daemon on a real server: their names, how the server sees them, a policy that matches them.

Each stage has an application_name of its own, and in the text of its rules APP stands for it, so that a rule matches
only its own sessions, whatever else happens on the server.
"""

import itertools
import os
import signal
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from support.session import OK, PATIENCE_S, Session, wait_until
from support.statements import SLEEP

# A rule that matches no session and makes the daemon look every 50 ms, so that a test need not wait for a look.
WATCHFUL = """
- name: watchful
  match: { application_name: nobody-at-all, query_age: 100ms, state: active }
  escalate: [alert]
"""

# Everything at once may be signalled: for tests of anything but these bounds.
UNBOUNDED = "safety: { signals: 1000 per 1s, share: 100% }"

COLUMNS = ["backend_start", "xact_start", "query_start", "state_change", "state", "wait_event_type", "wait_event",
           "application_name", "query"]

_numbers = itertools.count(1)


class Stage:
    def __init__(self, server, start_daemon):
        self.server = server
        self.app = f"cast-{os.getpid()}-{next(_numbers)}"
        self._start_daemon = start_daemon
        self._opened = []
        self._connection = None

    # -- the cast -----------------------------------------------------------------------------------------------

    def open(self, *statements, **who):
        """A session that has run `statements` and does no more; by default of role `app` under the stage's name."""
        made = Session(self.server.conninfo(**{"user": "app", "application_name": self.app, **who}))
        self._opened.append(made)
        for statement in statements:
            made.run(statement)
        return made

    def running(self, statement=SLEEP, **who):
        """A session in the midst of a statement, unless a daemon that runs has ended it by now."""
        made = self.open(**who).start(statement)
        wait_until(lambda: self._has_begun(made))
        return made

    def waiting(self, statement, wait_event, **who):
        """A session in the midst of a statement that waits for `wait_event`, unless a daemon that runs has ended it by now."""
        made = self.open(**who).start(statement)
        wait_until(lambda: (row := self.row(made)) is None or row["wait_event"] == wait_event)
        return made

    def forgotten(self, *statements, **who):
        """A session idle in a transaction."""
        return self.open("begin", *(statements or ["select 1"]), **who)

    def _has_begun(self, session):
        """Whether the first statement of a session has begun; it may have ended since."""
        row = self.row(session)
        return row is None or row["query_start"] is not None

    # -- how the server sees them -------------------------------------------------------------------------------

    @property
    def superuser(self):
        """A connection that stays out of every rule's way."""
        if self._connection is None:
            self._connection = self.server.connect()
        return self._connection

    def row(self, session):
        """The session in pg_stat_activity, as a dict; none if it is not there. Takes a pid as well."""
        pid = getattr(session, "pid", session)
        found = self.superuser.execute(f"select {', '.join(COLUMNS)} from pg_stat_get_activity(%s)", [pid]).fetchone()
        return dict(zip(COLUMNS, found)) if found else None

    def is_as_before(self, session, before):
        """Whether nothing happened to the session since `before`, a row of it."""
        now = self.row(session)
        return now is not None and all(now[key] == before[key] for key in
                                       ("backend_start", "xact_start", "query_start", "state_change", "state"))

    def is_gone(self, session, timeout=PATIENCE_S):
        """Whether the session ends; waited for, without a word to it."""
        try:
            return wait_until(lambda: self.row(session) is None, timeout)
        except TimeoutError:
            return False

    def wait_until_seen(self, daemon, by="pg_stat_get_activity(NULL)", unless=lambda: False):
        """Waits until the daemon has taken a look that shows all sessions as they are now, `unless` there is no such look any
        more; `by`: part of the last of its queries."""
        since = self.superuser.execute("select clock_timestamp()").fetchone()[0]

        def has_looked():
            row = self.row(daemon.all("server_up")[-1]["backend_pid"])
            return (row is not None and by in row["query"] and row["query_start"] is not None
                    and row["query_start"] > since and row["state"] == "idle")

        wait_until(lambda: unless() or has_looked(), every=0.002)

    def wait_until_older(self, session, column, seconds):
        """Until the server's clock is `seconds` beyond this time of the session."""
        wait_until(lambda: self.superuser.execute(
            "select clock_timestamp() > %s + make_interval(secs => %s)",
            [self.row(session)[column], seconds]).fetchone()[0])

    # -- the policy ---------------------------------------------------------------------------------------------

    def policy(self, rules, mode="enforce", more=UNBOUNDED, user="pgcurfew", servers=None):
        """The text of a main file; `rules` is the list's text, `more` other sections."""
        servers = servers or {"stage": self.server.conninfo(user=user)}
        listed = "\n".join(f'- {{ name: {name}, conninfo: "{conninfo}" }}' for name, conninfo in servers.items())
        return f"mode: {mode}\nservers:\n{listed}\n{more}\nrules:\n{rules}\n".replace("APP", self.app)

    def start(self, rules, *arguments, environment=None, log_format="json", **policy):
        """Starts the daemon with a policy."""
        return self._start_daemon(self.policy(rules, **policy), *arguments, environment=environment,
                                  log_format=log_format)

    def enforce(self, rules, *arguments, **how):
        """Starts the daemon with a policy, and waits until it watches a server."""
        daemon = self.start(rules, *arguments, **how)
        daemon.wait_for("server_up")
        return daemon

    # -- after it -----------------------------------------------------------------------------------------------

    def close(self):
        self.server.end(self._opened)
        if self._connection is not None:
            self._connection.close()


# -- what the daemon logs -----------------------------------------------------------------------------------------


# Asked a moment too soon, or the server's list of backends moved: nothing was done, and it is tried again at once.
PASSING = ("early", "shifted")


def intents(daemon, **fields):
    """What was ordered, in its order."""
    events = daemon.events
    passed = {event["decision"] for event in events if event.kind == "outcome" and event["outcome"] in PASSING}
    return [event for event in events if event.fits("intent", fields) and event["decision"] not in passed]


def orders(daemon, session):
    """What was ordered against the session, step by step."""
    return [event["step"] for event in intents(daemon, pid=session.pid)]


def outcomes(daemon, session):
    """What came of it: (step, outcome)."""
    return [(event["step"], event["outcome"]) for event in daemon.all("outcome", pid=session.pid)
            if event["outcome"] not in PASSING]


def outcome_of(daemon, session, timeout=PATIENCE_S, **fields):
    """What came of the first order against the session with these fields, waited for."""
    wanted = {"pid": session.pid, **fields}
    return daemon.wait_for(lambda event: event.fits("outcome", wanted) and event["outcome"] not in PASSING, timeout)


def grace_between(first, second):
    """Between two steps of one episode, in seconds of the server's clock."""
    return round(second["age_s"] - first["age_s"], 6)


def moment(event):
    """When a line of the log was written, a little after its event."""
    return datetime.fromisoformat(event["ts"].replace("Z", "+00:00"))


def seconds_between(earlier, later):
    """Between two lines of the log, roughly."""
    return (moment(later) - moment(earlier)).total_seconds()


def _process_stat(pid):
    """What the kernel shows of a process after its name: its state, its parent, ..."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()


def process_state(pid):
    """As the kernel has it: R is at work or about to be, S waits for something, T is stopped, Z has ended."""
    return _process_stat(pid)[0]


def parent_of(pid):
    return int(_process_stat(pid)[1])


@contextmanager
def stopped(pid):
    """A process that does not run for a while, without knowing it."""
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: process_state(pid) == "T")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def succeeds(session, statement="select 1"):
    """Whether the session is alive and well."""
    return session.run(statement) == OK
