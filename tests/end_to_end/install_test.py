"""What `cmake --install` lays down beside the program: what the manual and the shipped files name."""

import subprocess

import pytest

from support.throwaway import REPOSITORY


@pytest.fixture(scope="module")
def installed(pgcurfew, tmp_path_factory):
    """The prefix of an installation of the build that the program comes from."""
    prefix = tmp_path_factory.mktemp("prefix")
    done = subprocess.run(["cmake", "--install", pgcurfew.parent, "--prefix", prefix], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    return prefix


def test_the_ready_rules_come_with_their_readme(installed):
    laid = {path.name for path in (installed / "share" / "pgcurfew" / "policies").iterdir()}
    assert laid == {path.name for path in (REPOSITORY / "policies").iterdir()}
    assert "README.md" in laid and len(laid) > 10


def test_each_page_of_the_manual_comes(installed):
    laid = {path.name for path in (installed / "share" / "man").rglob("*") if path.is_file()}
    assert laid == {path.name.removesuffix(".scd") for path in (REPOSITORY / "packaging" / "man").glob("*.scd")}


def test_the_schema_that_the_shipped_files_name_comes(installed):
    assert (installed / "share" / "pgcurfew" / "schema.json").stat().st_size > 1000
