"""A cold run of heavy cells, exit included, and the memory that its kernel takes, against plain Jupyter."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.bench import Figure, environment, jupyter_execute, notebook, strata_run, workplace

CELLS = 10
EVERY_SECONDS = 0.05


def sources(quick: bool) -> list[str]:
    """Return ten cells of about a second: a 256 MB array, and nine 128 MB frames made from parts of it."""
    rows = 1_000_000 // (8 if quick else 1)
    first = (
        "import numpy as np\nimport pandas as pd\n"
        f"array = np.random.default_rng(0).standard_normal(({rows}, 32))\n"
        "array = np.cumsum(np.sin(array), axis=0)\n"
        "print(array.nbytes, round(float(array.mean()), 6))"
    )
    later = [
        f"part = np.sort(np.sin(array[:, {i}:{i + 16}] * {i}), axis=1)\n"
        f"frame_{i} = pd.DataFrame(part, columns=[f'c{{n}}' for n in range(16)])\n"
        "del part\n"
        f"print(round(float(frame_{i}['c3'].rolling(50).mean().std()), 6))"
        for i in range(1, CELLS)
    ]
    return [first, *later]


def cold(quick: bool) -> list[Figure]:
    """Time both sides in turn, each run of Strata in a fresh store."""
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    for turn in range(1 if quick else 5):
        with workplace() as folder:
            env = environment(folder / f"store-{turn}")
            heavy = notebook(folder / "heavy.ipynb", sources(quick))
            plain = notebook(folder / "plain.ipynb", sources(quick), "python3")
            sides = [(theirs, jupyter_execute(plain)), (ours, strata_run(heavy))]
            # Whoever comes second finds a warmer machine.
            for found, command in sides if turn % 2 == 0 else reversed(sides):
                found.append(watched(command, env, folder))
    seconds, plain_seconds = (statistics.median(s for s, _ in side) for side in (ours, theirs))
    peak, plain_peak = (statistics.median(p for _, p in side) for side in (ours, theirs))
    size = "16 MB frames and a 32 MB array" if quick else "128 MB frames and a 256 MB array"
    return [
        Figure(
            f"cold run, {CELLS} cells, {size}, exit included",
            seconds / plain_seconds, 1.10, "×", f"{seconds:.1f} s against {plain_seconds:.1f} s",
        ),
        Figure(
            "its peak memory (kernel and its children)",
            peak / plain_peak, 1.15, "×", f"{peak / 1e6:.0f} MB against {plain_peak / 1e6:.0f} MB",
        ),
    ]  # fmt: skip


def watched(command: Sequence[str], env: dict[str, str], cwd: Path) -> tuple[float, float]:
    """Run a command; return its wall time in seconds and the peak of its children's memory in bytes."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    root, peak = psutil.Process(process.pid), 0.0
    while process.poll() is None:
        peak = max(peak, sum(memory(child) for child in children(root)))
        time.sleep(EVERY_SECONDS)
    elapsed = time.perf_counter() - start
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{process.stderr.read()[-2000:] if process.stderr else ''}")
    return elapsed, peak


def children(root: psutil.Process) -> list[psutil.Process]:
    """Return what the process has started: the kernel and whatever the kernel starts."""
    try:
        return root.children(recursive=True)
    except psutil.Error:
        return []


def memory(process: psutil.Process) -> float:
    """Return the bytes that a process takes, each shared page counted in part where the system tells (PSS)."""
    try:
        with open(f"/proc/{process.pid}/smaps_rollup") as file:
            return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
    except OSError:
        pass
    try:
        return float(process.memory_info().rss)
    except psutil.Error:
        return 0.0
