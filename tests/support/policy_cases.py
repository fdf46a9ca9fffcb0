"""Sessions that each shipped rule ends, and similar ones that it does not: the cases of tests/integration/policies_test.py."""

import select
import time
from dataclasses import dataclass, field
from typing import Callable

from psycopg import OperationalError, pq

from support.session import ADMIN_SHUTDOWN, LOST, OK, PATIENCE_S, QUERY_CANCELED, wait_until
from support.statements import SLEEP, SWALLOWER

# More than any buffer between server and client holds.
FLOOD = "select repeat('x', 1000) from generate_series(1, 1000000)"


# -- the cast ---------------------------------------------------------------------------------------------------------


def shown(column, value, statement, **who):
    """A session with a statement that has come so far as its row shows."""

    def play(open_session):
        session = open_session(**who).start(statement)
        wait_until(lambda: open_session.row(session)[column] == value)
        return session

    return play


def running(statement=SLEEP, **who):
    """A session in the midst of a statement."""
    return shown("state", "active", statement, **who)


def unread(statement=FLOOD, **who):
    """A session whose client reads nothing of what it sends: it is stuck in that, and takes no cancel any more.

    Before that it still makes its rows, on a busy machine for longer than a limit.
    """
    return shown("wait_event", "ClientWrite", statement, **who)


def after(*statements, **who):
    """A session that has run statements and does no more."""

    def play(open_session):
        session = open_session(**who)
        for statement in statements:
            session.run(statement)
        return session

    return play


def behind(lock, statement, **who):
    """A session in the midst of a statement that waits for a lock of another one."""

    def play(open_session):
        holder = open_session()
        assert holder.run("begin") == OK and holder.run(lock) == OK
        session = open_session(**who).start(statement)
        wait_until(lambda: open_session.row(session)["wait_event_type"] == "Lock")
        return session

    return play


def ahead_of(player, *statements, **who):
    """A session that blocks others, one for each statement; these are of role `who` and wait one behind the other."""

    def play(open_session):
        session = player(open_session)
        for statement in statements:
            waiter = open_session(**who).start(statement)
            wait_until(lambda: open_session.row(waiter)["wait_event_type"] == "Lock")
        return session

    return play


def first_of(count, player):
    """Of several that are alike, the one that was there first."""

    def play(open_session):
        return [player(open_session) for _ in range(count)][0]

    return play


def outlived_by(transactions, player):
    """A session that is in the same transaction after this many other transactions."""

    def play(open_session):
        session, other = player(open_session), open_session()
        for _ in range(transactions):
            assert other.run("select txid_current()") == OK
        return session

    return play


# -- what becomes of them ---------------------------------------------------------------------------------------------


def sees(*outcomes):
    """What the client of the statement that runs, or else its next one, gets to see."""

    def look(session):
        if session.pgconn.transaction_status != pq.TransactionStatus.ACTIVE:
            session.start("commit")
        assert session.outcome() in outcomes

    return look


def sees_in_copy(*outcomes):
    """The same in the midst of COPY TO STDOUT."""

    def look(session):
        assert copy_outcome(session.pgconn) in outcomes

    return look


def sees_nothing(_):
    """A client that is stalled looks at nothing."""


def copy_outcome(pgconn, timeout=PATIENCE_S):
    deadline = time.monotonic() + timeout
    while True:
        try:
            while pgconn.is_busy():
                assert select.select([pgconn.socket], [], [], max(0, deadline - time.monotonic()))[0], "still running"
                pgconn.consume_input()
            result = pgconn.get_result()
            while result is not None and result.status == pq.ExecStatus.COPY_OUT:
                size, _ = pgconn.get_copy_data(1)
                if size == 0:
                    assert select.select([pgconn.socket], [], [], max(0, deadline - time.monotonic()))[0], "still there"
                    pgconn.consume_input()
                elif size < 0:
                    result = pgconn.get_result()
        except OperationalError:
            result = pgconn.get_result()
        if result is None:
            return LOST
        state = result.error_field(pq.DiagnosticField.SQLSTATE)
        return state.decode() if state else LOST


