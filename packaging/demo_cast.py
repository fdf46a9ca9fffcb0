"""The cast of the demo: clients with good and bad habits, each with a connection of its own. Who they are and what is
expected of them stands in demo_account.py."""

import select
import struct
import threading
import time

from psycopg import OperationalError, pq

import demo_account as account
from support.session import ADMIN_SHUTDOWN, LOST, OK, PATIENCE_S, QUERY_CANCELED, Session, wait_until

ENDLESS = "select pg_sleep(3600)"
SWALLOWER = """do $$ begin
                 loop
                   begin perform pg_sleep(3600); exception when query_canceled then null; end;
                 end loop;
               end $$"""
LOCKING = "update orders set state = 'paid' where id = 1"
# The limit is 2 s: short enough to end before it, and long enough that a look (every 750 ms) sees it and reckons with
# it. Whether the last look before the limit falls into the gap is chance: so this goes on until one does not.
JUST_SHORT = "select pg_sleep(1.8)"
LIMIT_S = 2


def prepare(server):
    """The roles and the table that the cast needs."""
    server.make_watchdog_role()
    for role in ("shop", "checkout", "backup"):
        server.make_role(role)
    server.execute("create role replica login replication")
    server.execute("create table orders (id int generated always as identity, state text)")
    server.execute("insert into orders (state) values ('new')")
    server.execute("grant all on orders to public")


def client_words(outcome):
    words = {QUERY_CANCELED: account.CANCELLED, ADMIN_SHUTDOWN: account.TERMINATED, LOST: "lost its connection"}
    return words.get(outcome, f"error {outcome}")


class Nimble:
    """A client that runs one statement after the other until it is told to stop."""

    def __init__(self, session):
        self._session = session
        self._cancel = session.pgconn.get_cancel()
        self.pid = session.pid
        self.finished = 0
        # Statements that a busy machine kept past the limit, by the client's own watch: to cancel those is right.
        self.overslept = 0
        self.failure = None
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._is_stopping:
            began = time.monotonic()
            try:
                outcome = self._session.run(JUST_SHORT)
            except (OperationalError, TimeoutError):
                outcome = LOST
            has_overslept = time.monotonic() - began >= LIMIT_S
            self.overslept += has_overslept
            if outcome == OK:
                self.finished += 1
            elif outcome != QUERY_CANCELED or not has_overslept:
                if not self._is_stopping:
                    self.failure = outcome
                return

    def stop(self):
        self._is_stopping = True
        self._cancel.cancel()
        self._thread.join(PATIENCE_S)

    def client(self):
        if self.failure:
            return client_words(self.failure)
        return account.ALL_FINISHED if self.finished else "no statement finished"


class Replica:
    """A standby as far as the server can tell: it streams the WAL."""

    def __init__(self, conninfo):
        self._pgconn = pq.PGconn.connect(conninfo.encode())
        if self._pgconn.status != pq.ConnStatus.OK:
            raise ConnectionError(self._pgconn.error_message.decode(errors="replace"))
        self.pid = self._pgconn.backend_pid
        position = self._pgconn.exec_(b"IDENTIFY_SYSTEM").get_value(0, 2)
        streaming = self._pgconn.exec_(b"START_REPLICATION PHYSICAL " + position)
        if streaming.status != pq.ExecStatus.COPY_BOTH:
            raise ConnectionError(self._pgconn.error_message.decode(errors="replace"))

    def receives(self, position, timeout=PATIENCE_S):
        """Whether the WAL up to that position comes in."""
        deadline = time.monotonic() + timeout
        try:
            while time.monotonic() < deadline:
                size, message = self._pgconn.get_copy_data(1)
                if size < 0:
                    return False
                if size == 0:
                    self._await_input(deadline)
                elif bytes(message[:1]) == b"w":
                    start, = struct.unpack("!q", message[1:9])
                    if start + size - 25 >= position:
                        return True
        except OperationalError:
            return False  # it has lost its connection
        return False

    def _await_input(self, deadline):
        select.select([self._pgconn.socket], [], [], max(0, deadline - time.monotonic()))
        self._pgconn.consume_input()

    def close(self):
        self._pgconn.finish()


class Cast:
    """Everyone of demo_account.CAST, on one server, for one act."""

    def __init__(self, server):
        self._server = server
        self._superuser = server.connect()
        self._sessions = {}

        def enter(name, user="shop"):
            self._sessions[name] = Session(server.conninfo(user=user, application_name=name))
            return self._sessions[name]

        try:
            self.replica = Replica(server.conninfo(user="replica", application_name="replica", replication="true"))
            # The exempt come first: when others are past their limits, these are so too.
            enter("backup 1", "backup").start(ENDLESS)
            self._begin(enter("backup 2", "backup"), "select count(*) from orders")
            self._begin(enter("forgetful"), LOCKING)
            enter("blocked", "checkout").start(LOCKING)
            enter("runaway").start(ENDLESS)
            enter("stubborn").start(SWALLOWER)
            self.nimble = Nimble(enter("nimble"))
            self._await_lock()
        except BaseException:
            self.close()
            raise

    def _begin(self, session, statement):
        for each in ("begin", statement):
            outcome = session.run(each)
            if outcome != OK:
                raise RuntimeError(f"{each} failed with {outcome}")

    def _await_lock(self):
        blocked = self._sessions["blocked"].pid
        wait_until(lambda: self._superuser.execute(
            "select 1 from pg_stat_activity where pid = %s and wait_event_type = 'Lock'", [blocked]).fetchone())

    def pid_of(self, name):
        return self.replica.pid if name == "replica" else self._sessions[name].pid

    def pids(self):
        return {self.pid_of(part.name) for part in account.CAST}

    def clients(self, mode):
        """What each client saw, by name. Ends transactions that are left."""
        expected = {part.name: part.expected(mode).client for part in account.CAST}
        # `blocked` comes before `forgetful` lets the lock go by itself.
        seen = {name: self._statement(name, expected[name]) for name in ("blocked", "runaway", "stubborn", "backup 1")}
        for name in ("forgetful", "backup 2"):
            outcome = self._sessions[name].run("commit")
            seen[name] = account.COMMITTED if outcome == OK else client_words(outcome)
        seen["nimble"] = self.nimble.client()
        seen["replica"] = self._replica()
        return seen

    def _statement(self, name, expected):
        """What became of a statement, which gets the time to end if it is expected to."""
        if_running, if_finished = ((account.WAITS, account.PROCEEDED) if name == "blocked"
                                   else (account.RUNS_ON, "its statement finished"))
        try:
            outcome = self._sessions[name].outcome(timeout=0.1 if expected == if_running else PATIENCE_S)
        except TimeoutError:
            return if_running
        return if_finished if outcome == OK else client_words(outcome)

    def _replica(self):
        self._superuser.execute("insert into orders (state) values ('new')")
        written, = self._superuser.execute("select pg_current_wal_lsn() - '0/0'::pg_lsn").fetchone()
        return account.STREAMS if self.replica.receives(int(written)) else "the stream has ended"

    def close(self):
        if hasattr(self, "nimble"):
            self.nimble.stop()
        # A statement that sleeps does not notice that its client has gone, and the next act shall find nobody of this one.
        self._server.end(list(self._sessions.values()))
        if hasattr(self, "replica"):
            self.replica.close()
        self._superuser.close()
