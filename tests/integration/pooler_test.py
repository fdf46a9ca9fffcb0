"""A connection pooler between the daemon and the server is found out and refused: what it shows is not the server's."""

import os
import pwd
import shutil
import subprocess

import pytest

from support.session import QUERY_CANCELED, Session, wait_until
from support.stage import outcome_of

PGBOUNCER = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
RULE = """
- name: limit
  match: { application_name: APP, state: active, query_age: 400ms }
  escalate: [cancel]
"""


@pytest.fixture(params=["session", "transaction"])
def pooler(request, server):
    """The conninfo of PgBouncer before the server."""
    folder = server.directory / f"pgbouncer-{request.param}"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    (folder / "users").write_text('"pgcurfew" ""\n"app" ""\n')
    (folder / "ini").write_text(f"""
[databases]
* = host={server.directory} port=5432
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = 6432
auth_type = trust
auth_file = {folder}/users
pool_mode = {request.param}
ignore_startup_parameters = extra_float_digits
""")
    # It refuses to run as root.
    user = pwd.getpwuid(os.stat(server.directory).st_uid).pw_name if os.geteuid() == 0 else None
    process = subprocess.Popen([PGBOUNCER, "-q", folder / "ini"], stdin=subprocess.DEVNULL, user=user,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    conninfo = f"host={folder} port=6432 dbname=postgres"

    def answers():
        assert process.poll() is None, "pgbouncer ended"
        try:
            Session(conninfo + " user=app").close()
            return True
        except ConnectionError:
            return False

    wait_until(answers, every=0.05)
    yield conninfo
    process.terminate()
    process.wait()


@pytest.mark.skipif(PGBOUNCER is None, reason="no pgbouncer here")
def test_a_pooler_is_refused_with_a_hint_and_the_server_itself_is_watched(stage, pooler):
    daemon = stage.start(RULE, servers={"pooled": f"{pooler} user=pgcurfew",
                                        "direct": stage.server.conninfo(user="pgcurfew")})
    down = daemon.wait_for("server_down", server="pooled")
    assert "pooler" in down["error"] + down["hint"]
    assert "the server itself" in down["hint"]
    session = stage.running()
    assert session.outcome() == QUERY_CANCELED
    assert outcome_of(daemon, session)["server"] == "direct"
    assert daemon.all("server_up", server="pooled") == []
