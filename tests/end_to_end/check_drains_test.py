"""`pgcurfew check --server` and drains: what each would empty, how its gate can be closed, and what is missing for it."""

import re

import pytest

from support.session import OK, Session, wait_until

ROLE = "checker"


@pytest.fixture(scope="module")
def databases(server):
    """Two databases, of which the role that drains owns one."""
    server.make_role(ROLE)
    server.execute(f"grant pg_read_all_stats, pg_signal_backend to {ROLE}")
    server.execute(f"create database check_owned owner {ROLE}")
    server.execute("create database check_foreign")
    yield
    for name in ("check_owned", "check_foreign"):
        ended = "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s"
        wait_until(lambda: not server.execute(ended, [name]))
        server.execute(f"drop database {name}")


@pytest.fixture
def check(server, databases, command, tmp_path):
    """Runs it with one drain; returns the exit status, the lines about drains, and standard error."""
    # A session that was closed, or pgcurfew's own, is still in its database for a moment, and would be counted.
    there = "select from pg_stat_activity where datname like 'check\\_%' and backend_type = 'client backend'"
    wait_until(lambda: not server.execute(there))

    def run(names, *more, user=ROLE, dbname="postgres", on=server, drains=None):
        lines = "".join(f"\n  {line}" for line in more)
        path = tmp_path / "main.yaml"
        path.write_text(f"""
mode: enforce
servers: [ {{ name: s, conninfo: "{on.conninfo(user=user, dbname=dbname)}" }} ]
drains:
- name: weekly
  databases: {names}
  schedule: "0 2 * * sun"
  timezone: UTC
  duration: 1h{lines}
""", encoding="utf-8")
        done = command("check", "--server", path)
        told = done.stdout[done.stdout.index("server s (PostgreSQL"):].splitlines()[1:]
        return done.returncode, [line.strip() for line in told if "no rule applies to it" not in line], done.stderr

    return run


@pytest.fixture
def right_to_mark(server):
    """The right to set the mark in the server, for a test."""
    if server.version < 15:
        pytest.skip("this server knows no such right")
    server.execute(f'grant set on parameter "pgcurfew.drain" to {ROLE}')
    yield
    server.execute(f'revoke set on parameter "pgcurfew.drain" from {ROLE}')


def test_it_tells_the_sessions_there_and_that_an_owner_has_the_mark_in_the_journal(server, check):
    one, other = (Session(server.conninfo(user="app", dbname="check_owned")) for _ in range(2))
    code, lines, errors = check("check_owned")
    one.close()
    other.close()
    assert (code, errors) == (0, "")
    assert lines[0] == ("drain weekly: check_owned: 2 sessions now; gate: CONNECTION LIMIT 0, mark in the journal of gates of this machine")
    way = (f"GRANT SET ON PARAMETER pgcurfew.drain TO {ROLE};" if server.version >= 15
           else "what pgcurfew setup-sql prints")
    assert lines[1:] == [f"with {way} marks are stored in the server, where every pgcurfew finds them"]


def test_with_the_right_the_mark_goes_to_the_server(check, right_to_mark):
    assert check("check_owned") == (
        0, ["drain weekly: check_owned: 0 sessions now; gate: CONNECTION LIMIT 0, mark in the server"], "")


def test_a_database_of_somebody_else_s_ends_with_77_and_a_hint(check):
    code, lines, errors = check("check_foreign")
    assert code == 77
    assert lines == ["drain weekly: check_foreign: 0 sessions now; its gate could not be closed: our role may not close its "
                     "gate"]
    assert errors == ("pgcurfew: server s: drain weekly: database check_foreign: our role may not close its gate\n"
                      "pgcurfew: hint: Make it the owner of the database, or run what pgcurfew setup-sql prints.\n")


def test_with_the_functions_of_setup_sql_it_needs_no_other_right(server, check, command):
    printed = command("setup-sql", "--role", ROLE, "--database", "check_foreign").stdout
    statements = "\n".join(line for line in printed.splitlines() if not line.startswith("\\"))
    try:
        server.execute(statements)
        assert check("check_foreign") == (
            0, ["drain weekly: check_foreign: 0 sessions now; gate: CONNECTION LIMIT 0 by the functions of setup-sql, "
                "mark in the server"], "")
    finally:
        server.execute("drop schema if exists pgcurfew cascade")


def test_a_wildcard_takes_in_all_that_it_fits_and_a_database_that_is_not_there_is_told(check):
    code, lines, errors = check('["check_*", check_nowhere, "post*"]', "gate: none")
    assert code == 0
    assert lines == ["drain weekly: check_foreign: 0 sessions now; no gate",
                     "drain weekly: check_owned: 0 sessions now; no gate"]
    assert errors.splitlines()[-2:] == ["pgcurfew: server s: drain weekly: there is no database check_nowhere",
                                        "pgcurfew: server s: drain weekly: there is no database post*"]


