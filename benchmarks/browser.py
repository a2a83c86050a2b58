"""What a user of JupyterLab feels, in a real Chromium: badges after an edit, keys, a large graph; and the bundle."""

from __future__ import annotations

import gzip
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.bench import TIMEOUT, Figure, environment, workplace

ROOT = Path(__file__).parents[1]
#: Cells of the notebooks, as the bars want them, and for a quick look.
CELLS, FEW = 300, 60


def browser(quick: bool) -> list[Figure]:
    """Run the browser's side, which stands with the UI tests, and weigh the bundle. Wants Node and Chromium."""
    told = _played(FEW if quick else CELLS)
    count = FEW if quick else CELLS
    idle, busy = (_median(told[name]["values"]) for name in ("idle", "busy"))
    frames = sorted(told["frames"]["values"])
    ours, plain = _median(told["typing"]["values"]), _median(told["typing"]["without"])
    return [
        Figure(f"badges and graph right after an edit, {count} cells", idle, 500, " ms", "kernel idle"),
        Figure("the same while a cell runs", busy, 500, " ms"),
        Figure(
            f"a key in a notebook of {count} cells, against Lab without the extension",
            100 * (ours / plain - 1), 5, " %", f"{ours:.1f} ms against {plain:.1f} ms",
        ),
        Figure(
            f"a frame while a graph of {count} cells is moved", _median(frames), 34, " ms",
            f"19 of 20 within {frames[int(len(frames) * 0.95)]:.0f} ms, drawn without a graphics card",
        ),
        Figure("our JavaScript, gzipped", bundle() / 1000, 350, " kB"),
    ]  # fmt: skip


def _median(values: list[float]) -> float:
    return statistics.median(values)


def bundle() -> int:
    """Return how many bytes of JavaScript the lab extension is when it is gzipped, all parts together."""
    static = ROOT / "strata_labextension" / "labextension" / "static"
    return sum(len(gzip.compress(file.read_bytes())) for file in static.glob("*.js"))


def _played(cells: int) -> dict[str, dict[str, Any]]:
    """Return what the specs print, by name."""
    with workplace() as folder:
        env = environment(folder / "store", STRATA_BENCH_CELLS=str(cells), CI="1")
        env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env["PATH"]])
        command = ["jlpm", "playwright", "test", "-c", "benchmark.config.ts"]
        done = subprocess.run(
            command, cwd=ROOT / "ui-tests", env=env, capture_output=True, text=True, timeout=2 * TIMEOUT
        )
    if done.returncode:
        raise RuntimeError(done.stdout[-3000:] + done.stderr[-1000:])
    lines = [line.removeprefix("FIGURE ") for line in done.stdout.splitlines() if line.startswith("FIGURE ")]
    return {told["name"]: told for told in map(json.loads, lines)}
