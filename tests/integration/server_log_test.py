"""The line in the server's own log: who has signalled, beside the server's own line about the signal."""

import re

import psycopg
import pytest

from support.session import ADMIN_SHUTDOWN, QUERY_CANCELED, wait_until
from support.stage import UNBOUNDED, WATCHFUL

RULES = """
- name: short
  match: { application_name: APP, state: active, query_age: 200ms }
  escalate: [cancel]
- name: forgotten
  match: { application_name: APP, state: idle in transaction, state_age: 200ms }
  escalate: [terminate]
"""
TOLD = "report: { server_log: true }"


@pytest.fixture
def lines_of(stage):
    """The lines of the server's log that pgcurfew has written since the test began."""
    before = len(stage.server.log())
    return lambda: re.findall(r"^.*LOG:  (pgcurfew .*)$", stage.server.log()[before:], re.M)


def test_the_line_has_rule_decision_and_reason_beside_the_servers_own(stage, lines_of):
    daemon = stage.enforce(RULES, more=TOLD)
    cancelled = stage.open()
    assert cancelled.run("select pg_sleep(120)") == QUERY_CANCELED
    outcome = daemon.wait_for("outcome", pid=cancelled.pid)
    wait_until(lines_of)
    (line,) = lines_of()
    assert line.startswith(f"pgcurfew sent cancel to pid {cancelled.pid} app@{outcome['database']} "
                           f"(rule short, decision {outcome['decision']}): query_age ") and line.endswith(" of limit 200ms")
    log = stage.server.log()
    assert abs(log.rindex("LOG:  pgcurfew sent") - log.rindex("canceling statement due to user request")) < 3000
    ended = stage.open("begin", "select 1")
    wait_until(lambda: len(lines_of()) == 2)
    assert lines_of()[1].startswith(f"pgcurfew sent terminate to pid {ended.pid} ")
    assert ended.run("select 1") == ADMIN_SHUTDOWN
    assert daemon.all("server_log_failed") == []


def test_a_name_that_is_no_text_in_the_servers_encoding_silences_nothing(stage, lines_of):
    stage.server.execute("drop database if exists euc")
    stage.server.execute("create database euc template template0 encoding euc_jp locale 'C'")
    stage.server.execute('drop role if exists "é"')
    stage.server.execute('create role "é" login')
    try:
        daemon = stage.enforce(RULES, servers={"stage": stage.server.conninfo(user="pgcurfew", dbname="euc")},
                               more=f"{TOLD}\n{UNBOUNDED}")
        victim = stage.open(user="é")
        assert victim.run("select pg_sleep(120)") == QUERY_CANCELED
        wait_until(lines_of)
        assert f"pid {victim.pid} \\303\\251@" in lines_of()[0]
        victim.close()
        assert daemon.all("server_log_failed") == []
        daemon.stop()
    finally:
        stage.server.execute('drop role "é"')
        stage.server.execute("drop database euc")


def test_nothing_is_written_without_a_signal_or_without_the_option(stage, lines_of):
    quiet = stage.enforce(RULES)
    assert stage.open().run("select pg_sleep(120)") == QUERY_CANCELED
    quiet.wait_for("ended")
    quiet.stop()
    dry = stage.start(RULES, mode="dry-run", more=TOLD)
    stage.running("select pg_sleep(120)")
    dry.wait_for("outcome", outcome="would_signal")
    dry.stop()
    assert lines_of() == []


def test_a_reload_switches_it_on(stage, lines_of):
    daemon = stage.enforce(RULES)
    daemon.reload(stage.policy(RULES, more=TOLD))
    daemon.wait_for("reload")
    assert stage.open().run("select pg_sleep(120)") == QUERY_CANCELED
    wait_until(lines_of)


def test_what_strangers_write_stays_in_its_line(stage, lines_of, hostile_role):
    stage.enforce(RULES, more=TOLD)
    assert stage.open(user=hostile_role).run("select pg_sleep(120)") == QUERY_CANCELED
    wait_until(lines_of)
    (line,) = lines_of()
    assert line.isprintable() and re.search(r"\(rule short, decision \S+\): ", line)


def test_a_locked_catalog_keeps_no_signal_from_being_sent(stage, lines_of):
    with psycopg.connect(stage.server.conninfo()) as locker:
        locker.execute("lock table pg_language in access exclusive mode")
        daemon = stage.enforce(RULES, more=TOLD)
        assert stage.open().run("select pg_sleep(120)") == QUERY_CANCELED
        assert daemon.wait_for("server_log_failed")["sqlstate"] == "55P03"
        for _ in range(3):
            assert stage.open().run("select pg_sleep(120)") == QUERY_CANCELED
    assert len(daemon.all("server_log_failed")) == 1 and lines_of() == []
    assert daemon.all("server_down") == [] and daemon.all("look_failed") == []


def test_a_missing_privilege_is_told_before_the_first_signal(stage):
    stage.superuser.execute("revoke usage on language plpgsql from public")
    try:
        daemon = stage.enforce(WATCHFUL, more=TOLD)
        assert "permission denied for language plpgsql" in daemon.wait_for("server_log_failed")["error"]
    finally:
        stage.superuser.execute("grant usage on language plpgsql to public")


def test_many_signals_at_once_have_their_lines(stage, lines_of):
    victims = [stage.running("select pg_sleep(120)") for _ in range(25)]
    stage.wait_until_older(victims[-1], "query_start", 0.2)
    daemon = stage.enforce(RULES, more=f"{TOLD}\n{UNBOUNDED}")  # all are due at its first look
    assert {victim.outcome() for victim in victims} == {QUERY_CANCELED}
    wait_until(lambda: len(lines_of()) == 25)
    assert {int(re.search(r" pid (\d+) ", line)[1]) for line in lines_of()} == {victim.pid for victim in victims}
    assert daemon.all("server_log_failed") == []


def test_check_tries_it(stage, command, tmp_path, lines_of):
    config = tmp_path / "c.yaml"
    config.write_text(stage.policy(WATCHFUL, more=TOLD), encoding="utf-8")
    done = command("check", config)
    assert "\nserver log: a line in the server's own log tells of each signal\n" in done.stdout
    done = command("check", "--server", config)
    assert (done.returncode, done.stderr) == (0, "")
    stage.superuser.execute("revoke usage on language plpgsql from public")
    try:
        done = command("check", "--server", config)
        assert done.returncode == 77 and "its own log cannot be told of signals: permission denied for language plpgsql" in done.stderr
    finally:
        stage.superuser.execute("grant usage on language plpgsql to public")
    stage.superuser.execute("alter role pgcurfew set log_min_messages to fatal")
    try:
        done = command("check", "--server", config)
        assert done.returncode == 69 and "log_min_messages is fatal" in done.stderr
    finally:
        stage.superuser.execute("alter role pgcurfew reset log_min_messages")
    assert lines_of() == []
