"""Unfolds a cell into the actions that it is run by: a loop into its passes and the tests between them."""

from __future__ import annotations

from collections.abc import Generator

import msgspec

from strata_kernel.cells.kind import Reading
from strata_kernel.domain import provenance
from strata_kernel.domain.manifest import Manifest
from strata_kernel.domain.state import VERDICT, Slot, State, hidden, with_definitions


class Action(msgspec.Struct, frozen=True):
    """One thing that is keyed and run for a cell.

    It starts where the action before it ended when `carry` is None, else where the cell started, with these names as
    the action before left them. `place` counts from 1 among the `total` that there can be.
    """

    reading: Reading
    carry: tuple[str, ...] | None
    place: int
    total: int


#: Yields actions; each is answered with the run that stands for it.
Unfolding = Generator[Action, Manifest, None]


def expand(reading: Reading) -> Unfolding | None:
    """Return the actions of a cell that is more than one, None for every other cell."""
    return _passes(reading) if reading.loop is not None else None


def _passes(reading: Reading) -> Unfolding:
    loop = reading.loop
    assert loop is not None
    for place in range(loop.max_iter):
        yield Action(_at(loop.body, place), loop.carry, place + 1, loop.max_iter)
        if loop.until is not None:
            test = Action(_at(loop.until, place), None, place + 1, loop.max_iter)
            if verdict((yield test)):
                return


def _at(reading: Reading, place: int) -> Reading:
    # Programs of their own, or a look-up would go through the runs of all passes.
    return msgspec.structs.replace(reading, program=provenance.part(program=reading.program, part=str(place)))


def verdict(manifest: Manifest) -> bool:
    """Tell what a test found."""
    unit = next(u for u in manifest.units if u.names == (VERDICT,))
    return unit.artifact is not None and bool(unit.artifact.inline)


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
