"""Databases to drain, by the daemon and by hand; a role with a hostile name; a daemon with a web server."""

import os
import subprocess

import pytest

from support.kept import Kept, policy
from support.orders import Orders, config_of
from support.stage import UNBOUNDED
from support.web import Web, free_port


HOSTILE_ROLE = "r\x1b[31m\u202eevil\u0085\n<b>\""


@pytest.fixture
def hostile_role(server):
    quoted = HOSTILE_ROLE.replace('"', '""')
    server.execute(f'create role "{quoted}" login')
    yield HOSTILE_ROLE
    server.execute(f'drop role "{quoted}"')


@pytest.fixture
def web():
    return Web(free_port())


@pytest.fixture
def watched(request, stage, web):
    """Starts the daemon with a web server, by default with the rules of the test's module, and waits until it listens."""
    def start(rules=request.module.RULE, more="", **how):
        daemon = stage.enforce(rules, more=f"{UNBOUNDED}\n{web.policy}\n{more}", **how)
        daemon.wait_for("web_listening")
        return daemon

    return start


@pytest.fixture(scope="session")
def drained_database(server):
    """A database that the watchdog's role owns; SET on the mark where the server knows such a right."""
    server.execute("create database orders owner pgcurfew")
    if server.version >= 15:
        server.execute('grant set on parameter "pgcurfew.drain" to pgcurfew')
    return "orders"


@pytest.fixture
def orders(server, drained_database):
    """The database as it is found and left by each test."""
    made = Orders(server, drained_database)
    made.give_back()
    yield made
    made.close()
    made.give_back()


@pytest.fixture
def by_hand(pgcurfew, server, orders, tmp_path):
    config = tmp_path / "pgcurfew.yaml"
    config.write_text(config_of(server, ""))
    started = []

    def start(*arguments):
        started.append(subprocess.Popen([str(pgcurfew), *arguments[:1], "--config", str(config), *arguments[1:]],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                env={**os.environ, "STATE_DIRECTORY": str(tmp_path)}))
        return started[-1]

    yield start
    for process in started:
        process.kill()  # one that a test has left behind would go on with the next test's database
        process.communicate()


@pytest.fixture
def kept(server):
    """A database whose gate has its mark in the journal."""
    made = Kept(server)
    yield made
    made.drop()


@pytest.fixture
def state(tmp_path):
    """The journal's directory."""
    made = tmp_path / "state"
    made.mkdir()
    return made


@pytest.fixture
def run(server, daemon, kept, state):
    """Starts a daemon that drains that database."""
    def start(drain="", text=None, **kwargs):
        return daemon(text or policy(server, kept.role, drain, **kwargs), environment={"STATE_DIRECTORY": str(state)})

    return start
