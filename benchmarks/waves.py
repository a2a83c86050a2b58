"""Cells that run at the same time: on four workers of this machine, and many small ones on a Dask cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.bench import Figure, environment, notebook, workplace
from benchmarks.workers import worker

#: Seconds that a long cell takes, and a short one.
LONG, SHORT = 2.0, 0.01


def waves(quick: bool) -> list[Figure]:
    """Time the cells of a run, without the start of its kernel."""
    return [_four(), _many(100 if quick else 1000)]


def _four() -> Figure:
    with workplace() as folder, ExitStack() as stack:
        lines = []
        for place in range(4):
            (folder / f"at{place}").mkdir()
            port = stack.enter_context(worker(folder / f"at{place}"))
            lines += ["[[workers]]", f'name = "w{place}"', f'config = {{ url = "http://127.0.0.1:{port}" }}']
        (folder / "strata.toml").write_text("\n".join(lines) + "\n")
        cells = [f"# @worker w{i}\nimport time\ntime.sleep({LONG})\nv{i} = {i}" for i in range(4)]
        seconds = _timed(folder, cells)
    return Figure(f"four independent cells of {LONG:g} s on four workers", seconds, 3, " s")


def _many(count: int) -> Figure:
    from distributed import Client, LocalCluster

    with (
        workplace() as folder,
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.gather(client.map(_nap, range(-10, 0)))
        start = time.perf_counter()
        client.gather(client.map(_nap, range(count)))
        mapped = time.perf_counter() - start
        config = f'config = {{ scheduler = "{cluster.scheduler_address}" }}'
        (folder / "strata.toml").write_text(f'[[workers]]\nname = "many"\nbackend = "dask"\n{config}\n')
        seconds = _timed(
            folder, [f"# @worker many\nimport time\ntime.sleep({SHORT})\nv{i} = {i}" for i in range(count)]
        )
    note = f"{count / seconds:.1f} a second against {count / mapped:.1f}"
    return Figure(
        f"{count:,} cells of {SHORT * 1000:g} ms on a Dask cluster, against `client.map`",
        seconds / mapped,
        None,
        "×",
        note,
    )


def _nap(place: int) -> int:
    time.sleep(SHORT)
    return place


def _timed(folder: Path, cells: Sequence[str]) -> float:
    """Return the seconds from the first cell's start to the last one's end, in a kernel that has run before."""
    from strata_kernel import Runner

    with _environment(folder / "store"), Runner() as runner:
        runner.run(notebook(folder / "first.ipynb", ["1"]))
        path = notebook(folder / "cells.ipynb", cells)
        start = time.perf_counter()
        report = runner.run(path)
        seconds = time.perf_counter() - start
    if report.counts["ok"] != len(cells):
        raise RuntimeError(f"not all cells ran: {report.counts}")
    return seconds


@contextmanager
def _environment(store: Path) -> Iterator[None]:
    """Let the kernels of this process be those of a user."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment(store))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
