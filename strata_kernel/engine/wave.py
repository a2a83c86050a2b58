"""Sends cells to their workers ahead of their turns, where nothing that runs before can matter to them."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import msgspec

from strata_kernel.cells.kind import Reading
from strata_kernel.domain.cell import Reason
from strata_kernel.domain.dispatch import Away
from strata_kernel.domain.manifest import Manifest
from strata_kernel.domain.state import BUILTIN, OBSERVED, Closure, State, closure, hidden
from strata_kernel.domain.terms import LOCAL
from strata_kernel.engine.effects import begins_at, lasting
from strata_kernel.engine.flight import UNSEEN, Flight
from strata_kernel.engine.journey import Journey
from strata_kernel.errors import StoreError, WorkerError
from strata_kernel.ports import Show

if TYPE_CHECKING:
    from strata_kernel.engine.pipeline import Pipeline
    from strata_kernel.engine.session import Session

#: Cells that wait for others above them, or do not travel, after which no further ones are looked at.
BEYOND = 64
_PATH = re.compile(r"[/\\]|\.[A-Za-z]\w{0,7}$")
_WRITES = re.compile(
    r"""open\([^)]*['"][rwaxbt+]*[wax+]|\.to_\w+\(|sav|dump|writ|mkdir|makedirs|touch\(|unlink|remove|renam|replace|copy"""
)


class Prospect(msgspec.Struct):
    """What the cells may do that have still to run, as far as their text and their last runs tell."""

    names: set[str] = set()
    labels: set[str] = set()
    programs: set[str] = set()
    paths: set[str] = set()
    written: set[str] = set()
    #: What nothing can be sent past: it may change whatever a cell below depends on.
    closed: bool = False

    def add(self, reading: Reading, reach: Closure, last: Manifest | None) -> None:
        """Count a cell among them; `last` is its last run, where there was one."""
        analysis = reading.analysis
        names = analysis.stores | analysis.deletes | _changed(reading, reach, last)
        for name in names:
            slot = reach.slots.get(name)
            self.names.update(slot.unit.names if slot is not None else (name,))
        self.labels.update((reading.cell.id, reading.label))
        self.programs.add(reading.program)
        paths = {path for path in analysis.paths if _PATH.search(path)}
        self.paths |= paths
        if _WRITES.search(reading.cell.source):
            self.written |= paths
        self.closed = self.closed or reach.opaque or analysis.error is not None or _lasts(reading, reach)

    def holds_up(self, reading: Reading, reach: Closure) -> bool:
        """Tell whether a cell may depend on what one of them does."""
        paths = reading.analysis.paths & (self.paths if _WRITES.search(reading.cell.source) else self.written)
        mentions = {m for s in reach.slots.values() if s is not None for m in s.unit.reach.mentions}
        return bool(
            reach.opaque
            or reading.program in self.programs
            or paths
            or not self.names.isdisjoint(reach.slots.keys() | reading.analysis.mentions | mentions)
            or not self.labels.isdisjoint(reading.directives.after)
        )


def _changed(reading: Reading, reach: Closure, last: Manifest | None) -> set[str]:
    """Return which variables it probably changes in place: what it does with all that it calls is not told before."""
    analysis = reading.analysis
    if last is not None:
        return {n for u in last.units for n in u.names if not hidden(n)} | set(last.deletes)
    roots = {chain.root for chain in analysis.effects}
    calls = any(not chain.path and chain.root not in BUILTIN for chain in analysis.effects)
    return set(analysis.mutates if calls else analysis.mutates & roots)


def _lasts(reading: Reading, reach: Closure) -> bool:
    """Tell whether it may change the process for all cells below."""
    imports = reading.analysis.imports
    return any(lasting(chain, begins_at(chain, imports, reach.slots)) for chain in reach.effects)


