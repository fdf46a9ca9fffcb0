"""Databases and roles are known by their names, also those that come and go while the daemon runs."""

import itertools

import pytest

from support.session import QUERY_CANCELED, Session, wait_until
from support.stage import UNBOUNDED, WATCHFUL, orders, outcome_of, stopped
from support.statements import SLEEP


@pytest.fixture
def new_role(stage):
    """Makes a role in the midst of a test."""
    made = []

    def make(name):
        stage.superuser.execute(f"create role {name} login")
        made.append(name)
        return name

    yield make
    stage.close()
    with stage.server.connect() as connection:
        for name in made:
            connection.execute(f"drop role if exists {name}")


@pytest.fixture
def new_database(stage):
    """Makes a database in the midst of a test."""
    made = []

    def make(name):
        stage.superuser.execute(f"create database {name} template template0")
        made.append(name)
        return name

    yield make
    stage.close()
    with stage.server.connect() as connection:
        for name in made:
            connection.execute(f"drop database {name}")


def expect_in_time(start_daemon, start_session, seconds=1.5):
    """Sees sessions signalled, one after the other, until one of them was so within this age: a slow machine is late now
    and then, one that waits for the next time at which names are looked up, once a minute, is so each time."""
    numbers = itertools.count(1)

    def is_in_time():
        daemon = start_daemon()
        outcome = outcome_of(daemon, start_session(daemon, next(numbers)))
        assert outcome["outcome"] == "signalled"
        daemon.stop()
        return outcome["age_s"] < seconds

    wait_until(is_in_time)


def test_a_role_that_is_made_while_it_runs_is_matched_by_name_in_time(stage, new_role):
    rules = "- { name: limit, match: { user: 'latecomer_*', state: active, query_age: 500ms }, escalate: [cancel] }"
    expect_in_time(lambda: stage.enforce(rules),
                   lambda _, number: stage.running(user=new_role(f"latecomer_{number}")))


def test_a_database_that_is_made_while_it_runs_is_matched_by_name_in_time(stage, new_database):
    rules = "- { name: limit, match: { database: 'late*', state: active, query_age: 500ms }, escalate: [cancel] }"
    expect_in_time(lambda: stage.enforce(rules),
                   lambda _, number: stage.running(dbname=new_database(f"late_db_{number}")))


def test_a_role_that_is_made_while_it_runs_is_protected_by_name(stage, new_role):
    daemon = stage.enforce("- { name: limit, match: { application_name: APP, state: active, query_age: 500ms }, "
                           "escalate: [cancel] }", more=UNBOUNDED + "\nprotect: [ { user: 'sacred*' } ]")
    sacred = stage.running(user=new_role("sacred_one"))
    control = stage.running()
    assert control.outcome() == QUERY_CANCELED
    assert orders(daemon, sacred) == []


def test_a_database_that_is_made_while_it_runs_is_excepted_by_name(stage, new_database):
    daemon = stage.enforce("- { name: limit, match: { application_name: APP, state: active, query_age: 500ms }, "
                           "except: [ { database: exempt_db } ], escalate: [cancel] }")
    exempt = stage.running(dbname=new_database("exempt_db"))
    control = stage.running()
    assert control.outcome() == QUERY_CANCELED
    assert orders(daemon, exempt) == []


def test_what_is_made_before_a_reconnect_is_known_after_it(stage, new_role):
    daemon = stage.enforce("- { name: limit, match: { user: newcomer, state: active, query_age: 500ms }, "
                           "escalate: [cancel] }")
    session = stage.running(user=new_role("newcomer"))
    stage.superuser.execute("select pg_terminate_backend(%s)", [daemon.all("server_up")[-1]["backend_pid"]])
    assert session.outcome() == QUERY_CANCELED


