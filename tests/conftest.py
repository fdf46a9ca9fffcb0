"""What all tests share: one throwaway server for each worker of a run, sessions on it, and the daemon as a child."""

import json
import os
import subprocess
from pathlib import Path

import jsonschema
import pytest

from support.daemon import Daemon
from support.link_probe import LinkProbe
from support.notify_socket import NotifySocket
from support.session import Session
from support.stage import Stage
from support.standby import Standby
from support.throwaway import REPOSITORY, Throwaway

APPLICATION = "app"  # a role that owns nothing and may nothing but connect

# The last two make a commit wait for a standby that never comes, but only in sessions that
# `set synchronous_commit = on`.
SETTINGS = ["max_connections = 100", "max_prepared_transactions = 4", "synchronous_commit = local",
            "synchronous_standby_names = 'ghost'"]


def pytest_collection_modifyitems(items):
    """Spreads the slow tests, which are side by side, over the run: a worker gets neighbouring tests."""
    slow = [item for item in items if item.get_closest_marker("slow")]
    others = [item for item in items if not item.get_closest_marker("slow")]
    distance = max(1, len(others) * 3 // 4 // max(1, len(slow)))
    items.clear()
    for number, item in enumerate(others):
        if slow and number % distance == 0:
            items.append(slow.pop(0))
        items.append(item)
    items += slow


@pytest.fixture(scope="session")
def server():
    """A server for all tests of a worker: with the roles `pgcurfew` (packaging/grants.sql) and `app`."""
    with Throwaway(SETTINGS) as throwaway:
        throwaway.make_watchdog_role()
        throwaway.make_role(APPLICATION)
        yield throwaway


@pytest.fixture(scope="session")
def standby():
    """A standby with a primary of its own (`standby.primary`), roles as on `server`; replay waits for its sessions."""
    with Throwaway(["max_connections = 60", "autovacuum = off"]) as primary:
        primary.make_watchdog_role()
        primary.make_role(APPLICATION)
        with Standby(primary) as made:
            yield made


@pytest.fixture
def probe(server):
    """Opens links to `server` (or another one) for looks and guarded statements."""
    opened = []

    def open_probe(on=server, environment=None, **parameters):
        made = LinkProbe(on.conninfo(**{"user": "pgcurfew", **parameters}), environment)
        opened.append(made)
        return made

    yield open_probe
    for made in opened:
        made.close()


@pytest.fixture
def session(server):
    """Opens sessions of the role `app` (or another one) that end with the test."""
    opened = {}

    def open_session(on=server, **parameters):
        made = Session(on.conninfo(**{"user": APPLICATION, **parameters}))
        opened.setdefault(on, []).append(made)
        return made

    yield open_session
    for on, sessions in opened.items():
        on.end(sessions)


@pytest.fixture(scope="session")
def pgcurfew():
    """The executable: $PGCURFEW_BIN, or that of preset release."""
    path = Path(os.environ.get("PGCURFEW_BIN") or REPOSITORY / "build" / "release" / "pgcurfew")
    assert os.access(path, os.X_OK), f"{path} is not there: build it with cmake --workflow --preset release"
    return path.resolve()


@pytest.fixture
def command(pgcurfew, tmp_path):
    """Runs `pgcurfew ARGUMENTS...` to its end and returns returncode, stdout and stderr."""

    def run(*arguments, timeout=60, **kwargs):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        clean["STATE_DIRECTORY"] = str(tmp_path)
        return subprocess.run([str(pgcurfew), *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=timeout, env=clean, **kwargs)

    return run


@pytest.fixture(scope="session")
def log_schema(pgcurfew):
    """The validator of each kind of event, as `pgcurfew schema --log` has it."""
    text = subprocess.run([str(pgcurfew), "schema", "--log"], capture_output=True, check=True, timeout=60).stdout
    return {kind: jsonschema.Draft7Validator(schema) for kind, schema in json.loads(text)["definitions"].items()}


@pytest.fixture
def daemon(pgcurfew, tmp_path, log_schema):
    """Starts daemons from the text of a policy; those still running at the test's end are killed.

    Whatever they told has to be as their schema of the log says.
    """
    started = []

    def start(policy, *arguments, **kwargs):
        config = tmp_path / f"pgcurfew-{len(started)}.yaml"
        config.write_text(policy, encoding="utf-8")
        made = Daemon(pgcurfew, config, *arguments, **kwargs)
        started.append(made)
        return made

    yield start
    for made in started:
        made.kill()
    for made in started:
        for event in made.events:
            faults = [fault.message for fault in log_schema[event.kind].iter_errors(event)]
            assert not faults, f"{faults} in {event}"


@pytest.fixture
def stage(server, daemon):
    """A cast of sessions on the server, and the daemon with rules for them alone."""
    made = Stage(server, daemon)
    yield made
    made.close()


@pytest.fixture
def standby_stage(standby, daemon):
    """The same on the standby."""
    made = Stage(standby, daemon)
    yield made
    made.close()


@pytest.fixture
def notify_socket(tmp_path):
    """A substitute for systemd's NOTIFY_SOCKET."""
    listener = NotifySocket(tmp_path / "notify")
    yield listener
    listener.close()
