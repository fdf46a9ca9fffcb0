"""Clients that give an enforcer trouble: sessions that do the same thing again and again, all driven by one thread.

They are light: what can be left to the server is, in a loop of PL/pgSQL or a batch of statements that is sent at once.
"""

import heapq
import select
import threading
import time

from psycopg import OperationalError, pq

from support.session import OK, Session


def renaming(pause="0.001"):
    """A statement that gives its session a new application_name again and again."""
    return f"""do $$ declare i int8 := 0; begin
                 loop
                   i := i + 1;
                   perform set_config('application_name', 'a' || i, false);
                   perform pg_sleep({pause});
                 end loop;
               end $$"""


# The same without a pause: no two readings show the same name.
RENAMING_FAST = """do $$ declare i int8 := 0; begin
                     loop i := i + 1; perform set_config('application_name', 'a' || i, false); end loop;
                   end $$"""

# The same, and takes a cancel for no reason to end.
RENAMING_ON = """do $$ declare i int8 := 0; begin
                   loop
                     begin
                       loop
                         i := i + 1;
                         perform set_config('application_name', 'a' || i, false);
                         perform pg_sleep(0.001);
                       end loop;
                     exception when query_canceled then null; end;
                   end loop;
                 end $$"""


class _Member:
    """A session, and how what it sent last fares."""

    def __init__(self, session, batch, syncs):
        self.session = session
        self._syncs = syncs
        self._awaited = 0
        self.sent = 0.0
        self._batch = batch
        self._is_good = True
        if batch:
            session.pgconn.enter_pipeline_mode()

    def send(self, statement):
        self.sent = time.monotonic()
        self._is_good = True
        pgconn = self.session.pgconn
        try:
            if not self._batch:
                pgconn.send_query(statement.encode())
                return
            for _ in range(self._batch):
                pgconn.send_query_params(statement.encode(), None)
            if self._syncs:
                pgconn.pipeline_sync()
            else:
                pgconn.send_flush_request()
                pgconn.flush()
                self._awaited = self._batch
        except OperationalError:
            pass  # its end is met where it is read

    def receive(self):
        """None: it still runs. Else whether what was sent has ended well."""
        pgconn = self.session.pgconn
        try:
            pgconn.consume_input()
            was_none = False
            while not pgconn.is_busy():
                result = pgconn.get_result()
                if result is None:
                    if not self._batch:
                        return self._is_good
                    if was_none:
                        return None
                elif result.status == pq.ExecStatus.PIPELINE_SYNC:
                    return self._is_good
                elif result.status == pq.ExecStatus.TUPLES_OK and self._batch and not self._syncs:
                    self._awaited -= 1
                    if self._awaited == 0:
                        return self._is_good
                elif result.status in (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.PIPELINE_ABORTED):
                    self._is_good = False
                was_none = result is None
        except OperationalError:
            return False
        return None if self.is_connected else False

    @property
    def is_connected(self):
        return self.session.pgconn.status == pq.ConnStatus.OK


class Crowd:
    """`count` sessions that run `before` once, one statement after the other, and then, from `start` on, `again` for ever.

    conninfos: one, or a list of which they take turns
    pause:     seconds between two of them
    batch:     so many are sent at once, in a pipeline with one Sync behind the last (extended protocol)
    syncs:     false: with none at all, so that everything is one transaction; it ends with the first error
    insists:   whether a session goes on after an error; one whose connection has ended never does
    """

    def __init__(self, conninfos, count, again, *, before=(), pause=0.0, batch=0, syncs=True, insists=False):
        self._again = again
        self._pause = pause
        self._insists = insists
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._drive, daemon=True)
        self.sessions = []
        self.longest = 0.0  # seconds from the sending of one to the arrival of its outcome, or to stop()
        conninfos = [conninfos] if isinstance(conninfos, str) else conninfos
        for number in range(count):
            self.sessions.append(Session(conninfos[number % len(conninfos)]))
            for statement in before:
                assert self.sessions[-1].run(statement) == OK, statement
        self._members = [_Member(session, batch, syncs) for session in self.sessions]

    @property
    def pids(self):
        return [session.pid for session in self.sessions]

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        """No more is sent from here on; what runs goes on."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _drive(self):
        by_socket = {member.session.pgconn.socket: member for member in self._members}
        poll = select.poll()
        for socket in by_socket:
            poll.register(socket, select.POLLIN)
        due = [(0.0, number) for number in range(len(self._members))]
        while not self._stopping.is_set():
            while due and due[0][0] <= time.monotonic():
                self._members[heapq.heappop(due)[1]].send(self._again)
            wait = min(0.1, max(0.0, due[0][0] - time.monotonic())) if due else 0.1
            for socket, _ in poll.poll(1000 * wait):
                member = by_socket[socket]
                is_good = member.receive()
                if is_good is None:
                    continue
                now = time.monotonic()
                self.longest = max(self.longest, now - member.sent)
                if is_good or (self._insists and member.is_connected):
                    heapq.heappush(due, (now + self._pause, self._members.index(member)))
                else:
                    poll.unregister(socket)
        waiting = {number for _, number in due}
        for number, member in enumerate(self._members):
            if number not in waiting and member.is_connected:
                self.longest = max(self.longest, time.monotonic() - member.sent)
