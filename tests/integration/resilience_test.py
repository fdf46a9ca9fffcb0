"""It is not the outage, and it survives one: dead servers, killed and stopped backends, locked catalogs."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from support.endless_server import EndlessServer
from support.session import ADMIN_SHUTDOWN, PATIENCE_S, QUERY_CANCELED, Session, wait_until
from support.standby import Standby
from support.stage import WATCHFUL, Stage, orders, outcome_of, stopped
from support.statements import SLEEP, SWALLOWER
from support.throwaway import Throwaway

CANCEL = """
- name: limit
  match: { application_name: APP, state: active, query_age: 600ms }
  escalate: [cancel]
"""


@pytest.fixture
def own_server():
    """A server that a test may crash."""
    with Throwaway() as made:
        made.make_watchdog_role()
        made.make_role("app")
        yield made


@pytest.fixture
def offender_on(stage):
    """A session in the midst of a statement on any server."""
    opened = []

    def start(server, statement=SLEEP):
        opened.append(Session(server.conninfo(user="app", application_name=stage.app)))
        return opened[-1].start(statement)

    yield start
    for made in opened:
        made.close()


def last_up(daemon, server):
    return daemon.all("server_up", server=server)[-1]


# -- one server -----------------------------------------------------------------------------------------------------


def test_it_reconnects_after_a_crash_of_the_server_and_enforces_again(stage, own_server, offender_on):
    daemon = stage.enforce(CANCEL, servers={"own": own_server.conninfo(user="pgcurfew")})
    assert offender_on(own_server).outcome() == QUERY_CANCELED
    own_server.crash()
    down = daemon.wait_for("server_down")
    assert down["level"] == "ERROR" and down["retry_s"] <= 1
    own_server.revive()
    daemon.wait_for("server_up", since=daemon.events.index(down))
    assert offender_on(own_server).outcome() == QUERY_CANCELED


def test_it_waits_for_a_server_that_is_not_there_at_its_start(stage, own_server, offender_on, notify_socket):
    own_server.crash()
    daemon = stage.start(CANCEL, servers={"own": own_server.conninfo(user="pgcurfew")},
                         environment=notify_socket.environment())
    down = daemon.wait_for("server_down")
    assert "out of reach" in down["message"]
    notify_socket.wait_for(lambda m: "0/1 servers up" in m.get("STATUS", "")
                           and "own: out of reach" in m["STATUS"])
    own_server.revive()
    daemon.wait_for("server_up")
    assert offender_on(own_server).outcome() == QUERY_CANCELED
    notify_socket.wait_for(lambda m: "1/1 servers up" in m.get("STATUS", ""))


def test_it_reconnects_after_its_own_session_was_terminated(stage):
    daemon = stage.enforce(CANCEL)
    first = last_up(daemon, "stage")["backend_pid"]
    stage.superuser.execute("select pg_terminate_backend(%s)", [first])
    down = daemon.wait_for("server_down")
    assert down.get("sqlstate") == ADMIN_SHUTDOWN, down
    daemon.wait_for("server_up", since=daemon.events.index(down))
    assert last_up(daemon, "stage")["backend_pid"] != first
    assert stage.running().outcome() == QUERY_CANCELED


def test_it_says_why_its_session_ended_though_it_has_asked_for_more_than_one_thing(stage):
    """The server gives the reason to the first of them, and libpq says of the others that there was no reply."""
    def down_of():
        daemon = stage.enforce(CANCEL.replace("600ms", "1s") + WATCHFUL)
        session = stage.running()
        stage.wait_until_seen(daemon)
        backend = last_up(daemon, "stage")["backend_pid"]
        with stopped(backend):
            stage.superuser.execute("select pg_terminate_backend(%s)", [backend])
            daemon.wait_for("intent", pid=session.pid)  # and a look is under way
        down = daemon.wait_for("server_down")
        daemon.stop()
        # else the machine was so slow that it had given it up before
        return down if "no reply within" not in down["message"] else None

    down = wait_until(down_of)
    assert down.get("sqlstate") == ADMIN_SHUTDOWN, down


def test_a_cancel_of_its_own_statements_does_no_harm(stage):
    daemon = stage.enforce(CANCEL + WATCHFUL)
    backend = last_up(daemon, "stage")["backend_pid"]
    for _ in range(50):
        stage.superuser.execute("select pg_cancel_backend(%s)", [backend])
    assert stage.running().outcome() == QUERY_CANCELED


def test_an_episode_goes_on_over_a_lost_connection(stage):
    """The ladder does not start again: after the reconnect comes the next step, and no second cancel."""
    session = stage.waiting(SWALLOWER, "PgSleep")
    daemon = stage.enforce("""
