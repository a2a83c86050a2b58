"""Kernels killed while they save, and stored bytes that change: at worst a cell runs again."""

import os

import pytest

from .play import Bench

#: How often a kernel is killed in all.
KILLS = int(os.environ.get("LAWS_KILLS", "30"))
#: How often stored files are damaged in all, a few at a time.
DAMAGES = int(os.environ.get("LAWS_DAMAGES", "40"))
#: Values that take a while to save: shared buffers, a model with state of its own, text, and what is shown.
CELLS = [
    "import numpy as np\nseed = {seed}",
    "array = np.random.default_rng(seed).standard_normal(({rows}, 16))",
    "view = array[::2]\nview[0] = seed",
    "table = dict(rows=[array, view], text=['x' * 50000] * 3, seed=seed)",
    "table['rows'][1][1] += 1\nprint(round(float(array.sum()), 6))",
    "class Model:\n    def __init__(self, w):\n        self.w = w\nmodel = Model(array * 2)\ntwin = [model, model.w]",
    "twin[1][0, 0] = 7\nprint(round(float(model.w.sum()), 6), len(table['text']))",
]
ENV = {"STRATA_CACHE_MIN_RUNTIME_MS": "0"}
SOUND = [
    ("run_all",),
    ("check",),
    ("expect", "twin[1] is model.w and np.shares_memory(table['rows'][1], array)"),
]


def cells(seed: int, rows: int) -> list[str]:
    return [c.format(seed=seed, rows=rows) if "{" in c and i < 2 else c for i, c in enumerate(CELLS)]


def played(steps, rows):
    with Bench() as bench:
        case = {"name": "damage", "cells": cells(0, rows), "files": {}, "env": ENV, "steps": steps}
        result = bench.play(case)
    assert not result.faults, "\n".join(map(str, result.faults))
    return result


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("rows", "kills"), [(2_000, KILLS * 2 // 3), (20_000, KILLS // 3)])
def test_killed_while_saving(rows, kills):
    steps = []
    for kill in range(kills):
        # Right after the run, so that what it made is still being written; every other time in the midst of a run.
        steps += [("edit", 0, cells(kill + 1, rows)[0]), ("run_all",) if kill % 2 else ("run", 5), ("kill",)]
        if kill % 5 == 4:
            steps += [*SOUND, ("kill",), *SOUND]
    result = played(steps, rows)
    assert result.checks >= kills // 5 * 4
    assert result.hits, "nothing was ever saved"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", ["flip", "cut"])
@pytest.mark.parametrize("where", ["cas", "ac"])
def test_damaged_bytes(how, where):
    rows = 2_000
    steps = [("run_all",)]
    for turn in range(DAMAGES // 4):
        steps += [("restart",), ("corrupt", how, where, turn), *SOUND]
    result = played(steps, rows)
    assert result.checks >= DAMAGES // 2
    assert result.hits
