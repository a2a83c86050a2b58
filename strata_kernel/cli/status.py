"""`strata status`: show how every cell of a notebook stands, without running any."""

from __future__ import annotations

import argparse
from pathlib import Path

from strata_kernel import runner
from strata_kernel.cli.report import json_line, reason_text


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("notebook", metavar="NOTEBOOK", type=Path)
    parser.add_argument("--format", choices=("human", "json"), default="human", help="json: one object a cell")


def execute(options: argparse.Namespace) -> int:
    """Print one line for each cell."""
    for standing in runner.Runner().status(options.notebook):
        if options.format == "json":
            print(json_line(standing))
        else:
            name = standing.cell_name or standing.cell_id
            print(f"{name:<26} {standing.state:<12} {reason_text(standing.reasons)}".rstrip())
    return 0
