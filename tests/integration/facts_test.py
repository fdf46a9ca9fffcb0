"""What the code takes for granted about PostgreSQL, each fact asked of a real server.

Where one of these fails on another version, the design has lost a leg there: see the comments in daemon/postgres
that rest on it.
"""

import select
import struct
import time

import psycopg
import pytest
from psycopg import pq

from support.session import ADMIN_SHUTDOWN, LOST, OK, PATIENCE_S, QUERY_CANCELED, wait_until

LOOK = "select query_start from pg_stat_get_activity(%s)"
TIMESTAMPTZ, INT4 = 1184, 23
LONG = "select pg_sleep(600)"


@pytest.fixture
def watchdog(server):
    """A connection of the least-privileged role, set up as that of the daemon is but for the encoding."""
    with server.connect(user="pgcurfew") as connection:
        connection.execute("set default_transaction_read_only = on")
        connection.execute("set search_path = pg_catalog")
        yield connection


@pytest.fixture
def superuser(server):
    with server.connect() as connection:
        yield connection


def look(connection, pid, columns="state, backend_start, xact_start, query_start, state_change, wait_event"):
    return connection.execute(f"select {columns} from pg_stat_get_activity(%s)", [pid]).fetchone()


def one(connection, sql, *values):
    return connection.execute(sql, values).fetchone()[0]


def wait_for_state(connection, pid, state):
    wait_until(lambda: (row := look(connection, pid, "state")) and row[0] == state)


def wait_for_event(connection, pid, event):
    wait_until(lambda: (row := look(connection, pid, "wait_event")) and row[0] == event)


def gone(connection, pid):
    return one(connection, "select count(*) from pg_stat_get_activity(%s)", pid) == 0


# -- what a look sees -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("consistency", ["none", "cache", "snapshot"])
def test_a_transaction_sees_the_activity_as_its_first_look_did(watchdog, session, consistency):
    victim = session()
    victim.run("select 1")
    watchdog.execute(f"set stats_fetch_consistency = {consistency}")
    with watchdog.transaction():
        before = one(watchdog, LOOK, victim.pid)
        victim.run("select 2")
        assert one(watchdog, LOOK, victim.pid) == before
    assert one(watchdog, LOOK, victim.pid) > before


def test_clearing_the_snapshot_shows_the_present_within_one_transaction(watchdog, session):
    victim = session()
    victim.run("begin")
    times = """select pg_stat_get_backend_pid(i), pg_stat_get_backend_start(i), pg_stat_get_backend_activity_start(i),
                      pg_stat_get_backend_xact_start(i)
               from pg_stat_get_backend_idset() i where pg_stat_get_backend_pid(i) = %s"""
    with watchdog.transaction():
        first = watchdog.execute(times, [victim.pid]).fetchone()
        victim.run("commit and chain")
        assert watchdog.execute(times, [victim.pid]).fetchone() == first
        watchdog.execute("select pg_stat_clear_snapshot()")
        second = watchdog.execute(times, [victim.pid]).fetchone()
    assert second[:2] == first[:2]
    assert second[2] > first[2]
    assert second[3] > first[3]


def test_a_case_that_clears_the_snapshot_sees_the_present_in_its_later_arms(watchdog, session):
    victim = session()
    victim.run("select 1")
    with watchdog.transaction():
        before = one(watchdog, LOOK, victim.pid)
        number = one(watchdog, "select i from pg_stat_get_backend_idset() i where pg_stat_get_backend_pid(i) = %s",
                     victim.pid)
        victim.run("select 2")
        after = one(watchdog, """select case
                                   when pg_stat_get_backend_activity_start(%s) is distinct from %s then null
                                   when pg_stat_clear_snapshot()::text is null then null
                                   else pg_stat_get_backend_activity_start(%s)
                                 end""", number, before, number)
    assert after > before


