"""What the code takes for granted about locks, standbys and transaction ages, each fact asked of a real server.

As facts_test.py, for statement::waits, the guard's edges, and what ServerFacts tells of connection slots.
"""

import psycopg
import pytest

from support.locks import contested_table, wait_for_lock, waiting_behind
from support.session import OK, QUERY_CANCELED, Session, wait_until

PLACE = "locktype, database, relation, page, tuple, virtualxid, transactionid, classid, objid, objsubid"


@pytest.fixture
def superuser(server):
    with server.connect() as connection:
        yield connection


@pytest.fixture
def table(server):
    with contested_table(server) as name:
        yield name


def one(connection, sql, *values):
    return connection.execute(sql, values).fetchone()[0]


def blockers(connection, session):
    return one(connection, "select pg_blocking_pids(%s)", session.pid)


# -- lock waits -----------------------------------------------------------------------------------------------------


def test_those_who_queue_behind_a_waiter_are_told_that_they_wait_for_it_and_one_signal_at_the_root_frees_all(
        superuser, session, table):
    root = session()
    root.run(f"begin; select * from {table}")
    migration = waiting_behind(superuser, session(), f"alter table {table} add m int")
    readers = [waiting_behind(superuser, session(), f"select * from {table}") for _ in range(5)]
    assert blockers(superuser, migration) == [root.pid]
    assert [blockers(superuser, reader) for reader in readers] == [[migration.pid]] * 5
    one(superuser, "select pg_terminate_backend(%s)", root.pid)
    assert [waiter.outcome() for waiter in (migration, *readers)] == [OK] * 6


def test_who_waits_for_nobody_has_no_blockers(superuser, session):
    assert blockers(superuser, session()) == []


def test_a_backend_that_waits_has_one_lock_that_is_not_granted_and_since_when_from_version_14_on(
        server, superuser, session, table):
    root = session()
    root.run(f"begin; lock table {table}")
    waiter = session()
    before = one(superuser, "select clock_timestamp()")
    waiting_behind(superuser, waiter, f"select * from {table}")
    waitstart = "waitstart" if server.version >= 14 else "null"
    rows = superuser.execute(f"select mode, {waitstart} from pg_lock_status() where pid = %s and not granted",
                             [waiter.pid]).fetchall()
    assert [row[0] for row in rows] == ["AccessShareLock"]
    if server.version >= 14:
        wait_until(lambda: one(superuser, "select waitstart from pg_lock_status() where pid = %s and not granted",
                               waiter.pid))  # it is set a moment after the wait has begun
        since = one(superuser, "select waitstart from pg_lock_status() where pid = %s and not granted", waiter.pid)
        assert before < since < one(superuser, "select clock_timestamp()")
    root.run("commit")


def test_a_prepared_transaction_blocks_as_0_and_its_locks_have_no_pid(superuser, session, table):
    writer = session()
    writer.run("begin")
    writer.run(f"update {table} set n = 3 where n = 1")
    assert writer.run("prepare transaction 'left behind'") == OK
    waiter = waiting_behind(superuser, session(), f"update {table} set n = 4 where n = 1")
    assert blockers(superuser, waiter) == [0]
    holders = f"""select distinct h.pid from pg_lock_status() h join pg_lock_status() w
                  on row(h.{', h.'.join(PLACE.split(', '))}) is not distinct from
                     row(w.{', w.'.join(PLACE.split(', '))})
                  where w.pid = %s and not w.granted and h.granted"""
    assert superuser.execute(holders, [waiter.pid]).fetchall() == [(None,)]


GIDS = """select x.gid from pg_prepared_xact() x
          join pg_lock_status() t on t.locktype = 'transactionid' and t.transactionid = x.transaction and t.granted
          join pg_lock_status() h on h.virtualtransaction = t.virtualtransaction and h.pid is null
          where h.locktype = 'relation' and h.relation = %s::regclass"""


def test_a_prepared_transaction_is_found_by_the_lock_on_its_own_id_also_after_a_crash(server, session, table):
    writer = session()
    for gid in ("one", "two"):
        writer.run("begin")
        writer.run(f"lock table {table} in row share mode")
        assert writer.run(f"prepare transaction '{gid}'") == OK
    assert sorted(server.execute(GIDS, [table])) == [("one",), ("two",)]
    virtual = "select count(*) from pg_lock_status() where pid is null and virtualtransaction like '-1/%'"
    # the manual's recipe, -1/xid, holds only after a restart on versions of late
    server.restart()
    assert server.execute(virtual)[0][0] > 0
    assert sorted(server.execute(GIDS, [table])) == [("one",), ("two",)]


def test_nobody_but_its_owner_or_a_superuser_ends_a_prepared_transaction(server, session, table):
    writer = session()
    writer.run("begin")
    writer.run(f"update {table} set n = 3")
    writer.run("prepare transaction 'not ours'")
    with server.connect(user="pgcurfew") as watchdog:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            watchdog.execute("rollback prepared 'not ours'")


# -- the age of transactions ----------------------------------------------------------------------------------------


def test_the_age_of_an_xmin_counts_the_transactions_since_and_that_of_an_idle_session_is_null(superuser, session):
    holder = session()
    age = "select greatest(age(backend_xid), age(backend_xmin)) from pg_stat_get_activity(%s)"
    assert one(superuser, age, holder.pid) is None
    holder.run("begin isolation level repeatable read")
    holder.run("select 1")
    before = one(superuser, age, holder.pid)
    for _ in range(7):
        superuser.execute("select txid_current()")
    assert one(superuser, age, holder.pid) == before + 7
    assert one(superuser, "select state from pg_stat_get_activity(%s)", holder.pid) == "idle in transaction"
    holder.run("commit")
    assert one(superuser, age, holder.pid) is None


