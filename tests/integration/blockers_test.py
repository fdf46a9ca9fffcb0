"""Rules on blockers: the blocker is ended, once, and no session that waits.

With real locks and the whole daemon. Where it is not obvious, the test also shows what an untreated server does.
"""

import pytest

from support import shipped_policies
from support.locks import contested_table, prepared, wait_for_lock
from support.session import ADMIN_SHUTDOWN, LOST, OK, QUERY_CANCELED, in_time, wait_until
from support.stage import UNBOUNDED, WATCHFUL, intents, orders, outcome_of, seconds_between, stopped, succeeds

BLOCKERS = """
- name: blockers
  match: { application_name: APP, blocks_for: 500ms }
  escalate: [terminate]
"""
WAITS = "pg_lock_status"  # in the statement that reads lock waits


@pytest.fixture
def table(stage):
    with contested_table(stage.server) as name:
        yield name


def behind(stage, statement, **who):
    """A session that has come to wait for a lock; before the daemon runs, or it may be free again before that is seen."""
    made = stage.open(**who).start(statement)
    wait_for_lock(stage.superuser, made)
    return made


def pile(stage, table, readers):
    """A forgotten transaction, a migration that waits for it, and readers that pile up behind that one."""
    root = stage.forgotten(f"select * from {table}")
    migration = behind(stage, f"alter table {table} add m int")
    queue = [stage.open().start(f"select * from {table}") for _ in range(readers)]
    wait_for_lock(stage.superuser, *queue)
    return root, migration, queue


def has_ended(session):
    return session.run("select 1") in (ADMIN_SHUTDOWN, LOST)


# -- the incident ---------------------------------------------------------------------------------------------------


def test_one_signal_to_a_forgotten_transaction_frees_the_migration_behind_it_and_fifty_readers_behind_that(
        stage, table):
    root, migration, readers = pile(stage, table, 50)
    # Untreated: it lasts. The server's search for deadlocks has found none, and no session has moved.
    stage.wait_until_older(readers[-1], "query_start", 1.2)
    wait_for_lock(stage.superuser, migration, *readers)
    assert stage.superuser.execute("show deadlock_timeout").fetchone()[0] == "1s"

    # The other rule of the file is for those that are busy; its time must not have come, however long all this has taken.
    rules = shipped_policies.rules_of("blockers", ("blocks: 10, blocks_for: 1min", "blocks: 10, blocks_for: 9min"))
    daemon = stage.enforce(rules)
    assert [waiter.outcome() for waiter in (migration, *readers)] == [OK] * 51
    assert has_ended(root)
    daemon.wait_for("verified", pid=root.pid)
    told = intents(daemon)
    assert [(event["rule"], event["pid"], event["step"]) for event in told] == [
        ("forgotten-blockers", root.pid, "alert"), ("forgotten-blockers", root.pid, "terminate")]
    assert all((event["blocks"], event["longest_waiter"]) == (51, migration.pid) for event in told)


def test_a_waiter_is_never_the_victim_even_if_the_root_is_protected(stage, table):
    stage.server.make_role("sacred")
    stage.superuser.execute(f"grant select on {table} to sacred")
    holder = stage.forgotten(f"select * from {table}", user="sacred")
    migration = behind(stage, f"alter table {table} add m int")
    readers = [behind(stage, f"select * from {table}") for _ in range(3)]
    daemon = stage.enforce(BLOCKERS, more=f"{UNBOUNDED}\nprotect: [ {{ user: sacred }} ]")
    # Another session falls due later than they would have.
    with contested_table(stage.server, "other") as other:
        control = stage.forgotten(f"lock table {other}")
        assert stage.open().run(f"select * from {other}") == OK
    assert has_ended(control)
    assert {event["pid"] for event in daemon.all("intent")} == {control.pid}
    wait_for_lock(stage.superuser, migration, *readers)
    assert succeeds(holder, "commit")
    assert [waiter.outcome() for waiter in (migration, *readers)] == [OK] * 4