def _two_looks_around(gate, watchdog, victim, send):
    """Sends look, wait for `gate`, look; lets the victim move on at the gate; returns what the looks saw."""
    pgconn = watchdog.pgconn
    gate.execute("select pg_advisory_lock(1)")
    send(pgconn, f"select query_start from pg_stat_get_activity({victim.pid})".encode(),
         b"select pg_advisory_lock(1), pg_advisory_unlock(1)")
    pgconn.flush()
    wait_for_event(gate, watchdog.info.backend_pid, "advisory")
    victim.run("select 'moved on'")
    gate.execute("select pg_advisory_unlock(1)")
    seen, syncs = [], 0
    while syncs < 1 or len(seen) < 3:
        result = pgconn.get_result()
        if result is None:
            continue
        assert result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.PIPELINE_SYNC), result.error_message
        if result.status == pq.ExecStatus.TUPLES_OK:
            seen.append(result.get_value(0, 0))
            syncs += pgconn.pipeline_status == pq.PipelineStatus.OFF
        else:
            syncs += 1
    return seen[0], seen[2]


def _one_message(pgconn, look_sql, gate_sql):
    pgconn.send_query(b"; ".join([look_sql, gate_sql, look_sql]))


def _pipeline(syncs_between):
    def send(pgconn, look_sql, gate_sql):
        pgconn.enter_pipeline_mode()
        for number, sql in enumerate([look_sql, gate_sql, look_sql]):
            pgconn.send_query_params(sql, None)
            if syncs_between or number == 2:
                pgconn.pipeline_sync()
    return send


@pytest.mark.parametrize("send", [_one_message, _pipeline(False)], ids=["one message", "pipeline with one Sync"])
def test_statements_without_a_sync_between_them_share_one_stale_look(server, superuser, session, send):
    watchdog = server.connect(user="pgcurfew")  # not closed through `with`: it may be left in a pipeline
    victim = session()
    victim.run("select 1")
    first, second = _two_looks_around(superuser, watchdog, victim, send)
    watchdog.close()
    assert first == second


def test_a_sync_after_each_statement_of_a_pipeline_makes_each_look_fresh(server, superuser, session):
    watchdog = server.connect(user="pgcurfew")
    victim = session()
    victim.run("select 1")
    first, second = _two_looks_around(superuser, watchdog, victim, _pipeline(True))
    watchdog.close()
    assert first < second


def test_the_function_answers_while_catalogs_are_locked_and_the_view_does_not(watchdog, superuser, session):
    victim = session()
    watchdog.prepare_threshold = 0
    look(watchdog, victim.pid)  # warm
    one(watchdog, "select pg_cancel_backend(pid) from pg_stat_get_activity(%s) where state = 'no such'"
        " union all select null", victim.pid)
    watchdog.execute("set lock_timeout = '300ms'")
    with superuser.transaction():
        superuser.execute("lock pg_authid, pg_database in access exclusive mode")
        assert look(watchdog, victim.pid)[0] == "idle"
        with pytest.raises(psycopg.errors.LockNotAvailable):
            watchdog.execute("select count(*) from pg_stat_activity")


def test_bytes_that_are_no_text_break_a_look_unless_the_client_takes_sql_ascii(server, superuser):
    if not server.execute("select 1 from pg_database where datname = 'ascii'"):
        superuser.execute("create database ascii encoding 'SQL_ASCII' template template0")
    with server.connect(dbname="ascii", client_encoding="SQL_ASCII") as stranger:
        stranger.pgconn.exec_(b"select 'caf\xe9'")
        texts = "select query from pg_stat_get_activity(%s)"
        with server.connect(user="pgcurfew", dbname="ascii", client_encoding="UTF8") as blinded:
            with pytest.raises(psycopg.errors.CharacterNotInRepertoire):
                blinded.execute(texts, [stranger.info.backend_pid])
        with server.connect(user="pgcurfew", client_encoding="SQL_ASCII") as watching:
            assert b"caf\xe9" in one(watching, texts, stranger.info.backend_pid)


# -- privileges -----------------------------------------------------------------------------------------------------


def test_without_pg_read_all_stats_state_and_times_are_null(server, session):
    victim = session()
    victim.start(LONG)
    server.make_role("blind")
    with server.connect(user="blind") as blind:
        row = blind.execute("select pid, state, backend_type, backend_start, query_start, xact_start, wait_event, query"
                            " from pg_stat_get_activity(%s)", [victim.pid]).fetchone()
    assert row[0] == victim.pid
    assert row[1:7] == (None,) * 6
    assert row[7] == "<insufficient privilege>"


