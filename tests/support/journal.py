"""A systemd-journald of its own."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

from support.session import wait_until

JOURNALD = Path("/lib/systemd/systemd-journald")
MOUNTS = ("mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/log && mkdir -p /run/systemd/journal /run/log/journal "
          f"&& exec {JOURNALD}")


def can_have_a_journal():
    return (os.geteuid() == 0 and JOURNALD.exists() and shutil.which("nsenter") is not None
            and subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode == 0)


class Journal:
    """A journald of its own, with a /run that only it and those in its namespace see."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "-m", "sh", "-c", MOUNTS], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self.inside = ["nsenter", "-t", str(self.process.pid), "-m"]
        wait_until(lambda: self.run("test", "-S", "/run/systemd/journal/socket").returncode == 0, every=0.05)

    def run(self, *command):
        return subprocess.run([*self.inside, *command], check=False, capture_output=True, text=True, timeout=60)

    def entries(self, *wanted):
        out = self.run("journalctl", "--no-pager", "--all", "-o", "json", "SYSLOG_IDENTIFIER=pgcurfew", *wanted).stdout
        return [json.loads(line) for line in out.splitlines()]

    def ids(self):
        return self.run("journalctl", "--no-pager", "--all", "-o", "cat", "--output-fields=PGCURFEW_ID",
                        "SYSLOG_IDENTIFIER=pgcurfew").stdout.splitlines()

    def hold_still(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        self.go_on()
        self.process.kill()
        self.process.wait()
