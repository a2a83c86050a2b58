"""A runner that plays a script, so that the commands are tested without a kernel."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strata_kernel import runner
from strata_kernel.domain.cell import Reason
from strata_kernel.domain.report import CellRecord, ErrorRecord, RunReport, Standing, summarize
from strata_kernel.errors import InvocationError
from strata_kernel.protocol import Graph, Node
from strata_kernel.runner.notebook import read

GRAPH = Graph(
    revision=1,
    cells=[
        Node(id="a", label='load "x"', writes=["df", "n"]),
        Node(id="b", label="", reads=["df"], upstream=["a"]),
        Node(id="c", label="last", upstream=["b", "gone"]),
    ],
)


class ScriptedRunner:
    """Reports the records it was given; raises what stands among them."""

    script: list[CellRecord | BaseException] = []
    calls: list[dict[str, Any]] = []

    def __init__(self, *args: Any, **options: Any) -> None:
        self.closed = False

    def run(
        self,
        path: Path,
        force: bool,
        kernel_name: str | None,
        *,
        on_cell: Callable[[CellRecord], None],
        **options: Any,
    ) -> RunReport:
        self.calls.append({"path": path, "force": force, "kernel_name": kernel_name, **options})
        if path.is_file():
            read(path)
        if "bad" in path.name:
            raise InvocationError(f"{path}: bad")
        records = []
        for step in self.script:
            if isinstance(step, BaseException):
                raise step
            on_cell(step)
            records.append(step)
        return summarize(str(path), records, 1500.0)

    def why(self, path: Path, cell: str) -> Standing:
        if cell == "z":
            raise InvocationError("there is no cell 'z'")
        return Standing(cell_id=cell, state="stale", reasons=[Reason("code", "the code changed", line=3)])

    def status(self, path: Path) -> list[Standing]:
        return [Standing(cell_id="a", cell_name="load", state="servable"), self.why(path, "b")]

    def graph(self, path: Path) -> Graph:
        return GRAPH

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[ScriptedRunner]:
    monkeypatch.setattr(runner, "Runner", ScriptedRunner)
    ScriptedRunner.calls = []
    ScriptedRunner.script = [
        CellRecord(cell_id="a", cell_name="load", status="cached", duration_ms=1, saved_ms=2000),
        CellRecord(cell_id="b", status="ok", duration_ms=1500, reasons=[Reason("code", "the code changed")]),
    ]
    return ScriptedRunner


FAILURE = CellRecord(
    cell_id="c",
    status="error",
    duration_ms=3,
    error=ErrorRecord("ValueError", "no", ["\x1b[31mTrace\x1b[0m", "line 2"]),
)


@pytest.fixture
def notebook(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, *sources: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cells = [{"id": chr(97 + i), "cell_type": "code", "source": s} for i, s in enumerate(sources)]
        path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
        return path

    return write
