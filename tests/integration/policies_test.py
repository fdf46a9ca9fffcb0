"""Each rule file under policies/, run against a real server: it ends the sessions that it should, and leaves similar ones alone.

The limits are minutes and hours; each file is sped up as a whole, so that its smallest limit is a fraction of a second
(support/shipped_policies.py). A file's other limits keep their ratio to it.
"""

import re
from contextlib import contextmanager

import pytest
from psycopg import sql

from support import shipped_policies
from support.policy_cases import CASES, running
from support.statements import SLEEP
from support.session import OK, QUERY_CANCELED, Session, wait_until
from support.stage import orders

DATABASES = ["app", "app_eu"]
ROLES = ["app", "backup", "batch_night", "dba_anna", "etl", "maintenance", "migrator", "report_month", "reporting",
         "worker_1"]


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
    """Opens sessions, and shows how the server sees them."""

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


def at_leisure(text):
    """A file that is sped up, but for what a slow machine would come to: the step that follows where a cancel has no
    effect."""
    return re.sub(r"(?<=after: )(\d+)us", lambda found: f"{max(int(found[1]), 2_000_000)}us", text)


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
    # Opened first: when the offender falls due, they would too.
    innocents = [play(open_session) for play in case.innocents]
    offender = case.offender(open_session)
    before = [(innocent, open_session.row(innocent)) for innocent in innocents]
    daemon = enforce({case.file: at_leisure(shipped_policies.sped_up(text))})

    with the_log_if_it_fails(daemon):
        effect = {"cancel": "query_ended", "terminate": "ended"}[case.steps[-1]]
        verified = daemon.wait_for("verified", pid=offender.pid, step=case.steps[-1], effect=effect)
        assert verified["rule"] == case.rule
        assert orders(daemon, offender) == case.steps
        case.client(offender)
        for innocent, row in before:
            assert orders(daemon, innocent) == []
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
    assert orders(daemon, protected) == []
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
