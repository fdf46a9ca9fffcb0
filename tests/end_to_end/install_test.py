"""What `cmake --install` lays down beside the program: what the manual and the shipped files name."""

import subprocess

import pytest

from support.throwaway import REPOSITORY


@pytest.fixture(scope="module")
def installed(pgcurfew, tmp_path_factory):
    """The prefix of an installation of the build that the program comes from."""
    prefix = tmp_path_factory.mktemp("prefix")
    # root's, where somebody has installed from there by sudo; it would be written to
    (pgcurfew.parent / "install_manifest.txt").unlink(missing_ok=True)
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


def test_the_alerts_and_the_dashboard_come(installed):
    assert (installed / "share" / "pgcurfew" / "prometheus" / "pgcurfew.rules.yml").stat().st_size > 1000
    assert (installed / "share" / "pgcurfew" / "grafana" / "pgcurfew.json").stat().st_size > 1000


def test_the_schema_that_the_shipped_files_name_comes(installed):
    assert (installed / "share" / "pgcurfew" / "schema.json").stat().st_size > 1000


def test_the_symbols_come_where_gdb_looks_for_them(installed, pgcurfew):
    if "CMAKE_BUILD_TYPE:STRING=RelWithDebInfo" not in (pgcurfew.parent / "CMakeCache.txt").read_text():
        pytest.skip("only what is packaged has its symbols in a file of their own")
    directory = installed / "lib" / "debug" / str(installed).lstrip("/") / "bin"
    assert "pgcurfew.debug" in read_elf("--string-dump=.gnu_debuglink", installed / "bin" / "pgcurfew")
    assert ".debug_line" in read_elf("--sections", directory / "pgcurfew.debug")
    assert ".debug_line" not in read_elf("--sections", installed / "bin" / "pgcurfew")


def read_elf(what, path):
    return subprocess.run(["readelf", "--wide", what, path], check=True, capture_output=True, text=True,
                          errors="replace").stdout
