"""The unit file: systemd understands it, it stays hardened, and each directive has its reason beside it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).resolve().parents[2] / "systemd"
UNIT = SYSTEMD / "pgcurfew.service"


@pytest.fixture
def analyze():
    def run(*arguments):
        assert shutil.which("systemd-analyze"), "systemd-analyze is not installed (package systemd)"
        return subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=60)

    return run


def unit_with_an_existing_executable(directory, extra=""):
    directory.mkdir(exist_ok=True)
    text = UNIT.read_text(encoding="utf-8")
    assert "ExecStart=pgcurfew " in text
    copy = directory / "pgcurfew.service"
    copy.write_text(text.replace("ExecStart=pgcurfew ", "ExecStart=/bin/true ").replace("[Install]", extra + "[Install]"))
    return copy


def test_systemd_understands_every_line_of_the_unit(analyze, tmp_path):
    done = analyze("verify", "--man=no", unit_with_an_existing_executable(tmp_path / "good"))
    assert (done.returncode, done.stderr) == (0, "")
    done = analyze("verify", "--man=no", unit_with_an_existing_executable(tmp_path / "bad", "ProtectEverything=yes\n"))
    assert "ProtectEverything" in done.stderr


def test_the_unit_stays_hardened(analyze):
    done = analyze("security", "--offline=true", "--threshold=13", "--no-pager", UNIT)
    assert done.returncode == 0, done.stdout


def settings_of_the_examples():
    """The example drop-in with its comment signs taken from what is a setting, one text per paragraph."""
    paragraphs = (SYSTEMD / "pgcurfew.service.conf").read_text(encoding="utf-8").split("\n\n")
    settings = [re.sub(r"(?m)^#(?=[A-Z]\w+=)", "", paragraph) for paragraph in paragraphs]
    return [text.replace("[Service]\n", "") for text in settings if re.search(r"(?m)^[A-Z]\w+=", text)]


@pytest.mark.parametrize("setting", settings_of_the_examples(), ids=lambda s: re.search(r"(?m)^(\w+)=", s).group(1))
def test_systemd_understands_the_example_drop_in(analyze, tmp_path, setting):
    setting = setting.replace("ExecStart=pgcurfew ", "ExecStart=/bin/true ")
    done = analyze("verify", "--man=no", unit_with_an_existing_executable(tmp_path / "unit", setting + "\n"))
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_in_the_example_drop_in_is_active():
    lines = (SYSTEMD / "pgcurfew.service.conf").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == ["[Service]"]


def test_every_directive_of_the_sandbox_has_its_reason_above_it():
    service = UNIT.read_text(encoding="utf-8").split("[Service]")[1].split("[Install]")[0]
    self_explanatory = {"Group", "Restart"}
    before, bare = "", []
    for line in service.splitlines():
        if re.match(r"\w+=", line) and not before.startswith("# ") and line.split("=")[0] not in self_explanatory:
            bare.append(line)
        before = line
    assert not bare


def make_in(root, tool, *arguments):
    assert shutil.which(tool), f"{tool} is not installed (package systemd)"
    done = subprocess.run([tool, f"--root={root}", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_user_and_the_directories_can_be_made(tmp_path):
    (tmp_path / "etc").mkdir()
    make_in(tmp_path, "systemd-sysusers", SYSTEMD / "pgcurfew.sysusers")
    name, _, uid, gid, _, home, shell = (tmp_path / "etc" / "passwd").read_text(encoding="utf-8").strip().split(":")
    assert (name, home, shell) == ("pgcurfew", "/var/lib/pgcurfew", "/usr/sbin/nologin")
    if os.geteuid() != 0:
        return  # only root can give the directories away
    make_in(tmp_path, "systemd-tmpfiles", "--create", SYSTEMD / "pgcurfew.tmpfiles")
    made = (tmp_path / "etc" / "pgcurfew" / "policies.d").stat()
    assert (oct(made.st_mode & 0o777), made.st_uid, made.st_gid) == ("0o750", 0, int(gid))
    assert int(uid) != 0
