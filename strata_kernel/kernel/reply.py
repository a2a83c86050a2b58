"""What replies say: the decision on a cell, and errors that name the cell, the line, the cause and the cure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from strata_kernel.cells.kind import Reading
from strata_kernel.domain.cell import Cell, Reason
from strata_kernel.domain.report import large_artifacts
from strata_kernel.engine.keeping import Options
from strata_kernel.engine.pipeline import Failed, Outcome, Restored
from strata_kernel.errors import CellFailed, Declined, StoreError, StrataError
from strata_kernel.kernel.host import Failure


def describe(outcome: Outcome, options: Options) -> dict[str, Any]:
    """Return `execute_reply.metadata.strata` for what became of a cell."""
    decision = _described(outcome)
    manifest, reading = outcome.entry.manifest, outcome.entry.reading
    decision["worker"] = reading.terms.worker
    if manifest is not None:
        large = large_artifacts(
            manifest,
            value_limit=options.value_limit,
            file_limit=options.file_limit,
            cell_id=reading.cell.id,
            cell_name=reading.label,
        )
        if large:
            decision["large"] = msgspec.to_builtins(large)
    return decision


def _described(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Restored):
        saved = outcome.manifest.seconds
        return _decision("hit", outcome.manifest.reasons, key=outcome.manifest.key, saved=saved)
    status = "bypass" if outcome.entry.reading.policy.name == "off" else "ran"
    if isinstance(outcome, Failed):
        return _decision(status, outcome.reasons, seconds=outcome.seconds)
    return _decision(status, outcome.reasons, key=outcome.manifest.key, seconds=outcome.manifest.seconds)


def not_run(reason: Reason) -> dict[str, Any]:
    """Return the decision for a cell that could not be run."""
    return _decision("ran", (reason,))


def _decision(
    status: str, reasons: tuple[Reason, ...], *, key: str | None = None, seconds: float = 0.0, saved: float = 0.0
) -> dict[str, Any]:
    return {
        "status": status,
        "key": key,
        "seconds": seconds,
        "savedSeconds": saved,
        "reasons": [_plain(r) for r in reasons],
        "worker": "local",
    }


def _plain(reason: Reason) -> dict[str, Any]:
    found = {"code": reason.code, "text": reason.text, "cell": reason.cell, "name": reason.name, "line": reason.line}
    return {k: v for k, v in found.items() if v is not None}


def explain(error: StrataError, failure: Failure | None, read: Callable[[Cell], Reading]) -> tuple[str, list[str]]:
    """Return the text of an error of ours and the traceback that led to it."""
    if isinstance(error, CellFailed):
        cell, cure = f"cell {error.cell_id}", "correct it, or run it on its own to see more"
        if failure is None:
            return f"{cell} failed: {error.ename}: {error.evalue}\nThis cell needs what it makes: {cure}.", []
        label, line = read(failure.cell).label, f", line {failure.line}" if failure.line else ""
        named = label if label == failure.cell.id else f"{label!r} ({failure.cell.id})"
        text = f"cell {named}{line}, failed: {error.ename}: {error.evalue}\nThis cell needs what it makes: {cure}."
        return text, failure.traceback
    if isinstance(error, Declined):
        return f"{error}\nThis cell was not run. Run them first, or allow it: `%strata status` shows which.", []
    if isinstance(error, StoreError):
        return f"{error}\nThis cell was not run. Run the cells above again from the top (Run All).", []
    return str(error), []


def completed(matches: list[str], start: int, end: int) -> dict[str, Any]:
    """Return a completion reply with these matches and no others."""
    types = [{"start": start, "end": end, "text": m, "type": "keyword", "signature": ""} for m in matches]
    metadata = {"_jupyter_types_experimental": types}
    return {"status": "ok", "matches": matches, "cursor_start": start, "cursor_end": end, "metadata": metadata}


def offer(reply: dict[str, Any], names: list[str], start: int, end: int) -> None:
    """Add names to a completion reply whose token spans start to end."""
    matches = reply.get("matches")
    if matches is None or (matches and reply.get("cursor_start") != start):
        return
    fresh = [n for n in names if n not in matches]
    if not fresh:
        return
    reply.update(matches=[*fresh, *matches], cursor_start=start, cursor_end=end)
    types = reply.get("metadata", {}).get("_jupyter_types_experimental")
    if isinstance(types, list):
        types[:0] = [{"start": start, "end": end, "text": n, "type": "instance", "signature": ""} for n in fresh]
