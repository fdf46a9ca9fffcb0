"""Each rule file under policies/, run against a real server: it ends whom it says, and leaves alone who looks alike.

The limits are minutes and hours; each file is sped up as a whole, so that its smallest limit is a fraction of a second
(support/shipped_policies.py). A file's other limits keep their ratio to it.
"""

import re
import select
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Callable

import pytest
from psycopg import OperationalError, pq, sql

from support import shipped_policies
from support.session import ADMIN_SHUTDOWN, LOST, OK, QUERY_CANCELED, Session, wait_until

SLEEP = "select pg_sleep(600)"
# More than any buffer between server and client holds.
FLOOD = "select repeat('x', 1000) from generate_series(1, 1000000)"
SWALLOWER = """do $$ begin
                 loop
                   begin perform pg_sleep(600); exception when query_canceled then null; end;
                 end loop;
               end $$"""

DATABASES = ["app", "app_eu"]
ROLES = ["app", "backup", "batch_night", "dba_anna", "etl", "maintenance", "migrator", "report_month", "reporting",
         "worker_1"]


# -- the cast ---------------------------------------------------------------------------------------------------------


def running(statement=SLEEP, **who):
    """A session in the midst of a statement."""

    def play(open_session):
        session = open_session(**who).start(statement)
        wait_until(lambda: open_session.row(session)["state"] == "active")
        return session

    return play


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
    """A session that holds up others, one for each statement; these are of role `who` and wait one behind the other."""

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
    """A session that still is where it was when so many transactions have come and gone."""

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


def copy_outcome(pgconn, timeout=30):
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
ENDED = {"steps": ["terminate"], "client": sees(ADMIN_SHUTDOWN)}
WARNED_AND_ENDED = {"steps": ["alert", "terminate"], "client": sees(ADMIN_SHUTDOWN)}
BEGUN = ("begin", "select 1")
FAILED = ("begin", "select 1/0")
SNAPSHOT = ("begin isolation level repeatable read", "select 1")
# It waits for everybody who has so much as read the table.
TRUNCATE_T = "begin; truncate curfew.t"

