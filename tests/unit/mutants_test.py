"""Each fault of tests/simulation/mutants.py still fits the daemon's text: found in a second, not after all builds."""

import importlib.util
from pathlib import Path

import pytest

MUTANTS = Path(__file__).resolve().parents[1] / "simulation/mutants.py"
specification = importlib.util.spec_from_file_location("mutants", MUTANTS)
mutants = importlib.util.module_from_spec(specification)
specification.loader.exec_module(mutants)


@pytest.mark.parametrize("mutant", [mutant for mutant in mutants.MUTANTS if mutant.changes], ids=lambda mutant: mutant.name)
def test_its_text_stands_there_once(mutant):
    assert mutants.faulty_text(mutant) != (mutants.DAEMON / mutant.file).read_text()
