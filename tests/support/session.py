"""A client's session without a thread: a statement is started, and its outcome asked for later."""

import select
import time

from psycopg import OperationalError, pq

# How long is waited for what has to happen: so long that no machine is too slow for it. A test that proves that something
# comes in time has the alternative take much longer than this, or holds it against something measured beside it.
PATIENCE_S = 120

# Seconds for which something has to last until a test has done what it does in its midst. A slow machine may need more than
# the first of them; the test then starts again with the next.
LONG_ENOUGH = (1, 4, 16, 40)

# SQLSTATEs that the tests speak of
QUERY_CANCELED = "57014"
ADMIN_SHUTDOWN = "57P01"

OK = "ok"      # the statement ran to its end
LOST = "lost"  # the connection ended without a word


def has_input(descriptor, seconds):
    """Whether something comes within that time. Unlike select(), for descriptors beyond 1023, too."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


class Session:
    def __init__(self, conninfo):
        """`conninfo` in bytes where a name in it is no text."""
        self.pgconn = pq.PGconn.connect(conninfo if isinstance(conninfo, bytes) else conninfo.encode())
        if self.pgconn.status != pq.ConnStatus.OK:
            raise ConnectionError(self.pgconn.error_message.decode(errors="replace").strip())
        self.pid = self.pgconn.backend_pid
        self.pgconn.notice_handler = lambda _: None
        self._is_lost = False

    def start(self, sql):
        """Sends `sql` and does not wait for it."""
        try:
            self.pgconn.send_query(sql.encode())
        except OperationalError:
            self._is_lost = True  # it ended before this, and is known to have
        return self

    def outcome(self, timeout=PATIENCE_S):
        """`ok`, `lost`, or the SQLSTATE with which the statement that was started ended."""
        if self._is_lost:
            return LOST
        deadline = time.monotonic() + timeout
        outcome = OK
        while True:
            while self.pgconn.is_busy():
                left = deadline - time.monotonic()
                if left <= 0 or not has_input(self.pgconn.socket, left):
                    raise TimeoutError(f"the statement is still running after {timeout} s")
                try:
                    self.pgconn.consume_input()
                except OperationalError:
                    break  # the connection ended; what it said before that is still to be had as a result
            result = self.pgconn.get_result()
            if result is None:
                return outcome
            if result.status == pq.ExecStatus.FATAL_ERROR:
                state = result.error_field(pq.DiagnosticField.SQLSTATE)
                # libpq adds a result of its own, without a SQLSTATE, for the end of the connection
                outcome = state.decode() if state else (LOST if outcome == OK else outcome)

    def run(self, sql, timeout=PATIENCE_S):
        return self.start(sql).outcome(timeout)

    @property
    def transaction(self):
        return self.pgconn.transaction_status

    def close(self):
        self.pgconn.finish()


def wait_until(condition, timeout=PATIENCE_S, every=0.005):
    """Asks `condition` again and again until it gives something true, and gives that back."""
    deadline = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"did not come true within {timeout} s")
        time.sleep(every)


def wait_until_quick(ask, seconds):
    """Repeats a call until it takes less than `seconds`, and returns its result.

    A slow machine takes longer now and then, one who waits for something on purpose does so each time.
    """
    def try_it():
        began = time.monotonic()
        answer = ask()
        return (answer,) if time.monotonic() - began < seconds else None

    return wait_until(try_it)[0]


def in_time(attempt, lengths=LONG_ENOUGH):
    """Tries it with longer and longer times, until `attempt(seconds)` gives something true, and gives that back.

    That says that the machine was fast enough for what the test has to do in that time. What goes wrong however much time
    there is goes wrong with the last of them, too.
    """
    for seconds in lengths:
        found = attempt(seconds)
        if found:
            return found
    raise AssertionError(f"not even {lengths[-1]} s were enough")
