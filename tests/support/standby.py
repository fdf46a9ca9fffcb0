"""A streaming standby of a throwaway server.

It is made of a copy of the primary's data directory while that one is down for a moment, so that it needs nothing but
`postgres` itself, and goes the same way on every version.
"""

import os
import signal
import subprocess

from support.session import wait_until
from support.throwaway import SUPERUSER, Throwaway

# Replay waits for its sessions for ever: they end only when they are terminated.
_PATIENT = ["max_standby_streaming_delay = -1", "max_standby_archive_delay = -1", "hot_standby_feedback = off",
            "wal_retrieve_retry_interval = '100ms'"]


class Standby(Throwaway):
    """Starts in `start`, from a running primary that is not in use otherwise."""

    def __init__(self, primary, settings=()):
        super().__init__([*_PATIENT, *settings])
        self.primary = primary

    def _initdb(self):
        self.primary.crash()
        subprocess.run(["cp", "-a", self.primary.directory / "data", self.directory / "data"], check=True)
        self.primary.revive()
        (self.directory / "data" / "postmaster.pid").unlink(missing_ok=True)
        source = f"primary_conninfo = 'host={self.primary.directory} user={SUPERUSER}'"
        if self.version >= 12:
            self._write("standby.signal", "")
            self.configure([source])
        else:
            self._write("recovery.conf", f"standby_mode = on\n{source}\n")

    def _write(self, name, text):
        path = self.directory / "data" / name
        path.write_text(text, encoding="utf-8")
        if self._owner:
            os.chown(path, self._owner.pw_uid, self._owner.pw_gid)

    def catch_up(self):
        """Until everything is replayed that the primary has written so far."""
        position = self.primary.execute("select pg_current_wal_lsn()")[0][0]
        wait_until(lambda: self.execute("select pg_last_wal_replay_lsn() >= %s", [position])[0][0], every=0.02)

    def promote(self):
        """Until it is a primary."""
        if self.version >= 12:
            self.execute("select pg_promote()")
        else:
            trigger = self.directory / "data" / "promote"
            self._write("promote", "")
            os.kill(int((self.directory / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGUSR1)
            wait_until(lambda: not trigger.exists())
        wait_until(lambda: not self.execute("select pg_is_in_recovery()")[0][0], every=0.02)
