"""What a look of the production link shows: lock waits, ages of transactions, query texts, the server's role.

Through tests/support/link_probe.cpp: the link, its statements and its readers, without an engine.
"""

import pytest

from support.locks import contested_table, prepared, wait_for_lock, waiting_behind
from support.session import OK, wait_until

CATALOGS = ("pg_proc", "pg_type", "pg_class", "pg_attribute", "pg_authid", "pg_database", "pg_operator", "pg_index",
            "pg_cast", "pg_amop", "pg_amproc", "pg_opclass", "pg_aggregate", "pg_namespace", "pg_collation",
            "pg_tablespace", "pg_auth_members")


@pytest.fixture
def superuser(server):
    with server.connect() as connection:
        yield connection


@pytest.fixture
def table(server):
    with contested_table(server) as name:
        yield name


# -- lock waits -----------------------------------------------------------------------------------------------------


def test_a_look_tells_for_each_waiter_whom_it_waits_for_and_since_when(server, superuser, probe, session, table):
    link = probe()
    root = session()
    root.run(f"begin; select * from {table}")
    migration = waiting_behind(superuser, session(), f"alter table {table} add m int")
    readers = [waiting_behind(superuser, session(), f"select * from {table}") for _ in range(3)]
    found = link.look(waits=True)
    waits = found["waits"]
    assert {pid: wait["blockers"] for pid, wait in waits.items()} == {
        migration.pid: [root.pid], **{reader.pid: [migration.pid] for reader in readers}}
    for pid, wait in waits.items():
        assert wait["backend_start"] == found["sessions"][pid]["backend_start"]
        assert wait["prepared"] == []
        if server.version >= 14:
            assert found["sessions"][pid]["query_start"] <= wait["since"] <= found["taken_at"]
        else:
            assert wait["since"] is None
    if server.version >= 14:
        assert list(waits) == [migration.pid, *(reader.pid for reader in readers)]  # the longest waiting first


def test_a_look_that_is_not_asked_for_waits_brings_none(superuser, probe, session, table):
    link = probe()
    root = session()
    root.run(f"begin; lock table {table}")
    waiting_behind(superuser, session(), f"select * from {table}")
    assert link.look()["waits"] == {}
    assert len(link.look(waits=True)["waits"]) == 1


def test_where_nobody_waits_nothing_more_is_asked(superuser, probe, session):
    link = probe()
    idle = session()
    idle.run("select 1")
    assert link.look(waits=True)["waits"] == {}
    last = "select query from pg_stat_get_activity(%s)"
    assert "pg_stat_get_activity(NULL)" in superuser.execute(last, [link.facts["backend_pid"]]).fetchone()[0]


def test_a_waiter_that_waits_for_two_names_both(superuser, probe, session, table):
    link = probe()
    first, second = session(), session()
    for reader in (first, second):
        reader.run(f"begin; select * from {table}")
    waiter = waiting_behind(superuser, session(), f"alter table {table} add m int")
    assert sorted(link.look(waits=True)["waits"][waiter.pid]["blockers"]) == sorted([first.pid, second.pid])


def test_advisory_locks_and_rows_are_waited_for_like_tables(superuser, probe, session, table):
    link = probe()
    holder = session()
    holder.run("begin")
    holder.run("select pg_advisory_lock(7)")
    holder.run(f"update {table} set n = 5 where n = 1")
    waiters = [waiting_behind(superuser, session(), "select pg_advisory_lock(7)"),
               waiting_behind(superuser, session(), f"update {table} set n = 6 where n = 1")]
    waits = link.look(waits=True)["waits"]
    assert [waits[waiter.pid]["blockers"] for waiter in waiters] == [[holder.pid]] * 2
    holder.run("rollback")


# -- prepared transactions ------------------------------------------------------------------------------------------


def test_a_prepared_transaction_is_told_as_0_and_by_name(superuser, probe, session, table):
    link = probe()
    prepared(session(), "left \u00e4 'behind'", f"update {table} set n = 3 where n = 1")
    waiter = waiting_behind(superuser, session(), f"update {table} set n = 4 where n = 1")
    wait = link.look(waits=True)["waits"][waiter.pid]
    assert wait["blockers"] == [0]
    assert wait["prepared"] == ["left \u00e4 'behind'"]


