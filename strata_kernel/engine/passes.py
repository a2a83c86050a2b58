"""What the store holds of a loop, pass by pass, without running any."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from strata_kernel.cells.expand import Action, brought, carried, expand
from strata_kernel.cells.kind import Reading
from strata_kernel.domain.cell import Reason
from strata_kernel.domain.manifest import Manifest
from strata_kernel.domain.state import Slot, State, advance

if TYPE_CHECKING:
    from strata_kernel.engine.session import Entry, Session


class Pass(msgspec.Struct, frozen=True):
    """A pass that the store has, counted from 0, and the state after it."""

    place: int
    manifest: Manifest
    after: State


def passes(session: Session, entry: Entry) -> Iterator[Pass | tuple[Action, tuple[Reason, ...]]]:
    """Yield the passes of a loop until one is missing, or the test after it; that comes last, with the reasons."""
    steps = expand(entry.reading)
    if steps is None:
        return
    start = now = session.with_order(entry.reading, entry.before)
    action = next(steps)
    while True:
        at = now if action.carry is None else carried(start, now, action.carry)
        found = session.look_at(action.reading, at)
        if found.manifest is None:
            yield action, found.reasons
            return
        now = advance(at, found.manifest, entry.reading.cell.id)
        if action.reading.part != "until":
            yield Pass(action.place - 1, found.manifest, now)
        try:
            action = steps.send(found.manifest)
        except StopIteration:
            return


def missing(session: Session, entry: Entry) -> tuple[Reason, ...]:
    """Return why the first pass that the store lacks would run; nothing when it has all of them."""
    for found in passes(session, entry):
        if not isinstance(found, Pass):
            return because(*found)
    return ()


def because(action: Action, reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """Say why an action of a cell runs."""
    what = "the test after pass" if action.reading.part == "until" else "pass"
    text = "; ".join(r.text for r in reasons)
    return (Reason("pass", f"{what} {action.place} of {action.total}: {text}"),)


def seed(session: Session, reading: Reading) -> dict[str, Slot]:
    """Return the carry as the pass of another loop left it that this one starts from, as far as it is known."""
    if reading.loop is None or reading.loop.start_from is None:
        return {}
    name, place = reading.loop.start_from
    entry = named(session, name)
    if entry is None or entry.reading.cell.id == reading.cell.id:
        return {}
    for found in passes(session, entry):
        if isinstance(found, Pass) and found.place == place:
            return brought(found.after, reading.loop.carry)
    return {}


def named(session: Session, name: str) -> Entry | None:
    """Return what is known of the cell with this id or, failing that, this name."""
    labels = {e.reading.label: e for e in session.entries.values()}
    return session.entries.get(name) or labels.get(name)