def test_without_pg_read_all_stats_the_single_value_functions_give_null(server, watchdog, session):
    victim = session()
    victim.start(LONG)
    server.make_role("blind")
    wait_for_event(watchdog, victim.pid, "PgSleep")
    times = """select pg_stat_get_backend_start(i), pg_stat_get_backend_activity_start(i),
                      pg_stat_get_backend_xact_start(i)
               from pg_stat_get_backend_idset() i where pg_stat_get_backend_pid(i) = %s"""
    with server.connect(user="blind") as blind:
        assert blind.execute(times, [victim.pid]).fetchone() == (None, None, None)
    assert None not in watchdog.execute(times, [victim.pid]).fetchone()


@pytest.mark.parametrize("function", ["pg_cancel_backend", "pg_terminate_backend"])
def test_a_session_of_a_superuser_is_refused_with_42501(watchdog, superuser, function):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        watchdog.execute(f"select {function}(%s)", [superuser.info.backend_pid])
    assert one(superuser, "select 1") == 1


def test_signals_work_in_a_read_only_transaction(watchdog, session):
    victim = session()
    victim.start(LONG)
    assert one(watchdog, "show transaction_read_only") == "on"
    wait_for_state(watchdog, victim.pid, "active")
    assert one(watchdog, "select pg_cancel_backend(%s)", victim.pid) is True
    assert victim.outcome() == QUERY_CANCELED


def test_cancelling_ones_own_pid_cancels_oneself(watchdog):
    with pytest.raises(psycopg.errors.QueryCanceled):
        watchdog.execute("select pg_cancel_backend(pg_backend_pid())")


@pytest.mark.parametrize("function", ["pg_cancel_backend", "pg_terminate_backend"])
def test_a_pid_that_is_no_backend_gives_false_and_a_warning(watchdog, session, function):
    ended = session()
    ended.close()
    wait_until(lambda: gone(watchdog, ended.pid))
    warnings = []
    watchdog.add_notice_handler(lambda diagnostic: warnings.append(diagnostic.sqlstate))
    assert one(watchdog, f"select {function}(%s)", ended.pid) is False
    assert warnings == ["01000"]


# -- the guard ------------------------------------------------------------------------------------------------------

GUARD = (b"select pg_cancel_backend(pid) from pg_stat_get_activity($1)"
         b" where backend_start = $2 and query_start = $3 and state = 'active'")


def binary_times(watchdog, pid):
    result = watchdog.pgconn.exec_params(b"select backend_start, query_start from pg_stat_get_activity($1)",
                                         [struct.pack("!i", pid)], [INT4], [1], 1)
    return [struct.unpack("!q", result.get_value(0, column))[0] for column in (0, 1)]


def guard(watchdog, pid, backend_start, query_start):
    values = [struct.pack("!i", pid), struct.pack("!q", backend_start), struct.pack("!q", query_start)]
    return watchdog.pgconn.exec_params(GUARD, values, [INT4, TIMESTAMPTZ, TIMESTAMPTZ], [1, 1, 1], 1).ntuples


def test_binary_timestamps_are_exact_to_the_microsecond(watchdog, session):
    victim = session()
    victim.start(LONG)
    wait_for_state(watchdog, victim.pid, "active")
    backend_start, query_start = binary_times(watchdog, victim.pid)
    for off in (-1, 1):
        assert guard(watchdog, victim.pid, backend_start + off, query_start) == 0
        assert guard(watchdog, victim.pid, backend_start, query_start + off) == 0
    assert guard(watchdog, victim.pid, backend_start, query_start) == 1
    assert victim.outcome() == QUERY_CANCELED


def test_the_guard_spares_the_next_query_of_the_same_session(watchdog, superuser, session):
    victim = session()
    victim.run("select 1")
    times = binary_times(watchdog, victim.pid)
    superuser.execute("select pg_advisory_lock(2)")
    victim.start("select 'innocent' from pg_advisory_lock(2)")
    wait_for_state(watchdog, victim.pid, "active")
    assert guard(watchdog, victim.pid, *times) == 0
    superuser.execute("select pg_advisory_unlock(2)")
    assert victim.outcome() == OK


