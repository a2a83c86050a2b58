"""What the store holds of a cell that unfolds, action by action, without running any."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from strata_kernel.cells.expand import Action, Course, Fault, brought, expand, taken_from
from strata_kernel.cells.kind import Reading
from strata_kernel.domain.cell import Reason
from strata_kernel.domain.digest import digest
from strata_kernel.domain.manifest import Manifest
from strata_kernel.domain.state import Slot, State

if TYPE_CHECKING:
    from strata_kernel.engine.session import Entry, Session


class Pass(msgspec.Struct, frozen=True):
    """A pass or a run on a lane that the store has, counted from 0, its part's name, and the state after it."""

    place: int
    part: str
    manifest: Manifest
    after: State


def passes(session: Session, entry: Entry) -> Iterator[Pass | tuple[Action, tuple[Reason, ...]]]:
    """Yield the runs of a cell's parts until one is missing; that comes last, with the reasons."""
    steps = expand(entry.reading)
    if steps is None:
        return
    course = Course(session.with_order(entry.reading, entry.before), entry.reading.cell.id)
    action = next(steps)
    while True:
        answer: Manifest | Fault
        taken = take(session, action, course)
        if isinstance(taken, Fault):
            answer = taken
        else:
            at = course.at(action, taken)
            found = session.look_at(action.reading, at)
            if found.manifest is None and not action.apart:
                yield action, found.reasons
                return
            if found.manifest is None:
                # Whether it fails, only running it tells; what is on the other lanes is known all the same.
                yield action, found.reasons
                answer = Fault("", "has not run")
            else:
                answer = found.manifest
                course.past(action, at, answer)
                if action.reading.part not in ("until", "step"):
                    yield Pass(
                        action.place - 1, action.reading.part, answer, course.parts.get(action.reading.part, course.now)
                    )
        try:
            action = steps.send(answer)
        except StopIteration:
            return


class Lost(Fault, frozen=True):
    """What a part of a cell made is no longer in the store: the cell has to run again."""

    cell: str


def take(session: Session, action: Action, course: Course) -> dict[str, Slot | None] | Fault:
    """Return what an action takes from where other cells left it, or how those failed that should have made it."""
    found: dict[str, Slot | None] = {}
    for wanted in action.taken:
        after = course.parts.get(wanted.part) if wanted.part else None
        entry = session.entries.get(wanted.cell)
        if after is None and entry is not None:
            if entry.error is not None:
                return Fault(*entry.error)
            if (fault := entry.faults.get(wanted.part)) is not None:
                return fault
            after = _left(session, entry, wanted.part)
        if after is None:
            text = f"cell {wanted.cell} has not made it"
            known = entry is not None and entry.manifest is not None
            return Lost("", text, wanted.cell) if known else Fault("", text)
        names = wanted.names or _standing(session, wanted.instead, action.reading.cell.id, course.start)
        found |= taken_from(after, names)
    return found


def taken_version(session: Session, reading: Reading, state: State) -> str:
    """Return one version for all that a cell takes from lanes: what it reads stands for something else there."""
    if reading.spread is None or reading.spread.body is None:
        return ""
    start, versions = Course(state, reading.cell.id), {}
    for path in reading.spread.paths:
        action = Action(reading, (), 0, 0, apart=True, taken=path.taken)
        taken = take(session, action, start)
        told = taken if isinstance(taken, Fault) else {n: s.version if s else "" for n, s in taken.items()}
        versions[path.name] = digest("taken", [told.name, told.text] if isinstance(told, Fault) else told)
    return digest("lanes", versions)


def _standing(session: Session, cell: str, below: str, state: State) -> set[str]:
    """Return the names that a cell has bound by lane and that no cell down to this one has bound anew."""
    places = {c.id: place for place, c in enumerate(session.cells)}
    entry = session.entries.get(cell)
    if entry is None or entry.reading.spread is None or below not in places:
        return set()
    names = {n for n in entry.reading.spread.names if n in state}
    for between in session.cells[places[cell] + 1 : places[below]]:
        reading = session.read(between)
        if not reading.aside:
            anew = reading.analysis.stores | reading.analysis.deletes
            names -= {n for n in anew & names if state[n].by != cell}
    return names


def _left(session: Session, entry: Entry, part: str) -> State | None:
    if not part:
        return entry.after if entry.manifest is not None else None
    if part in entry.parts:
        return entry.parts[part]
    steps = (p for p in passes(session, entry) if isinstance(p, Pass) and p.part == part)
    return next((p.after for p in steps), None)


def missing(session: Session, entry: Entry) -> tuple[Reason, ...]:
    """Return why the first pass that the store lacks would run; nothing when it has all of them."""
    for found in passes(session, entry):
        if not isinstance(found, Pass):
            return because(*found)
    return ()


def because(action: Action, reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """Say why an action of a cell runs."""
    text = "; ".join(r.text for r in reasons)
    return (Reason("pass", f"{action.what} {action.place} of {action.total}: {text}"),)


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
