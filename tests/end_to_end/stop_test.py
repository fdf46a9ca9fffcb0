"""SIGTERM and SIGINT: within a second, with status 0, whatever goes on; SIGKILL: nothing is left behind."""

import os
import signal
import time

import pytest

from support.session import ADMIN_SHUTDOWN, QUERY_CANCELED, wait_until
from support.stage import SWALLOWER, WATCHFUL, orders, outcome_of, stopped

LIMIT = """
- name: limit
  match: { application_name: APP, state: active, query_age: 400ms }
  escalate: [cancel]
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_it_stops_within_a_second(stage, how):
    daemon = stage.enforce(LIMIT)
    began = time.monotonic()
    daemon.process.send_signal(how)
    assert daemon.wait(5) == 0
    assert time.monotonic() - began < 1
    assert daemon.events[-1].kind == "stopped"


def test_it_stops_within_a_second_while_servers_are_out_of_reach(stage):
    daemon = stage.start(LIMIT, servers={"dead": "host=/nowhere", "blackhole": "host=192.0.2.1",
                                         "unknown": "host=no-such-host.invalid"})
    daemon.wait_for("server_down", server="dead")
    assert daemon.stop() < 1


def test_it_stops_within_a_second_while_its_backend_hangs(stage):
    daemon = stage.enforce(LIMIT + WATCHFUL)
    with stopped(daemon.wait_for("server_up")["backend_pid"]):
        # A look is on its way within 50 ms.
        time.sleep(0.1)
        assert daemon.stop() < 1.2


def test_an_order_in_flight_at_the_stop_gets_an_outcome(stage):
    """The signal may have been sent: that is said, and nothing is left open in the log."""
    daemon = stage.enforce(LIMIT)
    session = stage.running()
    stage.wait_until_seen(daemon)
    with stopped(daemon.wait_for("server_up")["backend_pid"]):
        intent = daemon.wait_for("intent", pid=session.pid)
        assert daemon.stop() < 1.2
    assert daemon.all("outcome", decision=intent["decision"])[0]["outcome"] == "unknown"


def test_after_the_stop_nobody_is_signalled(stage):
    daemon = stage.enforce(LIMIT + WATCHFUL)
    session = stage.running()
    stage.wait_until_seen(daemon)
    daemon.stop()
    stage.wait_until_older(session, "query_start", 0.6)
    assert orders(daemon, session) == []
    assert stage.row(session)["state"] == "active"


def test_its_session_ends_with_it(stage):
    daemon = stage.enforce(LIMIT)
    backend = daemon.wait_for("server_up")["backend_pid"]
    daemon.stop()
    wait_until(lambda: stage.row(backend) is None)


def test_killed_in_the_midst_of_a_ladder_it_begins_anew_and_does_not_skip_a_step(stage):
    ladder = LIMIT.replace("[cancel]", "[cancel, terminate: { after: 600ms }]")
    session = stage.running(SWALLOWER)
    daemon = stage.enforce(ladder)
    outcome_of(daemon, session, step="cancel")
    os.kill(daemon.pid, signal.SIGKILL)
    assert daemon.wait() == -signal.SIGKILL
    second = stage.enforce(ladder)
    assert session.outcome() == ADMIN_SHUTDOWN
    outcome_of(second, session, step="terminate")
    assert orders(second, session) == ["cancel", "terminate"]


def test_killed_it_leaves_no_lock_and_no_session_behind(stage):
    daemon = stage.enforce(LIMIT)
    backend = daemon.wait_for("server_up")["backend_pid"]
    os.kill(daemon.pid, signal.SIGKILL)
    daemon.wait()
    wait_until(lambda: stage.row(backend) is None)
    stage.enforce(LIMIT)
    assert stage.running().outcome() == QUERY_CANCELED