# -- what each time does --------------------------------------------------------------------------------------------


def test_query_start_moves_with_each_statement_and_xact_start_does_not(watchdog, session):
    victim = session()
    victim.run("begin")
    _, _, xact, query, _, _ = look(watchdog, victim.pid)
    victim.run("select 1")
    state, _, later_xact, later_query, change, _ = look(watchdog, victim.pid)
    assert state == "idle in transaction"
    assert later_xact == xact
    assert later_query > query
    assert change > later_query


def test_an_aborted_transaction_has_no_xact_start(watchdog, session):
    victim = session()
    victim.run("begin")
    assert look(watchdog, victim.pid, "xact_start")[0] is not None
    victim.run("select 1/0")
    assert look(watchdog, victim.pid, "state, xact_start") == ("idle in transaction (aborted)", None)


def test_an_idle_session_has_no_xact_start(watchdog, session):
    victim = session()
    victim.run("select 1")
    assert look(watchdog, victim.pid, "state, xact_start") == ("idle", None)


def test_a_session_that_ran_nothing_is_idle_without_a_query_start(watchdog, session):
    victim = session()
    wait_for_state(watchdog, victim.pid, "idle")
    assert look(watchdog, victim.pid, "state, query_start, query") == ("idle", None, "")


def test_with_track_activities_off_state_is_disabled_and_query_start_null(watchdog, session):
    victim = session(user="postgres", options="-c track_activities=off")
    victim.start(LONG)
    wait_for_event(watchdog, victim.pid, "PgSleep")
    assert look(watchdog, victim.pid, "state, query_start, xact_start") == ("disabled", None, None)


def test_a_statement_has_the_age_of_the_servers_clock_and_never_a_negative_one(watchdog, session):
    victim = session()
    for _ in range(20):
        victim.start(LONG)
        wait_for_state(watchdog, victim.pid, "active")
        assert look(watchdog, victim.pid, "clock_timestamp() - query_start >= '0'")[0]
        assert one(watchdog, "select pg_cancel_backend(%s)", victim.pid) is True
        assert victim.outcome() == QUERY_CANCELED


# -- what ends what -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before, state", [
    ([], "idle"),
    (["begin"], "idle in transaction"),
    (["begin", "select 1/0"], "idle in transaction (aborted)"),
])
def test_cancel_says_true_to_an_idle_session_and_does_nothing_but_terminate_ends_it(watchdog, session, before, state):
    victim = session()
    for sql in ["select 1", *before]:
        victim.run(sql)
    wait_for_state(watchdog, victim.pid, state)
    assert one(watchdog, "select pg_cancel_backend(%s)", victim.pid) is True
    assert victim.run("rollback") == OK
    for sql in before:
        victim.run(sql)
    assert one(watchdog, "select pg_terminate_backend(%s)", victim.pid) is True
    wait_until(lambda: gone(watchdog, victim.pid))
    assert victim.run("select 1") in (ADMIN_SHUTDOWN, LOST)


def test_terminate_reaches_a_statement_with_57p01(watchdog, session):
    victim = session()
    victim.start(LONG)
    wait_for_event(watchdog, victim.pid, "PgSleep")
    assert one(watchdog, "select pg_terminate_backend(%s)", victim.pid) is True
    assert victim.outcome() == ADMIN_SHUTDOWN


def test_a_swallowed_cancel_leaves_the_same_query_start_for_the_next_step(watchdog, session):
    victim = session()
    victim.start("""do $$ begin
                      loop
                        begin
                          perform pg_sleep(600);
                        exception when query_canceled then
                          perform set_config('application_name', 'swallowed', false);
                        end;
                      end loop;
                    end $$""")
    wait_for_event(watchdog, victim.pid, "PgSleep")
    before = look(watchdog, victim.pid, "state, query_start")
    assert one(watchdog, "select pg_cancel_backend(%s)", victim.pid) is True
    wait_until(lambda: look(watchdog, victim.pid, "application_name")[0] == "swallowed")
    assert look(watchdog, victim.pid, "state, query_start") == before
    one(watchdog, "select pg_terminate_backend(%s)", victim.pid)
    assert victim.outcome() == ADMIN_SHUTDOWN