def test_a_session_that_only_wrote_has_an_xid_and_its_age(superuser, session):
    writer = session()
    writer.run("begin")
    writer.run("select txid_current()")
    ages = "select age(backend_xid) >= 1, backend_xmin is null from pg_stat_get_activity(%s)"
    assert superuser.execute(ages, [writer.pid]).fetchone() == (True, True)


# -- slots ----------------------------------------------------------------------------------------------------------


def test_slots_for_everybody_are_max_connections_without_those_that_are_reserved(server, superuser):
    slots = one(superuser, "select current_setting('max_connections')::int"
                           " - current_setting('superuser_reserved_connections')::int"
                           " - coalesce(current_setting('reserved_connections', true)::int, 0)")
    clients = "select count(*) from pg_stat_get_activity(null) where backend_type in ('client backend', 'walsender')"
    wait_until(lambda: one(superuser, clients) == 1)  # those of the test before may be on their way out
    opened = []
    try:
        with pytest.raises(ConnectionError, match="remaining connection slots are reserved|sorry, too many clients"):
            for _ in range(slots + 1):
                opened.append(Session(server.conninfo(user="app")))
        # one too many was on its way, and may be seen
        assert slots <= one(superuser, clients) <= slots + 1
    finally:
        server.end(opened)


# -- a standby ------------------------------------------------------------------------------------------------------


@pytest.fixture
def replay(standby):
    """A relation on the primary, a connection to the standby, and the pid of the process that replays there."""
    standby.primary.execute("create table if not exists replayed (n int); grant all on replayed to app")
    standby.catch_up()
    with standby.connect() as connection:
        yield connection, one(connection, "select pid from pg_stat_get_activity(null) where backend_type = 'startup'")
    standby.catch_up()
    standby.primary.execute("drop table replayed")


def test_replay_waits_for_a_reader_with_a_lock_wait_that_pg_blocking_pids_says_nothing_of(standby, session, replay):
    connection, startup = replay
    reader = session(on=standby)
    reader.run("begin; select * from replayed")
    standby.primary.execute("alter table replayed add m int")
    wait_for_lock(connection, startup)
    assert one(connection, "select pg_blocking_pids(%s)", startup) == []
    relation = standby.primary.execute("select 'replayed'::regclass::oid")[0][0]
    locks = "select pid, mode, granted from pg_lock_status() where relation = %s order by granted"
    assert connection.execute(locks, [relation]).fetchall() == [
        (startup, "AccessExclusiveLock", False), (reader.pid, "AccessShareLock", True)]
    late = session(on=standby)
    waiting_behind(connection, late, "select * from replayed")
    assert blockers(connection, late) == [startup]
    assert one(connection, "select pg_cancel_backend(%s)", reader.pid)  # idle in transaction: it does nothing
    assert one(connection, "select pg_terminate_backend(%s)", reader.pid)
    assert late.outcome() == OK


def test_replay_that_waits_for_a_snapshot_shows_no_lock_and_nobody_to_blame(standby, session, replay):
    connection, startup = replay
    standby.primary.execute("insert into replayed select generate_series(1, 10)")
    standby.catch_up()
    reader = session(on=standby)
    reader.run("begin isolation level repeatable read; select * from replayed")
    standby.primary.execute("delete from replayed")
    standby.primary.execute("vacuum replayed")
    event = "select wait_event_type, wait_event from pg_stat_get_activity(%s)"
    shown = ("IPC", "RecoveryConflictSnapshot") if standby.version >= 13 else (None, None)
    wait_until(lambda: connection.execute(event, [startup]).fetchone() == shown
               and one(connection, "select pg_last_wal_replay_lsn() < pg_last_wal_receive_lsn()"))
    assert one(connection, "select count(*) from pg_lock_status() where not granted") == 0
    # what can be seen is that its snapshot is old
    assert one(connection, "select age(backend_xmin) from pg_stat_get_activity(%s)", reader.pid) >= 1
    reader.run("commit")


def test_ages_of_transactions_can_be_asked_on_a_standby(standby, session, replay):
    connection, _ = replay
    reader = session(on=standby)
    reader.run("begin isolation level repeatable read; select 1")
    age = "select greatest(age(backend_xid), age(backend_xmin)) from pg_stat_get_activity(%s)"
    before = one(connection, age, reader.pid)
    for _ in range(5):
        standby.primary.execute("select txid_current()")
    standby.primary.execute("insert into replayed values (1)")
    standby.catch_up()
    assert one(connection, age, reader.pid) >= before + 5
    reader.run("commit")


def test_a_cancel_frees_replay_from_a_query(standby, session, replay):
    connection, startup = replay
    reader = session(on=standby)
    reader.start("select count(*), pg_sleep(600) from replayed")
    wait_until(lambda: one(connection, "select wait_event from pg_stat_get_activity(%s)", reader.pid) == "PgSleep")
    standby.primary.execute("alter table replayed add o int")
    wait_for_lock(connection, startup)
    assert one(connection, "select pg_cancel_backend(%s)", reader.pid)
    assert reader.outcome() == QUERY_CANCELED
    standby.catch_up()
