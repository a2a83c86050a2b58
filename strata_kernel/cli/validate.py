"""`strata validate`: check a notebook's directives and settings without running anything."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from strata_kernel.cli.report import diagnostic_line, json_line
from strata_kernel.runner.notebook import read
from strata_kernel.runner.runner import transform
from strata_kernel.wiring import build


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("notebook", metavar="NOTEBOOK", type=Path)
    parser.add_argument("--format", choices=("human", "json"), default="human", help="json: one object a finding")


def execute(options: argparse.Namespace) -> int:
    """Print every finding; return 1 when one is an error."""
    notebook = read(options.notebook)
    parts = build(notebook.path.parent.absolute(), dict(os.environ), transform, metadata=notebook.metadata)
    found = parts.diagnostics + parts.check(notebook.cells, parts.active()) + parts.proofread(notebook.cells)
    for diagnostic in found:
        print(json_line(diagnostic) if options.format == "json" else diagnostic_line(diagnostic))
    errors = sum(diagnostic.severity == "error" for diagnostic in found)
    if options.format == "human":
        print(
            f"{options.notebook}: {'invalid' if errors else 'valid'}" + (f", findings: {len(found)}" if found else "")
        )
    return 1 if errors else 0