@dataclass
class Case:
    file: str
    rule: str
    offender: Callable
    innocents: list
    steps: list
    client: Callable = field(default_factory=lambda: sees(QUERY_CANCELED))
    rewrite: tuple = ()

    def __str__(self):
        return f"{self.rule}-{'-'.join(self.steps)}"


CANCELLED = {"steps": ["cancel"], "client": sees(QUERY_CANCELED)}


def much_later(after):
    """Of a ladder that ends with its cancel: sped up, the next step would come too soon for a busy machine."""
    return f"terminate: {{ after: {after} }}", "terminate: { after: 50h }"


ENDED = {"steps": ["terminate"], "client": sees(ADMIN_SHUTDOWN)}
WARNED_AND_ENDED = {"steps": ["alert", "terminate"], "client": sees(ADMIN_SHUTDOWN)}
BEGUN = ("begin", "select 1")
FAILED = ("begin", "select 1/0")
SNAPSHOT = ("begin isolation level repeatable read", "select 1")
# It waits for every session that has only read the table.
TRUNCATE_T = "begin; truncate curfew.t"

CASES = [
    Case("application-query-timeout", "application-query-timeout", running(dbname="app_eu"),
         [running(dbname="postgres"), running(dbname="app", user="etl"), after(*BEGUN, dbname="app"),
          running("analyze; select pg_sleep(600)", dbname="app", user="migrator")], **CANCELLED, rewrite=much_later("30s")),
    Case("application-query-timeout", "application-query-timeout", running(SWALLOWER, dbname="app"),
         [running(dbname="app", user="batch_night")], steps=["cancel", "terminate"], client=sees(ADMIN_SHUTDOWN)),
    Case("forgotten-transactions", "forgotten-transactions", after(*BEGUN),
         [after(*BEGUN, user="dba_anna"), after("select 1"), running()], **WARNED_AND_ENDED),
    Case("forgotten-transactions", "failed-transactions", after(*FAILED), [after("select 1/0"), running()], **ENDED),
    Case("long-transactions", "long-transactions", after(*BEGUN),
         [after(*BEGUN, user="backup"), running(user="etl"), after("select 1")], **WARNED_AND_ENDED),
    Case("long-transactions", "long-transactions", running(), [after("select 1")], **WARNED_AND_ENDED),
    Case("idle-sessions", "idle-sessions", after("select 1", user="worker_1"),
         [after("select 1"), after(*BEGUN, user="worker_1"), running(user="worker_1"),
          after("listen news", user="worker_1", application_name="mail-listener")], **ENDED),
    Case("stalled-clients", "stalled-readers", unread(), [unread(user="backup"), running()],
         steps=["alert", "terminate"], client=sees(LOST, ADMIN_SHUTDOWN)),
    Case("stalled-clients", "stalled-writers", running("copy curfew.t from stdin"),
         [running("copy curfew.t from stdin", user="etl"), running(), after("select 1")],
         steps=["alert", "terminate"], client=sees_nothing),
    Case("runaway-reports", "runaway-copies", running("copy (select pg_sleep(600)) to stdout"),
         [running("copy (select pg_sleep(600)) to stdout", user="backup"),
          running("  COPY (select pg_sleep(600)) to stdout", user="etl"), running()],
         steps=["cancel"], client=sees_in_copy(QUERY_CANCELED), rewrite=much_later("1min")),
    Case("runaway-reports", "runaway-copies", unread(f"copy ({FLOOD}) to stdout"), [unread()],
         steps=["cancel", "terminate"], client=sees_nothing),
    Case("runaway-reports", "runaway-reports", running(user="report_month"),
         [running(), running(user="reporting", application_name="nightly-sums")], **CANCELLED,
         rewrite=much_later("1min")),
    Case("people-and-bi", "interactive-queries", running(application_name="DBeaver 24.1 - Main"),
         [running(application_name="DBeaver 24.1", user="dba_anna"), running(application_name="my psql")],
         **CANCELLED, rewrite=much_later("1min")),
    Case("people-and-bi", "interactive-transactions", after(*FAILED, application_name="psql"),
         [after(*BEGUN), after("select 1", application_name="psql"),
          after(*BEGUN, application_name="psql", user="dba_anna")], **ENDED),
    # The throwaway server listens on its socket only.
    Case("people-and-bi", "bi-queries", running(), [after(*BEGUN)],
         rewrite=("10.20.30.0/24", "local", *much_later("1min")), **CANCELLED),
    Case("waiting-migrations", "waiting-migrations",
         behind("select from curfew.t", "alter table curfew.t add column n int"),
         [behind("lock curfew.u in share mode", "create index concurrently on curfew.u (id)"),
          behind("lock curfew.v in exclusive mode", "insert into curfew.v values (1)"),
          running("create table curfew.w as select 1 as id from pg_sleep(600)")],
         steps=["alert", "cancel"], rewrite=("ignores the cancel.\n      - alert",
                                             "ignores the cancel.\n      - alert: { after: 50h }")),
    Case("blockers", "forgotten-blockers", ahead_of(after("begin", "select from curfew.t"), TRUNCATE_T, "select from curfew.t"),
         [after(*BEGUN), behind("lock curfew.u", "select from curfew.u")], **WARNED_AND_ENDED,
         rewrite=("blocks_for: 10s }", "blocks_for: 10s, blocks: 2 }")),
    Case("blockers", "busy-blockers",
         ahead_of(running(f"begin; lock curfew.t in share mode; {SLEEP}"), TRUNCATE_T, "select from curfew.t"),
         [ahead_of(running(f"begin; lock curfew.u; {SLEEP}"), "select from curfew.u"),
          ahead_of(running(f"begin; lock curfew.v; {SLEEP}", user="dba_anna"), "select from curfew.v",
                   "select from curfew.v"), running()], **CANCELLED,
         rewrite=("blocks: 10", "blocks: 2", *much_later("30s"))),
    Case("nobody-holds-up-migrations", "nobody-holds-up-migrations",
         ahead_of(after("begin", "select from curfew.t"), TRUNCATE_T, user="migrator"),
         [ahead_of(after("begin", "lock curfew.u"), "select from curfew.u"), after(*BEGUN),
          behind("lock curfew.v", "select from curfew.v")], **ENDED),
    Case("nobody-holds-up-migrations", "nobody-holds-up-migrations",
         ahead_of(running("select pg_sleep(600) from curfew.t"), TRUNCATE_T, user="migrator"), [running()], **CANCELLED,
         rewrite=much_later("5s")),
    Case("too-many-connections-of-one-service", "too-many-connections-of-one-service",
         first_of(3, after("select 1", user="worker_1")), [after("select 1"), running(user="worker_1")], **ENDED,
         rewrite=("connections_used: 80%", "connections_used: 1%", "keep: 20", "keep: 2")),
    Case("bloat-and-wraparound", "idle-transactions-that-hold-back-vacuum",
         outlived_by(9, after(*SNAPSHOT)), [after(*BEGUN), running()], **WARNED_AND_ENDED,
         rewrite=("xmin_age: 50M", "xmin_age: 9")),
    Case("bloat-and-wraparound", "wraparound", outlived_by(9, running()),
         [running(user="backup"), after(*BEGUN), after("select 1")], steps=["alert", "cancel"],
         rewrite=("xmin_age: 400M", "xmin_age: 9", *much_later("1min"))),
    Case("reports-in-office-hours", "reports-in-office-hours", running(user="report_month"),
         [running(), after(*BEGUN, user="reporting")], **CANCELLED,
         rewrite=('days: [mon-fri], from: "08:00", to: "18:00"', "days: [mon-sun]", *much_later("30s"))),
    Case("retrying-clients", "retrying-clients", running(user="report_month"), [running()], **CANCELLED,
         rewrite=much_later("30s")),
]
