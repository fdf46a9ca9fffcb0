"""A dry run: the same decisions, logged as such, and not one signal."""

import re

import pytest

from support.session import wait_until
from support.stage import WATCHFUL, orders, outcome_of, outcomes
from support.statements import SLEEP, SWALLOWER

RULES = """
- name: limit
  match: { application_name: APP, state: active, query_age: 400ms }
  escalate: [cancel, terminate: { after: 300ms }]
- name: forgotten
  match: { application_name: APP, state: idle in transaction, state_age: 400ms }
  escalate: [alert, terminate: { after: 300ms }]
- name: harder
  match: { application_name: APP-reporting, state: active, query_age: 400ms, query: /report/ }
  escalate: [terminate]
"""


@pytest.fixture
def loud_role(server):
    """A role for the daemon whose statements are all in the server's log."""
    server.make_role("pgcurfew_loud")
    server.execute("grant pg_read_all_stats, pg_signal_backend to pgcurfew_loud")
    server.execute("alter role pgcurfew_loud set log_statement = 'all'")
    yield "pgcurfew_loud"


# What shall become of the cast, one after the other; the last of them is left alone.
STEPS = ["cancel", "cancel", "terminate", "terminate"]


def cast(stage):
    return [stage.running(), stage.running(SWALLOWER), stage.forgotten(),
            stage.running(SLEEP + " as report", application_name=f"{stage.app}-reporting"), stage.open("select 1")]


def statements_about(server, session):
    """The names of the daemon's statements that were run with the session's pid, as the server's log has them."""
    return re.findall(r"pgcurfew_loud@.* execute (guarded_\w+):[^\0]*?[Pp]arameters: \$1 = '" + str(session.pid) + "'",
                      re.sub(r"\n(?=\d{4}-\d\d-\d\d .*LOG: )", "\0", server.log()))


@pytest.mark.parametrize("arguments, policy", [
    ([], {"mode": "dry-run"}),
    (["--dry-run"], {"mode": "enforce"}),
    ([], {"mode": "enforce", "rules": re.sub(r"(?m)^  escalate", "  mode: dry-run\n  escalate", RULES)}),
], ids=["mode of the file", "--dry-run", "mode of the rules"])
def test_a_dry_run_says_what_it_would_do_and_touches_nobody(stage, loud_role, arguments, policy):
    sessions = cast(stage)
    before = [stage.row(session) for session in sessions]
    daemon = stage.enforce(policy.get("rules", RULES), *arguments, mode=policy["mode"], user=loud_role)
    for session, step in zip(sessions, STEPS):
        outcome = outcome_of(daemon, session, step=step)
        assert (outcome["outcome"], outcome["mode"]) == ("would_signal", "dry-run")
        assert "would" in outcome["message"]
        assert "would" in daemon.wait_for("intent", pid=session.pid, step=step)["message"]
    assert all(map(stage.is_as_before, sessions, before))
    assert orders(daemon, sessions[-1]) == []
    wait_until(lambda: all(statements_about(stage.server, session) for session in sessions[:-1]))
    assert {name for session in sessions for name in statements_about(stage.server, session)} == {"guarded_nothing"}


def test_enforcing_is_seen_in_the_servers_log(stage, loud_role):
    """That the test before it would see a signal."""
    session = stage.running()
    daemon = stage.enforce(RULES.replace("[cancel, terminate: { after: 300ms }]", "[cancel]"), user=loud_role)
    daemon.wait_for("verified", pid=session.pid)
    wait_until(lambda: statements_about(stage.server, session))
    assert set(statements_about(stage.server, session)) == {"guarded_cancel"}


def first_orders(stage, mode):
    sessions = cast(stage)
    daemon = stage.enforce(RULES, mode=mode)
    for session, step in zip(sessions, STEPS):
        outcome_of(daemon, session, step=step)
    told = [[(event["rule"], event["step"], event["clock"], event["limit_s"])
             for event in daemon.all("intent", pid=session.pid)] for session in sessions]
    daemon.stop()
    stage.server.end(sessions)
    # Up to the first effect: what enforcement does after it depends on the effect.
    return [steps[:1 + [step[1] != "alert" for step in steps].index(True)] if steps else [] for steps in told]


def test_a_dry_run_gives_the_same_orders_up_to_the_first_effect(stage):
    for _ in range(5):
        stage.open()  # or more would be signalled within a second than there are clients, and the breaker open
    rehearsed = first_orders(stage, "dry-run")
    assert rehearsed == first_orders(stage, "enforce")
    assert [len(steps) for steps in rehearsed] == [1, 1, 2, 1, 0]


def test_a_dry_run_goes_on_past_the_first_effect_marked_and_says_how_the_session_ended(stage):
    session = stage.running()
    daemon = stage.enforce(RULES + WATCHFUL, mode="dry-run")
    outcome_of(daemon, session)
    wait_until(lambda: len(outcomes(daemon, session)) == 2)
    assert outcomes(daemon, session) == [("cancel", "would_signal"), ("terminate", "would_signal")]
    first, second = [event for event in daemon.all("outcome") if event["pid"] == session.pid]
    assert "if_still" not in first and second["if_still"] is True
    assert first["episode"] == second["episode"] == first["decision"] != second["decision"]
    assert daemon.all("verified") == daemon.all("unkillable") == daemon.all("ended") == []
    assert stage.row(session)["state"] == "active", "and nothing was sent"
    stage.superuser.execute("select pg_terminate_backend(%s)", [session.pid])
    (ended,) = wait_until(lambda: [event for event in daemon.all("ended") if event["pid"] == session.pid])
    assert (ended["end"], ended["episode"]) == ("gone", first["episode"]), "not by us"
    assert ended["since_step_s"] > 0, "enforcement would have come before"


def test_a_rule_in_dry_run_neither_hinders_nor_helps_one_that_enforces(stage):
    session = stage.running()
    daemon = stage.enforce("""
- { name: tried-out, match: { application_name: APP, state: active, query_age: 400ms }, escalate: [terminate],
    mode: dry-run }
- { name: meant, match: { application_name: APP, state: active, query_age: 400ms }, escalate: [cancel] }
""")
    daemon.wait_for("verified", pid=session.pid, rule="meant", effect="query_ended")
    daemon.wait_for("outcome", pid=session.pid, rule="tried-out")
    modes = {(event["rule"], event["step"]): event["mode"] for event in daemon.all("outcome", pid=session.pid)}
    assert modes == {("tried-out", "terminate"): "dry-run", ("meant", "cancel"): "enforce"}


def test_a_rule_cannot_be_harsher_than_the_file(stage, command, tmp_path):
    path = tmp_path / "harsh.yaml"
    path.write_text(stage.policy(RULES.replace("- name: limit", "- name: limit\n  mode: enforce"), mode="dry-run"))
    done = command("check", path)
    assert (done.returncode, "milder" in done.stderr or "dry-run" in done.stderr) == (78, True)


def test_the_breaker_would_open_in_a_dry_run_too_and_says_so(stage):
    sessions = [stage.running() for _ in range(8)]
    stage.wait_until_older(sessions[-1], "query_start", 0.4)
    daemon = stage.enforce(RULES, mode="dry-run", more="safety: { share: 10% }")
    opened = daemon.wait_for("breaker_open")
    assert opened["mode"] == "dry-run" and "would open" in opened["message"]
