"""Notifications to systemd: ready, status, watchdog, reloading, stopping."""

import re
import time

import pytest

from support.session import QUERY_CANCELED, wait_until
from support.stage import outcome_of, stopped

RULES = """
- name: limit
  match: { application_name: APP, state: active, query_age: 400ms }
  escalate: [cancel]
"""
NOWHERE = {"nowhere": "host=/tmp/no-such-directory user=pgcurfew"}


def index_of(messages, key, since=0):
    return next(number for number, message in enumerate(messages) if number >= since and key in message)


def test_it_is_ready_though_no_server_is_within_reach(stage, notify_socket):
    stage.start(RULES, servers=NOWHERE, environment=notify_socket.environment())
    assert notify_socket.wait_for_key("READY", "1")["STATUS"].startswith("ENFORCE: 0/1 servers up")


def test_a_policy_that_is_wrong_never_becomes_ready(daemon, notify_socket):
    started = daemon("rules: [", environment=notify_socket.environment())
    assert started.wait() == 78
    assert notify_socket.told == []


@pytest.mark.parametrize("mode, capitals", [("enforce", "ENFORCE"), ("dry-run", "DRY-RUN")])
def test_the_status_tells_mode_servers_sessions_and_signals(stage, notify_socket, mode, capitals):
    session = stage.running()
    daemon = stage.enforce(RULES, mode=mode, environment=notify_socket.environment())
    signals = "1 signal" if mode == "enforce" else "0 signals"
    status = re.compile(rf"{capitals}: 1/1 servers up, [1-9]\d* sessions?, nothing due, {signals} sent")
    outcome_of(daemon, session)
    notify_socket.wait_for(lambda message: status.fullmatch(message.get("STATUS", "")))


def test_the_status_tells_when_the_next_session_falls_due(stage, notify_socket):
    stage.running()
    stage.enforce(RULES.replace("400ms", "1h").replace("escalate", "except: [ { user: none } ]\n  escalate")
                  + RULES.replace("limit", "often").replace("APP", "nobody"),
                  environment=notify_socket.environment())
    message = notify_socket.wait_for(lambda m: "next due" in m.get("STATUS", ""))
    due = re.search(r"next due (\d\d):(\d\d):(\d\d)Z", message["STATUS"]).groups()
    hours, minutes, seconds = map(int, due)
    ahead = (hours * 3600 + minutes * 60 + seconds - time.time()) % 86400
    assert 3500 < ahead <= 3601


def test_the_watchdog_is_fed_at_half_its_time_or_more_often(stage, notify_socket):
    daemon = stage.enforce(RULES, environment=notify_socket.environment(watchdog_seconds=0.4))

    def is_fed_in_time():
        # Not each time: a busy machine holds some of them up, which makes those behind them come early. Fed at its full
        # time, it would hardly ever be in time. At half of it, systemd lets a quarter go by to wake up less often.
        times = notify_socket.times_of("WATCHDOG")
        in_time = [later - earlier <= 0.3 for earlier, later in zip(times, times[1:])]
        return sum(in_time) >= 4 and 2 * sum(in_time) > len(in_time)

    wait_until(is_fed_in_time)
    with stopped(daemon.pid):
        since = notify_socket.mark()
        with pytest.raises(TimeoutError):
            notify_socket.wait_for_key("WATCHDOG", "1", since=since, timeout=0.5)


def test_without_a_watchdog_there_are_no_pings(stage, notify_socket):
    session = stage.running()
    stage.enforce(RULES, environment=notify_socket.environment())
    assert session.outcome() == QUERY_CANCELED
    assert not any("WATCHDOG" in message for message in notify_socket.told)


@pytest.mark.parametrize("good", [True, False], ids=["a good file", "a bad file"])
def test_a_reload_is_announced_with_its_time_and_ends_with_ready(stage, notify_socket, good):
    daemon = stage.enforce(RULES, environment=notify_socket.environment())
    since = notify_socket.mark()  # behind the READY of its start
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    daemon.reload(stage.policy(RULES) if good else "mode: [")
    notify_socket.wait_for_key("READY", "1", since=since)
    told = notify_socket.told
    reloading = index_of(told, "RELOADING", since)
    assert told[reloading]["RELOADING"] == "1"
    assert before <= int(told[reloading]["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    ready = told[index_of(told, "READY", reloading)]
    assert ("the last reload was refused" in ready["STATUS"]) is not good


def test_the_status_forgets_a_refused_reload_with_the_next_good_one(stage, notify_socket):
    daemon = stage.enforce(RULES, environment=notify_socket.environment())
    daemon.reload("mode: [")
    notify_socket.wait_for(lambda m: "refused" in m.get("STATUS", ""))
    since = notify_socket.mark()
    daemon.reload(stage.policy(RULES))
    assert "refused" not in notify_socket.wait_for_key("READY", since=since)["STATUS"]


def test_its_stop_is_announced(stage, notify_socket):
    daemon = stage.enforce(RULES, environment=notify_socket.environment())
    daemon.stop()
    notify_socket.wait_for_key("STOPPING", "1")


def test_a_manager_that_does_not_listen_does_no_harm(stage, tmp_path):
    session = stage.running()
    stage.enforce(RULES, environment={"NOTIFY_SOCKET": str(tmp_path / "nobody"), "WATCHDOG_USEC": "100000"})
    assert session.outcome() == QUERY_CANCELED
