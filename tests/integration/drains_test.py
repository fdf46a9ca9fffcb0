"""Drains on a real server: emptied, kept empty, opened again, whatever happens to pgcurfew meanwhile."""

import os
import random
import signal
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest

from support.orders import config_of
from support.session import ADMIN_SHUTDOWN, LOST, OK, PATIENCE_S, QUERY_CANCELED, Session, wait_until
from support.stage import moment, seconds_between
from support.statements import SLEEP, SWALLOWER
from support.throwaway import Throwaway


# Of a window whose end a test waits for: much longer than what has to be done in it takes on a slow machine. A daemon that
# starts late comes into it all the same.
SHORT_S = 20
# Of one that something else ends.
LONG_S = 900


def drain_text(database, begins, seconds=LONG_S, more=""):
    """A drain that begins at a second and lasts some."""
    return f"""
drains:
- name: weekly
  databases: [{database}]
  at: {begins:%Y-%m-%d %H:%M:%S}
  timezone: UTC
  duration: {seconds}s
  escalate: [ wait: {{ for: 500ms }}, cancel, terminate: {{ after: 500ms }} ]
{more}"""


def next_second():
    return (datetime.now(timezone.utc) + timedelta(seconds=1.5)).replace(microsecond=0)


# -- the daemon -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_drain_empties_its_database_keeps_it_empty_and_gives_it_back(server, orders, daemon):
    idle, busy, swallower = orders.open("begin", "select 1"), orders.open().start(SLEEP), orders.open()
    swallower.start(SWALLOWER)
    orders.wait_until_busy(busy, swallower)
    elsewhere = Session(server.conninfo(user="app"))
    # a slow machine must not miss the time in which sessions are only cancelled
    drain = drain_text(orders.name, next_second(), SHORT_S).replace("after: 500ms", "after: 5s")
    started = daemon(config_of(server, drain))
    assert started.wait_for("gate_closed")["mark"] == ("server" if server.version >= 15 else "journal")
    assert orders.limit == 0 and not orders.opens()
    empty = started.wait_for("drain_empty")
    assert (empty["cancelled"], empty["terminated"]) == (2, 3)
    assert orders.clients() == set()
    assert busy.outcome() == QUERY_CANCELED
    assert swallower.outcome() in (ADMIN_SHUTDOWN, LOST) and idle.run("select 1") in (ADMIN_SHUTDOWN, LOST)
    done = started.wait_for("drain_done")
    assert done["emptied"]
    assert (orders.limit, orders.marks) == (-1, [])
    assert orders.opens()
    assert elsewhere.run("select 1") == OK
    first_signal = started.events.index(started.all("intent")[0])
    assert started.events.index(started.all("gate_closed")[0]) < first_signal, "the gate is closed first"


@pytest.mark.slow
def test_what_was_there_before_is_what_comes_back(server, orders, daemon):
    server.execute(f"alter database {orders.name} connection limit 17")
    started = daemon(config_of(server, drain_text(orders.name, next_second(), SHORT_S)))
    assert started.wait_for("gate_closed")["limit_before"] == 17
    started.wait_for("drain_done")
    assert orders.is_as_before(17)


def test_a_limit_that_somebody_else_sets_meanwhile_is_theirs(server, orders, daemon):
    stays = orders.open("begin", "select 1")
    started = daemon(config_of(server, drain_text(orders.name, next_second()).replace("for: 500ms", "for: 10min")))
    started.wait_for("gate_closed")
    server.execute(f"alter database {orders.name} connection limit 5")
    started.wait_for("gate_overridden")
    assert started.wait_for("gate_opened")["outcome"] == "foreign"
    assert not started.wait_for("drain_done")["emptied"]
    assert orders.is_as_before(5) and stays.run("select 1") == OK


def test_stopping_gives_the_database_back(server, orders, daemon):
    def is_in_time():
        started = daemon(config_of(server, drain_text(orders.name, next_second())))
        started.wait_for("gate_closed")
        started.stop()
        assert orders.is_as_before()
        return seconds_between(started.all("drain_done")[0], started.all("stopped")[0]) < 2

    # Once the gate is open it does not wait for its deadline, which is eight seconds, nor for anything else.
    wait_until(is_in_time)


def test_a_stop_outlasts_a_lock_on_the_gate(server, orders, daemon):
    started = daemon(config_of(server, drain_text(orders.name, next_second())))
    started.wait_for("gate_closed")
    with server.connect(autocommit=False) as locker:
        locker.execute(f"alter database {orders.name} is_template false")
        started.process.send_signal(signal.SIGTERM)
        started.wait_for("gate_failed")
    assert started.wait() == 0
    assert orders.is_as_before()


