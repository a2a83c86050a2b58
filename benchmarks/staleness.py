"""How long it takes to know the state of every cell after an edit."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

from benchmarks.bench import Figure, environment, notebook, strata_run, timed, workplace
from strata_kernel.domain.cell import Cell
from strata_kernel.engine.session import Session
from strata_kernel.kernel.transform import transform
from strata_kernel.wiring import build

CELLS, CHAIN = 500, 20


def sources(count: int, chain: int) -> list[str]:
    """Return cells in chains: each reads the one before in its chain, and a function of the first cell."""
    found = ["import math\n\ndef step(x):\n    return math.sqrt(x) + 1"]
    for i in range(1, count):
        start = (i - 1) % chain == 0
        found.append(f"v{i} = step({f'{i}.5' if start else f'v{i - 1}'})")
    return found


def staleness(quick: bool) -> list[Figure]:
    """Edit a cell at the head, in the middle and at the end of a notebook that has run, and walk it."""
    count = 100 if quick else CELLS
    figures = []
    for chain, bar, what in ((CHAIN, 25.0, f"in chains of {CHAIN}"), (count, None, "all in one chain")):
        with workplace() as folder:
            cells = sources(count, chain)
            env = environment(folder / "store", STRATA_CACHE_MIN_RUNTIME_MS="0")
            timed(strata_run(notebook(folder / "many.ipynb", cells)), env, folder)
            session = prepared(folder, cells)
            by_place = {place: edits(session, cells, place) for place in (1, count // 2, count - 1)}
        note = ", ".join(f"cell {place}: {statistics.median(ms):.1f} ms" for place, ms in by_place.items())
        median = statistics.median(ms for each in by_place.values() for ms in each)
        figures.append(Figure(f"staleness of {count} cells ({what}) after an edit", median, bar, " ms", note))
    return figures


def prepared(folder: Path, cells: list[str]) -> Session:
    """Return the session of a process that has looked at the notebook once."""
    environ = {**os.environ, "STRATA_CACHE_STORE": str(folder / "store"), "STRATA_CACHE_MIN_RUNTIME_MS": "0"}
    session = build(folder, environ, transform).session()
    session.document(as_cells(cells))
    missing = [e.reading.cell.id for e in session.walk() if e.manifest is None]
    if missing:
        raise RuntimeError(f"{len(missing)} of {len(cells)} cells are not served after a run, first {missing[0]}")
    return session


def as_cells(sources: list[str]) -> list[Cell]:
    """Return the document."""
    return [Cell(f"cell-{i}", source) for i, source in enumerate(sources)]


def edits(session: Session, cells: list[str], place: int) -> list[float]:
    """Edit one cell several times, each time to something new; return the milliseconds until all states are known."""
    found = []
    for turn in range(9):
        edited = list(cells)
        edited[place] = f"v{place} = {turn} + 0.25"
        found.append(walked(session, edited))
    walked(session, cells)
    return found


def walked(session: Session, cells: list[str]) -> float:
    """Take a document and walk it; return the milliseconds that it took."""
    document = as_cells(cells)
    start = time.perf_counter()
    session.document(document)
    session.walk()
    return (time.perf_counter() - start) * 1000
