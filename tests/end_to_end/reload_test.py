"""SIGHUP: all or nothing, and what has begun goes on."""

import os
import signal
from contextlib import contextmanager

from support.session import ADMIN_SHUTDOWN, LONG_ENOUGH, OK, QUERY_CANCELED, wait_until
from support.stage import UNBOUNDED, grace_between, orders, outcome_of, stopped
from support.statements import SWALLOWER

LIMIT = """
- name: limit
  match: { application_name: APP, state: active, query_age: 400ms }
  escalate: [cancel]
"""
LADDER = """
- name: ladder
  match: { application_name: APP, state: active, query_age: 400ms }
  escalate: [cancel, terminate: { after: 1s }]
"""
IDLE = """
- name: idle
  match: { application_name: APP, state: idle, state_age: 1h }
  escalate: [terminate]
"""


@contextmanager
def held(stage):
    """A session in the midst of a statement that runs to its end when the block ends, however long that takes."""
    stage.superuser.execute("select pg_advisory_lock(1)")
    try:
        yield stage.running("select pg_advisory_lock(1)")
    finally:
        stage.superuser.execute("select pg_advisory_unlock(1)")


def test_a_bad_file_changes_nothing_and_each_error_is_told_with_its_place(stage):
    daemon = stage.enforce(LIMIT)
    before = daemon.wait_for("started")["policy"]
    daemon.reload(stage.policy("- name: a\n  match: { usr: app }\n  escalate: [cancle]\n", mode="enforced"))
    refused = daemon.wait_for("reload_refused")
    assert refused["policy"] == before and refused["level"] == "ERROR"
    wait_until(lambda: len(daemon.all("configuration_error")) >= 3)
    errors = {(event["line"], event["column"]): event for event in daemon.all("configuration_error")}
    assert all(event["file"] == str(daemon.config) for event in errors.values())
    lines = daemon.config.read_text().splitlines()
    for word, hint in {"enforced": "enforce", "usr": "user", "cancle": "cancel"}.items():
        line = next(number for number, text in enumerate(lines, 1) if word in text)
        event = errors[line, lines[line - 1].index(word) + 1]
        assert word in event["message"] and f'"{hint}"' in event["hint"]
    # The policy of before is still in force.
    assert stage.running().outcome() == QUERY_CANCELED
    assert daemon.all("reload") == []


def test_a_file_that_is_gone_or_unreadable_changes_nothing(stage):
    daemon = stage.enforce(LIMIT)
    daemon.config.unlink()
    daemon.reload()
    daemon.wait_for("reload_refused")
    daemon.config.mkdir()
    since = len(daemon.events)
    daemon.reload()
    daemon.wait_for("reload_refused", since=since)
    assert stage.running().outcome() == QUERY_CANCELED


def test_a_good_file_is_in_force_at_once_and_what_changed_is_told(stage):
    daemon = stage.enforce(LIMIT.replace("400ms", "1h") + IDLE)
    session = stage.running()
    daemon.reload(stage.policy(LIMIT + LADDER.replace("400ms", "1h")))
    told = daemon.wait_for("reload")
    assert (told["rules_added"], told["rules_removed"], told["rules_changed"]) == ("ladder", "idle", "limit")
    assert told["policy"] != told["policy_before"] == daemon.wait_for("started")["policy"]
    assert told["mode"] == "enforce"
    assert session.outcome() == QUERY_CANCELED


