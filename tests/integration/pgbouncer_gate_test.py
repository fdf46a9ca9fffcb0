"""PgBouncer as the gate: PAUSE and RESUME, or DISABLE and ENABLE, on its admin console."""

import psycopg
import pytest
from psycopg import sql

from support.endless_server import EndlessServer
from support.pgbouncer import PgBouncer
from support.session import OK, Session, wait_until, wait_until_quick

DATABASES = """
pooled = ADDRESS dbname=pooled
Pooled-too.2 = ADDRESS dbname=pooled
other = ADDRESS dbname=postgres
* = ADDRESS
"""
ODD = 'an "odd", name; with \'signs\''


@pytest.fixture(scope="module")
def pooled(server):
    server.execute("create database pooled template template0")
    yield "pooled"
    server.execute("drop database pooled with (force)" if server.version >= 13 else "drop database pooled")


@pytest.fixture
def pgbouncer(request, server, pooled):
    made = PgBouncer(server, request.node.name[:40], "transaction", DATABASES)
    yield made
    made.stop()


@pytest.fixture
def turn(pgbouncer, probe):
    link = probe()

    def run(closes, gate="pause", database="pooled", conninfo=None):
        return link.turn_pgbouncer(conninfo or pgbouncer.conninfo("ignored", "pgcurfew"), database, closes, gate)

    return run


def test_pause_and_resume_reach_all_names_of_the_database_and_no_other(pgbouncer, turn):
    closed = turn(True)
    assert (closed["outcome"], closed["error"]["message"]) == ("closed", "")
    assert pgbouncer.shown("pooled") == pgbouncer.shown("Pooled-too.2") == (True, False)
    assert pgbouncer.shown("other") == (False, False)
    opened = turn(False)
    assert (opened["outcome"], opened["error"]["message"]) == ("opened", "")
    assert pgbouncer.shown("pooled") == pgbouncer.shown("Pooled-too.2") == (False, False)


ELSEWHERE = DATABASES + "standby = host=127.0.0.9 port=5432 dbname=pooled\nport = host=DIRECTORY port=5433 dbname=pooled\n"


@pytest.fixture
def split(request, server, pooled):
    """One whose databases lead to a database of one name on three servers."""
    made = PgBouncer(server, request.node.name[:40], "transaction", ELSEWHERE.replace("DIRECTORY", str(server.directory)))
    yield made
    made.stop()


def paused(pgbouncer):
    return {name for name in ("pooled", "Pooled-too.2", "standby", "port", "other") if pgbouncer.shown(name)[0]}


def test_of_those_that_lead_to_different_servers_those_of_the_drains_own_are_taken(server, split, probe):
    link = probe()
    console = split.conninfo("ignored", "pgcurfew")
    for hosts in ([[str(server.directory), ""]], [["db1", "5432"], [str(server.directory), "5432"]]):
        closed = link.turn_pgbouncer(console, "pooled", True, server=hosts)
        assert (closed["outcome"], set(closed["pools"])) == ("closed", {"pooled", "Pooled-too.2"}), closed
        assert paused(split) == {"pooled", "Pooled-too.2"}
        assert link.turn_pgbouncer(console, "pooled", False, pools=closed["pools"])["outcome"] == "opened"
        assert paused(split) == set()


def test_where_nobody_can_tell_which_are_meant_none_is_closed_and_all_are_named(split, probe):
    link = probe()
    failed = link.turn_pgbouncer(split.conninfo("ignored", "pgcurfew"), "pooled", True, server=[["db1", "5432"]])
    assert failed["outcome"] == "failed" and paused(split) == set()
    for name in ("pooled (host=/", "Pooled-too.2 (host=/", "standby (host=127.0.0.9 port=5432)", "port=5433)"):
        assert name in failed["error"]["message"], failed
    # but what was closed is opened
    split.console("PAUSE standby")
    opened = link.turn_pgbouncer(split.conninfo("ignored", "pgcurfew"), "pooled", False, server=[["db1", "5432"]])
    assert opened["outcome"] == "opened" and paused(split) == set()


def test_those_that_are_named_are_taken_and_no_other(split, probe):
    link = probe()
    console = split.conninfo("ignored", "pgcurfew")
    closed = link.turn_pgbouncer(console, "pooled", True, pools=["stand*", "other"])
    assert (closed["outcome"], closed["pools"], paused(split)) == ("closed", ["standby"], {"standby"})
    failed = link.turn_pgbouncer(console, "pooled", True, pools=["other"])
    assert failed["error"]["message"] == "no database of PgBouncer's that its pools name leads to pooled"


def test_any_name_can_be_paused(server, pgbouncer, turn):
    server.execute(sql.SQL("create database {} template template0").format(sql.Identifier(ODD)))
    try:
        with psycopg.connect(host=str(pgbouncer.folder), port=6432, dbname=ODD, user="app") as client:
            client.execute("select 1")
            client.commit()
            # while a client is there: otherwise a database that only matches `*` is not shown
            closed = turn(True, database=ODD)
        assert (closed["outcome"], closed["error"]["message"]) == ("closed", "")
        assert pgbouncer.shown(ODD) == (True, False) and pgbouncer.shown("pooled") == (False, False)
        assert turn(False, database=ODD)["outcome"] == "opened"
    finally:
        pgbouncer.stop()
        wait_until(lambda: not server.execute("select 1 from pg_stat_activity where datname = %s", [ODD]))
        server.execute(sql.SQL("drop database {}").format(sql.Identifier(ODD)))


