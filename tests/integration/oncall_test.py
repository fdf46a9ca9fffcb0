"""`it killed my query`: pgcurfew-oncall(7) is followed on a real server, from the client's error to the next one that is spared."""

import re
import shlex
from datetime import datetime, timedelta

from support.session import OK, QUERY_CANCELED, wait_until
from support.throwaway import REPOSITORY

PAGE = (REPOSITORY / "packaging/man/pgcurfew-oncall.7.scd").read_text(encoding="utf-8")
RULE = """
- name: long-queries
  match: { application_name: APP, state: active, query_age: 300ms }
  escalate: [cancel]
"""
SPARING = RULE.replace("  escalate", "  except: [ { user: app, query_age: 1h } ]\n  escalate")


def test_from_the_error_to_the_rule_and_to_the_next_one_that_is_spared(stage, command, tmp_path):
    daemon = stage.enforce(RULE, more="report: { server_log: true }", environment={"STATE_DIRECTORY": str(tmp_path)})
    victim = stage.open()
    assert victim.run("select pg_sleep(120)") == QUERY_CANCELED
    daemon.wait_for("ended")
    pid = str(victim.pid)
    # each command of the page, with what is true here in place of its examples
    now = datetime.now()
    around = [(now + timedelta(minutes=minutes)).strftime("%H:%M") for minutes in (-10, 10)]
    here = {"14:00": around[0], "14:10": around[1], "4711": pid, "app": "app", "orders": daemon.all("outcome")[0]["database"]}
    listed = set()
    for line in sorted(set(re.findall(r"^\$ pgcurfew (history .*)$", PAGE, re.M))):
        name, *words = [here.get(word, word) for word in shlex.split(line)]
        if "--decision" in words:
            continue
        done = command(name, *words)
        assert (done.returncode, done.stderr) == (0, ""), line
        (found,) = [row.split() for row in done.stdout.splitlines() if pid in row.split() or f"pid {pid}" in row]
        listed.add(found[-1])
    (decision,) = listed
    story = command("history", "--decision", decision).stdout
    assert "rule long-queries" in story and f"sent cancel to pid {pid}" in story
    (told,) = wait_until(lambda: re.findall(rf"LOG:  (pgcurfew sent cancel to pid {pid} .*)", stage.server.log()))
    assert f"decision {decision})" in told and "rule long-queries" in told
    daemon.reload(stage.policy(SPARING))
    daemon.wait_for("reload")
    assert stage.open().run("select pg_sleep(1)") == OK


def test_all_commands_of_the_page_exist(command):
    lines = re.findall(r"^\$ pgcurfew (.*)$", PAGE, re.M)
    assert len(lines) >= 9
    for line in lines:
        name, *words = shlex.split(line.split("&&")[0])
        known = set(re.findall(r"--[a-z-]+", command(name, "--help").stdout))
        assert {word for word in words if word.startswith("--")} <= known, line
