"""What the commands print: records as JSON lines, or lines for people with a bar of progress on a terminal."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from strata_kernel.domain.cell import Reason
from strata_kernel.domain.diagnostic import Diagnostic
from strata_kernel.domain.report import CellRecord, RunReport
from strata_kernel.errors import InvocationError
from strata_kernel.protocol import Progress

#: A run shorter than this gets no bar: importing the bar would take longer than the run.
BAR_AFTER_SECONDS = 0.4

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


class Printer(Protocol):
    """Where a run's records go."""

    def begin(self, path: Path, shown: str) -> None:
        """Take the notebook that runs next."""
        ...

    def cell(self, record: CellRecord) -> None:
        """Print one record as the cell ends."""
        ...

    def progress(self, label: str, progress: Progress | None) -> None:
        """Take how far the cell that runs has come, None where nothing is counted."""
        ...

    def end(self, report: RunReport, *, interrupted: bool = False) -> None:
        """Print the summary."""
        ...

    def abandon(self) -> None:
        """Leave a clean terminal after a failure."""
        ...


def json_line(record: Any) -> str:
    """Return a record as one line of JSON."""
    return msgspec.json.encode(record).decode()


class JsonPrinter:
    """One JSON object a line."""

    def begin(self, path: Path, shown: str) -> None:
        """Say nothing: the summary names the notebook."""

    def cell(self, record: CellRecord) -> None:
        """Print the record at once, so that readers of a pipe can follow."""
        print(json_line(record), flush=True)

    def progress(self, label: str, progress: Progress | None) -> None:
        """Say nothing: a record comes when the cell ends."""

    def end(self, report: RunReport, *, interrupted: bool = False) -> None:
        """Print the summary."""
        print(json_line(report), flush=True)

    def abandon(self) -> None:
        """Do nothing: no line is left open."""