CASES = [
    Case("application-query-timeout", "application-query-timeout", running(dbname="app_eu"),
         [running(dbname="postgres"), running(dbname="app", user="etl"), after(*BEGUN, dbname="app"),
          running("analyze; select pg_sleep(600)", dbname="app")], **CANCELLED),
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
    Case("stalled-clients", "stalled-readers", running(FLOOD), [running(FLOOD, user="backup"), running()],
         steps=["alert", "terminate"], client=sees(LOST, ADMIN_SHUTDOWN)),
    Case("stalled-clients", "stalled-writers", running("copy curfew.t from stdin"),
         [running("copy curfew.t from stdin", user="etl"), running(), after("select 1")],
         steps=["alert", "terminate"], client=sees_nothing),
    Case("runaway-reports", "runaway-copies", running("copy (select pg_sleep(600)) to stdout"),
         [running("copy (select pg_sleep(600)) to stdout", user="backup"),
          running("  COPY (select pg_sleep(600)) to stdout", user="etl"), running()],
         steps=["cancel"], client=sees_in_copy(QUERY_CANCELED)),
    Case("runaway-reports", "runaway-copies", running(f"copy ({FLOOD}) to stdout"), [running(FLOOD)],
         steps=["cancel", "terminate"], client=sees_nothing),
    Case("runaway-reports", "runaway-reports", running(user="report_month"),
         [running(), running(user="reporting", application_name="nightly-sums")], **CANCELLED),
    Case("people-and-bi", "interactive-queries", running(application_name="DBeaver 24.1 - Main"),
         [running(application_name="DBeaver 24.1", user="dba_anna"), running(application_name="my psql")],
         **CANCELLED),
    Case("people-and-bi", "interactive-transactions", after(*FAILED, application_name="psql"),
         [after(*BEGUN), after("select 1", application_name="psql"),
          after(*BEGUN, application_name="psql", user="dba_anna")], **ENDED),
    # The throwaway server listens on its socket only.
    Case("people-and-bi", "bi-queries", running(), [after(*BEGUN)], rewrite=("10.20.30.0/24", "local"), **CANCELLED),
    Case("waiting-migrations", "waiting-migrations",
         behind("select from curfew.t", "alter table curfew.t add column n int"),
         [behind("lock curfew.u in share mode", "create index concurrently on curfew.u (id)"),
          behind("lock curfew.v in exclusive mode", "insert into curfew.v values (1)"),
          running("create table curfew.w as select 1 as id from pg_sleep(600)")],
         steps=["alert", "cancel"]),
    Case("blockers", "forgotten-blockers", ahead_of(after("begin", "select from curfew.t"), TRUNCATE_T, "select from curfew.t"),
         [after(*BEGUN), behind("lock curfew.u", "select from curfew.u")], **WARNED_AND_ENDED,
         rewrite=("blocks_for: 10s }", "blocks_for: 10s, blocks: 2 }")),
    Case("blockers", "busy-blockers",
         ahead_of(running(f"begin; lock curfew.t in share mode; {SLEEP}"), TRUNCATE_T, "select from curfew.t"),
         [ahead_of(running(f"begin; lock curfew.u; {SLEEP}"), "select from curfew.u"),
          ahead_of(running(f"begin; lock curfew.v; {SLEEP}", user="dba_anna"), "select from curfew.v",
                   "select from curfew.v"), running()], **CANCELLED, rewrite=("blocks: 10", "blocks: 2")),
    Case("nobody-holds-up-migrations", "nobody-holds-up-migrations",
         ahead_of(after("begin", "select from curfew.t"), TRUNCATE_T, user="migrator"),
         [ahead_of(after("begin", "lock curfew.u"), "select from curfew.u"), after(*BEGUN),
          behind("lock curfew.v", "select from curfew.v")], **ENDED),
    Case("nobody-holds-up-migrations", "nobody-holds-up-migrations",
         ahead_of(running("select pg_sleep(600) from curfew.t"), TRUNCATE_T, user="migrator"), [running()], **CANCELLED),
    Case("too-many-connections-of-one-service", "too-many-connections-of-one-service",
         first_of(3, after("select 1", user="worker_1")), [after("select 1"), running(user="worker_1")], **ENDED,
         rewrite=("connections_used: 80%", "connections_used: 1%", "keep: 20", "keep: 2")),
    Case("bloat-and-wraparound", "idle-transactions-that-hold-back-vacuum",
         outlived_by(9, after(*SNAPSHOT)), [after(*BEGUN), running()], **WARNED_AND_ENDED,
         rewrite=("xmin_age: 50M", "xmin_age: 9")),
    Case("bloat-and-wraparound", "wraparound", outlived_by(9, running()),
         [running(user="backup"), after(*BEGUN), after("select 1")], steps=["alert", "cancel"],
         rewrite=("xmin_age: 400M", "xmin_age: 9")),
    Case("reports-in-office-hours", "reports-in-office-hours", running(user="report_month"),
         [running(), after(*BEGUN, user="reporting")], **CANCELLED,
         rewrite=('days: [mon-fri], from: "08:00", to: "18:00"', "days: [mon-sun]")),
    Case("retrying-clients", "retrying-clients", running(user="report_month"), [running()], **CANCELLED),
]


# -- the stage --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stage(server):
    """The roles and databases that the files speak of, and a schema of role `app`."""
    for role in ROLES:
        server.make_role(role)
    for database in DATABASES:
        server.execute(sql.SQL("create database {}").format(sql.Identifier(database)))
    server.execute("create schema curfew authorization app")
    for table in "tuv":
        server.execute(f"create table curfew.{table} as select 1 as id", user="app")
    server.execute("grant all on schema curfew to public; grant all on all tables in schema curfew to public")
    yield server
    server.execute("drop schema curfew cascade")
    for database in DATABASES:
        server.execute(sql.SQL("drop database {}").format(sql.Identifier(database)))


