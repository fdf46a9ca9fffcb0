"""A database whose gate has its mark in the journal, and a daemon that drains it."""

from datetime import datetime, timedelta, timezone

from support.session import wait_until

DATABASE = "kept"


def policy(server, role, drain="", at=None, name="nightly"):
    at = at or datetime.now(timezone.utc) - timedelta(minutes=5)
    return f"""
mode: enforce
servers:
  - name: main
    conninfo: "{server.conninfo(user=role)}"
drains:
  - name: {name}
    databases: [{DATABASE}]
    at: {at.strftime("%Y-%m-%d %H:%M")}
    timezone: UTC
    duration: 1h
    escalate: [ wait: {{ for: 100ms }}, terminate: {{ after: 100ms }} ]
    {drain}
rules:
  - name: watchful
    match: {{ application_name: nobody-at-all, query_age: 100ms, state: active }}
    escalate: [alert]
"""


class Kept:
    """A database of a role that may signal its sessions, but set no mark."""

    role = "keeper"

    def __init__(self, server):
        self.server = server
        server.execute("create role keeper login in role pg_read_all_stats, pg_signal_backend")
        server.execute(f"create database {DATABASE} template template0 owner keeper connection limit 9")

    @property
    def limit(self):
        return self.server.execute("select datconnlimit from pg_database where datname = %s", [DATABASE])[0][0]

    def set_limit(self, limit):
        self.server.execute(f"alter database {DATABASE} connection limit {limit}")

    @property
    def sessions(self):
        return self.server.execute("select count(*) from pg_stat_activity where datname = %s", [DATABASE])[0][0]

    def drop(self):
        self.server.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [DATABASE])
        wait_until(lambda: not self.sessions)
        self.server.execute(f"drop database {DATABASE}")
        self.server.execute("drop role keeper")


def gates(state):
    return sorted(state.glob("*.gate"))
