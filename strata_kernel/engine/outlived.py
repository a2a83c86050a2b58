"""Definitions that outlive their name: what an instance of them is depends on the cells that changed them."""

from __future__ import annotations

from strata_kernel.domain.state import Slot, State
from strata_kernel.engine.restore import Placement, holds
from strata_kernel.engine.session import Session


def rests_on_changes(name: str, state: State, session: Session, placement: Placement) -> bool:
    """Tell whether a value of the store is made of a definition which cells changed and which does not stand so.

    A definition whose name stands is brought with the value; only the runs of cells bring one whose name is another's.
    """
    slot = state[name]
    if holds(placement, name, slot.version):
        return False
    for definition, lineage in slot.unit.reach.definitions:
        here = state.get(definition)
        if here is not None and here.unit.lineage == lineage:
            continue
        left = _left(definition, lineage, state, session)
        if left is not None and left.version != lineage and not holds(placement, definition, left.version):
            return True
    return False


def _left(name: str, lineage: str, state: State, session: Session) -> Slot | None:
    """Return the definition as the last cell left it that had it under its name."""
    writers = {slot.by for slot in state.values()}
    found, last = None, None
    for cell in session.cells:
        entry = session.entries.get(cell.id)
        slot = entry.after.get(name) if entry is not None else None
        if slot is not None and slot.unit.lineage == lineage:
            found = slot
        if cell.id in writers:
            last = found
    return last
