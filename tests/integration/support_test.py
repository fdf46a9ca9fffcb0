"""The tools of the tests: that they see what is there, and leave nothing behind."""

import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.session import wait_until
from support.stage import process_state
from support.throwaway import Throwaway

OWNER = """
import signal
import time
from support.throwaway import Throwaway
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
server = Throwaway().start()
print(server.directory, server.pid, flush=True)
time.sleep(600)
"""


def running(pid):
    try:
        return process_state(pid) != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_throwaway_server_is_gone_when_its_owner_is(how):
    tests = Path(__file__).resolve().parents[1]
    owner = subprocess.Popen([sys.executable, "-c", OWNER], cwd=tests, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True)
    directory, pid = owner.stdout.readline().split()
    assert running(int(pid)) and Path(directory).is_dir()
    owner.send_signal(how)
    owner.wait()
    owner.stdout.close()
    wait_until(lambda: not running(int(pid)) and not Path(directory).exists())


def test_a_throwaway_server_that_cannot_start_says_why_and_leaves_nothing():
    server = Throwaway(["no_such_setting = on"])
    with pytest.raises(RuntimeError, match="no_such_setting"):
        server.start()
    assert server.directory is None


def test_a_throwaway_server_comes_back_from_a_crash_with_its_data():
    with Throwaway() as server:
        server.execute("create table kept as select 1 as n")
        first = server.pid
        server.crash()
        assert not running(first)
        server.revive()
        assert server.execute("select n from kept") == [(1,)]


FAKE = """#!/bin/sh
trap 'echo "{\\"event\\": \\"stopped\\"}"; exit 3' TERM
echo 'no json'
echo '{"ts": "x", "level": "info", "event": "started", "message": "m", "mode": "DRY-RUN"}'
while :; do sleep 0.01; done
"""


@pytest.fixture
def fake(tmp_path):
    path = tmp_path / "fake"
    path.write_text(FAKE, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    made = Daemon(path, tmp_path / "no.yaml")
    yield made
    made.kill()


def test_the_log_of_a_daemon_can_be_waited_for_and_its_status_is_checked(fake):
    assert fake.wait_for("started", mode="DRY-RUN")["mode"] == "DRY-RUN"
    assert fake.lines[0] == "no json"
    assert fake.all("started", mode="ENFORCE") == []
    with pytest.raises(TimeoutError):
        fake.wait_for("stopped", timeout=0.05)
    with pytest.raises(AssertionError, match="exit status 3"):
        fake.stop()
    assert [event.kind for event in fake.events] == ["started", "stopped"]


def test_the_stand_in_for_systemd_keeps_what_it_is_told(notify_socket):
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.sendto(b"READY=1\nSTATUS=up", notify_socket.environment()["NOTIFY_SOCKET"])
    told.close()
    assert notify_socket.wait_for_key("READY", "1") == {"READY": "1", "STATUS": "up"}
    assert notify_socket.statuses() == ["up"]