def test_only_those_prepared_transactions_are_named_that_stand_in_the_way(superuser, probe, session, table):
    link = probe()
    prepared(session(), "reader", f"lock table {table} in access share mode")
    prepared(session(), "writer", f"lock table {table} in row exclusive mode")
    prepared(session(), "elsewhere", "select pg_advisory_xact_lock(8)")
    reindexing = waiting_behind(superuser, session(), f"begin; lock table {table} in share mode")
    assert link.look(waits=True)["waits"][reindexing.pid]["prepared"] == ["writer"]
    migration = waiting_behind(superuser, session(), f"alter table {table} add m int")
    waits = link.look(waits=True)["waits"]
    assert sorted(waits[migration.pid]["prepared"]) == ["reader", "writer"]
    assert sorted(waits[migration.pid]["blockers"]) == sorted([0, reindexing.pid])


CONFLICTS = ["access share", "row share", "row exclusive", "share update exclusive", "share", "share row exclusive",
             "exclusive", "access exclusive"]


@pytest.mark.parametrize("held", CONFLICTS)
def test_a_prepared_transaction_is_named_wherever_the_server_says_0(superuser, probe, session, table, held):
    link = probe()
    prepared(session(), "held", f"lock table {table} in {held} mode")
    for wanted in CONFLICTS:
        asking = session()
        asking.run("begin")
        asking.start(f"lock table {table} in {wanted} mode nowait")
        if asking.outcome() == OK:
            asking.run("rollback")
            continue
        asking.run("rollback")
        asking.run("begin")
        waiting_behind(superuser, asking, f"lock table {table} in {wanted} mode")
        wait = link.look(waits=True)["waits"][asking.pid]
        assert (wait["blockers"], wait["prepared"]) == ([0], ["held"])
        superuser.execute("select pg_cancel_backend(%s)", [asking.pid])
        asking.outcome()
        asking.run("rollback")


# -- under pressure -------------------------------------------------------------------------------------------------


def test_locked_catalogs_hold_up_neither_the_waits_nor_the_guard_of_a_blocker(superuser, probe, session, table):
    prepared(session(), "held", f"update {table} set n = 3 where n = 1")
    root = session()
    root.run(f"begin; select * from {table}")
    migration = waiting_behind(superuser, session(), f"alter table {table} add m int")
    link = probe()
    with superuser.transaction():
        for catalog in CATALOGS:
            superuser.execute(f"lock {catalog} in access exclusive mode")
        found = link.look(waits=True)
        wait = found["waits"][migration.pid]
        assert (sorted(wait["blockers"]), wait["prepared"]) == ([0, root.pid], ["held"])
        waiter = found["sessions"][migration.pid]
        edge = {"waiter": migration.pid, "backend_start": waiter["backend_start"],
                "query_start": waiter["query_start"], "blocker": root.pid}
        assert link.guard(root.pid, found["sessions"][root.pid]["backend_start"], action="terminate", edges=[edge],
                          xmin_age=0, in_recovery=False) == "moved_on"  # it has no xmin
        assert link.guard(root.pid, found["sessions"][root.pid]["backend_start"], action="terminate", edges=[edge],
                          in_recovery=False, may_not_wait_for_lock=True) == "signalled"


def test_a_look_comes_without_waits_where_they_cannot_be_had_and_that_is_said_when_it_goes_on(
        server, superuser, probe, session, table):
    link = probe()
    root = session()
    root.run(f"begin; lock table {table}")
    waiter = waiting_behind(superuser, session(), f"select * from {table}")
    server.execute("revoke execute on function pg_blocking_pids(int) from public")
    try:
        for _ in range(2):
            found = link.look(waits=True)
            assert (found["waits"], found["sessions"][waiter.pid]["wait_event_type"]) == ({}, "Lock")
            assert found["waits_failed"]
        told, found = link.look_with_complaint("waits_failed", waits=True)
        assert (told["error"]["sqlstate"], found["waits"]) == ("42501", {})
        assert link.look(waits=True)["waits"] == {}  # it is said once
    finally:
        server.execute("grant execute on function pg_blocking_pids(int) to public")
    found = link.look(waits=True)
    assert (list(found["waits"]), found["waits_failed"]) == ([waiter.pid], False)


