"""What a headless run says of itself: one record per cell and a summary, as `--format json` prints them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from strata_kernel.domain.cell import Reason
from strata_kernel.domain.diagnostic import Diagnostic
from strata_kernel.domain.manifest import Manifest

SCHEMA_VERSION = 1

Status = Literal["ok", "cached", "error", "skipped"]


class ErrorRecord(msgspec.Struct, frozen=True):
    """The exception of a cell, as Jupyter tells it."""

    ename: str
    evalue: str
    traceback: list[str] = []


class CellRecord(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="cell"):
    """What became of one cell; `saved_ms` is what the run that was served took."""

    cell_id: str
    cell_name: str | None = None
    status: Status
    cache_key: str | None = None
    duration_ms: float = 0.0
    saved_ms: float | None = None
    worker: str | None = None
    reasons: list[Reason] = []
    error: ErrorRecord | None = None


class LargeArtifact(msgspec.Struct, frozen=True, kw_only=True):
    """A value or file that was larger than its limit and is therefore not kept."""

    path: str
    size_mb: float
    limit_mb: float
    cell_id: str
    cell_name: str | None = None


def large_artifacts(
    manifest: Manifest, *, value_limit: int, file_limit: int, cell_id: str, cell_name: str | None
) -> list[LargeArtifact]:
    """Return what a run made that was too large to be kept; limits in bytes."""
    found = [(", ".join(u.names), u.size, value_limit) for u in manifest.units if u.size]
    found += [(f.path, f.size, file_limit) for f in manifest.files if f.size]
    return [
        LargeArtifact(path=p, size_mb=size / 1e6, limit_mb=limit / 1e6, cell_id=cell_id, cell_name=cell_name)
        for p, size, limit in found
    ]


class RunReport(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="summary"):
    """The summary of one notebook's run."""

    schema_version: int = SCHEMA_VERSION
    notebook: str
    status: Literal["ok", "error"]
    total_duration_ms: float
    counts: dict[str, int]
    cell_results: list[CellRecord]
    large_artifacts: list[LargeArtifact] = []
    diagnostics: list[Diagnostic] = []

    @property
    def ok(self) -> bool:
        """Whether no cell failed."""
        return self.status == "ok"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a cell stands now, without running anything: its state and why."""

    cell_id: str
    cell_name: str | None = None
    state: str
    reasons: list[Reason] = []
    text: str = ""


def summarize(
    notebook: str,
    records: Iterable[CellRecord],
    total_ms: float,
    *,
    complete: bool = True,
    large: Iterable[LargeArtifact] = (),
    diagnostics: Iterable[Diagnostic] = (),
) -> RunReport:
    """Return the summary of these records; an incomplete run is an error."""
    results = list(records)
    counts = {status: sum(r.status == status for r in results) for status in ("ok", "cached", "error", "skipped")}
    return RunReport(
        notebook=notebook,
        status="ok" if complete and not counts["error"] else "error",
        total_duration_ms=total_ms,
        counts=counts,
        cell_results=results,
        large_artifacts=list(large),
        diagnostics=list(diagnostics),
    )
