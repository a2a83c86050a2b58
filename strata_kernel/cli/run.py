"""`strata run`: run notebooks headless, serving from the cache what has not changed."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from strata_kernel import runner
from strata_kernel.cli.report import HumanPrinter, JsonPrinter, Printer
from strata_kernel.domain.report import CellRecord, RunReport, summarize
from strata_kernel.errors import InvocationError
from strata_kernel.runner.notebook import notebooks


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("path", metavar="NOTEBOOK|DIR", type=Path, help="a notebook, or a folder of notebooks")
    parser.add_argument("--force", action="store_true", help="run every cell and publish its results anew")
    parser.add_argument("--no-sync", action="store_true", help="never change the notebook's environment")
    parser.add_argument("--format", choices=("human", "json"), default="human", help="json: one object a line")
    parser.add_argument("--quiet", action="store_true", help="print failures only")
    parser.add_argument("--timeout", metavar="S", type=_positive, help="limit in seconds for cells that name none")
    parser.add_argument("--kernel", metavar="NAME", help="use this kernel instead of the notebook's")
    parser.add_argument("--cell", metavar="ID", nargs="+", action="extend", help="run no further than these cells")
    parser.add_argument("--variant", metavar="GROUP=NAME", action="append", type=_pair, help="let this variant stand")
    parser.add_argument("--sweep", action="store_true", help="run all variants of every group side by side")
    parser.add_argument("--max-cost", metavar="SUM", type=float, help="call no model any more once so much is spent")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--output", metavar="PATH", type=Path, help="write the notebook with its outputs to this file")
    where.add_argument("--inplace", action="store_true", help="write the outputs into the notebook itself")


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value <= 86400:
        raise argparse.ArgumentTypeError("must be above 0 and at most 86400 seconds")
    return value


def _pair(text: str) -> tuple[str, str]:
    group, equals, name = text.partition("=")
    if not (group and equals and name):
        raise argparse.ArgumentTypeError("is written GROUP=NAME")
    return group, name


def execute(options: argparse.Namespace) -> int:
    """Run every notebook and return 1 when a cell failed, 2 when a notebook could not be run at all."""
    from strata_kernel.cli.__main__ import FAILED, INTERRUPTED, OK

    # The schema library of nbformat compiles a grammar of international addresses, which takes longer than all else
    # and which no schema here asks for.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    paths = notebooks(options.path)
    printer: Printer = JsonPrinter() if options.format == "json" else HumanPrinter(options.quiet)
    failed = False
    wrong: list[InvocationError] = []
    with _limited(options.max_cost), _runner(dict(options.variant or ()), options.sweep) as run:
        run.on_progress = printer.progress
        for path in paths:
            try:
                report = _one(run, path, options, printer)
            except InvocationError as error:
                wrong.append(error)
                continue
            if report is None:
                return INTERRUPTED
            failed |= not report.ok
    if wrong:
        raise InvocationError("; ".join(map(str, wrong)))
    return FAILED if failed else OK


@contextmanager
def _limited(cost: float | None) -> Iterator[None]:
    """Let the kernels that are started know the limit."""
    name = "STRATA_AI_MAX_COST"
    before = os.environ.get(name)
    if cost is not None:
        os.environ[name] = str(cost)
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


@contextmanager
def _runner(variants: dict[str, str], sweep: bool) -> Iterator[runner.Runner]:
    made = runner.Runner(variants=variants, sweep=sweep)
    try:
        yield made
    finally:
        made.close()


def _one(run: runner.Runner, path: Path, options: argparse.Namespace, printer: Printer) -> RunReport | None:
    """Run one notebook; None when the user interrupted it, after a report of what had ended."""
    records: list[CellRecord] = []

    def on_cell(record: CellRecord) -> None:
        records.append(record)
        printer.cell(record)

    shown = os.path.relpath(path) if not path.is_absolute() else str(path)
    start = time.perf_counter()
    printer.begin(path, shown)
    try:
        report: RunReport = run.run(
            path,
            options.force,
            options.kernel,
            timeout=options.timeout,
            cells=options.cell,
            on_cell=on_cell,
            output=_output(path, options),
        )
    except KeyboardInterrupt:
        elapsed = (time.perf_counter() - start) * 1000
        printer.end(summarize(shown, records, elapsed, complete=False), interrupted=True)
        return None
    except BaseException:
        printer.abandon()
        raise
    printer.end(msgspec.structs.replace(report, notebook=shown))
    return report


def _output(path: Path, options: argparse.Namespace) -> Path | None:
    if options.inplace:
        return path
    output: Path | None = options.output
    if output is not None and options.path.is_dir():
        return output / path.relative_to(options.path)  # a folder mirrors the folder that was run
    return output