class OpenSession:
    """Opens sessions, and tells how the server sees them."""

    def __init__(self, server):
        self._server = server
        self._opened = []
        self._superuser = server.connect()

    def __call__(self, **who):
        session = Session(self._server.conninfo(**{"user": "app", **who}))
        self._opened.append(session)
        return session

    def row(self, session):
        columns = ["backend_start", "query_start", "state_change", "state", "wait_event_type", "wait_event"]
        row = self._superuser.execute(f"select {', '.join(columns)} from pg_stat_get_activity(%s)",
                                      [session.pid]).fetchone()
        return dict(zip(columns, row)) if row else None

    def is_as_before(self, session, before):
        now = self.row(session)
        return now is not None and all(now[column] == before[column] for column in list(before)[:4])

    def close(self):
        # A statement that sleeps does not notice that its client has gone.
        pids = [session.pid for session in self._opened]
        self._superuser.execute("""select pg_terminate_backend(pid) from pg_stat_activity
                                   where pid = any(%s) and backend_type = 'client backend'""", [pids])
        for session in self._opened:
            session.close()
        wait_until(lambda: not self._superuser.execute("select from pg_stat_activity where pid = any(%s)",
                                                       [pids]).fetchall())
        self._superuser.close()


@pytest.fixture
def open_session(stage):
    opener = OpenSession(stage)
    yield opener
    opener.close()


@pytest.fixture
def enforce(stage, daemon, tmp_path):
    """Starts the daemon with drop-ins, by their names and texts."""

    def start(drop_ins, rules=""):
        directory = tmp_path / "policies.d"
        directory.mkdir()
        for name, text in drop_ins.items():
            (directory / f"{name}.yaml").write_text(text, encoding="utf-8")
        conninfo = stage.conninfo(user="pgcurfew")
        started = daemon(f'mode: enforce\nservers: [{{ name: stage, conninfo: "{conninfo}" }}]\n{rules}')
        started.wait_for("server_up")
        return started

    return start


def steps_for(daemon, session):
    return [event["step"] for event in daemon.all("intent", pid=session.pid)]


@contextmanager
def the_log_if_it_fails(daemon):
    try:
        yield
    except AssertionError:
        print("\n".join(daemon.lines))
        raise


# -- tests ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_shipped_rule_ends_the_offender_and_leaves_the_innocent_alone(case, open_session, enforce):
    text = shipped_policies.text_of(case.file)
    for old, new in zip(case.rewrite[::2], case.rewrite[1::2]):
        assert old in text
        text = text.replace(old, new)
    # Opened first: when the offender's time is up, theirs would be too.
    innocents = [play(open_session) for play in case.innocents]
    offender = case.offender(open_session)
    before = [(innocent, open_session.row(innocent)) for innocent in innocents]
    daemon = enforce({case.file: shipped_policies.sped_up(text)})

    with the_log_if_it_fails(daemon):
        effect = {"cancel": "query_ended", "terminate": "ended"}[case.steps[-1]]
        verified = daemon.wait_for("verified", pid=offender.pid, step=case.steps[-1], effect=effect)
        assert verified["rule"] == case.rule
        assert steps_for(daemon, offender) == case.steps
        case.client(offender)
        for innocent, row in before:
            assert steps_for(daemon, innocent) == []
            assert open_session.is_as_before(innocent, row)


def test_a_cancelled_migration_lets_the_queue_behind_it_go_on(open_session, enforce):
    reader = open_session()
    assert reader.run("begin") == OK and reader.run("select from curfew.t") == OK
    migration = open_session().start("alter table curfew.t add column n int")
    wait_until(lambda: open_session.row(migration)["wait_event_type"] == "Lock")
    queued = open_session(user="etl").start("select from curfew.t")
    wait_until(lambda: open_session.row(queued)["wait_event_type"] == "Lock")
    enforce({"waiting": shipped_policies.sped_up(shipped_policies.text_of("waiting-migrations"))})
    assert queued.outcome() == OK
    assert migration.outcome() == QUERY_CANCELED


HARSH = """
rules:
  - { name: harsh, match: { state: active, query_age: 400ms }, escalate: [cancel] }
"""


