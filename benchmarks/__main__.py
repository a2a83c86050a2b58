"""Runs the benchmarks that are named, or all of them, and prints one Markdown table."""

from __future__ import annotations

import argparse
import compileall
import os
import platform
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import strata_kernel
from benchmarks import browser, cold, columns, headless, kinds, latency, restoring, staleness, waves, workers
from benchmarks.bench import Figure

BENCHMARKS: dict[str, Callable[[bool], list[Figure]]] = {
    "warm": headless.warm,
    "cold": cold.cold,
    "latency": latency.latency,
    "restore": restoring.restore,
    "columns": columns.columns,
    "staleness": staleness.staleness,
    "browser": browser.browser,
    "sql": kinds.sql,
    "loops": kinds.loops,
    "workers": workers.workers,
    "waves": waves.waves,
}


def main() -> int:
    """Measure, print a table, and return 1 when a figure misses its bar."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"one of: {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions and smaller values")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {sorted(unknown)[0]!r}")
    # A user's machine has compiled files; measuring without them would measure the compiler.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    compileall.compile_dir(str(Path(strata_kernel.__file__).parent), quiet=2)
    figures: list[Figure] = []
    broken = []
    for name in options.names or BENCHMARKS:
        say(f"{name} …")
        try:
            found = BENCHMARKS[name](options.quick)
        except Exception:  # one broken benchmark leaves the others their lines
            broken.append(name)
            traceback.print_exc()
            continue
        for figure in found:
            say("  " + figure.row())
        figures += found
    print("| what | measured | bar | verdict |\n|---|---|---|---|")
    for figure in figures:
        print(figure.row())
    for name in broken:
        print(f"| {name} | broke | | ✗ |")
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    quick = ", quick" if options.quick else ""
    print(
        f"\nPython {platform.python_version()}, {os.cpu_count()} cores{load}{quick}; medians, both sides interleaved."
    )
    return 1 if broken or not all(figure.holds for figure in figures) else 0


def say(text: str) -> None:
    """Tell the person who waits."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
