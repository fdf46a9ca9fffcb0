"""`pgcurfew setup-sql`: what it prints lets the role close and open gates, and nothing else."""

import subprocess
import threading

import psycopg
import pytest
from psycopg import sql

from support.session import wait_until
from support.throwaway import SUPERUSER, Throwaway

ROLE = "curfew"
ODD_ROLE = "o'dd \\ \"role\" $pgcurfew$"
ODD_DATABASE = 'an "odd", {one} \\ it\'s :here $pgcurfew$ é'
CLOSE = "select * from pgcurfew.close_gate(%s, %s, %s, %s, %s)"
OPEN = "select * from pgcurfew.open_gate(%s, %s)"


@pytest.fixture(scope="module")
def server():
    """One without the roles and functions of others, to see all that the text makes."""
    with Throwaway(["max_connections = 40"]) as throwaway:
        for name in ("listed", "unlisted", ODD_DATABASE):
            throwaway.execute(sql.SQL("create database {} connection limit 7").format(sql.Identifier(name)))
        throwaway.make_role("somebody")
        yield throwaway


@pytest.fixture
def psql(server):
    """Runs a text as its user would; returns its exit status and output."""

    def run(text, user=SUPERUSER, dbname="postgres"):
        done = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d",
                               server.conninfo(user=user, dbname=dbname)], input=text, capture_output=True, text=True,
                              timeout=60)
        return done.returncode, done.stderr

    return run


@pytest.fixture
def set_up(server, command, psql):
    """Sets the server up and takes it back with the test."""
    roles = []

    def run(*arguments, role=ROLE):
        printed = command("setup-sql", "--role", role, *arguments)
        assert (printed.returncode, printed.stderr) == (0, "")
        roles.append(role)
        assert psql(printed.stdout) == (0, "")

    yield run
    with server.connect() as connection:
        connection.execute("drop schema if exists pgcurfew cascade")
        for (name,) in connection.execute("select datname from pg_database where not datistemplate").fetchall():
            connection.execute(sql.SQL("alter database {} connection limit -1").format(sql.Identifier(name)))
            connection.execute(sql.SQL("alter database {} reset pgcurfew.drain").format(sql.Identifier(name)))
        for role in set(roles):
            connection.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(role)))


def limit_of(server, name):
    return server.execute("select datconnlimit from pg_database where datname = %s", [name])[0][0]


def closed(server, name, **session):
    """The row of a closing, as requested by a client other than pgcurfew."""
    return server.execute(CLOSE, [name, "nightly", "me", 1, "reopen"], **session)[0]


def error_of(server, statement, values, **session):
    with pytest.raises(psycopg.Error) as caught:
        server.execute(statement, values, **session)
    return caught.value.sqlstate


# -- what it allows -------------------------------------------------------------------------------------------------


def test_the_role_is_the_one_of_the_role_script(server, set_up):
    set_up()
    server.make_watchdog_role()
    about = """select rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, rolconnlimit,
                      array(select g.rolname::text from pg_auth_members m join pg_roles g on g.oid = m.roleid
                            where m.member = r.oid order by 1)
               from pg_roles r where rolname = %s"""
    assert server.execute(about, [ROLE]) == server.execute(about, ["pgcurfew"])


def test_the_functions_are_found_and_close_and_open_gates(server, set_up, probe):
    set_up()
    server.execute("alter database listed connection limit 7")
    link = probe(on=server, user=ROLE)
    assert link.gates()["gates"]["listed"]["access"] == "function"
    reply = link.turn("listed", True, access="function", drain="weekly", by="me", since=3)
    assert (reply["outcome"], reply["mark"]) == ("closed", "limit=7 since=3 until=reopen by=me drain=weekly")
    assert limit_of(server, "listed") == 0 and link.gates()["gates"]["listed"]["mark"] == reply["mark"]
    assert link.turn("listed", True, access="function", drain="other")["outcome"] == "held"
    reply = link.turn("listed", False, access="function", mark=reply["mark"])
    assert (reply["outcome"], limit_of(server, "listed"), link.gates()["gates"]["listed"]["mark"]) == ("opened", 7, "")