def test_what_becomes_of_drains_is_told(stage):
    def drains(**durations):
        listed = ", ".join(f"{{ name: {name}, databases: none_such, at: 2999-01-01 02:00, timezone: UTC, duration: {duration} }}"
                           for name, duration in durations.items())
        return UNBOUNDED + f"\ndrains: [ {listed} ]"

    daemon = stage.enforce(LIMIT, more=drains(same="1h").replace("none_such", "other"))
    assert daemon.wait_for("started")["drains"] == "same"
    same = "{ name: same, databases: other, at: 2999-01-01 02:00, timezone: UTC, duration: 1h }, "
    daemon.reload(stage.policy(LIMIT, more=drains(gone="1h").replace("[ ", "[ " + same)))
    first = daemon.wait_for("reload")
    assert (first["drains_added"], first["drains_removed"], first["drains_changed"]) == ("gone", "", "")
    since = len(daemon.events)
    daemon.reload(stage.policy(LIMIT, more=drains(new="1h").replace("[ ", "[ " + same.replace("1h", "2h"))))
    second = daemon.wait_for("reload", since=since)
    assert (second["drains_added"], second["drains_removed"], second["drains_changed"]) == ("new", "gone", "same")
    assert second["message"].endswith(", 2 drains")


def test_the_same_file_again_says_that_nothing_changed(stage):
    daemon = stage.enforce(LIMIT)
    daemon.reload()
    told = daemon.wait_for("reload")
    assert (told["rules_added"], told["rules_removed"], told["rules_changed"]) == ("", "", "")
    assert told["policy"] == told["policy_before"]


def test_an_episode_goes_on_over_a_reload_in_its_own_time(stage):
    session = stage.running(SWALLOWER)
    daemon = stage.enforce(LADDER)
    cancel = outcome_of(daemon, session, step="cancel")
    daemon.reload(stage.policy(LIMIT.replace("400ms", "1h") + LADDER))
    told = daemon.wait_for("reload")
    assert (told["rules_added"], told["rules_changed"]) == ("limit", "")
    terminate = outcome_of(daemon, session, step="terminate")
    # Nor later, but for the machine: CarryOver.EpisodesOfUnchangedRulesGoOn... of tests/unit has the moment.
    assert grace_between(cancel, terminate) >= 1
    assert session.outcome() == ADMIN_SHUTDOWN
    assert orders(daemon, session) == ["cancel", "terminate"]


def test_an_episode_of_a_rule_that_is_gone_does_not_go_on(stage):
    # On a busy machine the reload may come after the first of these; then it is tried with the next.
    for seconds in LONG_ENOUGH:
        session = stage.running(SWALLOWER)
        daemon = stage.enforce(LADDER.replace("after: 1s", f"after: {seconds}s"))
        cancel = outcome_of(daemon, session, step="cancel")
        daemon.reload(stage.policy(LIMIT.replace("APP", "nobody")))
        daemon.wait_for("reload")
        assert cancel["outcome"] == "signalled"
        if orders(daemon, session) == ["cancel"]:
            break
        daemon.stop()
        stage.server.end([session])
    stage.wait_until_older(session, "query_start", cancel["age_s"] + seconds + 0.3)
    assert orders(daemon, session) == ["cancel"]
    assert stage.row(session)["state"] == "active"


def test_an_episode_of_a_rule_that_has_changed_begins_anew(stage):
    session = stage.running(SWALLOWER)
    daemon = stage.enforce(LADDER.replace("after: 1s", "after: 10min"))
    outcome_of(daemon, session, step="cancel")
    daemon.reload(stage.policy(LADDER.replace("after: 1s", "after: 500ms")))
    assert daemon.wait_for("reload")["rules_changed"] == "ladder"
    assert session.outcome() == ADMIN_SHUTDOWN
    outcome_of(daemon, session, step="terminate")
    assert orders(daemon, session) == ["cancel", "cancel", "terminate"]


def test_a_reload_to_dry_run_stops_all_signals(stage):
    daemon = stage.enforce(LIMIT)
    daemon.reload(stage.policy(LIMIT, mode="dry-run"))
    assert daemon.wait_for("reload")["message"].startswith("reloaded, mode DRY-RUN")
    with held(stage) as session:
        assert outcome_of(daemon, session)["mode"] == "dry-run"
    assert session.outcome() == OK


def test_what_was_started_with_dry_run_stays_dry_over_a_reload(stage):
    daemon = stage.enforce(LIMIT, "--dry-run")
    daemon.reload(stage.policy(LIMIT))
    assert daemon.wait_for("reload")["mode"] == "dry-run"
    with held(stage) as session:
        assert outcome_of(daemon, session)["mode"] == "dry-run"
    assert session.outcome() == OK


