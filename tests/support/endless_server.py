"""Something that speaks PostgreSQL's protocol and answers whatever it is asked with rows without end, or with one such row."""

import socket
import struct
import threading


def message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


GREETING = (message(b"R", struct.pack("!i", 0)) + message(b"S", b"server_version\0" + b"15.0\0")
            + message(b"K", struct.pack("!ii", 4711, 1)) + message(b"Z", b"I"))
LONGEST = 1 << 30  # of a row, in bytes, as far as PostgreSQL goes
ROW_DESCRIPTION = message(b"T", struct.pack("!h", 1) + b"name\0" + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0))
COPY_OUT = message(b"H", struct.pack("!bh", 0, 0))


class EndlessServer:
    """Listens at once: on a port of 127.0.0.1, or on a socket in `folder`. `in_one`: all that it sends belongs to one row.
    `copies`: it begins a COPY instead, and sends nothing."""

    def __init__(self, folder=None, in_one=False, copies=False):
        if folder is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.conninfo = f"host=127.0.0.1 port={self._listener.getsockname()[1]} user=pgcurfew sslmode=disable gssencmode=disable"
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(folder / ".s.PGSQL.5432"))
            self._listener.listen()
            self.conninfo = f"host={folder} port=5432 user=pgcurfew"
        self._copies = copies
        self.sent = []  # bytes of rows, of each connection that has ended
        self._head = b"D" + struct.pack("!ihi", LONGEST, 1, LONGEST - 10) if in_one else b""
        self._rows = bytes(100000) if in_one else message(b"D", struct.pack("!hi", 1, 1000) + b"x" * 1000) * 100
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=[client], daemon=True).start()

    def _talk(self, client):
        sent = 0
        try:
            with client:
                client.recv(65536)
                client.sendall(GREETING)
                asked = client.recv(65536)
                if self._copies:
                    client.sendall((message(b"1", b"") + message(b"2", b"") if asked[:1] == b"P" else b"") + COPY_OUT)
                    while client.recv(65536):
                        pass
                    return
                client.sendall((message(b"1", b"") + message(b"2", b"") if asked[:1] == b"P" else b"") + ROW_DESCRIPTION
                               + self._head)
                while True:
                    client.sendall(self._rows)
                    sent += len(self._rows)
        except OSError:
            self.sent.append(sent)

    def close(self):
        self._listener.close()
