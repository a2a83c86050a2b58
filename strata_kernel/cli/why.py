"""`strata why`: explain why a cell would be served or run."""

from __future__ import annotations

import argparse
from pathlib import Path

from strata_kernel import runner
from strata_kernel.cli.report import json_line


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("notebook", metavar="NOTEBOOK", type=Path)
    parser.add_argument("cell", metavar="CELL", help="id or name of a cell")
    parser.add_argument("--format", choices=("human", "json"), default="human")


def execute(options: argparse.Namespace) -> int:
    """Print the state of the cell and every reason for it."""
    standing = runner.Runner().why(options.notebook, options.cell)
    if options.format == "json":
        print(json_line(standing))
        return 0
    name = f"{standing.cell_name} ({standing.cell_id})" if standing.cell_name else standing.cell_id
    print(f"{name}: {standing.state}")
    if standing.text:
        print(standing.text)
    else:
        for reason in standing.reasons:
            print(f"  {reason.text}" + (f" (line {reason.line})" if reason.line else ""))
    return 0
