"""The ladder: first cancel, then terminate, each in its time and only against the same episode."""

import re
import time
from datetime import timedelta

import pytest

from support.session import ADMIN_SHUTDOWN, LOST, OK, PATIENCE_S, QUERY_CANCELED, in_time, wait_until
from support.stage import (WATCHFUL, grace_between, intents, moment, orders, outcome_of, outcomes, seconds_between,
                           succeeds)
from support.statements import SLEEP, SWALLOWER

TWO_STEPS = """
- name: two-steps
  match: { application_name: APP, state: active, query_age: 500ms }
  escalate: [cancel, terminate: { after: 800ms }]
"""
CANCEL = """
- name: limit
  match: { application_name: APP, state: active, query_age: 500ms }
  escalate: [cancel]
"""


def signalled(daemon, session, step):
    outcome = "alerted" if step == "alert" else "signalled"
    return outcome_of(daemon, session, step=step, outcome=outcome)


# -- steps and graces -----------------------------------------------------------------------------------------------


def test_what_swallows_the_cancel_is_terminated_after_the_full_grace(stage):
    def is_in_time():
        session = stage.waiting(SWALLOWER, "PgSleep")
        daemon = stage.enforce(TWO_STEPS)
        grace = grace_between(signalled(daemon, session, "cancel"), signalled(daemon, session, "terminate"))
        assert grace >= 0.8
        assert session.outcome() == ADMIN_SHUTDOWN
        daemon.wait_for("verified", pid=session.pid, step="terminate", effect="ended")
        assert outcomes(daemon, session) == [("cancel", "signalled"), ("terminate", "signalled")]
        daemon.stop()
        return grace < 1.5

    wait_until(is_in_time)  # a slow machine is late now and then, a wrong grace is so each time


def test_the_next_query_of_a_cancelled_session_is_not_terminated_in_its_stead(stage):
    def attempt(seconds):
        daemon = stage.enforce(f"""
- name: two-steps
  match: {{ application_name: APP, state: active, query_age: {3 * seconds}s }}
  escalate: [cancel, terminate: {{ after: {seconds}s }}]
""")
        session = stage.running()
        # The second runs beyond the moment at which the first would have been terminated, but not beyond its own limit.
        seen = [session.outcome(), session.run(f"select pg_sleep({1.5 * seconds})", timeout=PATIENCE_S + 2 * seconds)]
        is_in_time = (seen, orders(daemon, session)) == ([QUERY_CANCELED, OK], ["cancel"])
        if is_in_time:
            daemon.wait_for("verified", pid=session.pid, effect="query_ended")
            assert succeeds(session)
        daemon.stop()
        return is_in_time

    # A slow machine ends the first too late, or takes too long for the second.
    in_time(attempt)


def test_each_query_of_a_session_has_a_ladder_of_its_own(stage):
    daemon = stage.enforce(TWO_STEPS.replace("800ms", "10s"))
    session = stage.running()
    assert session.outcome() == QUERY_CANCELED
    assert session.run(SLEEP) == QUERY_CANCELED
    wait_until(lambda: len(daemon.all("outcome", pid=session.pid, outcome="signalled")) == 2)
    assert orders(daemon, session) == ["cancel", "cancel"]


def test_a_session_idle_in_transaction_is_terminated_and_who_waits_for_it_proceeds(stage):
    stage.server.execute("create table if not exists locked as select 1 as n; grant all on locked to app")
    holder = stage.forgotten("lock table locked")
    waiter = stage.waiting("update locked set n = 2", "relation", application_name="somebody")
    daemon = stage.enforce("""
- name: forgotten
  match: { application_name: APP, state: idle in transaction, state_age: 500ms }
  escalate: [terminate]
""")
    assert waiter.outcome() == OK
    daemon.wait_for("verified", pid=holder.pid, effect="ended")
    assert outcomes(daemon, holder) == [("terminate", "signalled")]
    assert orders(daemon, waiter) == []


def test_an_aborted_transaction_is_ended_by_its_state_age(stage):
    failed = stage.open("begin", "select 1/0")
    sound = stage.forgotten()
    daemon = stage.enforce("""
- name: failed
  match: { application_name: APP, state: idle in transaction (aborted), state_age: 500ms }
  escalate: [terminate]
""")
    daemon.wait_for("verified", pid=failed.pid, effect="ended")
    assert failed.run("rollback") == ADMIN_SHUTDOWN
    assert succeeds(sound)