def test_a_server_that_the_new_files_do_not_name_is_given_back(server, orders, daemon):
    other = '{ name: other, conninfo: "host=/nowhere" }'
    before = config_of(server, drain_text(orders.name, next_second())).replace("servers: [", f"servers: [ {other},")
    started = daemon(before.replace("- name: weekly", "- name: weekly\n  servers: [s]"))
    started.wait_for("gate_closed")
    started.reload(f"mode: enforce\nservers: [ {other} ]\n" + drain_text(orders.name, next_second()))
    started.wait_for("drain_done")
    assert orders.is_as_before()


def test_a_server_that_is_reached_in_another_way_is_drained_on(server, orders, daemon):
    config = config_of(server, drain_text(orders.name, next_second()))
    started = daemon(config)
    started.wait_for("gate_closed")
    so_far = len(started.events)
    started.reload(config.replace("user=pgcurfew", "user=pgcurfew connect_timeout=9"))
    started.wait_for("gate_closed", since=so_far)
    assert orders.limit == 0 and not started.all("gate_overridden")
    started.stop()
    assert orders.is_as_before()


def test_what_stops_a_drop_of_the_empty_database_is_named(daemon):
    settings = ["wal_level = logical", "max_replication_slots = 4", "max_prepared_transactions = 4"]
    with Throwaway(settings) as server:
        server.make_watchdog_role()
        for name in ("orders", "crm"):
            server.execute(f"create database {name} owner pgcurfew")
            server.execute(f"select pg_create_logical_replication_slot('cdc_{name}', 'pgoutput')", dbname=name)
        for name in ("orders", "crm"):  # after the slots, which wait for transactions that are under way
            with server.connect(dbname=name) as connection:
                connection.execute(f"begin; select txid_current(); prepare transaction 'left over in {name}'")
        started = daemon(config_of(server, drain_text("orders", next_second())))
        empty = started.wait_for("drain_empty")
        assert empty["prepared_transactions"] == "left over in orders"
        assert empty["logical_slots"] == "cdc_orders"
        assert "prepared transactions: left over in orders; logical slots: cdc_orders" in empty["message"]
        started.stop()


@pytest.mark.slow
def test_a_rehearsal_touches_nothing(server, orders, daemon):
    stays = orders.open("begin", "select 1")
    started = daemon(config_of(server, drain_text(orders.name, next_second(), SHORT_S), mode="dry-run"))
    started.wait_for("gate_rehearsed")
    assert started.wait_for("intent", step="terminate")["pid"] == stays.pid
    assert orders.is_as_before()
    started.wait_for("drain_done")
    assert stays.run("select 1") == OK and orders.is_as_before()


@pytest.mark.slow
def test_a_role_that_may_not_close_the_gate_signals_nobody(server, orders, daemon):
    server.make_role("pgcurfew_poor")
    server.execute("grant pg_read_all_stats, pg_signal_backend to pgcurfew_poor")
    stays = orders.open("begin", "select 1")
    started = daemon(config_of(server, drain_text(orders.name, next_second(), SHORT_S), user="pgcurfew_poor"))
    failed = started.wait_for("gate_failed")
    assert "setup-sql" in failed["hint"]
    assert not started.wait_for("drain_done")["emptied"]
    assert started.all("intent") == [] and stays.run("select 1") == OK


def test_protected_and_excepted_sessions_stay_and_only_the_protected_keep_it_from_being_empty(server, orders, daemon):
    server.make_role("maintenance")
    vacuum = orders.open("begin", "select 1", user="maintenance")
    dump = orders.open("begin", "select 1", application_name="pg_dump")
    more = "  except: [ { user: maintenance } ]\n  give_up: { after: 2s, then: alert }\n"
    started = daemon(config_of(server, drain_text(orders.name, next_second(), more=more)))
    gave_up = started.wait_for("drain_gave_up")
    assert f"pid {dump.pid} app@orders (protected: dumps)" in gave_up["message"] and gave_up["remaining"] == 1
    assert dump.run("commit") == OK
    dump.close()
    started.wait_for("drain_empty")
    assert started.all("intent") == []
    assert vacuum.run("commit") == OK


# -- the storm ------------------------------------------------------------------------------------------------------