- name: limit
  match: { application_name: APP, state: active, query_age: 500ms }
  escalate: [cancel, terminate: { after: 4s }]
""")
    outcome_of(daemon, session, step="cancel")
    stage.superuser.execute("select pg_terminate_backend(%s)", [last_up(daemon, "stage")["backend_pid"]])
    daemon.wait_for("server_down")
    assert session.outcome() == ADMIN_SHUTDOWN
    outcome_of(daemon, session, step="terminate")
    assert orders(daemon, session) == ["cancel", "terminate"]


# pg_authid: the server looks the target's role up before it signals.
@pytest.mark.parametrize("catalogs", ["pg_authid", "pg_database", "pg_proc, pg_type, pg_class, pg_attribute",
                                      "pg_authid, pg_database, pg_proc, pg_db_role_setting"])
@pytest.mark.parametrize("more", ["", ", database: postgres, user: app, query: /sleep/"],
                         ids=["a plain rule", "a rule with names and a text"])
def test_locked_catalogs_do_not_delay_it(stage, catalogs, more):

    def is_in_time():
        daemon = stage.enforce(CANCEL.replace("600ms", "600ms" + more))
        with stage.server.connect(autocommit=False) as locker:
            session = stage.running()
            locker.execute(f"lock table {catalogs} in access exclusive mode")
            outcome = outcome_of(daemon, session)
            locker.rollback()
        assert outcome["outcome"] == "signalled"
        assert session.outcome() == QUERY_CANCELED
        assert daemon.all("server_down") == daemon.all("look_failed") == []
        daemon.stop()
        return outcome["age_s"] < 1

    wait_until(is_in_time)  # a slow machine is late now and then; each time with a daemon that has read nothing yet


@pytest.mark.slow
def test_a_backend_of_its_own_that_hangs_is_given_up_and_replaced(stage):
    daemon = stage.enforce(CANCEL)
    first = last_up(daemon, "stage")["backend_pid"]
    session = stage.running()
    with stopped(first):
        down = daemon.wait_for("server_down")
        assert "no reply within 5s" in down["message"]
        up = daemon.wait_for("server_up", since=daemon.events.index(down))
        assert up["backend_pid"] != first
        assert session.outcome() == QUERY_CANCELED


# -- several servers ------------------------------------------------------------------------------------------------


@pytest.fixture
def black_hole():
    """A port that takes connections and never says a word."""
    listener = socket.create_server(("127.0.0.1", 0))
    yield f"host=127.0.0.1 port={listener.getsockname()[1]} user=pgcurfew dbname=postgres"
    listener.close()


def test_a_server_that_is_dead_delays_no_other(stage, black_hole):
    here = stage.server.conninfo(user="pgcurfew")
    servers = {"dead": "host=/tmp/no-such-directory user=pgcurfew", "silent": black_hole,
               "refused": "host=127.0.0.1 port=1 user=pgcurfew", "here": here}
    daemons = []

    def is_reached_in_time():
        for before in daemons:
            before.stop()
        daemons[:] = [stage.start(CANCEL, servers=servers)]
        up = daemons[0].wait_for("server_up", server="here")
        events = daemons[0].events
        return not [event for event in events[:events.index(up)] if event.fits("server_down", {"server": "silent"})]

    wait_until(is_reached_in_time)  # a client that waits for the silent server does so for ten seconds, each time
    (daemon,) = daemons

    def is_in_time():
        session = stage.running()
        outcome = outcome_of(daemon, session)
        assert (outcome["server"], outcome["outcome"]) == ("here", "signalled")
        session.close()
        return outcome["age_s"] < 1

    wait_until(is_in_time)
    for name in ("dead", "refused"):
        assert daemon.wait_for("server_down", server=name)["error"]


@pytest.mark.slow
def test_a_server_that_hangs_delays_no_other(stage, own_server, offender_on):
    servers = {"hangs": own_server.conninfo(user="pgcurfew"), "here": stage.server.conninfo(user="pgcurfew")}

    def is_in_time():
        daemon = stage.enforce(CANCEL + WATCHFUL, servers=servers)
        daemon.wait_for("server_up", server="here")
        backend = daemon.wait_for("server_up", server="hangs")["backend_pid"]
        sessions = [stage.open() for _ in range(2)]
        with stopped(backend):
            outcomes = []
            for session in sessions:
                session.start(SLEEP)
                outcomes.append(outcome_of(daemon, session))
            down = daemon.wait_for("server_down", server="hangs")
        assert "no reply within 5s" in down["message"]
        assert [outcome["outcome"] for outcome in outcomes] == ["signalled"] * 2
        daemon.stop()
        return all(outcome["age_s"] < 1 for outcome in outcomes)

    # That one has five seconds to answer. A client that waits for it does so each time; a slow machine is late now and then.
    wait_until(is_in_time)


def test_the_same_pid_on_two_servers_is_not_one_session(stage, own_server, offender_on):
    daemon = stage.enforce(CANCEL, servers={"one": own_server.conninfo(user="pgcurfew"),
                                            "two": stage.server.conninfo(user="pgcurfew")})
    daemon.wait_for("server_up", server="two")
    daemon.wait_for("server_up", server="one")
    there, here = offender_on(own_server), stage.running()
    assert (there.outcome(), here.outcome()) == (QUERY_CANCELED, QUERY_CANCELED)
    assert {(event["server"], event["pid"]) for event in daemon.all("intent")} == {("one", there.pid),
                                                                                  ("two", here.pid)}


# -- its own bounds -------------------------------------------------------------------------------------------------


def descriptors_of(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


def test_reconnecting_leaves_no_descriptor_behind(stage):
    daemon = stage.enforce(CANCEL)
    stage.running().outcome()
    before = descriptors_of(daemon)
    for number in range(4):
        stage.superuser.execute("select pg_terminate_backend(%s)", [last_up(daemon, "stage")["backend_pid"]])
        wait_until(lambda: len(daemon.all("server_up")) == number + 2)
    assert stage.running().outcome() == QUERY_CANCELED
    wait_until(lambda: descriptors_of(daemon) <= before)


def cut_off_by_size(stage, endless):
    """A daemon that has said why it gave the endless server up, and has cancelled a query meanwhile.

    On a slow machine the time to connect is over now and then before there are so many bytes; then it is asked again.
    """
    def once():
        daemon = stage.enforce(CANCEL, servers={"endless": endless.conninfo, "stage": stage.server.conninfo(user="pgcurfew")})
        assert stage.running().outcome() == QUERY_CANCELED
        said = daemon.wait_for("server_down", server="endless")["message"]
        if "no connection within" in said:
            daemon.stop()
            return None
        assert "PostgreSQL's reply is larger than 256 MB" in said
        return daemon

    return wait_until(once, timeout=3 * PATIENCE_S)


@pytest.mark.parametrize("is_local", [False, True])
def test_a_reply_without_end_is_cut_off(stage, tmp_path, is_local):
    endless = EndlessServer(tmp_path if is_local else None)
    try:
        cut_off_by_size(stage, endless)
        assert max(wait_until(lambda: endless.sent)) < 512 << 20
    finally:
        endless.close()


@pytest.mark.parametrize("is_local", [False, True])
def test_a_row_without_end_is_cut_off_and_takes_no_more_memory_than_a_reply_may(stage, tmp_path, is_local):
    endless = EndlessServer(tmp_path if is_local else None, in_one=True)
    try:
        daemon = cut_off_by_size(stage, endless)
        assert max(wait_until(lambda: endless.sent)) < 512 << 20
        assert peak_memory(daemon.pid) < 640 << 20
    finally:
        endless.close()


def test_a_copy_that_nothing_asked_for_is_cut_off(stage):
    """libpq returns its result again and again, without a wait in between."""
    copying = EndlessServer(copies=True)
    try:
        daemon = stage.enforce(CANCEL, servers={"copying": copying.conninfo, "stage": stage.server.conninfo(user="pgcurfew")})
        assert "begun a COPY" in daemon.wait_for("server_down", server="copying")["message"]
        assert stage.running().outcome() == QUERY_CANCELED
    finally:
        copying.close()


def peak_memory(pid):
    """The most that it has had in memory at once, in bytes."""
    line, = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


HANGING_NAMES = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  while (name && strcmp(name, "hangs.invalid") == 0) sleep(600);
  return ((int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))
          dlsym(RTLD_NEXT, "getaddrinfo"))(name, service, hints, found);
}
"""


