"""pgcurfew run, as a child whose log can be read and waited for."""

import json
import os
import signal
import subprocess
import threading
import time


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
        # Nobody else's journal: that of a run beside this one may know a server and a database of the same names.
        clean["STATE_DIRECTORY"] = str(config.parent)
        clean.update(environment or {})
        self._lines = []
        self._events = []
        self._ended = False
        self._changed = threading.Condition()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, errors="replace", env=clean)
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
        with self._changed:
            return list(self._events)

    @property
    def lines(self):
        """What it wrote to stdout, line by line as it stands."""
        with self._changed:
            return list(self._lines)

    @property
    def stderr(self):
        return "".join(self._errors)

    def all(self, kind, **fields):
        """The events so far of this kind with these fields."""
        return [event for event in self.events if event.fits(kind, fields)]

    def wait_for(self, kind_or_predicate, timeout=30, since=0, **fields):
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

    def wait(self, timeout=30):
        """The exit status, waited for; the log is complete then."""
        status = self.process.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
        return status

    def stop(self, timeout=30):
        """SIGTERM; must end with status 0. Gives back how long that took in seconds."""
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

    def kill_when(self, condition, timeout=30):
        """Kills it as soon as `condition` gives something true."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"did not come true within {timeout} s\n" + "\n".join(self.lines)
            time.sleep(0.002)
        self.kill()

    def _read_log(self):
        for line in self.process.stdout:
            try:
                event = Event(json.loads(line))
            except (ValueError, TypeError):
                event = None
            with self._changed:
                self._lines.append(line.rstrip("\n"))
                if event is not None:
                    self._events.append(event)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _read_errors(self):
        for line in self.process.stderr:
            self._errors.append(line)


class Event(dict):
    """A line of the log."""

    @property
    def kind(self):
        return self.get("event")

    def fits(self, kind, fields):
        return self.kind == kind and all(self.get(key) == value for key, value in fields.items())