def test_a_drain_that_finds_nothing_says_so(check):
    code, lines, errors = check("check_nowhere")
    assert (code, lines) == (0, ["drain weekly: there is nothing to empty"])
    assert "there is no database check_nowhere" in errors


def test_our_own_connection_in_it_ends_with_77_unless_we_are_a_superuser(check):
    code, _, errors = check("check_owned", dbname="check_owned")
    assert code == 77
    assert "drain weekly: database check_owned: our own connection is in it\n" in errors
    assert "hint: Name another database in conninfo, for instance postgres." in errors
    code, lines, _ = check("check_owned", dbname="check_owned", user="postgres")
    assert code == 0 and "gate: CONNECTION LIMIT 0, mark in the server" in lines[0]


def test_whom_no_step_would_end_is_named_and_whom_except_spares_is_counted_apart(server, check):
    opened = [Session(server.conninfo(dbname="check_owned", **who))
              for who in ({"user": "app"}, {"user": "postgres"}, {"user": "app", "application_name": "pg_dump"},
                          {"user": "app", "application_name": "stays"})]
    code, lines, errors = check("check_owned", "except: [ { application_name: stays } ]")
    for session in opened:
        session.close()
    assert code == 0
    assert lines[0].startswith("drain weekly: check_owned: 3 sessions now, 1 more is exempt; gate: ")
    warning, = errors.splitlines()[-1:]
    head, named = warning.split("may not end ")
    assert head == "pgcurfew: server s: drain weekly: database check_owned: warning: pgcurfew "
    count, named = named.split(": ", 1)
    assert count == "2 of 3 sessions"
    assert set(named.split(", ")) == {f"pid {opened[1].pid} postgres (superuser)",
                                      f"pid {opened[2].pid} app (protected: dumps)"}


def test_prepared_transactions_and_a_gate_that_is_closed_already_are_told(server, check):
    session = Session(server.conninfo(user="app", dbname="check_owned"))
    session.run("begin")
    session.run("prepare transaction 'left over'")
    server.execute("alter database check_owned connection limit 0")
    try:
        _, lines, errors = check("check_owned")
        assert lines[0].endswith("; CONNECTION LIMIT 0 already, without a mark in the server")
        assert errors == ("pgcurfew: server s: drain weekly: database check_owned: warning: pgcurfew may not end prepared "
                          "transactions: left over\n")
        server.execute("alter database check_owned set pgcurfew.drain = "
                       "'limit=-1 since=0 until=86400000000 by=there:1 drain=other'")
        _, lines, _ = check("check_owned")
        assert "; closed now, by there:1 for drain other until Sun 2000-01-02 00:00 UTC" in lines[0]
    finally:
        session.run("rollback prepared 'left over'")
        session.close()
        server.execute("alter database check_owned reset pgcurfew.drain")
        server.execute("alter database check_owned connection limit -1")


@pytest.mark.parametrize("database", ["check_owned", "check_foreign"])
def test_a_mark_that_is_none_is_told_whether_a_drain_is_for_its_database_or_not(server, check, database):
    server.execute(f"alter database {database} set pgcurfew.drain = 'limit=5 by hand'")
    try:
        _, lines, errors = check("check_owned")
        assert f"database {database}: the database has a setting pgcurfew.drain that is no mark" in errors, errors
        assert '"limit=5 by hand"' in errors
        assert ("could not be closed" in lines[0]) == (database == "check_owned"), lines
    finally:
        server.execute(f"alter database {database} reset pgcurfew.drain")


def test_of_a_pgbouncer_it_says_that_it_was_not_asked(check):
    code, lines, _ = check("check_foreign", "gate: pgbouncer",
                           'pgbouncer: { conninfo: "host=nowhere port=6432 user=pgbouncer", by: disable }')
    assert (code, lines) == (0, ["drain weekly: check_foreign: 0 sessions now; gate: DISABLE of a PgBouncer, which was not queried, mark in the journal of gates of this machine"])


def test_on_a_standby_it_is_told_that_the_primary_alone_can_do_it(check, standby):
    code, lines, errors = check("[postgres]", on=standby, user="pgcurfew", dbname="template1")
    assert code == 0
    assert re.fullmatch(r"drain weekly: postgres: \d+ sessions? now; its gate could not be closed: the server is a standby",
                        lines[0])
    assert "standby" not in errors


def test_it_closes_nothing_and_ends_nobody(server, check):
    session = Session(server.conninfo(user="app", dbname="check_owned"))
    check("check_owned")
    assert session.run("select 1") == OK
    assert session.pid in {row[0] for row in server.execute("select pid from pg_stat_activity")}
    assert server.execute("select datconnlimit from pg_database where datname = 'check_owned'") == [(-1,)]
    session.close()
