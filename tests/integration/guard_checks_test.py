"""Each check of the guarded statement: what it lets through, and what it stops.

Through the production link (tests/support/link_probe.cpp), because the check is asked for at a moment that the test
chooses: the session is looked at, something happens or does not, and then the guard is asked. guard_test.py does the
same with the whole daemon, for what a rule can ask.
"""

import pytest

from support.locks import contested_table, wait_for_lock, waiting_behind
from support.session import ADMIN_SHUTDOWN, OK, QUERY_CANCELED, wait_until

SLEEP = "select pg_sleep(600)"


@pytest.fixture
def superuser(server):
    with server.connect() as connection:
        yield connection


@pytest.fixture
def table(server):
    with contested_table(server) as name:
        yield name


class Seen:
    """A look, and guards for those that it showed."""

    def __init__(self, link):
        self.link = link
        self.sessions = link.look()["sessions"]

    def guard(self, session, **checks):
        return self.link.guard(session.pid, self.sessions[session.pid]["backend_start"], **checks)

    def edge(self, waiter, blocker):
        row = self.sessions[getattr(waiter, "pid", waiter)]
        return {"waiter": getattr(waiter, "pid", waiter), "backend_start": row["backend_start"],
                "query_start": row["query_start"], "blocker": blocker.pid}


# -- edges: the waiters still wait for it --------------------------------------------------------------------------


@pytest.fixture
def queue(superuser, probe, session, table):
    """A forgotten reader, a migration that waits for it, and a reader behind that; as seen by one look."""
    link = probe()
    root = session()
    root.run(f"begin; select * from {table}")
    migration = waiting_behind(superuser, session(), f"alter table {table} add m int")
    reader = waiting_behind(superuser, session(), f"select * from {table}")
    return Seen(link), root, migration, reader


@pytest.mark.parametrize("action, then", [("nothing", OK), ("terminate", None)])
def test_who_is_still_waited_for_is_met(queue, action, then):
    seen, root, migration, reader = queue
    edges = [seen.edge(migration, root), seen.edge(reader, migration)]
    assert seen.guard(root, edges=edges, action=action) == "signalled"
    if action == "terminate":
        assert [migration.outcome(), reader.outcome()] == [OK, OK]
        assert root.run("select 1") != OK
    else:
        assert root.run("select 1") == then


def test_a_cancel_of_a_blocker_that_is_active_ends_its_statement(superuser, probe, session, table):
    link = probe()
    root = session()
    root.start(f"select pg_sleep(600) from {table}")
    wait_until(lambda: superuser.execute("select wait_event from pg_stat_get_activity(%s)",
                                         [root.pid]).fetchone()[0] == "PgSleep")
    migration = waiting_behind(superuser, session(), f"alter table {table} add m int")
    seen = Seen(link)
    assert seen.guard(root, edges=[seen.edge(migration, root)], action="cancel") == "signalled"
    assert (root.outcome(), migration.outcome()) == (QUERY_CANCELED, OK)


def test_an_edge_to_somebody_who_was_never_waited_for_spares(queue):
    seen, root, migration, reader = queue
    # the reader waits for the migration, and not for the root itself
    assert seen.guard(root, edges=[seen.edge(reader, root)], action="terminate") == "moved_on"
    assert root.run("select 1") == OK


def test_one_edge_of_several_that_no_longer_stands_spares(superuser, queue):
    seen, root, migration, reader = queue
    edges = [seen.edge(migration, root), seen.edge(reader, migration)]
    superuser.execute("select pg_cancel_backend(%s)", [reader.pid])
    assert reader.outcome() == QUERY_CANCELED
    assert seen.guard(root, edges=edges, action="terminate") == "moved_on"
    assert seen.guard(root, edges=edges[:1], action="nothing") == "signalled"


def test_a_waiter_that_has_got_its_lock_no_longer_counts(queue):
    seen, root, migration, _ = queue
    edge = seen.edge(migration, root)
    assert root.run("commit") == OK
    assert migration.outcome() == OK
    assert root.run("begin; select 1") == OK
    assert seen.guard(root, edges=[edge], action="terminate") == "moved_on"
    assert root.run("select 1") == OK


