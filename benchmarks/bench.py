"""What the benchmarks share: figures, notebooks, a clean environment, timed processes."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

#: Seconds after which a process is taken to hang.
TIMEOUT = 600
LEAN = Path(__file__).with_name("lean")


@dataclass(frozen=True)
class Figure:
    """One line of the table; the smaller the value the better, up to and including the bar (None: for information)."""

    name: str
    value: float
    bar: float | None
    unit: str = ""
    note: str = ""

    @property
    def holds(self) -> bool:
        """Tell whether the bar is met."""
        return self.bar is None or self.value <= self.bar

    def row(self) -> str:
        """Return the line of the table."""
        bar = "" if self.bar is None else f"≤ {self.bar:g}{self.unit}"
        verdict = "" if self.bar is None else "✓" if self.holds else "✗"
        note = f" ({self.note})" if self.note else ""
        return f"| {self.name} | {self.value:.3g}{self.unit}{note} | {bar} | {verdict} |"


@contextmanager
def workplace() -> Iterator[Path]:
    """Give an empty folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="strata-bench-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def environment(store: Path, **settings: str) -> dict[str, str]:
    """Return the environment of a child: no settings but these, and compiled files as on a user's machine."""
    drop = ("STRATA_", "JPY_", "PYTHONDONTWRITEBYTECODE")
    env = {k: v for k, v in os.environ.items() if not k.startswith(drop)}
    # Where rfc3987_syntax is installed, plain Jupyter takes seconds more to start; beating that would be no merit.
    env["PYTHONPATH"] = os.pathsep.join([str(LEAN), *filter(None, [env.get("PYTHONPATH")])])
    return env | {"STRATA_CACHE_STORE": str(store)} | settings


def notebook(path: Path, sources: Sequence[str], kernel: str = "strata") -> Path:
    """Write a notebook of code cells."""
    cells = [
        {"cell_type": "code", "id": f"cell-{i}", "metadata": {}, "source": s, "outputs": [], "execution_count": None}
        for i, s in enumerate(sources)
    ]
    spec = {"name": kernel, "display_name": kernel, "language": "python"}
    content = {"cells": cells, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(content))
    return path


def light(count: int) -> list[str]:
    """Return the sources of light cells: imports, functions, values, a text now and then."""
    sources = ["import json\nimport math\n\ndef scaled(x, by=2):\n    return x * by"]
    for i in range(1, count):
        before = f"value_{i - 1}" if i > 1 and i % 10 != 1 else str(i)
        text = f"value_{i} = scaled({before}) % 1009 + {i}"
        if i % 5 == 0:
            text += f'\nprint(json.dumps({{"cell": {i}, "root": math.floor(math.sqrt(value_{i}))}}))'
        sources.append(text)
    return sources


def strata_run(path: Path, *options: str) -> list[str]:
    """Return the command that runs a notebook with Strata."""
    return [sys.executable, "-m", "strata_kernel.cli", "run", str(path), "--quiet", *options]


def jupyter_execute(path: Path) -> list[str]:
    """Return the command that runs a notebook with plain Jupyter and ipykernel."""
    return [sys.executable, "-m", "jupyter", "execute", str(path), "--kernel_name=python3"]


def timed(command: Sequence[str], env: dict[str, str], cwd: Path) -> float:
    """Run a command to its end and return its wall time in seconds; raise when it fails."""
    start = time.perf_counter()
    done = subprocess.run(
        command, env=env, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT
    )
    elapsed = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return elapsed


def interleaved(repetitions: int, *sides: Callable[[], float]) -> list[float]:
    """Measure the sides in turn, so that noise falls on all of them, and return the median of each."""
    found: list[list[float]] = [[] for _ in sides]
    for _ in range(repetitions):
        for values, side in zip(found, sides, strict=True):
            values.append(side())
    return [statistics.median(values) for values in found]


def stored_bytes(folder: Path) -> int:
    """Return the size of all files below a folder in bytes."""
    return sum(file.stat().st_size for file in every_file(folder))


def every_file(folder: Path) -> Iterable[Path]:
    """Return the files below a folder."""
    return (path for path in folder.rglob("*") if path.is_file())
