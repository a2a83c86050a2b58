"""Explains the query of a sql cell with the values that its binds have, in any thread, while a cell runs too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strata_kernel.domain.state import hidden
from strata_kernel.engine.session import Entry
from strata_kernel.errors import CellError, CodecError, StoreError
from strata_kernel.kernel.observe import active

if TYPE_CHECKING:
    from strata_kernel.domain.manifest import Unit
    from strata_kernel.kernel.bridge import Bridge


def explain(bridge: Bridge, entry: Entry) -> str:
    """Return how the cell's query would be run; raise CellError when that cannot be told."""
    reading = entry.reading
    if reading.kind != "sql":
        raise CellError(f"cell {reading.label} is no sql cell: only queries are explained")
    analysis = reading.analysis
    values: dict[str, Any] = {}
    lacking = []
    with active.exempt():
        for name in sorted((analysis.reads | analysis.mentions) & entry.before.keys()):
            if hidden(name):
                continue
            try:
                values[name] = _value(bridge, name, entry.before[name].unit)
            except (CodecError, StoreError, KeyError):
                lacking.append(name)
        if unknown := sorted(analysis.reads.intersection(lacking)):
            raise CellError(f"the value of {', '.join(unknown)} is not at hand: run the cell above first")
        try:
            return bridge.parts.databases.explain(reading.cell, values)
        except CellError as error:
            if not lacking:
                raise
            # A table of the query may be a frame that nothing has made yet.
            raise CellError(f"{error}\nNot at hand, as their cells have not run: {', '.join(lacking)}") from None


def _value(bridge: Bridge, name: str, unit: Unit) -> Any:
    """Return a value without touching the notebook's; raise CodecError, StoreError or KeyError."""
    placement = bridge.pipeline.placement
    if placement.has(name, unit.version):
        return bridge.host.namespace[name]
    shelved = placement.shelf.get(unit.version, {})
    return shelved[name] if name in shelved else bridge.parts.values(unit)[name]