def test_a_waiter_that_waits_again_with_another_statement_no_longer_counts(superuser, queue):
    seen, root, migration, _ = queue
    edge = seen.edge(migration, root)
    superuser.execute("select pg_cancel_backend(%s)", [migration.pid])
    assert migration.outcome() == QUERY_CANCELED
    waiting_behind(superuser, migration, "alter table contested add n2 int")
    assert seen.guard(root, edges=[edge], action="terminate") == "moved_on"
    again = Seen(seen.link)
    assert again.guard(root, edges=[again.edge(migration, root)]) == "signalled"


@pytest.mark.parametrize("wrong", [{"backend_start": 1}, {"query_start": 1}, {"query_start": None}, {"waiter": 1},
                                   {"waiter": 1, "query_start": None}, {"blocker": 1}], ids=str)
def test_a_waiter_of_another_identity_does_not_count(queue, wrong):
    seen, root, migration, _ = queue
    assert seen.guard(root, edges=[{**seen.edge(migration, root), **wrong}], action="terminate") == "moved_on"
    assert root.run("select 1") == OK


def test_an_edge_does_not_stand_in_for_the_other_checks(queue):
    seen, root, migration, _ = queue
    edges = [seen.edge(migration, root)]
    assert seen.guard(root, edges=edges, query_start=1, action="terminate") == "moved_on"
    assert seen.guard(root, edges=edges, database="another", action="terminate") == "moved_on"
    assert seen.guard(root, edges=edges, database="postgres", user="app") == "signalled"
    root.run("commit")


def test_twenty_edges_are_checked_to_the_last(superuser, queue, session, table):
    seen, root, migration, reader = queue
    others = [waiting_behind(superuser, session(), f"select * from {table}") for _ in range(18)]
    seen = Seen(seen.link)
    edges = [seen.edge(migration, root), *(seen.edge(waiter, migration) for waiter in (reader, *others))]
    assert len(edges) == 20
    assert seen.guard(root, edges=edges) == "signalled"
    superuser.execute("select pg_cancel_backend(%s)", [others[-1].pid])
    assert others[-1].outcome() == QUERY_CANCELED
    assert seen.guard(root, edges=edges, action="terminate") == "moved_on"


def test_on_a_standby_replay_counts_as_a_waiter_while_it_waits(standby, probe, session):
    standby.primary.execute("create table conflict (n int); grant all on conflict to app")
    standby.catch_up()
    link = probe(on=standby)
    reader, bystander = session(on=standby), session(on=standby)
    reader.run("begin; select * from conflict")
    bystander.run("begin; select 1")
    standby.primary.execute("drop table conflict")
    with standby.connect() as connection:
        startup = connection.execute("select pid from pg_stat_get_activity(null)"
                                     " where backend_type = 'startup'").fetchone()[0]
        wait_for_lock(connection, startup)
    seen = Seen(link)
    edge = seen.edge(startup, reader)
    assert edge["query_start"] is None
    assert seen.guard(bystander, edges=[seen.edge(startup, bystander)], action="terminate") == "moved_on"
    assert seen.guard(reader, edges=[{**edge, "backend_start": 1}], action="terminate") == "moved_on"
    assert seen.guard(reader, edges=[edge], action="terminate", in_recovery=True) == "signalled"
    standby.catch_up()
    assert bystander.run("commit") == OK
    late = session(on=standby)
    late.run("begin; select 1")
    assert Seen(link).guard(late, edges=[{**edge, "blocker": late.pid}], action="terminate") == "moved_on"


# -- a waiter is not the victim -------------------------------------------------------------------------------------


def test_who_has_come_to_wait_itself_is_spared_if_it_may_not(superuser, queue, session, table):
    seen, root, migration, _ = queue
    holder = session()
    holder.run("begin; select pg_advisory_xact_lock(11)")
    assert seen.guard(root, may_not_wait_for_lock=True) == "signalled"
    waiting_behind(superuser, root, "select pg_advisory_xact_lock(11)")
    edge = seen.edge(migration, root)
    assert seen.guard(root, edges=[edge], may_not_wait_for_lock=True, action="terminate") == "moved_on"
    assert seen.guard(root, may_not_wait_for_lock=True, action="terminate") == "moved_on"
    assert seen.guard(root, edges=[edge]) == "signalled"
    holder.run("commit")
    assert root.outcome() == OK