def test_a_rule_for_those_that_wait_and_block_meets_the_one_in_the_middle(stage, table):
    root, migration, readers = pile(stage, table, 2)
    daemon = stage.enforce("""
- name: queue-makers
  match: { application_name: APP, blocks: 2, blocked_for: 500ms }
  escalate: [cancel]
""")
    assert migration.outcome() == QUERY_CANCELED
    assert [reader.outcome() for reader in readers] == [OK, OK]
    assert succeeds(root)
    daemon.wait_for("verified", pid=migration.pid)
    assert {event["pid"] for event in daemon.all("intent")} == {migration.pid}


def test_fewer_waiters_than_the_rule_asks_for_spare_the_blocker(stage, table):
    root = stage.forgotten(f"lock table {table}")
    waiter = behind(stage, f"select * from {table}")
    daemon = stage.enforce("""
- { name: three, match: { application_name: APP, blocks: 3, blocks_for: 400ms }, escalate: [terminate] }
- { name: one, match: { application_name: APP, blocks: 1, blocks_for: 1s }, escalate: [alert] }
""")
    daemon.wait_for("outcome", pid=root.pid, rule="one")
    assert daemon.all("intent", rule="three") == []
    more = [stage.open().start(f"select * from {table}") for _ in range(2)]
    assert [one.outcome() for one in (waiter, *more)] == [OK] * 3
    assert has_ended(root)
    assert daemon.all("intent", rule="three")[0]["blocks"] == 3


def test_an_active_blocker_is_cancelled_and_terminated_only_if_it_goes_on(stage, table):
    gentle = stage.running(f"select n, pg_sleep(600) from {table}")
    migration = behind(stage, f"alter table {table} add m int")
    daemon = stage.enforce("""
- name: ladder
  match: { application_name: APP, blocks_for: 400ms }
  escalate: [ cancel, terminate: { after: 5s } ]
""")
    assert (gentle.outcome(), migration.outcome()) == (QUERY_CANCELED, OK)
    daemon.wait_for("verified", pid=gentle.pid)
    # In a transaction of its own the lock outlives the cancelled statement after a savepoint, and so does the wait.
    stubborn = stage.open("begin", f"lock table {table}", "savepoint s")
    stubborn.start("select pg_sleep(600)")
    wait_until(lambda: stage.row(stubborn)["wait_event"] == "PgSleep")
    waiter = stage.open().start(f"select * from {table}")
    assert stubborn.outcome() == QUERY_CANCELED
    assert waiter.outcome() == OK
    assert has_ended(stubborn)
    assert orders(daemon, stubborn) == ["cancel", "terminate"]
    assert orders(daemon, gentle) == ["cancel"]


# -- blockers of a migration ----------------------------------------------------------------------------------------


def test_who_holds_up_the_migration_is_ended_and_who_holds_up_anybody_else_is_not(stage, table):
    stage.server.make_role("migrator")
    stage.superuser.execute(f"alter table {table} owner to migrator")
    stage.superuser.execute(f"grant select on {table} to app")
    with contested_table(stage.server, "other") as other:
        elsewhere = stage.forgotten(f"lock table {other}")
        patient = behind(stage, f"select * from {other}")  # has waited for longer than the migration will have
        holder = stage.forgotten(f"select * from {table}")
        daemon = stage.enforce(shipped_policies.rules_of("nobody-holds-up-migrations"))
        migration = stage.open(user="migrator", application_name="deploy").start(f"alter table {table} add m int")
        reader = stage.open(user="postgres").start(f"select * from {table}")
        assert (migration.outcome(), reader.outcome()) == (OK, OK)
        assert has_ended(holder)
        assert {event["pid"] for event in daemon.all("intent")} == {holder.pid}
        wait_for_lock(stage.superuser, patient)
        assert succeeds(elsewhere)


# -- the guard ------------------------------------------------------------------------------------------------------