class Wave:
    """The runs in other places that are under way, and those that come next.

    Nothing of a flight counts before the turn of its cell: only then is it known what the cell is to read.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._flights: dict[str, Flight] = {}
        #: Given up, but not ended yet.
        self._leaving: set[asyncio.Task[Away]] = set()
        self._head: Flight | None = None
        self._at: tuple[int, State] | None = None
        self._next: asyncio.Task[None] | None = None
        #: The workers that cells name, of the document and the settings that they were told from.
        self._named: tuple[object, object, set[str]] = None, None, set()
        #: The place of the cell on whose behalf those above it run that are stale.
        self.until = -1
        #: The cells that a client is going to run, and which of them anew.
        self.waiting: Callable[[], Collection[str]] = frozenset
        self.anew: Callable[[str], bool] = lambda cell_id: False
        #: Follows those that run ahead; no state means that it is as it was.
        self.tell: Callable[[str, str], None] = lambda cell_id, state: None

    @property
    def flying(self) -> set[str]:
        """The cells that were sent ahead and whose turn has not come."""
        return set(self._flights)

    async def travel(self, journey: Journey, told: Callable[[str, tuple[Reason, ...]], None], show: Show) -> Away:
        """Let the cell run in its place at its turn, or take it from there when it was sent ahead."""
        pipeline, cell = self._pipeline, journey.reading.cell
        ahead = self._flights.pop(cell.id, None)

        def shown(kind: str, content: dict[str, Any]) -> None:
            if kind == "state":
                told(content["state"], content.get("reasons", ()))
            else:
                show(kind, content)

        try:
            assert pipeline.executor is not None
            executor, dispatch = await journey.ready(pipeline.executor, pipeline.origin)
        except BaseException as error:
            self._give_up(ahead)
            if isinstance(error, WorkerError):
                return Away(error=("WorkerError", str(error), []))
            raise
        lacking = ahead.lacks(dispatch) if ahead is not None else None
        if ahead is None or lacking is None or ahead.fails(journey, lacking):
            self._give_up(ahead)
        else:
            away = await self._follow(ahead, journey, shown)
            if ahead.interrupted or ahead.holds(away, journey, lacking):
                journey.differences = ahead.journey.differences
                return away
            if ahead.shown:
                show("clear_output", {"wait": False})
        return await self._follow(Flight(journey, executor, dispatch, self._told), journey, shown)

    async def _follow(self, flight: Flight, journey: Journey, show: Show) -> Away:
        self._head, place = flight, self._pipeline.session.cells.index(journey.reading.cell)
        self._at = place, journey.before
        try:
            await self._launch()
            return await flight.follow(show)
        finally:
            self._head = self._at = None

    def past(self, run: Manifest | None) -> None:
        """Note what a cell did that has just run; None: it failed, so that this is not known."""
        if not self._flights:
            return
        reasons = run.reasons if run is not None else ()
        # What stays on a worker is not among the files.
        paths = {f.path for f in (run.files if run is not None else ())}
        paths |= {r.name for r in reasons if r.code == "unobserved" and r.name}
        unseen = run is None or any(r.code in UNSEEN or (r.code == "unobserved" and not r.name) for r in reasons)
        for flight in self._flights.values():
            flight.past(paths, unseen=unseen)

    def settle(self, cell_id: str, *, failed: bool) -> None:
        """Give up what a cell that has had its turn leaves without one: all, when it failed."""
        self.until = -1
        places = {cell.id: place for place, cell in enumerate(self._pipeline.session.cells)}
        here, waiting = places.get(cell_id, -1), self.waiting()
        for other in list(self._flights):
            if failed or other not in waiting or places.get(other, -1) <= here:
                self._give_up(self._flights.pop(other))

    def _give_up(self, flight: Flight | None) -> None:
        if flight is not None and flight.under_way:
            self._leaving.add(flight.task)
            flight.task.add_done_callback(self._leaving.discard)
            flight.task.cancel()
        if flight is not None:
            self.tell(flight.cell.id, "")

    def _told(self, flight: Flight, state: str) -> None:
        if self._flights.get(flight.cell.id) is flight:
            self.tell(flight.cell.id, state or "queued")
        self.look()

    def look(self) -> None:
        """See whether more can be sent: one has ended, or a client has said what comes next."""
        if self._at is not None and (self._next is None or self._next.done()):
            self._next = asyncio.ensure_future(self._launch())

    async def _launch(self) -> None:
        """Send what can be sent now. Nothing else runs meanwhile: what stands in the process is what is sent."""
        if self._at is None:
            return
        place, state = self._at
        session, waiting = self._pipeline.session, self.waiting()
        last = max((p for p, c in enumerate(session.cells) if c.id in waiting), default=self.until)
        cells = session.cells[place : max(last, self.until) + 1]
        if len(cells) < 2 or not session.ordered or not self._has_room():
            return
        prospect, beyond = Prospect(), 0
        head = session.read(cells[0])
        prospect.add(head, closure(head.analysis, session.with_order(head, state)), _last(session, head))
        for offset, cell in enumerate(cells[1:], place + 1):
            if prospect.closed or beyond > BEYOND:
                return
            if not cell.source.strip():
                continue
            reading = session.read(cell)
            reach = closure(reading.analysis, session.with_order(reading, state))
            last_run = _last(session, reading)
            if cell.id not in self._flights:
                held = prospect.holds_up(reading, reach)
                # What never ran cannot be served.
                known = last_run is not None and not held and not self.anew(cell.id)
                entry = session.look_at(reading, state) if known else None
                if entry is not None and entry.manifest is not None:
                    state = entry.below
                    prospect.names.difference_update(n for u in entry.manifest.units for n in u.names)
                    prospect.closed = any(u.names[0].startswith("effect:") for u in entry.manifest.units)
                    prospect.labels.update((cell.id, reading.label))
                    continue
                asked = cell.id in waiting or offset <= self.until
                sent = asked and not held and _travels(reading, last_run) and await self._send(reading, state)
                if sent and not self._has_room():
                    return
                beyond += not sent
            prospect.add(reading, reach, last_run)

    def _has_room(self) -> bool:
        """Tell whether a worker that cells name has room: else it would be vain to look at what they read."""
        session, origin = self._pipeline.session, self._pipeline.origin
        if self._named[0] is not session.cells or self._named[1] is not origin:
            workers = {session.read(cell).terms.worker for cell in session.cells}
            self._named = session.cells, origin, workers - {LOCAL}
        flights = self._under_way()
        busy = Counter(f.worker for f in flights)
        return not self._named[2] <= {f.worker for f in flights if busy[f.worker] >= f.executor.capacity}

    def _under_way(self) -> list[Flight]:
        return [f for f in (self._head, *self._flights.values()) if f is not None and f.under_way]

    async def _send(self, reading: Reading, state: State) -> bool:
        """Send a cell ahead, if its place has room for it and all that it reads stands."""
        pipeline = self._pipeline
        if not pipeline.is_away(reading) or pipeline.executor is None:
            return False
        journey = Journey(pipeline.session, pipeline.resolver, pipeline.publisher, reading, state, ahead=True)
        with contextlib.suppress(WorkerError, StoreError):
            here = sum(f.worker == reading.terms.worker for f in self._under_way())
            if here < pipeline.executor(reading).capacity:
                flight = Flight(journey, *await journey.ready(pipeline.executor, pipeline.origin), self._told)
                self._flights[reading.cell.id] = flight
                return True
        return False


def _last(session: Session, reading: Reading) -> Manifest | None:
    """Return the last run of a cell, by its text or else in its place."""
    with contextlib.suppress(StoreError):
        if found := session.store.entries(reading.program):
            return found[0]
    entry = session.entries.get(reading.cell.id)
    return entry.manifest if entry is not None else None


def _travels(reading: Reading, last: Manifest | None) -> bool:
    """Tell whether a run of the cell ahead of its turn can be one that its turn asks for."""
    if not reading.portable or reading.loop is not None or reading.spread is not None:
        return False
    reasons = (*reading.analysis.always, *(last.reasons if last is not None else ()))
    if any(r.code in UNSEEN for r in reasons):
        return False
    # It goes on where a cell above left a generator.
    return last is None or not any(n.startswith(OBSERVED) for n in last.reads)
