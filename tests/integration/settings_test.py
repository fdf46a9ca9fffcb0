"""Settings that a server, a database or our own role may carry: none of them stops a look, none makes it wait."""

import pytest

from support.session import QUERY_CANCELED, wait_until
from support.stage import UNBOUNDED, Stage, outcome_of
from support.statements import SLEEP
from support.standby import Standby
from support.throwaway import Throwaway

LIMIT = """
- name: limit
  match: { application_name: APP, state: active, query_age: 200ms }
  escalate: [cancel]
"""

LOCK_NOT_AVAILABLE = "55P03"

# A session cannot undo these: they have acted before its first statement. `role` and `session_authorization` are
# not among what pg_settings shows, and have tests of their own.
OUT_OF_REACH = ["local_preload_libraries", "session_preload_libraries", "post_auth_delay", "pre_auth_delay",
                "jit_debugging_support", "jit_profiling_support", "ignore_system_indexes",
                # for superusers alone to set and to undo
                "max_stack_depth", "temp_file_limit", "wal_consistency_checking", "session_replication_role"]

# What such a setting does with a server as with nobody's: nothing to do with us, and much to write down.
NOISE = "log_|debug_|trace_|auto_explain|jit_dump"

WORDS = {"default_tablespace": "nowhere", "temp_tablespaces": "nowhere", "default_table_access_method": "heap",
         "search_path": "nowhere", "timezone": "Asia/Kathmandu", "datestyle": "Postgres, DMY",
         "default_text_search_config": "simple",
         "restrict_nonsystem_relation_kind": "view"}


def hostile_settings(server, extreme):
    """(name, value) of all that a role can carry, each at the end of its range: "least" or "most"."""
    rows = server.execute(
        "select name, vartype, reset_val, enumvals, case when %s then min_val else max_val end from pg_settings"
        " where context in ('user', 'superuser', 'backend', 'superuser-backend') and name <> all (%s) and name !~ %s",
        [extreme == "least", OUT_OF_REACH, NOISE])
    found = {"plpgsql.extra_errors": "'all'"}
    for name, kind, value, words, end in rows:
        if kind == "bool":
            found[name] = "'off'" if value == "on" else "'on'"
        elif kind == "enum":
            others = [word for word in words if word != value]
            found[name] = f"'{others[-1 if extreme == 'most' else 0]}'" if others else f"'{value}'"
        elif kind in ("integer", "real"):
            found[name] = f"'{end}'"
        elif name.lower() in WORDS:
            found[name] = f"'{WORDS[name.lower()]}'"
    for timeout in ("statement_timeout", "idle_session_timeout", "transaction_timeout", "idle_in_transaction_session_timeout"):
        if timeout in found and extreme == "least":
            found[timeout] = "'2s'"  # long enough for a statement, and too short for a session that lasts for minutes
    found["default_transaction_isolation"] = "'serializable'"
    found["default_transaction_deferrable"] = "'on'"
    return found


def make_hostile(server, settings):
    """Gives them to the role."""
    taken = 0
    with server.connect() as connection:
        for name, value in settings.items():
            try:
                connection.execute(f"alter role pgcurfew set {name} = {value}")
                taken += 1
            except Exception as refused:  # one at the end of its range that contradicts another
                print(name, value, refused)
    assert taken > len(settings) * 0.8
    assert server.execute("select 1 from pg_db_role_setting where setconfig::text like '%default_transaction_isolation%'")


@pytest.fixture
def hostile_server():
    with Throwaway() as made:
        made.make_watchdog_role()
        made.make_role("app")
        yield made


@pytest.fixture
def limit_holds(daemon):
    """Whether a limit is enforced on this server, without a complaint; `parameters` are more of the daemon's conninfo."""
    def check(server, environment=None, **parameters):
        stage = Stage(server, daemon)
        try:
            offender = stage.open().start(SLEEP)
            conninfo = server.conninfo(user="pgcurfew", **parameters)
            watching = stage.enforce(LIMIT, servers={"stage": conninfo}, environment=environment)
            assert offender.outcome() == QUERY_CANCELED
            assert stage.running().outcome() == QUERY_CANCELED
            assert watching.all("look_failed") == [] and watching.all("server_down") == []
            assert watching.all("names_failed") == [] and watching.all("waits_failed") == []
        finally:
            stage.close()
    return check


@pytest.mark.parametrize("extreme", ["least", "most"])
def test_no_setting_of_the_role_stops_a_look(hostile_server, limit_holds, extreme):
    make_hostile(hostile_server, hostile_settings(hostile_server, extreme))
    limit_holds(hostile_server)