# -- a standby ------------------------------------------------------------------------------------------------------


@pytest.fixture
def replayed(standby):
    standby.primary.execute("create table if not exists replayed (n int)")
    standby.primary.execute("grant all on replayed to app")
    standby.catch_up()
    yield "replayed"
    standby.catch_up()
    standby.primary.execute("drop table replayed")


def test_on_a_standby_replay_waits_for_those_who_hold_what_it_wants(standby, probe, session, replayed):
    link = probe(on=standby)
    assert link.facts["in_recovery"]
    readers = [session(on=standby) for _ in range(2)]
    for reader in readers:
        reader.run(f"begin; select * from {replayed}")
    bystander = session(on=standby)
    bystander.run("begin; select 1")
    standby.primary.execute(f"alter table {replayed} add m int")
    with standby.connect() as connection:
        startup = connection.execute("select pid from pg_stat_get_activity(null)"
                                     " where backend_type = 'startup'").fetchone()[0]
        wait_for_lock(connection, startup)
        late = waiting_behind(connection, session(on=standby), f"select * from {replayed}")
    found = link.look(waits=True)
    assert found["in_recovery"]
    assert sorted(found["waits"][startup]["blockers"]) == sorted(reader.pid for reader in readers)
    assert found["waits"][late.pid]["blockers"] == [startup]
    assert (found["waits"][startup]["since"] is not None) == (standby.version >= 14)
    for reader in readers:
        reader.run("commit")
    assert late.outcome() == OK


# -- what else a look shows -----------------------------------------------------------------------------------------


def test_a_look_brings_the_texts_it_is_asked_for_and_no_others(superuser, probe, session):
    link = probe()
    idle, active, open_one = session(), session(), session()
    idle.run("select 'idle'")
    active.start("select pg_sleep(600)")
    open_one.run("begin; select 'open'")
    wait_until(lambda: superuser.execute("select wait_event from pg_stat_get_activity(%s)",
                                         [active.pid]).fetchone()[0] == "PgSleep")

    def texts(which):
        sessions = link.look(texts=which)["sessions"]
        return [sessions[one.pid]["query"] for one in (idle, active, open_one)]

    assert texts("none") == [None, None, None]
    assert texts("active") == [None, "select pg_sleep(600)", None]
    assert texts("all") == ["select 'idle'", "select pg_sleep(600)", "begin; select 'open'"]
    superuser.execute("select pg_cancel_backend(%s)", [active.pid])


def test_a_look_tells_the_age_of_what_a_session_holds_back_and_nothing_for_one_that_holds_nothing(
        superuser, probe, session):
    link = probe()
    holder, idle = session(), session()
    holder.run("begin isolation level repeatable read; select 1")
    idle.run("select 1")
    before = link.look()["sessions"]
    for _ in range(9):
        superuser.execute("select txid_current()")
    after = link.look()["sessions"]
    assert after[holder.pid]["xmin_age"] == before[holder.pid]["xmin_age"] + 9
    assert (before[idle.pid]["xmin_age"], after[idle.pid]["xmin_age"]) == (None, None)


def test_the_older_of_xid_and_xmin_counts(superuser, probe, session):
    link = probe()
    writer = session()
    writer.run("begin isolation level repeatable read; select txid_current()")
    holder = session()
    holder.run("begin isolation level repeatable read; select 1")
    for _ in range(3):
        superuser.execute("select txid_current()")
    late = session()
    late.run("begin isolation level repeatable read; select txid_current()")
    ages = link.look()["sessions"]
    assert ages[writer.pid]["xmin_age"] >= ages[holder.pid]["xmin_age"] >= 4
    # its own id is the youngest, its snapshot as old as the writer's transaction
    assert ages[late.pid]["xmin_age"] == ages[writer.pid]["xmin_age"]


def test_a_primary_is_not_in_recovery_and_its_free_slots_are_told(server, probe):
    link = probe()
    assert not link.facts["in_recovery"]
    assert not link.look()["in_recovery"]
    rows = server.execute("select current_setting('max_connections')::int,"
                          " current_setting('superuser_reserved_connections')::int")
    assert link.facts["connection_slots"] == rows[0][0] - rows[0][1]