def test_an_idle_session_gets_no_cancel_and_its_terminate_not_before_the_graces(stage):
    idle = stage.open("select 1")
    daemon = stage.enforce("""
- name: old
  match: { application_name: APP, session_age: 500ms }
  escalate: [cancel, terminate: { after: 700ms }]
""")
    terminate = signalled(daemon, idle, "terminate")
    assert terminate["age_s"] >= 1.2
    daemon.wait_for("verified", pid=idle.pid, effect="ended")
    assert orders(daemon, idle) == ["terminate"]


def test_an_alert_says_so_and_touches_nobody_until_its_grace_is_over(stage):
    def attempt(seconds):
        session = stage.running()
        before = stage.row(session)
        daemon = stage.enforce(f"""
- name: warned
  match: {{ application_name: APP, state: active, query_age: 500ms }}
  escalate: [alert, cancel: {{ after: {seconds}s }}]
""")
        alert = signalled(daemon, session, "alert")
        assert alert["level"] == "WARNING"
        is_untouched = stage.is_as_before(session, before)
        assert session.outcome() == QUERY_CANCELED
        assert grace_between(alert, signalled(daemon, session, "cancel")) >= seconds
        assert orders(daemon, session) == ["alert", "cancel"]
        daemon.stop()
        return is_untouched

    in_time(attempt)


# -- on time, and never early ---------------------------------------------------------------------------------------