def test_servers_that_stay_keep_their_connection_and_others_come_and_go(stage):
    here = stage.server.conninfo(user="pgcurfew")
    daemon = stage.enforce(LIMIT, servers={"kept": here, "left": here + " connect_timeout=9"})
    daemon.wait_for("server_up", server="kept")
    left = daemon.wait_for("server_up", server="left")
    daemon.reload(stage.policy(LIMIT, servers={"kept": here, "new": here + " connect_timeout=8"}))
    assert daemon.wait_for("reload")["servers"] == "kept, new"
    daemon.wait_for("server_up", server="new")
    wait_until(lambda: stage.row(left["backend_pid"]) is None)
    assert len(daemon.all("server_up", server="kept")) == 1
    assert daemon.all("server_down") == []


def test_drop_ins_belong_to_the_policy_in_their_order_and_come_with_a_reload(stage):
    daemon = stage.enforce(LIMIT.replace("APP", "nobody"))
    folder = daemon.config.parent / "policies.d"
    folder.mkdir()
    (folder / "20-later.yaml").write_text("rules:" + LIMIT.replace("name: limit", "name: later").replace(
        "APP", stage.app))
    (folder / "10-first.yaml").write_text("rules:" + LIMIT.replace("name: limit", "name: first").replace(
        "APP", stage.app))
    (folder / ".hidden.yaml").write_text("no policy: [")
    (folder / "note.txt").write_text("no policy: [")
    daemon.reload()
    assert daemon.wait_for("reload")["rules_added"] == "first, later"
    session = stage.running()
    assert session.outcome() == QUERY_CANCELED
    # Of equal steps, that of the first rule is taken.
    assert outcome_of(daemon, session)["rule"] == "first"
    (folder / "30-bad.yaml").write_text("rules: [ { name: first } ]")
    daemon.reload()
    daemon.wait_for("reload_refused")
    assert daemon.wait_for("configuration_error")["file"] == str(folder / "30-bad.yaml")


def test_many_reloads_in_a_row_are_all_well(stage):
    daemon = stage.enforce(LIMIT)
    for number in range(20):
        # In one piece, as editors and deployments do: it may be read at any moment.
        whole = daemon.config.with_suffix(".new")
        whole.write_text(stage.policy(LIMIT, more=UNBOUNDED.replace("1000", str(1000 + number))))
        os.replace(whole, daemon.config)
        os.kill(daemon.pid, signal.SIGHUP)
    session = stage.running()
    assert session.outcome() == QUERY_CANCELED
    daemon.stop()
    assert orders(daemon, session) == ["cancel"]
    assert [event["mode"] for event in daemon.all("reload")] == ["enforce"] * len(daemon.all("reload"))
    assert daemon.all("reload_refused") == []


def test_it_goes_on_enforcing_while_it_reads_a_large_file(stage):
    """The more drains, and the more often they come, the longer it takes to check that they do not overlap."""
    def is_ahead(drains, hours):
        daemon = stage.enforce(LIMIT)
        large = "drains:\n" + "".join(
            f"- {{ name: d{i}, databases: nobodys{i // 60}, schedule: '{i % 60} {hours} * * *', timezone: UTC, duration: 1min, "
            "mode: dry-run, escalate: [terminate] }\n" for i in range(drains))
        with stopped(daemon.pid):
            session = stage.running()
            daemon.reload(stage.policy(LIMIT, more=f"{UNBOUNDED}\n{large}"))
        outcome = outcome_of(daemon, session)
        reload = daemon.wait_for("reload")
        ahead = daemon.events.index(outcome) < daemon.events.index(reload)
        assert session.outcome() == QUERY_CANCELED
        daemon.stop()
        return ahead

    # on a fast machine it takes many
    assert any(is_ahead(*size) for size in [(100, "3"), (300, "3"), (1000, "3"), (1000, "*")])
