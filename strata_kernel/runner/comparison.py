"""The variants of a group side by side: what each showed and the scalars that it left, from the store alone."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from strata_kernel.cells.spread import lane_part
from strata_kernel.domain.cell import Gather, Spread
from strata_kernel.domain.manifest import Manifest
from strata_kernel.engine import report
from strata_kernel.engine.passes import Pass, passes
from strata_kernel.engine.session import Entry
from strata_kernel.errors import InvocationError, StrataError
from strata_kernel.runner.inspection import Inspection

#: Types, as summaries name them, whose values say all in a few characters.
_NUMBERS = ("int", "float", "bool", "complex", "NoneType", "float64", "float32", "int64")
_SCALARS = (*_NUMBERS, "str", "Decimal", "Fraction")
_WIDEST = 200


class Variant(msgspec.Struct):
    """One variant: how its cell stands, its seconds, and by label of the cell what it bound and showed."""

    name: str
    cell: str
    state: str
    seconds: float | None = None
    results: dict[str, dict[str, str]] = {}
    shown: dict[str, str] = {}


def compare(inspection: Inspection, group: str, *, load: bool = True) -> list[Variant]:
    """Return the variants of a swept group in order; raise InvocationError when there is no such group.

    Without `load` no value is read from the store, so only numbers are told, by their summaries.
    """
    entries = {e.reading.cell.id: e for e in inspection.entries}
    gather = entries.get(f"gather:{group}")
    if gather is None or not isinstance(gather.reading.cell, Gather):
        raise InvocationError(f"{inspection.notebook.path}: no cell is a variant of {group!r}")
    found = []
    for lane in gather.reading.cell.lanes:
        entry = entries[lane.cells[0]]
        variant = Variant(lane.name, lane.cells[0], report.state(entry, None)[0])
        if entry.manifest is not None:
            variant.state, variant.seconds = "cached", entry.manifest.seconds
            _tell(inspection, variant, group, entry.manifest, load)
        elif (error := inspection.notebook.errors.get(lane.cells[0])) is not None:
            # A failed run leaves nothing in the store: what the notebook shows is all there is.
            variant.state, variant.shown = "failed", {group: error}
        for other in entries.values():
            if (manifest := _on_lane(inspection, other, gather, lane.name)) is not None:
                _tell(inspection, variant, other.reading.label, manifest, load)
        found.append(variant)
    return found


def _on_lane(inspection: Inspection, entry: Entry, gather: Entry, lane: str) -> Manifest | None:
    """Return the run of a cell on a lane of this sweep, None when it has none or is not known."""
    cell = entry.reading.cell
    if isinstance(cell, Gather) or not isinstance(cell, Spread) or gather.reading.cell.id not in cell.lanes[0].cells:
        return None
    steps = (p for p in passes(inspection.session, entry) if isinstance(p, Pass) and p.part == lane_part(lane))
    return next((p.manifest for p in steps), None)


def _tell(inspection: Inspection, variant: Variant, label: str, manifest: Manifest, load: bool) -> None:
    results = dict(_scalars(inspection, manifest, load))
    variant.results = {**variant.results, label: results}
    if text := inspection.text(manifest):
        variant.shown = {**variant.shown, label: text}


def _scalars(inspection: Inspection, manifest: Manifest, load: bool) -> Iterable[tuple[str, str]]:
    for unit in manifest.units:
        if unit.kind != "value" or not all(unit.summary.get(n, "").partition(" ")[0] in _SCALARS for n in unit.names):
            continue
        try:
            values = inspection.parts.values(unit) if load else {}
        except StrataError:
            values = {}
        for name in unit.names:
            told, _, number = unit.summary[name].partition(" ")
            absent = number if told in _NUMBERS and number else f"({unit.summary[name]}{', not kept' if load else ''})"
            text = repr(values[name]) if name in values else absent
            yield name, text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
