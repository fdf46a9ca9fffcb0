"""A substitute for systemd: a NOTIFY_SOCKET that keeps its messages."""

import os
import socket
import threading
import time

from support.session import PATIENCE_S


class NotifySocket:
    """Records every datagram as a dict of its assignments. Starts to listen when made."""

    def __init__(self, path):
        self.path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        os.chmod(self.path, 0o777)
        self._told = []
        self._times = []
        self._marks = 0
        self._changed = threading.Condition()
        # A thread, because a full socket would block the sender.
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def environment(self, watchdog_seconds=None, pid=None):
        """The variables with which systemd would start its service."""
        variables = {"NOTIFY_SOCKET": self.path}
        if watchdog_seconds:
            variables["WATCHDOG_USEC"] = str(int(watchdog_seconds * 1e6))
            if pid:
                variables["WATCHDOG_PID"] = str(pid)
        return variables

    @property
    def told(self):
        with self._changed:
            return list(self._told)

    def times_of(self, key):
        """When messages with this key came in, by our clock: a little after they were sent, or more on a busy machine."""
        with self._changed:
            return [time for time, message in zip(self._times, self._told) if key in message]

    def mark(self):
        """The number of messages so far, including all that were on their way when this was called."""
        self._marks += 1
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as marker:
            marker.sendto(f"MARK={self._marks}".encode(), self.path)
        self.wait_for_key("MARK", str(self._marks))
        return len(self.told)

    def statuses(self):
        return [message["STATUS"] for message in self.told if "STATUS" in message]

    def wait_for(self, predicate, timeout=PATIENCE_S, since=0):
        """The first message from number `since` on that fits, waited for."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                for message in self._told[since:]:
                    if predicate(message):
                        return message
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise TimeoutError(f"not told within {timeout} s; told: {self._told[since:]}")

    def wait_for_key(self, key, value=None, **kwargs):
        return self.wait_for(lambda m: key in m and value in (None, m[key]), **kwargs)

    def close(self):
        # An empty datagram is nothing that sd_notify sends.
        closer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        closer.sendto(b"", self.path)
        closer.close()
        self._thread.join()
        self._socket.close()
        os.unlink(self.path)

    def _listen(self):
        while True:
            datagram = self._socket.recv(65536)
            if not datagram:
                return
            lines = datagram.decode(errors="replace").splitlines()
            message = dict(line.split("=", 1) for line in lines if "=" in line)
            with self._changed:
                self._told.append(message)
                self._times.append(time.monotonic())
                self._changed.notify_all()
