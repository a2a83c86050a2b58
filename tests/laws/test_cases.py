"""Cases that once broke a law, made small: each is a document, a world and what is done to them."""

import os
from pathlib import Path

import pytest

from . import report
from .play import Bench

CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))


@pytest.fixture(scope="module")
def bench():
    with Bench(os.environ.get("LAWS_KERNEL", "strata")) as made:
        yield made


@pytest.mark.parametrize("file", CASES, ids=lambda f: f.stem)
def test_a_case_equals_the_oracle(bench, file):
    case = report.loaded(file.read_text())
    played = bench.play(case)
    assert not played.faults, report.told(case, played.faults[0])
    assert played.checks
