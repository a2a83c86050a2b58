"""SQL results against the bare driver, and what a pass of a loop costs beside its body."""

from __future__ import annotations

import os
import time
from pathlib import Path

import duckdb
from jupyter_client.manager import KernelManager

from benchmarks.bench import Figure, environment, interleaved, workplace
from benchmarks.restoring import save
from strata_kernel.cells.query import read
from strata_kernel.executors.engine import Ask
from strata_kernel.executors.sql import Databases
from strata_kernel.store import LocalStore
from strata_kernel.world.world import LocalWorld

QUERY = "SELECT * FROM t"
COLUMNS = (
    "i AS a, i * 2 AS b, i / 7.0 AS c, sqrt(i) AS d, i % 13 AS e, i::DOUBLE AS f, i % 2 = 0 AS g, 'n' || (i % 99) AS h"
)


def sql(quick: bool) -> list[Figure]:
    """Read a table of eight columns into pandas, by the driver alone and by a sql cell's executor."""
    rows, repetitions = (1_000_000, 15) if not quick else (200_000, 5)
    with workplace() as folder:
        path = folder / "bench.db"
        with duckdb.connect(str(path)) as con:
            con.execute(f"CREATE TABLE t AS SELECT {COLUMNS} FROM range({rows}) r(i)")
        # As after any pause: a file that has just been written is read whole to tell its state.
        os.utime(path, (time.time() - 60, time.time() - 60))
        time.sleep(2.1)
        databases = Databases({"shop": {"driver": "duckdb", "path": str(path)}}, folder, "pandas", LocalWorld([]))
        sides = (lambda: _bare(path), lambda: _asked(databases), lambda: _kept(databases, folder))
        bare, asked, kept = interleaved(repetitions, *sides)
    name = f"{rows:,} rows × 8 columns from DuckDB into pandas"
    note = f"{asked * 1000:.0f} ms against {bare * 1000:.0f} ms"
    kept_note = f"{kept * 1000:.0f} ms against {bare * 1000:.0f} ms"
    return [
        Figure(f"{name}, against the bare driver", asked / bare, 1.15, "×", note),
        Figure(f"{name}, bound and stored, against the bare driver", kept / bare, 1.5, "×", kept_note),
    ]


def _bare(path: Path) -> float:
    start = time.perf_counter()
    with duckdb.connect(str(path), read_only=True) as con:
        con.execute(QUERY).df()
    return time.perf_counter() - start


def _ask(databases: Databases) -> object:
    found = read(QUERY)
    ask = Ask(QUERY, found.statements, {}, {}, found.texts, found.words, "pandas")
    return databases.engine("shop").query(ask).frame


def _asked(databases: Databases) -> float:
    start = time.perf_counter()
    _ask(databases)
    return time.perf_counter() - start


def _kept(databases: Databases, folder: Path) -> float:
    start = time.perf_counter()
    save(LocalStore(folder / str(start)), _ask(databases))
    return time.perf_counter() - start


def loops(quick: bool) -> list[Figure]:
    """Run a loop whose body costs nothing, in a kernel."""
    passes, repetitions = (400, 5) if not quick else (100, 3)
    with workplace() as folder:
        manager = KernelManager(kernel_name="strata")
        manager.start_kernel(cwd=str(folder), env=environment(folder / "store"))
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=60)

        def once() -> float:
            # Other code each time, or it would be served.
            client.execute(f"state = {time.perf_counter()!r}", reply=True, timeout=60)
            start = time.perf_counter()
            source = f"# @loop max_iter={passes} carry=state\nstate = state + 1"
            reply = client.execute(source, reply=True, timeout=600)
            assert reply["content"]["status"] == "ok", reply
            return (time.perf_counter() - start) / passes * 1000

        try:
            (took,) = interleaved(repetitions, once)
        finally:
            client.stop_channels()
            manager.shutdown_kernel()
    return [Figure("one pass of a loop beside its body", took, 5, " ms", f"{passes} passes")]
