"""`strata compare`: show the variants of a group side by side, as far as they have run."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path

from strata_kernel import runner
from strata_kernel.cli.report import json_line
from strata_kernel.domain.variants import groups
from strata_kernel.errors import InvocationError
from strata_kernel.runner.comparison import Variant, compare

_WIDTH = 30


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("notebook", metavar="NOTEBOOK", type=Path)
    parser.add_argument("group", metavar="GROUP", nargs="?", help="the group of variants (default: all of them)")
    parser.add_argument("--format", choices=("human", "json"), default="human", help="json: one object a variant")


def execute(options: argparse.Namespace) -> int:
    """Print one table for each group."""
    inspection = runner.Runner(sweep=True).inspect(options.notebook)
    wanted = [options.group] if options.group else groups(inspection.notebook.cells)
    if not wanted:
        raise InvocationError(f"{options.notebook}: has no variants")
    for group in wanted:
        found = compare(inspection, group)
        for line in map(json_line, found) if options.format == "json" else table(group, found):
            print(line)
    return 0


def table(group: str, variants: list[Variant]) -> Iterator[str]:
    """Yield the lines of a table with a column for each variant."""
    labels = dict.fromkeys(label for v in variants for label in v.results)
    rows = [(group, [v.name for v in variants]), ("state", [v.state for v in variants])]
    rows.append(("seconds", ["" if v.seconds is None else f"{v.seconds:.3g}" for v in variants]))
    for label in labels:
        names = dict.fromkeys(n for v in variants for n in v.results.get(label, {}))
        rows += [(name, [v.results.get(label, {}).get(name, "") for v in variants]) for name in names]
    for label in dict.fromkeys(label for v in variants for label in v.shown):
        columns = [v.shown.get(label, "").splitlines() for v in variants]
        for place, lines in enumerate(itertools.zip_longest(*columns, fillvalue="")):
            rows.append((f"[{label}]" if place == 0 else "", list(lines)))
    first = max(len(name) for name, _ in rows) + 2
    widths = [min(_WIDTH, max(len(cells[i]) for _, cells in rows)) + 2 for i in range(len(variants))]
    for name, cells in rows:
        shown = [
            (c if len(c) <= _WIDTH else c[: _WIDTH - 1] + "…").ljust(w) for c, w in zip(cells, widths, strict=True)
        ]
        yield (name.ljust(first) + "".join(shown)).rstrip()
