"""The production link to a server without an engine: looks and guarded statements, asked one at a time.

It is the other end of tests/support/link_probe.cpp.
"""

import json
import os
import select
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from support.session import PATIENCE_S
from support.throwaway import REPOSITORY


def executable() -> Path:
    """$PGCURFEW_LINK_PROBE, or that of preset dev."""
    return Path(os.environ.get("PGCURFEW_LINK_PROBE") or REPOSITORY / "build" / "dev" / "tests" / "link_probe")


class LinkProbe:
    def __init__(self, conninfo, environment=None):
        path = executable()
        assert os.access(path, os.X_OK), f"{path} is not there: build it with cmake --workflow --preset dev"
        self.process = subprocess.Popen([path, conninfo], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env={**os.environ, **(environment or {})})
        self._read = b""
        self._looks = 0
        self.facts = self._next("connected")

    def look(self, **what):
        """A look: texts="none", "active" or "all"; waits=True or not."""
        self._ask_for_look(what)
        return self._read_look()

    def look_with_complaint(self, happened, times=1, **what):
        """The other events, the last of this many, and the look."""
        self._ask_for_look(what)
        told = [self._next(happened) for _ in range(times)]
        return told[-1], self._read_look()

    def guard(self, pid, backend_start, action="nothing", **checks):
        """The verdict of a guarded statement; the checks are named as in engine/order.hpp."""
        verdict, deadline = "shifted", time.monotonic() + PATIENCE_S
        while verdict == "shifted":  # others came or went meanwhile, so that nothing was done: the daemon, too, tries again
            assert time.monotonic() < deadline, f"the list of backends has moved each time for {PATIENCE_S} s"
            self._say({"do": "guard", "pid": pid, "backend_start": backend_start, "action": action, **checks})
            reply = self._next("reply")
            assert reply["error"]["message"] == "", reply
            verdict = reply["verdict"]
        return verdict

    def gates(self):
        """Everything that is known of the databases' gates; of each database under its name."""
        self._say({"do": "gates"})
        return self._next("gates")

    def failing_gates(self):
        """The error with which the question about the gates failed."""
        self._say({"do": "gates"})
        return self._next("gates_failed")["error"]

    def begin_turn(self, database, closes, access="mark", **order):
        """Sends the order to close or open a gate; the keywords are named as in drains/gate.hpp."""
        self._say({"do": "turn", "database": database, "closes": closes, "access": access, **order})

    def end_turn(self):
        return self._next("turned")

    @property
    def has_spoken(self):
        """Whether there is something to read: the end of a turn, for instance."""
        return bool(select.select([self.process.stdout], [], [], 0)[0])

    def turn(self, database, closes, access="mark", **order):
        self.begin_turn(database, closes, access, **order)
        return self.end_turn()

    def turn_pgbouncer(self, conninfo, database, closes, gate="pause", pools=(), server=()):
        """Closes or opens a database's gate at PgBouncer; `server`: pairs of host and port."""
        self._say({"do": "pooler", "conninfo": conninfo, "database": database, "closes": closes, "gate": gate,
                   "access": "journal", "pools": list(pools), "server": list(server)})
        return self.end_turn()

    def close(self):
        with suppress(BrokenPipeError):  # a request that a killed one did not take any more
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def _ask_for_look(self, what):
        self._looks += 1
        self._say({"do": "look", "number": self._looks, **what})

    def _read_look(self):
        found = self._next("look")
        assert found["number"] == self._looks
        found["sessions"] = {int(pid): row for pid, row in found["sessions"].items()}
        found["waits"] = {wait["waiter"]: wait for wait in found["waits"]}
        return found

    def _say(self, request):
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()

    def _next(self, happened, timeout=PATIENCE_S):
        while b"\n" not in self._read:
            assert select.select([self.process.stdout], [], [], timeout)[0], f"nothing in {timeout} s"
            more = os.read(self.process.stdout.fileno(), 65536)
            assert more, "the probe ended"
            self._read += more
        line, self._read = self._read.split(b"\n", 1)
        told = json.loads(line)
        assert told["happened"] == happened, told
        return told