def test_a_cancel_in_a_synchronous_commit_leaves_the_row_committed(server, watchdog, session):
    victim = session(user="postgres")
    victim.run("create table if not exists waits (n int)")
    victim.run("set synchronous_commit = on")
    victim.start("insert into waits values (1)")
    wait_for_event(watchdog, victim.pid, "SyncRep")
    server.execute("select pg_cancel_backend(%s)", [victim.pid])
    assert victim.outcome() == OK
    assert server.execute("select n from waits") == [(1,)]
    server.execute("drop table waits")


def test_copy_from_a_silent_client_is_active_in_clientread_and_deaf_to_cancel(watchdog, session):
    victim = session()
    victim.run("create temp table t (n int)")
    victim.start("copy t from stdin")
    wait_until(lambda: look(watchdog, victim.pid, "state, wait_event") == ("active", "ClientRead"))
    before = look(watchdog, victim.pid, "state, query_start")
    assert one(watchdog, "select pg_cancel_backend(%s)", victim.pid) is True
    time.sleep(0.05)  # long enough for a cancel that works
    assert look(watchdog, victim.pid, "state, query_start") == before
    one(watchdog, "select pg_terminate_backend(%s)", victim.pid)
    wait_until(lambda: gone(watchdog, victim.pid))


def test_a_cancel_between_two_statements_of_a_pipeline_is_lost(watchdog, session):
    """It is not put off until the client goes on, as it is in the midst of COPY."""
    victim = session()
    victim.pgconn.enter_pipeline_mode()
    in_pipeline(victim, "select 1")
    wait_until(lambda: look(watchdog, victim.pid, "state, wait_event") == ("active", "ClientRead"))
    began = look(watchdog, victim.pid, "xact_start")
    assert one(watchdog, "select pg_cancel_backend(%s)", victim.pid) is True
    time.sleep(0.05)  # long enough for a cancel that works
    in_pipeline(victim, "select 2")
    assert look(watchdog, victim.pid, "xact_start") == began
    one(watchdog, "select pg_terminate_backend(%s)", victim.pid)
    wait_until(lambda: gone(watchdog, victim.pid))


def in_pipeline(session, statement):
    """Runs it without a Sync; it has to end well."""
    pgconn = session.pgconn
    pgconn.send_query_params(statement.encode(), None)
    pgconn.send_flush_request()
    pgconn.flush()
    found = None
    while found is None:
        while pgconn.is_busy():
            assert select.select([pgconn.socket], [], [], PATIENCE_S)[0], "no reply"
            pgconn.consume_input()
        found = pgconn.get_result()
    assert found.status == pq.ExecStatus.TUPLES_OK, found.error_message


# -- backends other than clients---------------------------------------------------------------------------------------


def test_a_walsender_looks_like_an_active_query_and_tells_by_its_backend_type(server, watchdog, session):
    position = server.execute("select pg_current_wal_lsn()")[0][0]
    sender = session(user="postgres", replication="true")
    sender.start(f"START_REPLICATION PHYSICAL {position}")
    wait_for_state(watchdog, sender.pid, "active")
    kind, query_start, datid = look(watchdog, sender.pid, "backend_type, query_start, datid")
    assert kind == "walsender"
    assert query_start is not None
    assert not datid  # 0 or NULL


def test_a_parallel_worker_repeats_its_leaders_query_and_start_and_names_the_leader(watchdog, session):
    leader = session()
    for sql in ["set force_parallel_mode = on", "set parallel_setup_cost = 0", "set parallel_tuple_cost = 0"]:
        leader.run(sql)
    leader.start("select pg_sleep(600) from pg_class limit 1")
    workers = """select backend_type, query_start, query from pg_stat_get_activity(null)
                 where leader_pid = %s and pid <> leader_pid and wait_event = 'PgSleep'"""
    rows = wait_until(lambda: watchdog.execute(workers, [leader.pid]).fetchall())
    query_start, query = look(watchdog, leader.pid, "query_start, query")
    assert set(rows) == {("parallel worker", query_start, query)}
    one(watchdog, "select pg_cancel_backend(%s)", leader.pid)
    assert leader.outcome() == QUERY_CANCELED
