"""A command on a terminal of its own, as a person starts it there."""

import codecs
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading

from support.session import PATIENCE_S, wait_until


def _take_terminal():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # the parent process may ignore some of these, as nohup and a shell's background do
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


class Terminal:
    """Starts `arguments` in a session of its own, in the foreground of a new terminal; what it shows is in `output`."""

    def __init__(self, arguments, environment=None, columns=200):
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        self.process = subprocess.Popen(
            [str(argument) for argument in arguments], stdin=slave, stdout=slave, stderr=slave, env=environment,
            start_new_session=True, preexec_fn=_take_terminal)
        os.close(slave)
        self.output = ""
        self._is_open = True
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def type(self, text):
        os.write(self._master, text.encode())

    def lines_until(self, text, timeout=PATIENCE_S):
        """What it shows, as lines, up to the first one that has `text` in it; waited for."""
        def length():
            output = self.output
            return text in output and output.find("\n", output.index(text)) + 1

        try:
            end = wait_until(length, timeout)
        except TimeoutError as error:
            raise TimeoutError(f"{text!r} was not shown: {self.output}") from error
        return self.output[:end].replace("\r\n", "\n").splitlines()

    def hang_up(self):
        """As when its window is closed."""
        self._is_open = False
        self._reader.join()
        os.close(self._master)

    def wait(self, timeout=PATIENCE_S):
        status = self.process.wait(timeout)
        self._reader.join(timeout)
        return status

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self._is_open:
            self.hang_up()

    def _read(self):
        # a character of several bytes may come in two pieces
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        while self._is_open:
            if not select.select([self._master], [], [], 0.02)[0]:
                continue
            try:
                self.output += decoder.decode(os.read(self._master, 65536))
            except OSError:  # the other side is closed
                return