def test_disable_and_enable_reach_all_names_of_the_database_and_no_other(pgbouncer, turn):
    assert turn(True, "disable")["outcome"] == "closed"
    assert pgbouncer.shown("pooled") == pgbouncer.shown("Pooled-too.2") == (False, True)
    assert pgbouncer.shown("other") == (False, False)
    with pytest.raises(psycopg.OperationalError, match="disabled"):
        psycopg.connect(pgbouncer.conninfo("pooled"))
    assert turn(False, "disable")["outcome"] == "opened"
    psycopg.connect(pgbouncer.conninfo("pooled")).close()


def waits(session):
    """Whether no answer comes to its statement for a while."""
    with pytest.raises(TimeoutError):
        session.outcome(timeout=0.1)
    return True


def test_a_client_waits_behind_a_pause_and_goes_on_after_it(pgbouncer, turn):
    client = Session(pgbouncer.conninfo("pooled"))
    client.run("select 1")
    turn(True)
    assert waits(client.start("select 1"))
    turn(False)
    assert client.outcome() == OK
    client.close()


def test_a_pause_is_not_held_up_by_an_open_transaction(pgbouncer, turn):
    """PgBouncer would answer only when it has ended; the drain has yet to end it."""
    waiting = Session(pgbouncer.conninfo("pooled"))
    waiting.run("select 1")
    with psycopg.connect(pgbouncer.conninfo("pooled"), autocommit=False) as client:
        client.execute("select 1")
        assert turn(True)["outcome"] == "closed"  # waiting for the answer would fail
        # and it is still in force after the client that paused it has gone
        assert pgbouncer.shown("pooled") == (True, False)
        client.execute("select 1")
        client.commit()
        assert waits(waiting.start("select 1"))
        assert turn(False)["outcome"] == "opened"
        assert waiting.outcome() == OK
        waiting.close()


def test_what_is_closed_can_be_closed_again_and_what_is_open_opened(pgbouncer, turn):
    assert turn(False)["outcome"] == "opened"
    assert turn(True)["outcome"] == turn(True)["outcome"] == "closed"
    assert turn(False)["outcome"] == turn(False)["outcome"] == "opened"


def test_a_database_that_pgbouncer_does_not_lead_to_cannot_be_closed_but_is_open(turn):
    failed = turn(True, database="elsewhere")
    assert failed["outcome"] == "failed"
    assert failed["error"]["message"] == "no database of PgBouncer's leads to elsewhere"
    assert turn(False, database="elsewhere")["outcome"] == "opened"


def test_whoever_is_no_admin_is_told_so(pgbouncer, turn):
    failed = turn(True, conninfo=pgbouncer.conninfo("pgbouncer", "app"))
    assert failed["outcome"] == "failed" and "not allowed" in failed["error"]["message"]
    assert pgbouncer.shown("pooled") == (False, False)


def test_a_server_that_is_no_pgbouncer_is_told_so(server, turn):
    failed = turn(True, conninfo=server.conninfo(user="pgcurfew"))
    assert failed["outcome"] == "failed" and "pgbouncer" in failed["error"]["message"]


def test_a_pgbouncer_that_is_away_fails_at_once(pgbouncer, turn):
    pgbouncer.stop()
    failed = turn(True)
    assert failed["outcome"] == "failed"
    assert failed["error"]["message"] and "did not do it within" not in failed["error"]["message"], failed


@pytest.mark.slow
def test_a_pgbouncer_that_says_nothing_fails_in_time(pgbouncer, turn):
    pgbouncer.freeze()
    failed = wait_until_quick(lambda: turn(True), 7)
    assert failed["error"]["message"] == "PgBouncer did not do it within 5s"


def test_a_copy_that_nothing_asked_for_is_cut_off(probe):
    console = EndlessServer(copies=True)
    try:
        reply = probe().turn_pgbouncer(console.conninfo, "pooled", True, "pause")
        assert (reply["outcome"], reply["error"]["message"]) == ("failed", "PgBouncer has begun a COPY that nothing asked for")
    finally:
        console.close()


@pytest.mark.parametrize("in_one", [False, True], ids=["rows", "one_row"])
@pytest.mark.parametrize("is_local", [False, True])
def test_an_answer_without_end_is_cut_off(probe, tmp_path, is_local, in_one):
    console = EndlessServer(tmp_path if is_local else None, in_one)
    try:
        def once():
            reply = probe().turn_pgbouncer(console.conninfo, "pooled", True, "pause")
            # on a slow machine the time for the answer is over now and then before there are so many bytes
            return None if reply["error"]["message"] == "PgBouncer did not do it within 5s" else reply

        reply = wait_until(once)
        assert (reply["outcome"], reply["error"]["message"]) == ("failed", "PgBouncer's reply is larger than 16 MB")
        assert max(wait_until(lambda: console.sent)) < 64 << 20
    finally:
        console.close()
