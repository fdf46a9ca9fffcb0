"""Sessions that no rule ever touches. In each test another session is ended, later than the untouchable one would have been."""

import pytest

from support.session import ADMIN_SHUTDOWN, LOST, QUERY_CANCELED, Session, wait_until
from support.stage import UNBOUNDED, intents, orders, outcome_of, succeeds
from support.statements import SLEEP

OLD = """
- name: old
  match: { application_name: [APP, 'pgcurfew*'], session_age: 500ms }
  escalate: [terminate]
"""


def wait_until_ended(session):
    assert session.outcome() in (ADMIN_SHUTDOWN, LOST)


def test_a_walsender_is_never_touched(stage):
    position = stage.superuser.execute("select pg_current_wal_lsn()").fetchone()[0]
    stage.server.execute("create role replicator login replication")
    try:
        sender = stage.open(user="replicator", dbname="replication", replication="true")
        sender.start(f"START_REPLICATION PHYSICAL {position}")
        wait_until(lambda: stage.row(sender)["state"] == "active")
        daemon = stage.enforce("""
- { name: all-active, match: { state: active, query_age: 500ms, user: [replicator, app] }, escalate: [terminate] }
- { name: all-old, match: { session_age: 700ms, user: [replicator, app] }, escalate: [terminate] }
""")
        control = stage.running()
        assert control.outcome() == ADMIN_SHUTDOWN
        assert orders(daemon, sender) == []
        assert stage.row(sender)["state"] == "active"
        sender.close()
        wait_until(lambda: stage.row(sender) is None)
    finally:
        stage.server.execute("drop role replicator")


def test_a_rule_cannot_ask_for_replication_or_workers_by_their_type(stage, command, tmp_path):
    for number, kind in enumerate(["walsender", "parallel worker", "logical replication worker"]):
        path = tmp_path / f"{number}.yaml"
        path.write_text(stage.policy(f"- {{ name: a, match: {{ backend_type: {kind}, session_age: 1s }}, "
                                     "escalate: [terminate] }"))
        done = command("check", path)
        assert (done.returncode, "never touched" in done.stderr or kind in done.stderr) == (78, True)


def test_of_a_parallel_query_the_leader_alone_is_judged_and_once(stage):
    stage.server.execute("create table if not exists big as select generate_series(1, 1000) as n; "
                         "grant all on big to app")
    leader = stage.open("set force_parallel_mode = on", "set parallel_setup_cost = 0", "set parallel_tuple_cost = 0",
                        "set min_parallel_table_scan_size = 0")
    leader.start("select pg_sleep(600) from big limit 1")
    workers = wait_until(lambda: stage.superuser.execute(
        "select pid from pg_stat_get_activity(null) where leader_pid = %s and pid <> leader_pid",
        [leader.pid]).fetchall())
    daemon = stage.enforce("- { name: limit, match: { application_name: APP, state: active, query_age: 500ms }, "
                           "escalate: [cancel] }")
    assert leader.outcome() == QUERY_CANCELED
    daemon.wait_for("verified", pid=leader.pid, effect="query_ended")
    assert workers and [event["pid"] for event in intents(daemon)] == [leader.pid]
    assert succeeds(leader)


def test_neither_its_own_session_nor_another_pgcurfews_is_touched(stage):
    rules = OLD.replace("session_age: 500ms", "session_age: 500ms, user: [pgcurfew, app]")
    one = stage.enforce(rules)
    two = stage.enforce(rules)
    for _ in range(2):
        wait_until_ended(stage.open("select 1").start(SLEEP))
    for daemon in (one, two):
        backend = daemon.wait_for("server_up")["backend_pid"]
        assert stage.row(backend) is not None
        assert daemon.all("server_down") == []
        assert {event["application_name"] for event in daemon.all("intent")} <= {stage.app}


def test_a_commit_that_waits_for_a_standby_is_never_touched(stage):
    stage.server.execute("create table if not exists replicated (n int); grant all on replicated to app")
    waiter = stage.open("set synchronous_commit = on")
    waiter.start("insert into replicated values (1)")
    wait_until(lambda: stage.row(waiter)["wait_event"] == "SyncRep")
    control = stage.running()
    daemon = stage.enforce("- { name: limit, match: { application_name: APP, query_age: 500ms }, "
                           "escalate: [cancel, terminate: { after: 10min }] }")
    assert control.outcome() == QUERY_CANCELED
    assert orders(daemon, waiter) == []
    assert stage.row(waiter)["wait_event"] == "SyncRep"


@pytest.mark.parametrize("protect, who", [
    ("{ user: 'back*' }", {"user": "backup"}),
    ("{ application_name: 'nightly*', user: backup }", {"user": "backup", "application_name": "nightly: all"}),
    ("{ database: template1 }", {"dbname": "template1"}),
    ("{ query: '/^vacuum|sleep.600. as precious/' }", {}),
    ("{ client_addr: local, user: backup }", {"user": "backup"}),
], ids=lambda value: value if isinstance(value, str) else "")
def test_who_is_on_the_protect_list_is_never_touched(stage, protect, who):
    stage.server.make_role("backup")
    precious = stage.running(SLEEP + " as precious", **who)
    before = stage.row(precious)
    control = stage.running()
    daemon = stage.enforce("- { name: limit, match: { state: active, query_age: 500ms, user: [app, backup] }, "
                           "escalate: [cancel, terminate: { after: 10min }] }",
                           more=UNBOUNDED + f"\nprotect: [ {protect} ]")
    assert control.outcome() == QUERY_CANCELED
    assert orders(daemon, precious) == []
    assert stage.is_as_before(precious, before)


def test_who_only_looks_like_the_protected_is_not(stage):
    stage.server.make_role("backup")
    impostor = stage.running(application_name="nightly")
    stage.enforce("- { name: limit, match: { state: active, query_age: 500ms, user: [app, backup] }, "
                  "escalate: [cancel] }",
                  more=UNBOUNDED + "\nprotect: [ { user: backup, application_name: 'nightly*' } ]")
    assert impostor.outcome() == QUERY_CANCELED


def test_system_processes_are_not_meant_by_a_rule_that_names_no_backend_type(stage):
    system = {pid for (pid,) in stage.superuser.execute(
        "select pid from pg_stat_get_activity(null) where backend_type <> 'client backend'").fetchall()}
    session = stage.open("select 1")
    daemon = stage.enforce("- { name: everybody, match: { session_age: 1ms }, escalate: [alert] }")
    outcome_of(daemon, session, step="alert")
    alerted = {event["pid"] for event in daemon.all("intent")}
    assert len(system) > 3 and stage.superuser.info.backend_pid in alerted
    assert not system & alerted


def test_a_pgcurfew_of_another_role_is_a_session_like_any(stage):
    # Only the name would be no protection: any client can take it.
    impostor = Session(stage.server.conninfo(user="app", application_name="pgcurfew"))
    stage.enforce(OLD)
    wait_until_ended(impostor.start(SLEEP))
    impostor.close()
