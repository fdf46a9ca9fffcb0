"""The web server of a daemon, as its readers see it."""

import http.client
import json
import socket
from dataclasses import dataclass


def free_port():
    """A port of 127.0.0.1 that no one listens on now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Answer:
    status: int
    headers: dict
    text: str

    @property
    def json(self):
        return json.loads(self.text)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Web:
    """`where`: a port of 127.0.0.1, or the path of a socket. `tls`: what to trust, for HTTPS."""

    def __init__(self, where, tls=None):
        self.where = where
        self.tls = tls

    @property
    def listen(self):
        return f"127.0.0.1:{self.where}" if isinstance(self.where, int) else f"unix:{self.where}"

    @property
    def policy(self):
        """The section of a main file."""
        return f'web: {{ listen: "{self.listen}" }}'

    def ask(self, path, method="GET", headers=None, timeout=60):
        if self.tls:
            connection = http.client.HTTPSConnection("127.0.0.1", self.where, timeout=timeout, context=self.tls)
        else:
            connection = (http.client.HTTPConnection("127.0.0.1", self.where, timeout=timeout)
                          if isinstance(self.where, int) else _UnixConnection(str(self.where), timeout))
        try:
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode())
        finally:
            connection.close()

    def connect(self, sent=b""):
        """A connection on which only `sent` was sent."""
        made = socket.create_connection(("127.0.0.1", self.where), timeout=60)
        made.sendall(sent)
        return made

    def metrics(self):
        """The samples: {`name{labels}`: value}."""
        answer = self.ask("/metrics")
        assert answer.status == 200, answer.text
        lines = (line for line in answer.text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def sample(self, name, **labels):
        """The value of the one sample of this family that has these labels."""
        found = [value for series, value in self.metrics().items()
                 if series.partition("{")[0] == name and all(f'{k}="{v}"' in series for k, v in labels.items())]
        assert len(found) == 1, (name, labels, found)
        return found[0]

    def status(self):
        answer = self.ask("/status")
        assert answer.status == 200, answer.text
        return answer.json
