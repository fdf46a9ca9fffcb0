"""A database that is drained, its clients, and what is found at its gate."""

from support.session import Session, wait_until

MARKS = "select setconfig from pg_db_role_setting where setrole = 0 and setconfig::text like '%%pgcurfew.drain%%'"


class Orders:
    def __init__(self, server, database):
        self.server = server
        self.name = database
        self._sessions = []
        self._watcher = server.connect()

    def open(self, *statements, **who):
        made = Session(self.server.conninfo(**{"user": "app", "dbname": self.name, **who}))
        self._sessions.append(made)
        for statement in statements:
            made.run(statement)
        return made

    def opens(self, **who):
        try:
            self.open(**who).close()
            return True
        except ConnectionError:
            return False

    @property
    def limit(self):
        return self._watcher.execute("select datconnlimit from pg_database where datname = %s", [self.name]).fetchone()[0]

    @property
    def marks(self):
        return self._watcher.execute(MARKS).fetchall()

    def is_as_before(self, limit=-1):
        return self.limit == limit and self.marks == []

    def clients(self, *but):
        """The pids of the client sessions that are there."""
        rows = self._watcher.execute("select pid from pg_stat_activity where datname = %s and backend_type = %s",
                                     [self.name, "client backend"]).fetchall()
        return {row[0] for row in rows} - set(but)

    def wait_until_busy(self, *sessions):
        """Waits until the server has begun the statements of these sessions."""
        busy = "select count(*) from pg_stat_get_activity(null) where state = 'active' and pid = any(%s)"
        wait_until(lambda: self._watcher.execute(busy, [[session.pid for session in sessions]]).fetchone()[0]
                   == len(sessions))

    def give_back(self):
        self.server.execute(f"alter database {self.name} reset pgcurfew.drain")
        self.server.execute(f"alter database {self.name} connection limit -1")

    def close(self):
        # until they are gone: the next test counts the sessions
        ended = "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and backend_type = %s"
        wait_until(lambda: not self._watcher.execute(ended, [self.name, "client backend"]).fetchall(), every=0.02)
        for session in self._sessions:
            session.close()
        self._watcher.close()


def config_of(server, rest, mode="enforce", user="pgcurfew"):
    return f'mode: {mode}\nservers: [ {{ name: s, conninfo: "{server.conninfo(user=user)}" }} ]\n{rest}\n'
