"""State directories whose writes stall when told to."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from support.session import wait_until

# $1 is the directory. It answers each line of its input with one of output. However its owner ends, the input ends, and
# the file system is thawed and unmounted: a write to a frozen one cannot even be killed.
_GUARDIAN = """
PATH=$PATH:/usr/sbin:/sbin
image=$1/image mount=$1/mount
trap '' PIPE
truncate -s 256M "$image" && mkfs.ext4 -q "$image" && mkdir "$mount" && mount -o loop "$image" "$mount" || exit 1
echo mounted
while read -r word; do
  case $word in
    freeze) fsfreeze --freeze "$mount" ;;
    thaw) fsfreeze --unfreeze "$mount" ;;
  esac
  echo "$word $?"
done
fsfreeze --unfreeze "$mount" 2>/dev/null
umount "$mount" || umount --lazy "$mount"
rm -rf "$1"
"""


class FrozenDisk:
    """A file system of its own, in a loop device. While it is frozen, each write, each new file and each sync in it waits in
    the kernel, as on a disk that does not answer. What can be read in it is still read."""

    how = "a frozen file system"

    def __init__(self):
        """*Errors*: OSError if it cannot be made here: it needs root and a loop device."""
        directory = tempfile.mkdtemp(prefix="pgcurfew-disk-")
        self.path = Path(directory) / "mount"
        self._guardian = subprocess.Popen(["sh", "-c", _GUARDIAN, "sh", directory], stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
                                          start_new_session=True)
        if self._guardian.stdout.readline() != "mounted\n":
            _, said = self._guardian.communicate()
            shutil.rmtree(directory, ignore_errors=True)
            raise OSError(said.strip())
        self._is_stalled = False

    def stall(self):
        self._tell("freeze")
        self._is_stalled = True

    def go_on(self):
        """Harmless if it does not stall."""
        if self._is_stalled:
            self._is_stalled = False
            self._tell("thaw")

    def close(self):
        self._guardian.communicate()

    def _tell(self, word):
        self._guardian.stdin.write(word + "\n")
        answer = self._guardian.stdout.readline()
        if answer != f"{word} 0\n":
            raise OSError(f"could not {word} {self.path}: {answer}")


class HeldLock:
    """A directory in which another process stands still in the midst of an append to the record, and so keeps its lock."""

    how = "another process that keeps the record's lock"

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="pgcurfew-state-"))
        self._held = []

    def stall(self):
        for path in self.path.glob("*/record.lock"):
            file = open(path, "r+b")
            self._held.append(file)
            wait_until(lambda file=file: takes_lock(file), every=0.0002)

    def go_on(self):
        while self._held:
            self._held.pop().close()

    def close(self):
        self.go_on()
        shutil.rmtree(self.path, ignore_errors=True)


def takes_lock(file):
    """Whether the lock could be taken: no other process has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def place_for_state():
    """The most honest of them that can be had here: `path` is a directory for state directories."""
    made = None
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            made = FrozenDisk()
    made = made or HeldLock()
    try:
        yield made
    finally:
        made.go_on()
        made.close()