@pytest.fixture(scope="module")
def hanging_names(tmp_path_factory):
    """The environment of a process in which the look-up of hangs.invalid takes ten minutes."""
    folder = tmp_path_factory.mktemp("names")
    (folder / "hangs.c").write_text(HANGING_NAMES)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "hangs.so", folder / "hangs.c", "-ldl"], check=True)
    return {"LD_PRELOAD": str(folder / "hangs.so")}


@pytest.mark.parametrize("order", ["hangs.invalid,{}", "{},hangs.invalid"])
def test_a_name_that_hangs_hides_no_other_host(stage, hanging_names, order):
    conninfo = f"host={order.format(stage.server.directory)} user=pgcurfew dbname=postgres"
    stage.enforce(CANCEL, servers={"stage": conninfo}, environment=hanging_names)
    assert stage.running().outcome() == QUERY_CANCELED


def test_the_environment_does_not_redirect_a_conninfo(stage):
    elsewhere = {"PGHOSTADDR": "127.0.0.1", "PGPORT": "1", "PGHOST": "nowhere.invalid", "PGTARGETSESSIONATTRS": "standby"}
    stage.enforce(CANCEL, environment=elsewhere)
    assert stage.running().outcome() == QUERY_CANCELED


def test_a_promotion_is_told_once_and_rules_for_a_primary_hold_from_then_on(own_server, stage, offender_on):
    with Standby(own_server) as standby:
        offender = offender_on(standby)
        daemon = stage.enforce(CANCEL.replace("match:", "when: { role: primary }\n  match:") + WATCHFUL,
                               servers={"twin": standby.conninfo(user="pgcurfew")})
        assert daemon.wait_for("server_up")["in_recovery"]
        twin = Stage(standby, None)
        twin.wait_until_older(offender, "query_start", 0.7)
        twin.wait_until_seen(daemon)
        twin.wait_until_seen(daemon)
        assert daemon.all("intent") == []
        twin.close()
        standby.promote()
        assert offender.outcome() == QUERY_CANCELED
        told = daemon.wait_for("promoted")
        assert (told["server"], told["message"]) == ("twin", "twin was promoted: it is a primary now")
        assert daemon.events.index(told) < daemon.events.index(daemon.wait_for("intent"))
        daemon.stop()
        assert len(daemon.all("promoted")) == 1