def test_another_kind_of_wait_is_no_wait_for_a_lock(superuser, probe, session):
    link = probe()
    sleeping = session().start(SLEEP)
    wait_until(lambda: superuser.execute("select wait_event from pg_stat_get_activity(%s)",
                                         [sleeping.pid]).fetchone()[0] == "PgSleep")
    assert Seen(link).guard(sleeping, may_not_wait_for_lock=True, action="cancel") == "signalled"
    assert sleeping.outcome() == QUERY_CANCELED


# -- xmin_age -------------------------------------------------------------------------------------------------------


def test_an_xmin_at_least_so_old_is_met_and_a_younger_one_spared(superuser, probe, session):
    link = probe()
    holder = session()
    holder.run("begin isolation level repeatable read; select 1")
    for _ in range(4):
        superuser.execute("select txid_current()")
    seen = Seen(link)
    age = seen.sessions[holder.pid]["xmin_age"]
    assert seen.guard(holder, xmin_age=age + 1, action="terminate") == "moved_on"
    assert seen.guard(holder, xmin_age=2 ** 31 - 1, action="terminate") == "moved_on"
    superuser.execute("select txid_current()")  # it can but grow
    assert seen.guard(holder, xmin_age=age, action="terminate") == "signalled"
    wait_until(lambda: holder.run("select 1") in (ADMIN_SHUTDOWN, "lost"))


def test_who_has_let_go_of_its_xmin_is_spared(superuser, probe, session):
    link = probe()
    holder = session()
    holder.run("begin; declare c cursor for select 1")
    for _ in range(4):
        superuser.execute("select txid_current()")
    seen = Seen(link)
    age = seen.sessions[holder.pid]["xmin_age"]
    assert age >= 4
    holder.run("close c")
    assert Seen(link).sessions[holder.pid]["xmin_age"] is None
    assert seen.guard(holder, xmin_age=1, action="terminate") == "moved_on"
    holder.run("declare c cursor for select 1")
    assert seen.guard(holder, xmin_age=age, action="terminate") == "moved_on"
    assert holder.run("commit") == OK


# -- in_recovery ----------------------------------------------------------------------------------------------------


def test_the_role_of_the_server_is_asked_again(standby, probe, session):
    for link, on, is_standby in ((probe(), None, False), (probe(on=standby), standby, True)):
        made = session(on=on) if on else session()
        made.run("select 1")
        seen = Seen(link)
        assert seen.guard(made, in_recovery=not is_standby, action="terminate") == "moved_on"
        assert made.run("select 1") == OK
        assert seen.guard(made, in_recovery=is_standby) == "signalled"


# -- a commit that waits for a standby ------------------------------------------------------------------------------


def test_a_commit_that_waits_for_a_standby_is_spared_unless_it_may_wait(superuser, server, probe, session):
    server.execute("create table if not exists replicated (n int); grant all on replicated to app")
    link = probe()
    committing = session()
    committing.run("set synchronous_commit = on")
    committing.start("insert into replicated values (1)")
    wait_until(lambda: superuser.execute("select wait_event from pg_stat_get_activity(%s)",
                                         [committing.pid]).fetchone()[0] == "SyncRep")
    seen = Seen(link)
    assert seen.guard(committing, action="cancel") == "sync_rep"
    assert seen.guard(committing, may_wait_for_sync_rep=True) == "signalled"
    assert seen.guard(committing, may_wait_for_sync_rep=True, query_start=1, action="cancel") == "moved_on"
    assert seen.guard(committing, may_wait_for_sync_rep=True, action="cancel") == "signalled"
    assert committing.outcome() == OK


# -- names ----------------------------------------------------------------------------------------------------------


def test_a_database_and_a_role_are_compared_by_their_names(probe, session):
    link = probe()
    made = session()
    made.run("select 1")
    seen = Seen(link)
    assert seen.guard(made, database="postgres", user="app") == "signalled"
    assert seen.guard(made, database="postgres", user="another") == "moved_on"
    assert seen.guard(made, database="another", user="app") == "moved_on"