def test_a_role_that_is_dropped_while_connected_matches_nothing_that_names_a_role(stage, new_role):
    name = new_role("doomed")
    session = stage.running(user=name)
    stage.superuser.execute(f"drop role {name}")
    daemon = stage.enforce("- { name: named, match: { application_name: APP, user: '*', query_age: 500ms }, "
                           "escalate: [terminate] }\n"
                           "- { name: unnamed, match: { application_name: APP, query_age: 800ms, state: active }, "
                           "escalate: [cancel] }")
    control = stage.running()
    outcome_of(daemon, control, rule="named")
    # A guard that does not check its name can still signal it.
    assert session.outcome() == QUERY_CANCELED
    assert orders(daemon, session) == ["cancel"]


# -- while the catalogs are locked ----------------------------------------------------------------------------------


def lock(stage, catalogs):
    locker = stage.server.connect(autocommit=False)
    locker.execute(f"lock table {catalogs} in access exclusive mode")
    return locker


def test_who_may_be_protected_by_a_name_that_cannot_be_asked_for_is_not_touched(stage, new_database):
    daemon = stage.enforce("- { name: limit, match: { application_name: APP, state: active, query_age: 500ms }, "
                           "escalate: [cancel] }", more=UNBOUNDED + "\nprotect: [ { database: 'sacred*' } ]")
    sacred, control = stage.open(dbname=new_database("sacred_db")), stage.open()
    with stopped(daemon.pid):
        sacred.start(SLEEP)
        control.start(SLEEP)
        locker = lock(stage, "pg_database")
    outcome_of(daemon, control, outcome="signalled")
    locker.close()
    assert orders(daemon, sacred) == []


def test_a_name_that_cannot_be_asked_for_delays_nobody_else(stage, new_database):
    rules = ("- { name: limit, match: { database: postgres, application_name: APP, state: active, query_age: 500ms }, "
             "escalate: [cancel] }\n" + WATCHFUL)
    lockers = []

    def start_daemon():
        for locker in lockers:
            locker.close()
        return stage.enforce(rules)

    def start_session(daemon, number):
        stage.wait_until_seen(daemon)
        control = stage.open()
        newcomer = new_database(f"unheard_of_{number}")
        with stopped(daemon.pid):
            stage.open(dbname=newcomer)
            control.start(SLEEP)
            lockers.append(lock(stage, "pg_database, pg_authid"))
        return control

    expect_in_time(start_daemon, start_session, 0.8)
    lockers[-1].close()


# -- in an encoding that is not that of our database ---------------------------------------------------------------


CAFE = b"caf\xe9"  # café in LATIN1, and no text in UTF-8

FOREIGN = {"user": b"user=" + CAFE + b" dbname=postgres", "database": b"user=app dbname=" + CAFE}


@pytest.fixture
def foreign_session(server):
    """A session in the midst of a statement whose role's or database's name is in LATIN1."""
    server.execute("create database raw template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'")
    opened = []

    def start(stage, kind):
        with server.connect(dbname="raw") as raw:
            raw.execute(b"create role " + CAFE + b" login")
            raw.execute(b"create database " + CAFE + b" template template0")
        where = f"host={server.directory} application_name={stage.app} ".encode()
        opened.append(Session(where + FOREIGN[kind]).start(SLEEP))
        return opened[-1]

    yield start
    server.end(opened)
    with server.connect(dbname="raw") as raw:
        raw.execute(b"drop database if exists " + CAFE)
        raw.execute(b"drop role if exists " + CAFE)
    server.execute("drop database raw")


@pytest.mark.parametrize("ours", ["postgres", "raw"])
@pytest.mark.parametrize("kind", FOREIGN)
def test_a_name_that_is_no_text_in_our_encoding_is_matched(foreign_session, stage, kind, ours):
    servers = {"stage": stage.server.conninfo(user="pgcurfew", dbname=ours)}
    session = foreign_session(stage, kind)
    daemon = stage.enforce(f"- {{ name: limit, match: {{ {kind}: 'caf*', state: active, query_age: 500ms }}, "
                           "escalate: [cancel] }", servers=servers)
    assert outcome_of(daemon, session)["outcome"] == "signalled"
    assert session.outcome() == QUERY_CANCELED