def test_a_limit_that_somebody_else_has_set_is_left_alone(server, set_up, probe):
    set_up()
    link = probe(on=server, user=ROLE)
    mark = link.turn("listed", True, access="function")["mark"]
    server.execute("alter database listed connection limit 30")
    assert link.turn("listed", False, access="function", mark=mark)["outcome"] == "foreign"
    assert (limit_of(server, "listed"), link.gates()["gates"]["listed"]["mark"]) == (30, "")


def test_what_was_closed_is_opened_also_under_a_name_that_is_not_listed(server, set_up, probe):
    set_up("--database", "listed")
    server.execute("alter database listed connection limit 7")
    link = probe(on=server, user=ROLE)
    oid = link.gates()["gates"]["listed"]["oid"]
    mark = link.turn("listed", True, access="function", oid=oid)["mark"]
    server.execute("alter database listed rename to renamed")
    try:
        opened = link.turn("listed", False, access="function", oid=oid, mark=mark)
        assert (opened["outcome"], limit_of(server, "renamed")) == ("opened", 7), opened
        assert link.turn("renamed", True, access="function", oid=oid)["outcome"] == "denied"
        assert link.turn("listed", True, access="function", oid=oid)["error"]["sqlstate"] == "3D000"
    finally:
        server.execute("alter database renamed rename to listed")
        server.execute("alter database listed connection limit -1")


def test_what_was_closed_is_opened_also_when_its_owner_has_made_a_template_of_it(server, set_up, probe):
    set_up()
    server.execute("alter database listed connection limit 7")
    link = probe(on=server, user=ROLE)
    mark = link.turn("listed", True, access="function")["mark"]
    server.execute("alter database listed is_template true")
    try:
        assert link.gates()["gates"]["listed"]["access"] == "function"
        assert link.turn("listed", False, access="function", mark=mark)["outcome"] == "opened"
        assert link.gates()["gates"]["listed"]["access"] == "none"
    finally:
        server.execute("alter database listed is_template false")
    assert limit_of(server, "listed") == 7


def test_it_can_be_run_again_and_then_holds_for_the_new_databases_and_the_new_role_alone(server, set_up, probe):
    set_up()
    set_up("--database", "listed")
    set_up("--database", "unlisted", role="successor")
    first, second = probe(on=server, user=ROLE), probe(on=server, user="successor")
    assert first.gates()["gates"]["unlisted"]["access"] == "none"
    assert [second.gates()["gates"][name]["access"] for name in ("listed", "unlisted")] == ["none", "function"]
    assert error_of(server, CLOSE, ["unlisted", "x", "y", 1, "reopen"], user=ROLE) == "42501"


def test_any_names_can_be_given_to_it(server, set_up, probe):
    set_up("--database", ODD_DATABASE, "--database", "listed", role=ODD_ROLE)
    link = probe(on=server, user=ODD_ROLE)
    gates = link.gates()["gates"]
    assert {name: gates[name]["access"] for name in (ODD_DATABASE, "listed", "unlisted")} == {
        ODD_DATABASE: "function", "listed": "function", "unlisted": "none"}
    mark = link.turn(ODD_DATABASE, True, access="function")["mark"]
    assert limit_of(server, ODD_DATABASE) == 0
    assert link.turn(ODD_DATABASE, False, access="function", mark=mark)["outcome"] == "opened"


@pytest.mark.parametrize("arguments, told", [
    ([], ""),
    (["--role", "pgcurfew"], ""),
    (["--role", "watch", "--database", "orders", "--database", "it's"],
     r" --role watch --database orders --database 'it'\''s'"),
    (["--database", "a\nDROP TABLE b"], r" --database 'a\nDROP TABLE b'"),
])
def test_its_head_says_with_which_options_it_was_made_in_one_line(command, arguments, told):
    lines = command("setup-sql", *arguments).stdout.splitlines()
    assert f"--   pgcurfew setup-sql{told} | psql -X -v ON_ERROR_STOP=1 -d postgres" in lines
    assert all(line.startswith("--") for line in lines[:lines.index("BEGIN;")] if line)