def test_who_has_let_go_of_the_lock_just_before_it_is_due_is_spared(stage, table):
    def attempt(seconds):
        root = stage.forgotten(f"lock table {table}")
        waiter = behind(stage, f"select * from {table}")
        daemon = stage.enforce(BLOCKERS.replace("500ms", f"{2 * seconds}s") + WATCHFUL)
        stage.wait_until_seen(daemon, by=WAITS, unless=lambda: orders(daemon, root))
        with stopped(daemon.pid):
            if orders(daemon, root) == []:
                assert [root.run(statement) for statement in ("commit", "begin", "select 1")] == [OK] * 3
                assert waiter.outcome() == OK
                before = stage.row(root)
                stage.wait_until_older(waiter, "query_start", 2 * seconds + 0.1)
                return daemon, root, before
        daemon.stop()  # it was due before the daemon could be stopped
        stage.server.end([root, waiter])
        return None

    daemon, root, before = in_time(attempt)
    # The next one it meets as soon as that falls due, so it has thought about this one before.
    control = stage.forgotten(f"lock table {table}")
    assert stage.open().run(f"select * from {table}") == OK
    assert has_ended(control)
    assert [event for event in daemon.all("outcome", pid=root.pid) if event["outcome"] == "signalled"] == []
    assert stage.is_as_before(root, before)


# -- one after the other --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_at_most_one_from_a_look_and_a_pause_after_it(stage):
    roots = [stage.forgotten(f"select pg_advisory_xact_lock({key})") for key in (21, 22, 23)]
    waiters = [behind(stage, f"select pg_advisory_xact_lock({key})") for key in (21, 22, 23)]
    stage.wait_until_older(waiters[-1], "query_start", 0.5)
    daemon = stage.enforce("""
- name: slowly
  match: { application_name: APP, blocks_for: 400ms }
  at_most: 1
  pause: 6s
  escalate: [terminate]
""")
    assert [waiter.outcome() for waiter in waiters] == [OK] * 3
    assert all(has_ended(root) for root in roots)
    sent = sorted((outcome_of(daemon, root, outcome="signalled") for root in roots), key=lambda event: event["ts"])
    # Without the pause each would come after the look that follows, a second later.
    assert [seconds_between(one, other) >= 3 for one, other in zip(sent, sent[1:])] == [True, True]


def test_at_most_two_from_a_look_leaves_the_third_to_the_next(stage):
    roots = [stage.forgotten(f"select pg_advisory_xact_lock({key})") for key in (31, 32, 33)]
    waiters = [behind(stage, f"select pg_advisory_xact_lock({key})") for key in (31, 32, 33)]
    stage.wait_until_older(waiters[-1], "query_start", 0.5)
    daemon = stage.enforce("""
- { name: two, match: { application_name: APP, blocks_for: 400ms }, at_most: 2, escalate: [terminate] }
""")
    assert [waiter.outcome() for waiter in waiters] == [OK] * 3
    assert all(stage.is_gone(root) for root in roots)
    for root in roots:
        outcome_of(daemon, root, outcome="signalled")
    kinds = [event.kind for event in daemon.events if event.kind in ("intent", "outcome")]
    assert kinds[:3] == ["intent", "intent", "outcome"]
    assert [orders(daemon, root) for root in roots] == [["terminate"]] * 3


# -- prepared transactions ------------------------------------------------------------------------------------------


def test_a_prepared_transaction_that_blocks_is_told_by_name_and_nobody_is_ended_for_it(stage, table):
    prepared(stage.open(), "order 4711", f"update {table} set n = 3")
    waiter = behind(stage, f"update {table} set n = 4")
    daemon = stage.enforce(BLOCKERS)
    told = daemon.wait_for("prepared_transaction")
    assert (told["gid"], told["waiters"]) == ("order 4711", 1)
    assert "ROLLBACK PREPARED" in told["hint"]
    control = stage.forgotten("select pg_advisory_xact_lock(41)")
    assert stage.open().run("select pg_advisory_xact_lock(41)") == OK
    assert has_ended(control)
    assert {event["pid"] for event in daemon.all("intent")} == {control.pid}
    assert len(daemon.all("prepared_transaction")) == 1
    assert stage.superuser.execute("select gid from pg_prepared_xacts").fetchall() == [("order 4711",)]
    stage.superuser.execute("rollback prepared 'order 4711'")
    assert waiter.outcome() == OK


