"""Hostile tenants: a client that changes what a guard reads, floods the daemon or only just keeps the limit neither escapes
the daemon nor keeps it from ending another tenant's offender."""

import time

import pytest

from support import hostile
from support.hostile import Crowd
from support.orders import config_of
from support.session import PATIENCE_S, QUERY_CANCELED, in_time, wait_until
from support.stage import UNBOUNDED
from support.statements import SLEEP

# The default bounds; but what a breaker holds back in this test it holds back for good.
BOUNDED = "safety: { quiet: 1d }"

QUERIES = """
- name: limit
  match: { user: [honest, attacker], state: active, query_age: 1s }
  escalate: [cancel]
"""


def rule(match, step="terminate"):
    return f"- {{ name: limit, match: {{ user: [honest, attacker], {match} }}, escalate: [{step}] }}"


@pytest.fixture(autouse=True)
def tenants(server):
    server.make_role("attacker")
    server.make_role("honest")


@pytest.fixture
def crowd(server):
    """Starts hostile sessions of the role `attacker`; they end with the test."""
    started = []

    def start(count, again, user="attacker", application_name="", **how):
        conninfo = server.conninfo(user=user, application_name=application_name)
        started.append(Crowd(conninfo, count, again, **how))
        return started[-1].start()

    yield start
    for each in started:
        each.stop()
        server.end(each.sessions)


def wait_until_all_older(stage, crowd, column, seconds):
    for pid in crowd.pids:
        stage.wait_until_older(pid, column, seconds)


# -- changing what the guard reads ------------------------------------------------------------------------------------

RENAME = "select set_config('application_name', 'a' || clock_timestamp(), false)"
IN_TRANSACTION = {"before": ("begin",)}


@pytest.mark.parametrize("count, match, again, how", [
    (40, "state: active, query_age: 1s", hostile.renaming(), {}),
    (40, "state: active, query_age: 1s", hostile.RENAMING_ON, {}),
    (4, "transaction_age: 1s", RENAME, {"pause": 0.005, **IN_TRANSACTION}),
    (4, "state: idle in transaction, transaction_age: 1s", RENAME, {"pause": 0.005, **IN_TRANSACTION}),
    (4, "session_age: 1s", RENAME, {"pause": 0.005}),
], ids=["one statement", "one that swallows cancels", "a transaction", "idle in a transaction", "a session"])
def test_sessions_that_rename_themselves_all_the_time_are_ended(stage, crowd, count, match, again, how):
    stage.enforce(rule(match), more=UNBOUNDED)
    attackers = crowd(count, again, **how)
    assert all(stage.is_gone(pid) for pid in attackers.pids)


def test_nobody_escapes_an_alert_by_a_new_name(stage, crowd):
    daemon = stage.enforce(rule("state: active, query_age: 1s", "alert"), more=UNBOUNDED)
    attackers = crowd(40, hostile.renaming())
    wait_until(lambda: {event["pid"] for event in daemon.all("outcome", outcome="alerted")} == set(attackers.pids))


@pytest.mark.parametrize("match, again, how", [
    ("state: [active, idle in transaction], transaction_age: 1s", "select pg_sleep(0.002)", {"pause": 0.002}),
    ("wait_event_type: [Timeout, Client], transaction_age: 1s", "select pg_sleep(0.002)", {"pause": 0.002}),
    ("query: pg_sleep, transaction_age: 1s", "select pg_sleep(0.001)", {"batch": 100}),
    ("transaction_age: 1s", "select pg_sleep(0.001)", {"batch": 100}),
    ("session_age: 1s", "select pg_sleep(0.001)", {"batch": 100}),
], ids=["state", "wait event", "query", "a pipeline in a transaction", "a pipeline in a session"])
def test_sessions_that_change_what_the_rule_does_not_count_by_are_ended(stage, crowd, match, again, how):
    stage.enforce(rule(match), more=UNBOUNDED)
    attackers = crowd(4, again, **IN_TRANSACTION, **how)
    assert all(stage.is_gone(pid) for pid in attackers.pids)


