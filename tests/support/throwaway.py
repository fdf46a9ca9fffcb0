"""A throwaway PostgreSQL: in a directory of its own under /tmp, on a unix socket only, gone when its owner is gone.

    with Throwaway(["max_connections = 250"]) as server:
        with server.connect() as c:
            c.execute("select 1")

The server runs under a small shell that reads a pipe whose write end is ours. However this process
ends (return, exception, Ctrl-C, SIGKILL), the pipe closes, and the shell stops the server by its pid and removes
the directory.
"""

import os
import pwd
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from support.session import PATIENCE_S, wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
GRANTS = REPOSITORY / "packaging" / "grants.sql"
SUPERUSER = "postgres"

# $1 is the directory, the rest the server's command line. The first line of output is the server's pid; a second
# one says that it ended. A line `keep` on its input stops the server and leaves the directory.
_GUARDIAN = """
directory=$1; shift
exec 3<&0 </dev/null
trap '' PIPE
"$@" >>"$directory/log" 2>&1 3<&- &
server=$!
echo "$server"
{
  read -r word <&3
  [ -e "$directory/data/postmaster.pid" ] && kill -QUIT "$server"
  [ "$word" != keep ]
} &
reader=$!
wait "$server"
echo ended 2>/dev/null  # nobody may be left to read it
wait "$reader" && rm -rf "$directory"
exit 0
"""

_QUIET = [
    "listen_addresses = ''",
    "unix_socket_permissions = 0777",
    "fsync = off",
    "full_page_writes = off",
    "shared_buffers = '16MB'",
    "log_line_prefix = '%m [%p] %c %u@%d '",
    "timezone = 'UTC'",
    # It starts when it likes, and takes transaction ids, locks and places in the list of backends.
    "autovacuum = off",
]


def find_bindir() -> Path:
    """The directory with `postgres` and `initdb`: that which $PGCURFEW_TEST_PG_BIN names,
    or that of pg_config, or the newest."""
    chosen = os.environ.get("PGCURFEW_TEST_PG_BIN")
    if chosen:
        candidates = [Path(chosen)]
    else:
        candidates = []
        if shutil.which("pg_config"):
            out = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True)
            candidates.append(Path(out.stdout.strip()))

        def version(path):
            digits = "".join(c if c.isdigit() else " " for c in str(path)).split()
            return [int(d) for d in digits]

        candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=version, reverse=True)
        candidates += sorted(Path("/usr").glob("pgsql-*/bin"), key=version, reverse=True)
        candidates += [Path(d) for d in os.environ.get("PATH", "").split(os.pathsep) if d]
    for directory in candidates:
        if all(os.access(directory / name, os.X_OK) for name in ("postgres", "initdb")):
            return directory
    raise FileNotFoundError(f"no postgres and initdb in any of: {', '.join(map(str, candidates))}")


