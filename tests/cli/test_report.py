"""Lines for people, and the bar that appears only on a terminal and only when a run is long."""

from __future__ import annotations

import io
import sys
import time

import pytest

from strata_kernel.cli import report
from strata_kernel.domain.diagnostic import Diagnostic
from strata_kernel.protocol import Progress


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0123, "12 ms"), (1.25, "1.2 s"), (99.94, "99.9 s"), (100, "1 min 40 s"), (3660, "1 h 1 min")],
)
def test_seconds(value: float, text: str) -> None:
    assert report.seconds(value) == text


@pytest.mark.parametrize(("value", "text"), [(5, "5 B"), (1500, "1.5 kB"), (2e9, "2.0 GB"), (3e12, "3.0 TB")])
def test_size(value: float, text: str) -> None:
    assert report.size(value) == text


def test_diagnostics_in_one_line() -> None:
    assert report.diagnostic_line(Diagnostic("cycle", "round", "error", 2, 3, 5, "a")) == "a:2:4: error: round [cycle]"
    assert report.diagnostic_line(Diagnostic("x", "y")) == "warning: y [x]"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_comes_late(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(report, "BAR_AFTER_SECONDS", 30)
    bar = report.Bar(lambda: 3)
    bar.step()
    bar.close()
    assert terminal.getvalue() == ""
    monkeypatch.setattr(report, "BAR_AFTER_SECONDS", 0.01)
    bar = report.Bar(lambda: 3)
    bar.step()
    deadline = time.monotonic() + 20
    while "3" not in terminal.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    bar.write("a line")
    bar.close()
    assert "1/3" in terminal.getvalue()


def test_the_bar_tells_passes_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(report, "BAR_AFTER_SECONDS", 0)
    bar = report.Bar(lambda: 1)
    bar._timer.join(20)
    bar.tell("train", Progress(done=2, total=5, label="pass"))
    bar.tell("train", Progress(done=120e6, total=300e6, label="fetching"))
    bar.tell("train", Progress(done=180e6, total=300e6, label="fetching"))
    shown = terminal.getvalue()
    bar.tell("train", None)
    bar.close()
    assert "train: 2/5]" in shown
    assert "train: fetching 120.0 MB of 300.0 MB]" in shown
    assert "train: fetching 180.0 MB of 300.0 MB, " in shown
    assert "left" in shown
    assert "train" not in terminal.getvalue().removeprefix(shown)