def test_a_pipeline_that_waits_for_its_client_is_ended_though_a_cancel_is_lost_on_it(stage, crowd):
    """The server takes no cancel between two statements; whether it comes while one runs is luck."""
    stage.enforce(rule("transaction_age: 1s", "cancel, terminate: { after: 500ms }"), more=UNBOUNDED)
    attackers = crowd(2, "select 1", batch=1, syncs=False, pause=0.05)  # both steps of more would be too many at once
    for pid in attackers.pids:
        wait_until(lambda pid=pid: (row := stage.row(pid)) and row["xact_start"])
    for pid in attackers.pids:
        wait_until(lambda pid=pid: not (row := stage.row(pid)) or row["xact_start"] is None)


def test_a_tenant_that_renames_itself_does_not_keep_the_daemon_from_another_tenants_offender(stage, crowd):
    stage.enforce(QUERIES, more=BOUNDED)
    attackers = crowd(8, hostile.renaming())
    wait_until_all_older(stage, attackers, "query_start", 1.5)
    assert stage.running(user="honest").outcome() == QUERY_CANCELED


def test_who_only_ever_has_exempt_names_is_never_hit_and_opens_no_breaker(stage, crowd):
    daemon = stage.enforce(rule("state: active, query_age: 1s, application_name: '*'", "cancel")[:-2]
                           + ", except: [ { application_name: 'a*' } ] }", more=BOUNDED)
    exempt = crowd(8, hostile.renaming(), application_name="a")
    wait_until_all_older(stage, exempt, "query_start", 1.5)
    for _ in range(3):
        assert stage.running(user="honest", application_name="other").outcome() == QUERY_CANCELED
    assert daemon.all("breaker_open") == []
    assert all(stage.row(pid)["state"] == "active" for pid in exempt.pids)


@pytest.mark.parametrize("command", [["--", "true"], ["--exit-when-empty"]], ids=["with a command", "without"])
def test_a_drain_gets_empty_of_sessions_that_rename_themselves(server, by_hand, orders, tmp_path, command):
    (tmp_path / "pgcurfew.yaml").write_text(config_of(
        server, "unprotect: [dumps, backups, agents, concurrent-index, listeners]"))
    attackers = [orders.open(user="attacker").start(hostile.RENAMING_ON) for _ in range(4)]
    orders.wait_until_busy(*attackers)
    drain = by_hand("drain", orders.name, "--for", "900s", "--give-up", "20s", "--wait", "0s", "--grace", "200ms", *command)
    output = drain.communicate(timeout=2 * PATIENCE_S)[0]
    assert drain.returncode == 0, output


# -- being many -------------------------------------------------------------------------------------------------------


def test_a_tenant_with_many_offenders_does_not_keep_the_daemon_from_another_tenants(stage, crowd):
    daemon = stage.enforce(QUERIES, more=BOUNDED)
    crowd(40, SLEEP, insists=True)
    daemon.wait_for("breaker_open")
    for _ in range(2):
        assert stage.running(user="honest").outcome() == QUERY_CANCELED


def test_a_herd_that_ends_just_before_its_limit_opens_no_breaker_and_is_never_hit(stage, crowd):
    def attempt(limit):
        daemon = stage.enforce(QUERIES.replace("1s", f"{limit}s"), more=BOUNDED)
        herd = crowd(12, f"select pg_sleep({0.925 * limit})", insists=True)
        time.sleep(5 * limit)
        offender = stage.running(user="honest")
        wait_until(lambda: stage.row(offender)["state"] != "active" or herd.longest >= limit)
        daemon.stop()
        herd.stop()
        if herd.longest >= limit:
            return False  # the machine was so slow that one of them has broken the limit
        hit = {event["pid"] for event in daemon.all("outcome", outcome="signalled")}
        assert (daemon.all("breaker_open"), hit) == ([], {offender.pid})
        return True

    in_time(attempt)
