"""Whole outputs of `check`: each *.yaml here against the *.expected beside it, but for when a drain comes next.

To write them anew after a change of words: PGCURFEW_REWRITE_GOLDEN=1 pytest tests/golden, and read the difference.
"""

import os
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.yaml"))


def said_of(command, path):
    done = command("check", path.name, cwd=HERE)
    said = f"{done.stderr}{done.stdout}exit status {done.returncode}\n"
    moment = r"\w{3} \d{4}-\d\d-\d\d \d\d:\d\d [A-Z0-9+-]+"
    # whatever the day and the hour: a window may be under way just now
    said = re.sub(rf"\((?:next|under way until) {moment}", "(next (a moment)", said)
    return re.sub(rf"( overlap: .* at ){moment}", r"\1(a moment)", said)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_check_says_of_a_file_just_what_it_did(command, path):
    expected = path.with_suffix(".expected")
    said = said_of(command, path)
    if os.environ.get("PGCURFEW_REWRITE_GOLDEN"):
        expected.write_text(said, encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8")


def test_every_expectation_has_its_file():
    assert len(FILES) >= 12
    assert {path.stem for path in HERE.glob("*.expected")} == {path.stem for path in FILES}


def test_no_output_shows_a_password():
    assert not [path for path in HERE.glob("*.expected") if "geheim" in path.read_text(encoding="utf-8")]
