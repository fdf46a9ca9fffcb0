"""pgcurfew run, as a child whose log can be read and waited for."""

import json
import os
import select
import signal
import subprocess
import threading
import time

from support.session import PATIENCE_S


class Daemon:
    """Starts `pgcurfew run --config CONFIG --log-format json` and reads its log.

    An event is a line of the log: a dict with ts, level, event, message and whatever else that kind of event tells:
    event["pid"].
    """

    def __init__(self, executable, config, *arguments, environment=None, log_format="json"):
        self.config = config
        command = [str(executable), "run", "--config", str(config), "--log-format", log_format, *arguments]
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        clean.pop("NOTIFY_SOCKET", None)
        # A journal of gates of its own: that of another run may have a server and a database of the same names.
        clean["STATE_DIRECTORY"] = str(config.parent)
        clean.update(environment or {})
        self._lines = []
        self._events = []
        self._unread = b""  # of a line whose end has not come yet
        self._ended = False
        self._changed = threading.Condition()
        # It drops lines for which there is no room: enough of that until a slow machine comes to read them.
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, pipesize=1 << 20, text=True, errors="replace", env=clean)
        self._errors = []
        self._readers = [threading.Thread(target=self._read_log, daemon=True),
                         threading.Thread(target=self._read_errors, daemon=True)]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self):
        return self.process.pid

    @property
    def events(self):
        """All events so far: after an effect on a server is seen, the events before it are included."""
        with self._changed:
            self._take_in()
            return list(self._events)

    @property
    def lines(self):
        """What it wrote to stdout, line by line."""
        with self._changed:
            self._take_in()
            return list(self._lines)

    @property
    def stderr(self):
        return "".join(self._errors)

    def all(self, kind, **fields):
        """The events so far of this kind with these fields."""
        return [event for event in self.events if event.fits(kind, fields)]

    def wait_for(self, kind_or_predicate, timeout=PATIENCE_S, since=0, **fields):
        """The first event from number `since` on of this kind and with these fields, waited for."""
        predicate = kind_or_predicate
        if not callable(predicate):
            def predicate(event):
                return event.fits(kind_or_predicate, fields)
        deadline = time.monotonic() + timeout
        seen = since
        with self._changed:
            while True:
                for event in self._events[seen:]:
                    if predicate(event):
                        return event
                seen = len(self._events)
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    wanted = kind_or_predicate if isinstance(kind_or_predicate, str) else "such an event"
                    why = "it ended" if self._ended else f"{timeout} s went by"
                    log = "\n".join(self._lines)
                    raise TimeoutError(f"{why} without {wanted} {fields or ''}\n{log}\n{self.stderr}")
                self._changed.wait(left)

    def reload(self, policy=None):
        """SIGHUP, after the policy was replaced if one is given."""
        if policy is not None:
            self.config.write_text(policy, encoding="utf-8")
        self.process.send_signal(signal.SIGHUP)

    def wait(self, timeout=PATIENCE_S):
        """The exit status, waited for; the log is complete then."""
        status = self.process.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
        return status

    def stop(self, timeout=PATIENCE_S):
        """SIGTERM; must end with status 0. Returns how long that took in seconds."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.wait(timeout)
        took = time.monotonic() - began
        assert status == 0, f"exit status {status}\n" + "\n".join(self.lines) + "\n" + self.stderr
        return took

    def kill(self):
        """For clean-up: whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
        self.wait()

    def kill_when(self, condition, timeout=PATIENCE_S):
        """Kills it as soon as `condition` gives something true."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"did not come true within {timeout} s\n" + "\n".join(self.lines)
            time.sleep(0.002)
        self.kill()

    def _read_log(self):
        ready = _poll(self.process.stdout)
        while not self._ended:
            ready.poll()
            with self._changed:
                self._take_in()

    def _take_in(self):
        """Reads what has been written so far, with the lock held."""
        ready = _poll(self.process.stdout)
        while not self._ended and ready.poll(0):
            more = os.read(self.process.stdout.fileno(), 65536)
            self._ended = not more
            if self._ended and self._unread:
                more = b"\n"
            *lines, self._unread = (self._unread + more).split(b"\n")
            for line in lines:
                for part in line.decode(errors="replace").removesuffix("\r").split("\r"):
                    self._take_line(part)
            self._changed.notify_all()

    def _take_line(self, line):
        self._lines.append(line)
        try:
            self._events.append(Event(json.loads(line)))
        except (ValueError, TypeError):
            pass

    def _read_errors(self):
        for line in self.process.stderr:
            self._errors.append(line)


def _poll(stream):
    made = select.poll()
    made.register(stream.fileno(), select.POLLIN)
    return made


class Event(dict):
    """A line of the log."""

    @property
    def kind(self):
        return self.get("event")

    def fits(self, kind, fields):
        return self.kind == kind and all(self.get(key) == value for key, value in fields.items())
