"""`pgcurfew check --server`: how many of a server's sessions each rule would touch, and none is touched."""

import re
from datetime import datetime, timedelta, timezone

import pytest

from support.stage import UNBOUNDED, succeeds

RULES = """
- name: busy
  match: { application_name: APP, state: active, query_age: 1ms }
  except:
    - { database: postgres, user: app, query: exempt }
  escalate: [cancel]
- name: patient
  match: { application_name: APP, state: active, query_age: 10h }
  escalate: [cancel]
- name: nobody
  match: { application_name: nobody-at-all }
  escalate: [terminate]
"""


@pytest.fixture
def check_server(stage, command, tmp_path):
    """Runs `check --server`, and returns the lines about servers."""

    def run(rules=RULES, code=0, **policy):
        path = tmp_path / "main.yaml"
        path.write_text(stage.policy(rules, **policy), encoding="utf-8")
        done = command("check", "--server", "--config", path)
        assert done.returncode == code, done.stderr
        lines = done.stdout.splitlines()
        heads = [number for number, line in enumerate(lines) if line.startswith("server ") and line.endswith("):")]
        return done, lines[heads[0]:] if heads else []

    return run


def of_rule(lines, rule):
    line, = [line for line in lines if line.startswith(f"  {rule}: ")]
    return line.removeprefix(f"  {rule}: ")


def test_it_counts_who_is_due_who_is_too_young_and_who_is_exempt(stage, check_server):
    for _ in range(3):
        stage.running()
    stage.running("select pg_sleep(600) /* exempt */")
    stage.forgotten()
    _, lines = check_server()
    assert re.fullmatch(r"server stage \(PostgreSQL \S+, primary\):", lines[0])
    sessions = int(re.match(r"3 of (\d+) sessions are due now; 1 is exempt$", of_rule(lines, "busy"))[1])
    # the cast, at least, and the connection that looks after it
    assert sessions >= 6
    assert of_rule(lines, "patient") == f"0 of {sessions} sessions are due now, 4 more match but are not old enough yet"
    assert of_rule(lines, "nobody") == f"0 of {sessions} sessions are due now"


def test_it_says_one_where_there_is_one(stage, check_server):
    stage.running()
    _, lines = check_server()
    assert re.fullmatch(r"1 of \d+ sessions is due now", of_rule(lines, "busy"))
    assert re.fullmatch(r"0 of \d+ sessions are due now, 1 more matches but is not old enough yet",
                        of_rule(lines, "patient"))


def test_it_counts_whom_a_protection_spares(stage, check_server):
    stage.running()
    _, lines = check_server(more=UNBOUNDED + "\nprotect: [ { application_name: APP } ]")
    assert re.fullmatch(r"0 of \d+ sessions are due now; 1 is protected", of_rule(lines, "busy"))


def test_a_cancel_that_cannot_affect_an_idle_session_is_not_due(stage, check_server):
    stage.forgotten()
    _, lines = check_server("- { name: a, match: { application_name: APP, transaction_age: 1ms }, escalate: [cancel] }")
    assert re.fullmatch(r"0 of \d+ sessions? (is|are) due now; 1 is in a state that its steps cannot affect",
                        of_rule(lines, "a"))


def test_outside_of_its_hours_a_rule_is_due_on_nobody_and_it_says_when_they_begin(stage, check_server):
    stage.running()
    day = (datetime.now(timezone.utc) + timedelta(days=3)).strftime("%a").lower()
    _, lines = check_server(f"""
- name: a
  match: {{ application_name: APP, state: active }}
  during: {{ days: {day}, from: "02:00", to: "03:00", timezone: UTC }}
  escalate: [cancel]
""")
    assert re.fullmatch(rf"0 of \d+ sessions? (is|are) due now; 1 is left alone by its hours; its hours begin in "
                        rf"\S.*, (?i:{day}) \d{{4}}-\d\d-\d\d 02:00 UTC", of_rule(lines, "a"))


def test_it_counts_whom_keep_and_when_leave_alone(stage, check_server):
    for _ in range(3):
        stage.forgotten()
    _, lines = check_server("""
- { name: kept, match: { application_name: APP, state: idle in transaction }, keep: 2, escalate: [terminate] }
- name: elsewhere
  match: { application_name: APP, state: idle in transaction }
  when: { role: standby }
  escalate: [terminate]
""")
    assert re.fullmatch(r"1 of \d+ sessions is due now; 2 are left alone by its keep", of_rule(lines, "kept"))
    assert re.fullmatch(r"0 of \d+ sessions are due now; 3 are left alone by its when", of_rule(lines, "elsewhere"))


def test_it_counts_those_that_are_due_and_have_to_wait(stage, check_server):
    for _ in range(3):
        stage.forgotten()
    _, lines = check_server(
        "- { name: a, match: { application_name: APP, state: idle in transaction }, at_most: 1, escalate: [terminate] }")
    assert re.fullmatch(r"3 of \d+ sessions are due now \(2 of them later, when its at_most lets them through\)",
                        of_rule(lines, "a"))


def test_it_touches_nobody(stage, check_server):
    session = stage.forgotten()
    before = stage.row(session)
    check_server("- { name: a, match: { application_name: APP, transaction_age: 1ms }, escalate: [terminate] }")
    assert stage.is_as_before(session, before) and succeeds(session)


def test_what_check_says_of_the_file_comes_first(check_server):
    done, lines = check_server()
    assert done.stdout.splitlines()[0].startswith("mode: enforce")
    assert done.stdout.splitlines()[-len(lines):] == lines


def test_a_server_out_of_reach_ends_with_69_and_the_others_are_told_of(stage, check_server, tmp_path):
    servers = {"stage": stage.server.conninfo(user="pgcurfew"), "away": f"host={tmp_path} user=pgcurfew"}
    done, lines = check_server(code=69, servers=servers)
    assert "pgcurfew: server away: " in done.stderr
    assert lines[0].startswith("server stage (") and not any("away" in line for line in lines)


def test_a_missing_privilege_ends_with_77(stage, check_server):
    done, _ = check_server(code=77, user="app")
    assert "role app lacks pg_read_all_stats" in done.stderr and "role app lacks pg_signal_backend" in done.stderr


def test_a_file_of_rules_alone_has_no_server_to_look_at(command, tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text("rules: [ { name: a, match: { user: app }, escalate: [alert] } ]\n", encoding="utf-8")
    done = command("check", "--server", path)
    assert done.returncode == 64
    assert done.stderr == f"pgcurfew: {path} names no servers: check --server takes a main file\n"


def test_a_bad_file_is_refused_before_any_look(check_server):
    done, lines = check_server("- { name: a, match: {}, escalate: [alert] }", code=78)
    assert lines == [] and "error" in done.stderr


def test_it_says_of_those_that_are_due_whom_the_server_would_deny(stage, check_server):
    stage.running()
    stage.running(user="postgres")
    _, lines = check_server()
    assert re.match(r"2 of \d+ sessions are due now \(1 of them superusers', which the server will deny\)$",
                    of_rule(lines, "busy"))