def test_each_session_is_signalled_when_it_falls_due_and_not_at_the_next_tick(stage):
    daemon = stage.enforce("""
- name: limit
  match: { application_name: APP, state: active, query_age: 1s }
  escalate: [cancel]
""")

    def is_in_time():
        sessions = []
        for _ in range(9):
            sessions.append(stage.running())
            time.sleep(0.07)
        ages = sorted(signalled(daemon, session, "cancel")["age_s"] for session in sessions)
        assert ages[0] >= 1
        assert all(session.outcome() == QUERY_CANCELED for session in sessions)
        for session in sessions:
            session.close()
        return ages[len(ages) // 2] < 1.1

    # A tick of half a second would be late by a quarter of one in the median, each time; a busy machine is now and then.
    wait_until(is_in_time)


def test_with_a_limit_of_minutes_it_does_not_look_every_second(stage):
    daemon = stage.enforce(CANCEL.replace("500ms", "10min"))
    backend = daemon.wait_for("server_up")["backend_pid"]
    asked = wait_until(lambda: (row := stage.row(backend))["state"] == "idle"
                       and "pg_db_role_setting" in row["query"] and row["query_start"])  # the gates, after the look
    time.sleep(2.5)
    assert stage.row(backend)["query_start"] == asked


# -- which sessions ------------------------------------------------------------------------------------------------


def test_an_exception_moves_the_limit_or_lifts_it(stage):
    exempt = stage.running("select pg_sleep(600) /* nightly */")
    later = stage.running(user="postgres")
    usual = stage.running()
    daemon = stage.enforce("""
- name: limit
  match: { application_name: APP, state: active, query_age: 500ms }
  except:
    - { query: /nightly/ }
    - { user: postgres, query_age: 1500ms }
  escalate: [alert]
""")
    assert signalled(daemon, usual, "alert")["limit_s"] == 0.5
    late = signalled(daemon, later, "alert")
    assert late["limit_s"] == 1.5 and late["age_s"] >= 1.5
    assert orders(daemon, exempt) == []


def meets(stage, condition, offender, innocent):
    """Runs a rule with one more condition against two sessions that are in the midst of a statement."""
    daemon = stage.enforce(f"""
- name: limit
  match: {{ application_name: APP, state: active, query_age: 500ms, {condition} }}
  escalate: [cancel]
""")
    assert offender.outcome() == QUERY_CANCELED
    # Opened before the offender: if it were meant, it would have been due before.
    assert orders(daemon, innocent) == []
    return daemon


def test_a_query_is_matched_by_a_regular_expression(stage):
    innocent = stage.running("select pg_sleep(600) as ordinary")
    meets(stage, "query: '/as\\s+(annual_)?report$/'", stage.running("select pg_sleep(600) as annual_report"), innocent)


def test_a_client_on_the_socket_has_the_address_local(stage):
    session = stage.running()
    daemon = stage.enforce("""
- { name: far, match: { application_name: APP, query_age: 300ms, client_addr: 0.0.0.0/0 }, escalate: [terminate] }
- { name: near, match: { application_name: APP, query_age: 500ms, client_addr: local }, escalate: [cancel] }
""")
    assert session.outcome() == QUERY_CANCELED
    assert signalled(daemon, session, "cancel")["rule"] == "near"
    assert orders(daemon, session) == ["cancel"]


def test_a_query_is_matched_by_its_query_id(stage):
    stage.server.execute("alter role app set compute_query_id = on")
    try:
        innocent = stage.running("select pg_sleep(600), 'other'")
        offender = stage.running("select pg_sleep(600)")
    finally:
        stage.server.execute("alter role app reset compute_query_id")
    query_id = stage.superuser.execute("select query_id from pg_stat_get_activity(%s)", [offender.pid]).fetchone()[0]
    meets(stage, f"query_id: {query_id}", offender, innocent)


def test_a_session_is_matched_by_what_it_waits_for(stage):
    stage.superuser.execute("select pg_advisory_lock(4711)")
    innocent = stage.running()
    offender = stage.waiting("select pg_advisory_lock(4711)", "advisory")
    meets(stage, "wait_event_type: Lock", offender, innocent)
    stage.superuser.execute("select pg_advisory_unlock(4711)")


def test_databases_and_users_are_matched_by_wildcards(stage):
    stage.server.make_role("batch_night")
    innocent = stage.running(user="batch_night", dbname="template1")
    offender = stage.running(user="batch_night")
    meets(stage, "database: [app, 'post*'], user: 'batch_?ight'", offender, innocent)


def test_a_rule_without_an_age_meets_at_the_next_look(stage):
    session = stage.forgotten()
    daemon = stage.enforce("- { name: never, match: { application_name: APP, state: idle in transaction }, "
                           "escalate: [terminate] }")
    daemon.wait_for("verified", pid=session.pid, effect="ended")
    # One that turns up while the daemon sleeps.
    late = stage.forgotten()
    outcome_of(daemon, late, step="terminate", outcome="signalled")


def test_a_condition_that_comes_true_after_the_limit_is_noticed(stage):
    stage.superuser.execute("select pg_advisory_lock(4713)")
    session = stage.running("do $$ begin perform pg_sleep(0.8); perform pg_advisory_lock(4713); end $$")
    daemon = stage.enforce("- { name: limit, match: { application_name: APP, wait_event: advisory, query_age: 400ms }, "
                           "escalate: [cancel] }")
    assert session.outcome() == QUERY_CANCELED
    assert signalled(daemon, session, "cancel")["age_s"] >= 0.8
    stage.superuser.execute("select pg_advisory_unlock(4713)")


def test_a_transaction_of_many_short_statements_does_not_escape_its_limit(stage):
    daemon = stage.enforce("- { name: long, match: { application_name: APP, transaction_age: 600ms }, "
                           "escalate: [terminate] }")
    session = stage.open("begin")
    ended = wait_until(lambda: (outcome := session.run("select pg_sleep(0.01)")) != OK and outcome)
    assert ended in (ADMIN_SHUTDOWN, LOST)
    assert signalled(daemon, session, "terminate")["age_s"] >= 0.6


def test_a_procedure_that_commits_in_time_is_no_long_transaction(stage):
    def attempt(seconds):
        daemon = stage.enforce(f"- {{ name: long, match: {{ application_name: APP, transaction_age: {2 * seconds}s }}, "
                               "escalate: [terminate] }")
        session = stage.running(f"do $$ begin for n in 1..5 loop perform pg_sleep({seconds / 2}); commit; end loop; end $$")
        outcome = session.outcome(timeout=PATIENCE_S + 3 * seconds)
        told = orders(daemon, session)
        daemon.stop()
        assert (outcome == OK) == (told == [])
        return outcome == OK

    in_time(attempt)


# -- several rules on one session -----------------------------------------------------------------------------------


def test_of_several_rules_the_strongest_is_taken_and_the_others_are_recorded(stage):
    session = stage.running()
    stage.wait_until_older(session, "query_start", 0.5)
    daemon = stage.enforce("""
- { name: mild, match: { application_name: APP, query_age: 400ms, state: active }, escalate: [cancel] }
- { name: hard, match: { application_name: APP, query_age: 500ms, state: active }, escalate: [terminate] }
- { name: as-hard, match: { application_name: APP, query_age: 300ms, state: active }, escalate: [terminate] }
""")
    assert session.outcome() == ADMIN_SHUTDOWN
    daemon.wait_for("verified", pid=session.pid)
    (intent,) = intents(daemon, pid=session.pid)
    assert (intent["rule"], intent["step"]) == ("hard", "terminate")
    superseded = daemon.all("superseded", pid=session.pid, decision=intent["decision"])
    assert sorted((event["rule"], event["step"]) for event in superseded) == [("as-hard", "terminate"),
                                                                               ("mild", "cancel")]
    assert all(event["superseded_by"] == "hard" for event in superseded)


# -- accountable ----------------------------------------------------------------------------------------------------


def test_each_decision_is_told_before_and_after_with_all_that_it_rests_on(stage):
    session = stage.running()
    daemon = stage.enforce(CANCEL)
    outcome = signalled(daemon, session, "cancel")
    (intent,) = intents(daemon, pid=session.pid)
    assert daemon.events.index(intent) < daemon.events.index(outcome)
    expected = {"server": "stage", "rule": "limit", "mode": "enforce", "step": "cancel", "clock": "query_age",
                "limit_s": 0.5, "database": "postgres", "user": "app", "application_name": stage.app,
                "decision": intent["decision"], "session_id": intent["session_id"]}
    for event in (intent, outcome):
        assert {key: event.get(key) for key in expected} == expected
        assert event["age_s"] >= 0.5
    assert daemon.wait_for("verified", pid=session.pid)["decision"] == intent["decision"]


def test_the_session_id_of_an_event_finds_the_session_in_the_servers_log(stage):
    session = stage.running()
    daemon = stage.enforce(CANCEL)
    session_id = signalled(daemon, session, "cancel")["session_id"]
    assert session.outcome() == QUERY_CANCELED
    canceled = rf"\[{session.pid}\] {re.escape(session_id)} .*canceling statement due to user request"
    wait_until(lambda: re.search(canceled, stage.server.log()))


def test_decision_ids_differ_between_sessions_and_runs_of_the_daemon(stage):
    ids = []
    for _ in range(2):
        session = stage.running()
        daemon = stage.enforce(CANCEL)
        assert session.outcome() == QUERY_CANCELED
        daemon.stop()
        ids += [event["decision"] for event in intents(daemon)]
    assert len(set(ids)) == len(ids) == 2


# -- the order may be denied ----------------------------------------------------------------------------------------


def test_a_superusers_session_is_denied_once_and_the_others_are_still_hit(stage):
    superuser = stage.running(user="postgres")
    daemon = stage.enforce(CANCEL + WATCHFUL)
    denied = outcome_of(daemon, superuser)
    assert (denied["outcome"], denied["sqlstate"], denied["level"]) == ("denied", "42501", "WARNING")
    # A second session falls due half a second and ten looks later.
    other = stage.running()
    assert other.outcome() == QUERY_CANCELED
    assert outcomes(daemon, superuser) == [("cancel", "denied")]
    assert orders(daemon, superuser) == ["cancel"]


# -- the bounds -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_past_its_share_of_all_sessions_the_breaker_opens_and_nobody_is_signalled(stage):
    sessions = [stage.running() for _ in range(10)]
    stage.wait_until_older(sessions[-1], "query_start", 0.5)
    daemon = stage.enforce(CANCEL, more="safety: { share: 25%, quiet: 6s }")
    opened = daemon.wait_for("breaker_open")
    assert (opened["bound"], opened["due"], opened["held"], opened["level"]) == ("share", 10, 10, "ERROR")
    # After the quiet time the oldest go, as many as may at once, and it opens again.
    closed = daemon.wait_for("breaker_closed")
    assert seconds_between(opened, closed) >= 3  # the first of the two may have been logged late
    again = daemon.wait_for("breaker_open", since=daemon.events.index(closed))
    assert again["held"] == 5
    assert all(session.outcome() == QUERY_CANCELED for session in sessions)
    assert daemon.events.index(daemon.all("intent")[0]) > daemon.events.index(closed)
    quiet_until = moment(opened) + timedelta(seconds=3)
    assert all(stage.row(session)["state_change"] > quiet_until for session in sessions)
    ended = [event["pid"] for event in intents(daemon)]
    assert set(ended[:5]) == {session.pid for session in sessions[:5]}


@pytest.mark.slow
def test_past_its_signals_in_a_time_the_breaker_lets_no_more_out_until_the_quiet_time_is_over(stage):
    sessions = [stage.running() for _ in range(5)]
    stage.wait_until_older(sessions[-1], "query_start", 0.5)
    # three are for one tenant, the fourth is kept for others
    daemon = stage.enforce(CANCEL, more="safety: { signals: 4 per 1s, share: 100%, quiet: 6s }")
    opened = daemon.wait_for("breaker_open")
    assert (opened["bound"], opened["held"]) == ("signals", 2)
    assert all(session.outcome() == QUERY_CANCELED for session in sessions)
    closed = daemon.wait_for("breaker_closed")
    assert seconds_between(opened, closed) >= 3
    # The oldest go first.
    first = [event for event in intents(daemon) if daemon.events.index(event) < daemon.events.index(closed)]
    assert {event["pid"] for event in first} == {session.pid for session in sessions[:3]}


def test_a_few_may_be_ended_whatever_their_share(stage):
    sessions = [stage.running() for _ in range(3)]
    daemon = stage.enforce(CANCEL, more="safety: { share: 1% }")
    assert all(session.outcome() == QUERY_CANCELED for session in sessions)
    assert daemon.all("breaker_open") == []