# -- spared sessions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sparing, reason", [
    ({"more": f"{UNBOUNDED}\nprotect: [ {{ application_name: APP, state: idle in transaction }} ]"}, "on the protect list"),
    ({"rules": BLOCKERS + "  except: [ { state: idle in transaction } ]\n"}, "exception 1 of the rule"),
], ids=["protected", "exempt"])
def test_who_holds_others_up_and_is_spared_is_told_once(stage, table, sparing, reason):
    root = stage.forgotten(f"update {table} set n = 3")
    waiters = [behind(stage, f"update {table} set n = 4") for _ in range(2)]
    daemon = stage.enforce(**{"rules": BLOCKERS, **sparing})
    told = daemon.wait_for("spared_blocker")
    assert (told["rule"], told["pid"], told["blocks"], told["reason"]) == ("blockers", root.pid, 2, reason)
    assert told["level"] == "WARNING" and told["age_s"] >= told["limit_s"] == 0.5
    stage.server.end(waiters[:1])
    stage.wait_until_seen(daemon, by=WAITS)
    stage.wait_until_seen(daemon, by=WAITS)
    assert len(daemon.all("spared_blocker")) == 1
    assert root.run("commit") == OK and waiters[1].outcome() == OK
    assert daemon.all("intent") == []


# -- a standby ------------------------------------------------------------------------------------------------------


@pytest.fixture
def replayed(standby):
    standby.primary.execute("create table if not exists replayed (n int)")
    standby.primary.execute("grant all on replayed to app")
    standby.catch_up()
    yield "replayed"
    standby.catch_up()
    standby.primary.execute("drop table replayed")


def test_on_a_standby_who_holds_up_replay_is_ended_and_who_does_not_is_left_alone(standby_stage, standby, replayed):
    stage = standby_stage
    holder = stage.forgotten(f"select * from {replayed}")
    bystander = stage.forgotten("select 1")
    before = stage.row(bystander)
    standby.primary.execute(f"alter table {replayed} add m int")
    startup = stage.superuser.execute("select pid from pg_stat_get_activity(null)"
                                      " where backend_type = 'startup'").fetchone()[0]
    wait_for_lock(stage.superuser, startup)
    late = behind(stage, f"select * from {replayed}")
    # Untreated: with max_standby_streaming_delay = -1 replay waits as long as the reader likes.
    stage.wait_until_older(late, "query_start", 1.2)
    wait_for_lock(stage.superuser, startup)
    daemon = stage.enforce("""
- name: replay-first
  when: { role: standby }
  match: { application_name: APP, blocks: { backend_type: startup, blocked_for: 500ms } }
  escalate: [terminate]
""")
    assert late.outcome() == OK
    assert has_ended(holder)
    standby.catch_up()
    assert [event["pid"] for event in intents(daemon)] == [holder.pid]
    assert stage.is_as_before(bystander, before)


def test_on_a_standby_a_rule_on_any_waiter_counts_replay_and_those_behind_it(standby_stage, standby, replayed):
    stage = standby_stage
    holder = stage.forgotten(f"select * from {replayed}")
    standby.primary.execute(f"alter table {replayed} add n2 int")
    startup = stage.superuser.execute("select pid from pg_stat_get_activity(null)"
                                      " where backend_type = 'startup'").fetchone()[0]
    wait_for_lock(stage.superuser, startup)
    late = behind(stage, f"select * from {replayed}")
    daemon = stage.enforce(BLOCKERS)
    assert late.outcome() == OK
    assert has_ended(holder)
    assert [(event["pid"], event["blocks"]) for event in intents(daemon)] == [(holder.pid, 2)]
