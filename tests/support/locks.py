"""Sessions that wait for each other's locks."""

from contextlib import contextmanager

from support.session import OK, wait_until


@contextmanager
def contested_table(server, name="contested"):
    """A table with the rows 1 and 2 that belongs to `app`; sessions that still use it at the end are terminated."""
    with server.connect() as connection:
        connection.execute(f"create table {name} (n int)")
        connection.execute(f"insert into {name} values (1), (2)")
        connection.execute(f"alter table {name} owner to app")
    yield name
    with server.connect() as connection:
        for gid, in connection.execute("select gid from pg_prepared_xacts").fetchall():
            connection.execute(connection.execute("select format('rollback prepared %%L', %s::text)", [gid]).fetchone()[0])
        connection.execute("select pg_terminate_backend(pid) from pg_locks where relation = %s::regclass", [name])
        connection.execute(f"drop table {name}")


def wait_for_lock(connection, *sessions):
    """Until all of them (or their pids) wait for a lock."""
    pids = [getattr(session, "pid", session) for session in sessions]
    waiting = "select count(*) from pg_stat_get_activity(null) where wait_event_type = 'Lock' and pid = any(%s)"
    wait_until(lambda: connection.execute(waiting, [pids]).fetchone()[0] == len(pids))


def waiting_behind(connection, session, statement):
    """Starts the statement, and waits until it waits."""
    session.start(statement)
    wait_for_lock(connection, session)
    return session


def prepared(session, gid, statement):
    """Leaves a transaction behind that did this."""
    assert session.run("begin") == OK
    assert session.run(statement) == OK
    quoted = gid.replace("'", "''")
    assert session.run(f"prepare transaction '{quoted}'") == OK