@pytest.mark.parametrize("who", [{"user": "backup"}, {"user": "dba_anna"},
                                 {"user": "etl", "application_name": "pg_dump"}, {"user": "maintenance"}],
                         ids=lambda who: who["user"])
def test_the_shipped_protection_holds_against_any_rule(who, open_session, enforce):
    protected = running(**who)(open_session)
    row = open_session.row(protected)
    # Without the built-in protection, what has only the name of a backup is none.
    impostor = open_session(application_name="pg_dump").start(SLEEP)
    daemon = enforce({"protect": shipped_policies.text_of("protect-backups-and-admins")},
                     f"{HARSH}unprotect: [dumps]\n")
    assert impostor.outcome() == QUERY_CANCELED
    assert steps_for(daemon, protected) == []
    assert open_session.is_as_before(protected, row)


def test_of_a_role_that_is_narrowed_down_the_rest_is_not_protected(open_session, enforce):
    other = open_session(user="etl", application_name="loader").start(SLEEP)
    enforce({"protect": shipped_policies.text_of("protect-backups-and-admins")}, HARSH)
    assert other.outcome() == QUERY_CANCELED


@pytest.mark.parametrize("name", shipped_policies.names())
def test_check_accepts_a_shipped_file_and_says_a_sentence_for_each_rule(name, command):
    text = shipped_policies.text_of(name)
    done = command("check", shipped_policies.DIRECTORY / f"{name}.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()
    assert rules_of(text) or drains_of(text) or "\nprotect:\n" in text
    for item in rules_of(text) + [f"drain {drain}" for drain in drains_of(text)]:
        sentences = [line for line in said if line.startswith(f"{item}: ")]
        assert len(sentences) == 1 and sentences[0].endswith(".")
    entries = text.partition("\nprotect:\n")[2].count("\n  - ") + text.partition("\nprotect:\n")[2].startswith("  - ")
    assert len([line for line in said if line.startswith("protected: ")]) == entries


def test_all_shipped_files_go_together(command, tmp_path):
    (tmp_path / "pgcurfew.yaml").write_text('servers: [{ name: a, conninfo: "host=localhost" }]\n')
    (tmp_path / "policies.d").mkdir()
    for name in shipped_policies.names():
        (tmp_path / "policies.d" / f"{name}.yaml").write_text(shipped_policies.text_of(name))
    done = command("check", tmp_path / "pgcurfew.yaml")
    assert (done.returncode, done.stderr) == (0, "")


def test_every_shipped_rule_has_its_case():
    shipped = {(name, rule) for name in shipped_policies.names() for rule in rules_of(shipped_policies.text_of(name))}
    assert {(case.file, case.rule) for case in CASES} == shipped
    assert len(shipped_policies.names()) >= 7


@pytest.mark.parametrize("name", shipped_policies.names())
def test_the_head_of_a_shipped_file_says_what_it_is_for(name):
    head = shipped_policies.text_of(name).splitlines()
    said = [line[2:].split(":")[0] for line in head if line.startswith("# ") and ":" in line]
    positions = [said.index(part) for part in ("The incident", "What it does", "What it does not", "To adapt")]
    assert positions == sorted(positions)


def names_below(text, key):
    """The names in the list below a key at a file's top."""
    section = re.search(rf"^{key}:\n(.*?)(?=^\w|\Z)", text, re.MULTILINE | re.DOTALL)
    return re.findall(r"^  - name: *(\S+)", section[1], re.MULTILINE) if section else []


def rules_of(text):
    return names_below(text, "rules")


def drains_of(text):
    return names_below(text, "drains")


# -- the speeding up --------------------------------------------------------------------------------------------------


def test_speeding_up_keeps_the_ratios_and_all_else():
    text = "# after: 5min\n- { query_age: 10min, x: '5min' }\n- { state_age: 1h 30min }\n- terminate: { after: 30s } # y"
    assert shipped_policies.sped_up(text, 600) == (
        "# after: 5min\n- { query_age: 600000us, x: '5min' }\n- { state_age: 5400000us }\n"
        "- terminate: { after: 30000us } # y")