@pytest.mark.parametrize("arguments, complaint", [
    (["--role", ""], "the name of a role cannot be empty"),
    (["--database", "x" * 64], f"the name of a database has at most 63 bytes: {'x' * 64}"),
])
def test_a_name_that_the_server_would_cut_or_refuse_is_refused(command, arguments, complaint):
    done = command("setup-sql", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (64, "", f"pgcurfew: {complaint}\n")


# -- what it does not allow -----------------------------------------------------------------------------------------


def test_databases_that_are_not_listed_are_out_of_reach(server, set_up, probe):
    set_up("--database", "listed")
    denied = probe(on=server, user=ROLE).turn("unlisted", True, access="function")
    assert (denied["outcome"], denied["error"]["sqlstate"]) == ("denied", "42501")
    # the list is the function's own, whatever the caller sets
    with server.connect(user=ROLE) as connection:
        connection.execute("set pgcurfew.databases = '{unlisted}'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(CLOSE, ["unlisted", "x", "y", 1, "reopen"])
    assert error_of(server, OPEN, ["unlisted", "limit=5 since=1 until=reopen by=x drain=y"], user=ROLE) == "42501"


@pytest.mark.parametrize("name", ["template0", "template1"])
def test_templates_are_out_of_reach_even_if_they_are_listed(server, set_up, name):
    set_up("--database", name)
    assert error_of(server, CLOSE, [name, "x", "y", 1, "reopen"], user=ROLE) == "42501"
    assert limit_of(server, name) == -1


def test_no_limit_of_ones_own_choice_can_be_set(server, set_up):
    set_up()
    server.execute("alter database listed connection limit 7")
    forged = "limit=1000 since=1 until=reopen by=me drain=nightly"
    assert server.execute(OPEN, ["listed", forged], user=ROLE)[0][0] == "gone"
    row = closed(server, "listed", user=ROLE)
    assert server.execute(OPEN, ["listed", forged], user=ROLE)[0][0] == "gone"
    assert limit_of(server, "listed") == 0
    assert server.execute(OPEN, ["listed", row[1]], user=ROLE)[0][0] == "opened"
    for drain, by, until in (("a b", "x", "reopen"), ("a", "x limit=5", "reopen"), ("a\nlimit=5", "x", "reopen"),
                             ("", "x", "reopen"), (None, "x", "reopen"), ("a", None, "reopen"), ("a", "x", None),
                             ("a", "x", "5 by=y"), ("a", "x", "soon")):
        assert error_of(server, CLOSE, ["listed", drain, by, 1, until], user=ROLE) == "22023"
    assert error_of(server, CLOSE, ["listed", "a", "x", None, "reopen"], user=ROLE) == "22023"
    assert error_of(server, "alter database listed connection limit 1000", None, user=ROLE) == "42501"
    assert limit_of(server, "listed") == 7


def test_an_old_view_of_the_world_is_refused(server, set_up):
    """In it, a mark that another has set since would be missing."""
    set_up()
    with server.connect(user=ROLE, autocommit=False) as connection:
        connection.execute("set transaction isolation level repeatable read")
        with pytest.raises(psycopg.errors.ActiveSqlTransaction):
            connection.execute(CLOSE, ["listed", "x", "y", 1, "reopen"])


def test_the_functions_take_a_name_that_is_no_text_in_our_encoding(server, set_up, probe):
    set_up()
    limit = "select datconnlimit from pg_database where namesend(datname) = %s"
    name = "gr\u00fc\u00df".encode("latin-1")
    server.execute("create database raw template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'")
    with server.connect(dbname="raw") as raw:
        raw.execute(b'create database "' + name + b'" template template0 connection limit 4')
        try:
            link = probe(on=server, user=ROLE)
            closed = link.turn(None, True, access="function", database_hex=name.hex())
            assert (closed["outcome"], server.execute(limit, [name])) == ("closed", [(0,)]), closed
            opened = link.turn(None, False, access="function", database_hex=name.hex(), mark=closed["mark"])
            assert (opened["outcome"], server.execute(limit, [name])) == ("opened", [(4,)]), opened
            nowhere = link.turn(None, True, access="function", database_hex=(name + name).hex())
            assert (nowhere["outcome"], nowhere["error"]["sqlstate"]) == ("failed", "3D000")
        finally:
            raw.execute(b'drop database "' + name + b'"')
    server.execute("drop database raw")


def test_nobody_else_can_call_the_functions(server, set_up):
    set_up()
    assert error_of(server, CLOSE, ["listed", "x", "y", 1, "reopen"], user="somebody") == "42501"
    server.execute("grant usage on schema pgcurfew to somebody")
    assert error_of(server, CLOSE, ["listed", "x", "y", 1, "reopen"], user="somebody") == "42501"
    assert error_of(server, OPEN, ["listed", "x"], user="somebody") == "42501"


def test_objects_of_the_caller_are_not_called_with_the_functions_rights(server, set_up):
    set_up()
    with server.connect(user=ROLE) as connection:
        connection.execute("create function pg_temp.format(text, name, text) returns text language sql "
                           "as $$ select 'alter role somebody superuser' $$")
        connection.execute("create temp table pg_database (datname name)")
        connection.execute("set search_path = pg_temp, pg_catalog")
        row = connection.execute(CLOSE, ["listed", "x", "y", 1, "reopen"]).fetchone()
    assert row[0] == "closed"
    assert server.execute("select rolsuper from pg_roles where rolname = 'somebody'") == [(False,)]


def test_only_a_superuser_can_run_it_and_nothing_is_left_behind(server, command, psql):
    status, said = psql(command("setup-sql", "--role", "nobody_yet").stdout, user="somebody")
    assert status != 0 and "this has to be run by a superuser" in said
    assert server.execute("select 1 from pg_roles where rolname = 'nobody_yet'") == []


def test_a_schema_of_somebody_else_is_not_trusted(server, command, psql, probe, set_up):
    """Its owner could put functions of its own there, and have them run with the rights of the role."""
    set_up()
    server.execute("alter schema pgcurfew owner to somebody")
    assert probe(on=server, user=ROLE).gates()["gates"]["listed"]["access"] == "none"
    status, said = psql(command("setup-sql", "--role", ROLE).stdout)
    assert status != 0 and "belongs to a role that is no superuser" in said


def test_a_function_of_somebody_else_is_not_called(server, probe, set_up):
    set_up()
    server.execute("alter function pgcurfew.close_gate(text, text, text, int8, text) owner to somebody")
    server.execute(f"grant execute on function pgcurfew.close_gate(text, text, text, int8, text) to {ROLE}")
    assert probe(on=server, user=ROLE).gates()["gates"]["listed"]["access"] == "none"


def test_two_callers_at_once_do_not_both_hold_a_gate(server, set_up):
    set_up()
    with server.connect(user=ROLE, autocommit=False) as first, server.connect(user=ROLE) as second:
        first.execute("set transaction isolation level read committed")
        mark = first.execute(CLOSE, ["listed", "first", "x", 1, "reopen"]).fetchone()[1]
        second.execute("set lock_timeout = '5min'")
        pid = second.info.backend_pid
        caught = []

        def close():
            try:
                caught.append(second.execute(CLOSE, ["listed", "second", "x", 1, "reopen"]).fetchone()[0])
            except psycopg.Error as error:
                caught.append(error.sqlstate)

        thread = threading.Thread(target=close)
        thread.start()
        wait_until(lambda: server.execute("select 1 from pg_locks where not granted and pid = %s", [pid]), every=0.01)
        first.commit()
        thread.join()
        assert caught in (["XX000"], ["held"])
        assert server.execute(OPEN, ["listed", mark], user=ROLE)[0][0] == "opened"
