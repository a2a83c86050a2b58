"""Warm headless runs: whole processes against plain Jupyter that executes an empty notebook."""

from __future__ import annotations

from benchmarks.bench import (
    Figure,
    environment,
    interleaved,
    jupyter_execute,
    light,
    notebook,
    strata_run,
    timed,
    workplace,
)

FEW, MANY = 50, 400


def warm(quick: bool) -> list[Figure]:
    """Time `strata run` where every cell is served, for few cells and for many."""
    with workplace() as folder:
        env = environment(folder / "store")
        few = notebook(folder / "few.ipynb", light(FEW))
        many = notebook(folder / "many.ipynb", light(MANY))
        empty = notebook(folder / "empty.ipynb", [], "python3")
        for path in (few, many):
            timed(strata_run(path), env, folder)
            timed(strata_run(path), env, folder)
        few_s, many_s, empty_s = interleaved(
            3 if quick else 11,
            lambda: timed(strata_run(few), env, folder),
            lambda: timed(strata_run(many), env, folder),
            lambda: timed(jupyter_execute(empty), env, folder),
        )
    note = f"{few_s:.2f} s against {empty_s:.2f} s"
    more = (many_s - few_s) * 1000 / (MANY - FEW)
    what = f"warm `strata run`, {FEW} light cells, against `jupyter execute` of an empty notebook"
    return [
        Figure(what, few_s / empty_s, 0.25, "×", note),
        Figure(f"each further cell, up to {MANY}", more, 2, " ms", f"{many_s:.2f} s in all"),
    ]