@pytest.mark.parametrize("extreme", ["least", "most"])
def test_no_setting_of_the_role_makes_it_read_a_locked_catalog(hostile_server, probe, session, extreme):
    hostile_server.execute("create table t ()")
    make_hostile(hostile_server, hostile_settings(hostile_server, extreme))
    root = session(on=hostile_server, user="postgres")
    root.run("begin; lock table t")
    waiter = session(on=hostile_server, user="postgres").start("begin; lock table t")
    link = probe(on=hostile_server)
    with hostile_server.connect() as superuser:
        wait_until(lambda: waiter.pid in link.look(waits=True)["waits"])
        superuser.execute("create role newcomer login superuser")
        session(on=hostile_server, user="newcomer")
        with superuser.transaction():
            for (catalog,) in superuser.execute("select oid::regclass::text from pg_class where relnamespace = 11 and relkind = 'r'"
                                                " and oid::regclass::text <> 'pg_largeobject'").fetchall():
                superuser.execute(f"lock table {catalog} in access exclusive mode")
            told, found = link.look_with_complaint("names_failed", times=2, waits=True)
            assert told["error"]["sqlstate"] == LOCK_NOT_AVAILABLE
            assert found["waits"][waiter.pid]["blockers"] == [root.pid]
            found = link.look(waits=True)
            assert found["waits"][waiter.pid]["blockers"] == [root.pid]
            edge = {"waiter": waiter.pid, "backend_start": found["sessions"][waiter.pid]["backend_start"],
                    "query_start": found["sessions"][waiter.pid]["query_start"], "blocker": root.pid}
            assert link.guard(root.pid, found["sessions"][root.pid]["backend_start"], edges=[edge],
                              may_not_wait_for_lock=True) == "signalled"


def test_a_deferrable_transaction_by_default_waits_for_nobody(hostile_server, limit_holds):
    hostile_server.execute("create table t (); grant all on t to public")
    make_hostile(hostile_server, {"default_transaction_isolation": "serializable", "default_transaction_deferrable": "on",
                                  "default_transaction_read_only": "on"})
    with hostile_server.connect(user="app", autocommit=False) as writer:
        writer.execute("set transaction isolation level serializable, read write")
        writer.execute("insert into t default values")
        limit_holds(hostile_server)


def test_a_standby_is_watched_though_serializable_is_its_default(hostile_server, limit_holds):
    with Standby(hostile_server) as standby:
        make_hostile(hostile_server, {"default_transaction_isolation": "serializable", "default_transaction_deferrable": "on"})
        standby.catch_up()
        limit_holds(standby)


# -- our role ------------------------------------------------------------------------------------------------------


# What makes a session another role than the one that logged in, as options of the connection do, too; each but the last of
# these takes effect, and none for the tests' own.
PUT_ON = "-c role=mask"
MASKS = {"of the role": "alter role pgcurfew set role = mask",
         "of the database": "alter database postgres set role = mask; alter role postgres in database postgres set role = none",
         "of both": "alter role pgcurfew in database postgres set role = mask",
         "of the conninfo": {"options": PUT_ON},
         "of the environment": {"environment": {"PGOPTIONS": PUT_ON}},
         "of the session": "alter role pgcurfew set session_authorization = mask"}


@pytest.fixture(params=[False, True], ids=["role", "superuser"])
def masked_server(hostile_server, request):
    """Puts on a mask: a role that may do nothing, and that may be another's. Gives the server, and how to connect to it."""
    hostile_server.execute("create role mask login")
    hostile_server.execute("grant mask to pgcurfew")
    if request.param:
        hostile_server.execute("alter role pgcurfew superuser")

    def put_on(mask):
        how = MASKS[mask]
        if isinstance(how, str):
            hostile_server.execute(how)
            how = {}
        options = {"options": PUT_ON} if how else {}
        is_masked = hostile_server.execute("select current_user = 'mask'", user="pgcurfew", **options) == [(True,)]
        assert is_masked == (mask != "of the session")
        return hostile_server, how

    return put_on


@pytest.mark.parametrize("mask", MASKS)
def test_a_role_that_the_session_is_given_changes_nothing(masked_server, limit_holds, mask):
    server, how = masked_server(mask)
    limit_holds(server, **how)


@pytest.mark.parametrize("mask", MASKS)
def test_it_is_the_role_that_logged_in_whose_sessions_are_ours(masked_server, probe, session, mask):
    server, how = masked_server(mask)
    elder = probe(on=server, **how)
    disguised = session(on=server, user="mask", application_name="pgcurfew")
    younger = probe(on=server, **how)
    found = younger.look()
    assert younger.facts["role"] == "pgcurfew"
    assert found["sessions"][elder.facts["backend_pid"]]["is_own"] and found["elder"] == elder.facts["backend_pid"]
    assert not found["sessions"][disguised.pid]["is_own"]


def test_check_server_looks_with_the_rights_of_the_role_that_logged_in(masked_server, command, daemon, tmp_path):
    server, _ = masked_server("of the role")
    stage = Stage(server, daemon)
    try:
        stage.running()
        path = tmp_path / "main.yaml"
        path.write_text(stage.policy(LIMIT, more=UNBOUNDED), encoding="utf-8")
        done = command("check", "--server", "--config", path)
        assert done.returncode == 0 and "lacks" not in done.stderr, done.stderr
    finally:
        stage.close()


def test_an_elder_is_seen_behind_a_role_that_the_session_is_given(masked_server, daemon):
    stage = Stage(masked_server("of the role")[0], daemon)
    try:
        first = stage.enforce(LIMIT)
        second = stage.enforce(LIMIT)
        assert second.wait_for("elder")["pid"] == first.all("server_up")[0]["backend_pid"]
        assert second.all("server_up")[0]["role"] == "pgcurfew"
        outcome_of(first, stage.running())
    finally:
        stage.close()