class Storm:
    """Clients that come back at once, some in transactions, some that swallow cancels."""

    def __init__(self, orders, count):
        self.orders = orders
        self.ends = False
        self.refused = 0
        self._threads = [threading.Thread(target=self._go, args=(number,), daemon=True) for number in range(count)]
        for thread in self._threads:
            thread.start()

    def _go(self, number):
        conninfo = self.orders.server.conninfo(user="app", dbname=self.orders.name)
        while not self.ends:
            try:
                session = Session(conninfo)
            except ConnectionError:
                self.refused += 1
                time.sleep(0.5)  # of fifty that is a hundred attempts a second, each of which is a process of the server's
                continue
            try:
                if number % 5 == 0:
                    session.start(SWALLOWER)
                elif number % 5 == 1:
                    session.run("begin")
                    session.start("select 1")
                else:
                    session.start("select pg_sleep(0.05)")
                # on a slow machine, too, only those that swallow cancels are given up: to come back costs it most
                patience = 0.2 if number % 5 == 0 else PATIENCE_S
                while not self.ends and session.outcome(patience) == OK and number % 5 > 1:
                    session.start("select pg_sleep(0.05)")
                while not self.ends and number % 5 == 1 and session.run("select 1") == OK:
                    time.sleep(0.05)
            except TimeoutError:
                try:
                    while not self.ends and session.outcome(0.5):
                        break
                except TimeoutError:
                    pass
                while not self.ends and self._is_there(session):
                    time.sleep(0.05)
            finally:
                session.close()

    def _is_there(self, session):
        try:
            return session.outcome(0.05) == OK
        except TimeoutError:
            return True

    def end(self):
        self.ends = True
        for thread in self._threads:
            thread.join(PATIENCE_S)


def run_through(daemon, config, moment, is_back_at_once, end):
    """Starts pgcurfew, kills it at a moment, and starts it again: at once or after the window. Gives both."""
    first = daemon(config)
    time.sleep(max(0, (moment - datetime.now(timezone.utc)).total_seconds()))
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    if not is_back_at_once:
        time.sleep(max(0, (end - datetime.now(timezone.utc)).total_seconds()))
    return first, daemon(config)


class Watcher:
    """How many clients the server shows until a moment, each with the times between which that was so, by its clock."""

    def __init__(self, orders, end):
        self.seen = []
        self._thread = threading.Thread(target=self._watch, args=(orders, end), daemon=True)
        self._thread.start()

    def _watch(self, orders, end):
        # now() is when the statement began, clock_timestamp() is asked for when all have been counted
        counted = "select now(), clock_timestamp(), n from (select count(*) as n from pg_stat_activity " \
                  "where datname = %s and backend_type = 'client backend' offset 0) as counted"
        with orders.server.connect() as connection:
            while datetime.now(timezone.utc) < end:
                self.seen.append(connection.execute(counted, [orders.name]).fetchone())
                time.sleep(0.03)

    def between(self, begin, end):
        self._thread.join()
        return [count for before, after, count in self.seen if before > begin and after < end]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(10))
def test_the_database_is_emptied_and_given_back_whenever_pgcurfew_is_killed(server, orders, daemon, number):
    chance = random.Random(number)
    # The steps take a fifth of the window. Whenever it is killed, one of the two has nine seconds besides to do it in.
    seconds, step = 24, 2.5
    storm = Storm(orders, 50)
    try:
        wait_until(lambda: len(orders.clients()) >= 40)
        begin = next_second()
        end = begin + timedelta(seconds=seconds)
        killed = begin + timedelta(seconds=chance.uniform(0, seconds))
        is_back_at_once = number % 3 != 2
        watcher = Watcher(orders, end)
        text = drain_text(orders.name, begin, seconds).replace("500ms", f"{step}s")
        first, last = run_through(daemon, config_of(server, text), killed, is_back_at_once, end)
        time.sleep(max(0, (end - datetime.now(timezone.utc)).total_seconds()))
        empty = [moment(event) for one in (first, last) for event in one.all("drain_empty")]
        if is_back_at_once:
            assert empty, (killed - begin, first.lines, last.lines)
        if empty:  # then it stays empty until the window's end, whichever instance lives
            after = watcher.between(min(empty), end)
            assert after and set(after) == {0}, (killed - begin, min(empty) - begin, watcher.seen)
            assert storm.refused > 0  # ended clients have tried to reconnect
        # An instance that takes over continues with the steps where they were.
        closed = [moment(event) for event in first.all("gate_closed")]
        was_beyond = {event["phase"] for event in first.all("drain_phase")} & {"cancelling", "terminating"}
        begun_anew = [event for event in last.all("drain_phase", phase="waiting")
                      if was_beyond or (closed and moment(event) > closed[0] + timedelta(seconds=step + 2))]
        assert begun_anew == [], (killed - begin, first.lines, last.lines)
        wait_until(lambda: orders.is_as_before())
        wait_until(lambda: len(orders.clients()) >= 40)  # and all clients are back
        last.stop()
    finally:
        storm.end()
