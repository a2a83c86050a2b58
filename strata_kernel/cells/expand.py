"""Unfolds a cell into the actions that it is run by: a loop into its passes, a spread cell into its lanes."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping

import msgspec

from strata_kernel.cells.kind import Loop, Path, Reading, Spread, Taken
from strata_kernel.cells.spread import GATHERED, ending, failing, lane_part, step, taking
from strata_kernel.domain import provenance
from strata_kernel.domain.manifest import Manifest
from strata_kernel.domain.state import LANES, VERDICT, Slot, State, advance, hidden, with_definitions


class Action(msgspec.Struct, frozen=True):
    """One thing that is keyed and run for a cell.

    It starts where the action before it ended when `carry` is None, else where the cell started, with these names as
    the action before left them. One that is `apart` leaves nothing else to those after it, the process included, and
    may fail. `taken` comes from elsewhere. `place` counts from 1 among the `total` that there can be.
    """

    reading: Reading
    carry: tuple[str, ...] | None
    place: int
    total: int
    what: str = "pass"
    apart: bool = False
    taken: tuple[Taken, ...] = ()


class Fault(msgspec.Struct, frozen=True):
    """How an action failed, or what it needed: the name of the exception and its text."""

    name: str
    text: str


#: Yields actions; each is answered with the run that stands for it, or with its fault where it may have one.
Unfolding = Generator[Action, Manifest | Fault, None]


def expand(reading: Reading) -> Unfolding | None:
    """Return the actions of a cell that is more than one, None for every other cell."""
    if reading.loop is not None:
        return _passes(reading.loop)
    return _lanes(reading, reading.spread) if reading.spread is not None else None


def _passes(loop: Loop) -> Unfolding:
    for place in range(loop.max_iter):
        yield Action(_at(loop.body, place), loop.carry, place + 1, loop.max_iter)
        if loop.until is not None:
            test = Action(_at(loop.until, place), None, place + 1, loop.max_iter, "the test after pass")
            found = yield test
            assert isinstance(found, Manifest)
            if verdict(found):
                return


def _at(reading: Reading, place: int) -> Reading:
    # Programs of their own, or a look-up would go through the runs of all passes.
    return msgspec.structs.replace(reading, program=provenance.part(program=reading.program, part=str(place)))


def _lanes(whole: Reading, spread: Spread) -> Unfolding:
    total = len(spread.paths)
    faults: dict[str, Fault] = {}

    def action(reading: Reading, place: int, path: Path, taken: tuple[Taken, ...], carry: tuple[str, ...]) -> Action:
        return Action(reading, carry, place, total, f"{path.name!r},", True, taken)

    for place, path in enumerate(spread.paths, 1):
        if spread.body is not None:
            # The program of the cell itself: alone, it would be the same run.
            body = msgspec.structs.replace(spread.body, part=lane_part(path.name))
            found = yield action(body, place, path, path.taken, ())
            if isinstance(found, Fault):
                faults[path.name] = found
    for place, path in enumerate(spread.paths, 1):
        first = place == 1
        if path.name not in faults:
            taken = path.taken if spread.body is None else (Taken(whole.cell.id, lane_part(path.name), path.names),)
            found = yield action(step(whole, taking(path, first=first)), place, path, taken, (GATHERED,))
            if isinstance(found, Fault):
                faults[path.name] = found
        if (fault := faults.get(path.name)) is not None:
            text = f"variant {path.name!r} failed: {fault.name}: {fault.text}"
            source = failing(path, spread.names, text, first=first)
            yield action(step(whole, source), place, path, (), (GATHERED,))
    yield Action(step(whole, ending(spread, faults)), (GATHERED,), total, total, "the last of")


def verdict(manifest: Manifest) -> bool:
    """Tell what a test found."""
    unit = next(u for u in manifest.units if u.names == (VERDICT,))
    return unit.artifact is not None and bool(unit.artifact.inline)


class Course:
    """The states that the actions of a cell start in: `now` is the one after the last, `parts` those that it had."""

    def __init__(self, start: State, cell: str) -> None:
        # That only makes the cell as a whole follow all of its lanes.
        self.start = self.now = {n: s for n, s in start.items() if n != LANES}
        self.parts: dict[str, State] = {}
        self._cell = cell

    def at(self, action: Action, taken: Mapping[str, Slot | None]) -> State:
        """Return the state that an action starts in."""
        if action.apart:
            return {n: s for n, s in {**self.now, **taken}.items() if s is not None}
        return self.now if action.carry is None else carried(self.start, self.now, action.carry)

    def past(self, action: Action, at: State, manifest: Manifest) -> None:
        """Go on to the state after an action's run."""
        after = advance(at, manifest, self._cell)
        after.pop(VERDICT, None)
        if not action.apart:
            self.now = after
            return
        self.parts[action.reading.part] = after
        kept = {n: s for n, s in after.items() if n.startswith("file:") or n in (action.carry or ())}
        self.now = {**self.now, **kept}


def carried(start: State, now: State, carry: tuple[str, ...]) -> State:
    """Return the state that the next pass starts in: the cell's start, but with the process and the carry as now.

    What shares state with the carry, and the definitions that it refers to, come along.
    """
    if now is start:
        return start
    along = brought(now, carry)
    kept = {n: s for n, s in start.items() if not hidden(n) and n not in along and n not in carry}
    return {**kept, **along, **{n: s for n, s in now.items() if hidden(n)}}


def brought(now: State, carry: tuple[str, ...]) -> dict[str, Slot]:
    """Return the carry as it stands, with what shares state with it and the definitions that it refers to."""
    mates = {n for c in carry if c in now for n in now[c].unit.names if n in now and now[n].version == now[c].version}
    return {n: now[n] for n in with_definitions({*mates, *carry}, now)}


def taken_from(after: State, names: Iterable[str]) -> dict[str, Slot | None]:
    """Return the names as they stand in a state, None where they do not, with the definitions that they refer to."""
    wanted = set(names)
    return {**dict.fromkeys(wanted), **{n: after[n] for n in with_definitions(wanted, after)}}
