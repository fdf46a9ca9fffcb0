"""PgBouncer before a throwaway server: in the server's directory, on a unix socket only."""

import itertools
import os
import pwd
import shutil
import signal
import subprocess

import psycopg

from support.session import wait_until

EXECUTABLE = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")

_numbers = itertools.count(1)


class PgBouncer:
    """Starts at once. `databases`: lines of its section of that name; ADDRESS in them leads to the server."""

    def __init__(self, server, name, pool_mode="session", databases="* = ADDRESS"):
        assert EXECUTABLE, "pgbouncer is not installed (packaging/packages.sh)"
        self._server = server
        self.folder = server.directory / f"pgbouncer-{name}-{next(_numbers)}"
        self.folder.mkdir(mode=0o777)
        self.folder.chmod(0o777)
        (self.folder / "users").write_text('"pgcurfew" ""\n"app" ""\n"postgres" ""\n', encoding="utf-8")
        (self.folder / "ini").write_text(f"""
[databases]
{databases.replace("ADDRESS", f"host={server.directory} port=5432")}
[pgbouncer]
listen_addr =
unix_socket_dir = {self.folder}
listen_port = 6432
auth_type = trust
auth_file = {self.folder}/users
admin_users = pgcurfew
pool_mode = {pool_mode}
ignore_startup_parameters = extra_float_digits
""", encoding="utf-8")
        self.start()

    def start(self):
        # It refuses to run as root.
        user = pwd.getpwuid(os.stat(self._server.directory).st_uid).pw_name if os.geteuid() == 0 else None
        self._process = subprocess.Popen([EXECUTABLE, "-q", self.folder / "ini"], stdin=subprocess.DEVNULL, user=user,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._answers, every=0.05)

    def stop(self):
        self._process.kill()
        self._process.wait()

    def freeze(self):
        """It neither ends nor answers any more."""
        self._process.send_signal(signal.SIGSTOP)

    def conninfo(self, dbname="postgres", user="app"):
        return f"host={self.folder} port=6432 dbname={dbname} user={user}"

    def console(self, command):
        """What its admin console answers, as a list of dicts."""
        with psycopg.connect(self.conninfo("pgbouncer", "pgcurfew"), autocommit=True,
                             cursor_factory=psycopg.ClientCursor) as connection:
            cursor = connection.execute(command)
            if not cursor.description:
                return []
            return [dict(zip([column.name for column in cursor.description], row)) for row in cursor.fetchall()]

    def shown(self, name):
        """Whether it shows a database of its own as paused, and as disabled."""
        row = next(row for row in self.console("SHOW DATABASES") if row["name"] == name)
        return row["paused"] == "1" or row["paused"] == 1, row["disabled"] == "1" or row["disabled"] == 1

    def _answers(self):
        assert self._process.poll() is None, "pgbouncer ended"
        try:
            self.console("SHOW VERSION")
            return True
        except psycopg.OperationalError:
            return False