class HumanPrinter:
    """A line for each cell and one for the notebook; quiet: failures only."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._title: str | None = None
        self._bar: Bar | None = None

    def begin(self, path: Path, shown: str) -> None:
        """Keep the notebook's name for the first line; on a terminal, get a bar ready."""
        if self.quiet:
            return
        self._title = shown
        if sys.stderr.isatty():
            self._bar = Bar(lambda: _count(path))

    def cell(self, record: CellRecord) -> None:
        """Print one line, and the error's traceback below it."""
        if not self.quiet or record.status == "error":
            self._write(cell_line(record))
        if record.error is not None:
            trace = "\n".join(record.error.traceback) or f"{record.error.ename}: {record.error.evalue}"
            colour = sys.stdout.isatty()
            self._write("\n".join(f"    {line}" for line in (trace if colour else _ANSI.sub("", trace)).splitlines()))
        if self._bar is not None:
            self._bar.step()

    def progress(self, label: str, progress: Progress | None) -> None:
        """Show on the bar the pass that a loop is at, or the bytes that a cell waits for."""
        if self._bar is not None:
            self._bar.tell(label, progress)

    def end(self, report: RunReport, *, interrupted: bool = False) -> None:
        """Print the totals; warnings go to stderr."""
        if self._title is not None:
            self._write("")
        self.abandon()
        print_diagnostics(report.diagnostics)
        if not self.quiet:
            for large in report.large_artifacts:
                name = large.cell_name or large.cell_id
                print(
                    f"  {large.path} of {name} is not kept: {large.size_mb:.0f} MB, the limit is {large.limit_mb:.0f}"
                )
            print(summary_line(report, interrupted), flush=True)

    def abandon(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _write(self, text: str) -> None:
        lines = [line for line in (self._title, text) if line]
        self._title = None
        (self._bar.write if self._bar is not None else print_now)("\n".join(lines))


def _count(path: Path) -> int:
    from strata_kernel.runner.notebook import read

    return sum(cell.kind == "code" and bool(cell.source.strip()) for cell in read(path).cells)


def print_now(text: str) -> None:
    """Print a line and flush it, so that a pipe shows it when it happens."""
    print(text, flush=True)


class Bar:
    """A bar on stderr that appears only when the run takes long enough to want one."""

    def __init__(self, total: Callable[[], int]) -> None:
        self._total, self.done = total, 0
        self._bar: Any = None
        self._closed = False
        #: The cell and what is counted of it, the part that was seen first, and when.
        self._part: tuple[tuple[str, str], float, float] | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(BAR_AFTER_SECONDS, self._show)
        self._timer.daemon = True
        self._timer.start()

    def _show(self) -> None:
        from tqdm import tqdm

        try:
            total = self._total()
        except InvocationError:  # the run itself says so
            return
        with self._lock:
            if not self._closed:
                self._bar = tqdm(total=total, initial=self.done, unit="cell", leave=False, file=sys.stderr)

    def step(self) -> None:
        """Count one cell."""
        with self._lock:
            self.done += 1
            self._part = None
            if self._bar is not None:
                self._bar.set_postfix_str("")
                self._bar.update()

    def tell(self, label: str, progress: Progress | None) -> None:
        """Show how far the cell that runs has come, and how long the rest may take."""
        with self._lock:
            text = "" if progress is None else f"{label}: {self._counted(label, progress)}"
            if self._bar is not None:
                self._bar.set_postfix_str(text)

    def _counted(self, label: str, progress: Progress) -> str:
        now, done, total = time.monotonic(), progress.done, progress.total or progress.done
        passes = progress.label == "pass"
        if self._part is None or self._part[0] != (label, progress.label):
            self._part = ((label, progress.label), done, now)
        _, first, start = self._part
        each = (now - start) / (done - first) if done > first else 0.0
        left = f", {seconds(each * (total - done + passes))} left" if each else ""
        return (f"{done:g}/{total:g}" if passes else f"{progress.label} {size(done)} of {size(total)}") + left

    def write(self, text: str) -> None:
        """Print a line above the bar."""
        with self._lock:
            writer: Callable[[str], None] = self._bar.write if self._bar is not None else print_now
            writer(text)

    def close(self) -> None:
        """Take the bar away."""
        self._timer.cancel()
        with self._lock:
            self._closed = True
            if self._bar is not None:
                self._bar.close()


def cell_line(record: CellRecord) -> str:
    """Return the line of one cell, without colours."""
    took = seconds(record.duration_ms / 1000)
    if record.status == "cached":
        note = f"saved {seconds(record.saved_ms / 1000)}" if record.saved_ms is not None else ""
    elif record.status == "error" and record.error is not None:
        note = f"{took}  {record.error.ename}: {record.error.evalue}".splitlines()[0]
    else:
        note = f"{took if record.status == 'ok' else ''}  {reason_text(record.reasons)}".strip()
    label = {"ok": "ran"}.get(record.status, record.status)
    return f"  {(record.cell_name or record.cell_id):<24} {label:<8} {note}".rstrip()


def summary_line(report: RunReport, interrupted: bool = False) -> str:
    """Return the totals in one line."""
    counts = report.counts
    parts = [f"{counts.get('ok', 0)} ran", f"{counts.get('cached', 0)} cached"]
    parts += [f"{counts[k]} {word}" for k, word in (("error", "failed"), ("skipped", "skipped")) if counts.get(k)]
    saved = sum(r.saved_ms or 0.0 for r in report.cell_results if r.status == "cached") / 1000
    note = f", saved {seconds(saved)}" if saved else ""
    word = "interrupted" if interrupted else report.status
    return f"{word}: {', '.join(parts)} in {seconds(report.total_duration_ms / 1000)}{note}"


def reason_text(reasons: Iterable[Reason]) -> str:
    """Return the reasons' texts in one line."""
    return "; ".join(reason.text for reason in reasons)


def seconds(value: float) -> str:
    """Return a duration for people."""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 100:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def size(value: float) -> str:
    """Return a number of bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def diagnostic_line(diagnostic: Diagnostic) -> str:
    """Return one finding in one line."""
    place = f"{diagnostic.cell}:" if diagnostic.cell else ""
    place += f"{diagnostic.line}:{diagnostic.column + 1}:" if diagnostic.line else ""
    return f"{place} {diagnostic.severity}: {diagnostic.message} [{diagnostic.code}]".lstrip()


def print_diagnostics(diagnostics: Iterable[Diagnostic]) -> None:
    """Print findings on stderr."""
    for diagnostic in diagnostics:
        print(f"strata: {diagnostic_line(diagnostic)}", file=sys.stderr)