def _unprivileged():
    """The user that runs the server: PostgreSQL refuses root. None: the current user."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("running as root, and there is neither a user postgres nor nobody to run the server as")


class Throwaway:
    """A server with the given lines in its postgresql.conf. Starts in `start` or on entering `with`."""

    def __init__(self, settings=()):
        self.bindir = find_bindir()
        self.settings = list(settings)
        self.directory = None
        self.pid = None
        self._owner = _unprivileged()
        self._guardian = None

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self):
        # Not $TMPDIR: the path of a socket has at most 107 bytes, and the server's user must be able to get there.
        self.directory = Path(tempfile.mkdtemp(prefix="pgcurfew-", dir="/tmp"))
        try:
            os.chmod(self.directory, 0o755)
            if self._owner:
                os.chown(self.directory, self._owner.pw_uid, self._owner.pw_gid)
            self._initdb()
            self.configure(_QUIET + [f"unix_socket_directories = '{self.directory}'"] + self.settings)
            self._launch()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self):
        """Stops the server and removes its directory. Harmless if that is done already."""
        self._release(b"")
        # More than once: something that was killed just now may still have made a file.
        deadline = time.monotonic() + PATIENCE_S
        while self.directory and self.directory.exists() and time.monotonic() < deadline:
            shutil.rmtree(self.directory, ignore_errors=True)
            time.sleep(0.01)
        self.directory = None

    def crash(self):
        """Ends the server at once, as a failure would; `revive` starts it again on the same data and socket."""
        self._release(b"keep\n")

    def revive(self):
        self._launch()

    def restart(self):
        self.crash()
        self.revive()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # -- use ----------------------------------------------------------------------------------------------------

    def conninfo(self, **parameters) -> str:
        """libpq's connection string; by default as superuser on `postgres`."""
        return make_conninfo(**{"host": str(self.directory), "user": SUPERUSER, "dbname": "postgres", **parameters})

    def connect(self, autocommit=True, **parameters) -> psycopg.Connection:
        return psycopg.connect(self.conninfo(**parameters), autocommit=autocommit)

    def execute(self, sql, values=None, **parameters):
        """Runs one statement in a connection of its own and returns its rows, if it has any."""
        with self.connect(**parameters) as connection:
            cursor = connection.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    def end(self, sessions):
        """Ends these sessions of the server for good: a statement that sleeps does not notice that its client left."""
        pids = [session.pid for session in sessions]
        # the pid of one that has ended may be that of our own connection by now
        gone = ("select pg_terminate_backend(pid) from pg_stat_get_activity(null) "
                "where pid = any(%s) and pid <> pg_backend_pid()")
        with self.connect() as connection:
            wait_until(lambda: not connection.execute(gone, [pids]).fetchall(), every=0.02)
        for session in sessions:
            session.close()

    def make_watchdog_role(self) -> str:
        """Makes the least-privileged role of packaging/grants.sql, if it does not exist, and returns its name."""
        if not self.execute("select 1 from pg_roles where rolname = 'pgcurfew'"):
            self.execute(GRANTS.read_text(encoding="utf-8"))
        return "pgcurfew"

    def make_role(self, name) -> str:
        """Makes a role with LOGIN and nothing more, if it is not there."""
        if not self.execute("select 1 from pg_roles where rolname = %s", [name]):
            self.execute(f'create role "{name}" login')
        return name

    def configure(self, lines):
        """Adds lines to postgresql.conf; a later line wins. Takes effect at the next start or `reload`."""
        with open(self.directory / "data" / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write("\n" + "\n".join(lines) + "\n")

    def log(self) -> str:
        path = self.directory / "log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    @property
    def version(self) -> int:
        return int((self.directory / "data" / "PG_VERSION").read_text())

    # -- inside -------------------------------------------------------------------------------------------------

    def _as_owner(self):
        """Arguments of subprocess that drop root."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PG") and k not in ("LANG", "LANGUAGE")}
        clean = {k: v for k, v in clean.items() if not k.startswith("LC_")}
        arguments = {"env": clean, "cwd": "/", "start_new_session": True}
        if self._owner:
            arguments.update(user=self._owner.pw_uid, group=self._owner.pw_gid, extra_groups=[])
        return arguments

    def _initdb(self):
        command = [self.bindir / "initdb", "-D", self.directory / "data", "-U", SUPERUSER, "-A", "trust",
                   "-E", "UTF8", "--locale=C", "-N"]
        initdb = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True, **self._as_owner())
        try:
            said, _ = initdb.communicate()
        except BaseException:
            os.killpg(initdb.pid, signal.SIGKILL)  # it has children, and would go on to write
            initdb.wait()
            raise
        if initdb.returncode != 0:
            raise RuntimeError(f"initdb failed:\n{said}")

    def _launch(self):
        command = ["sh", "-c", _GUARDIAN, "sh", self.directory, self.bindir / "postgres", "-D", self.directory / "data"]
        # Without a buffer: one that took in the second line with the first would hide it from select.
        self._guardian = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
                                          **self._as_owner())
        self.pid = int(self._guardian.stdout.readline())
        self._await_ready()

    def _await_ready(self, timeout=PATIENCE_S):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if select.select([self._guardian.stdout], [], [], 0)[0]:
                raise RuntimeError(f"the server ended at its start:\n{self.log()}")
            try:
                self.connect().close()
                return
            except psycopg.OperationalError:
                time.sleep(0.01)
        raise TimeoutError(f"the server did not start within {timeout} s:\n{self.log()}")

    def _release(self, word):
        if not self._guardian:
            return
        guardian, self._guardian = self._guardian, None
        try:
            guardian.stdin.write(word)
            guardian.stdin.close()
        except BrokenPipeError:
            pass
        guardian.stdout.close()
        guardian.wait()
