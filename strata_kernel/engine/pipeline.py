"""The steps that every cell goes through: resolve, look up, restore or execute, capture, publish, report."""

from __future__ import annotations

import contextlib
import functools
import itertools
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from strata_kernel.cells.kind import Reading
from strata_kernel.domain.cell import Reason
from strata_kernel.domain.manifest import Manifest, Reach, Unit
from strata_kernel.domain.state import START, Slot, State, advance, closure, hidden, in_reach
from strata_kernel.engine.altered import altered, endangered
from strata_kernel.engine.apart import beside
from strata_kernel.engine.before import Before, candidates, facts, note, save_files, touchable
from strata_kernel.engine.capture import Capture, Captured, finish
from strata_kernel.engine.changes import Made, keep_modules, left_in_process, note_effect
from strata_kernel.engine.journey import Origin
from strata_kernel.engine.keeping import Options, recorded, worth_keeping
from strata_kernel.engine.lookup import NOT_PUBLISHED
from strata_kernel.engine.outputs import outputs_of
from strata_kernel.engine.publish import Publisher
from strata_kernel.engine.resolve import Drifted, Resolver
from strata_kernel.engine.restore import Placement, changed_in_place
from strata_kernel.engine.session import Entry, Session, related
from strata_kernel.engine.wave import Wave
from strata_kernel.errors import CellFailed, Declined, StoreError
from strata_kernel.ports import Executor, Files, Host, Observed, Ran, Store, Values


class Restored(msgspec.Struct, frozen=True):
    """The cell was served; `outputs` are to be shown again."""

    entry: Entry
    manifest: Manifest
    outputs: list[dict[str, Any]]


class Completed(msgspec.Struct, frozen=True):
    """The cell ran to its end; `reasons` say why it was not served."""

    entry: Entry
    manifest: Manifest
    reasons: tuple[Reason, ...]


class Failed(msgspec.Struct, frozen=True):
    """The cell raised, or was interrupted, after `seconds`."""

    entry: Entry
    error: tuple[str, str, list[str]]
    reasons: tuple[Reason, ...]
    seconds: float = 0.0


Outcome = Restored | Completed | Failed
Listener = Callable[[str, str, tuple[Reason, ...]], None]


async def _agreed(entries: list[Entry]) -> bool:
    return True


class Pipeline:
    """Runs one cell at a time against a session and a process.

    `listen(cell, state, reasons)` follows what happens; `show(cell, outputs)` gets what a cell shows that was run on
    behalf of another; `confirm(entries)` is asked before stale cells above run.
    """

    def __init__(
        self,
        session: Session,
        host: Host,
        values: Values,
        publisher: Publisher,
        files: Files,
        options: Options,
    ) -> None:
        self.session, self.host, self.values, self.publisher = session, host, values, publisher
        self.files, self.options = files, options
        self.store: Store = session.store
        self.placement = Placement(host, values, session.store)
        self.placement.saved = publisher.artifact
        self.resolver = Resolver(session, self.placement, files, self._rerun)
        self.position: State = START
        #: The position whose names are being fetched, to which runs of cells above come back.
        self.fetched: State = START
        # Unlike any other process's and any other run's, without asking the system for entropy at each.
        prefix, runs = secrets.token_hex(8), itertools.count()
        self._unique: Callable[[], str] = lambda: f"{prefix}{next(runs):x}"
        #: The cell after which the process stands.
        self.at = ""
        #: Where a cell runs, None for here; and what the place of the notebook gives to what travels.
        self.is_away: Callable[[Reading], bool] = lambda reading: False
        self.executor: Callable[[Reading], Executor] | None = None
        self.origin = Origin()
        self.wave = Wave(self)
        self.listen: Listener = lambda cell_id, state, reasons: None
        #: Follows a cell of several parts: its id, the part it is at from 1, and how many there can be.
        self.progress: Callable[[str, int, int], None] = lambda cell_id, done, total: None
        self.show: Callable[[str, list[dict[str, Any]]], None] = lambda cell_id, outputs: None
        self.confirm: Callable[[list[Entry]], Awaitable[bool]] = _agreed

    async def run(self, index: int, *, force: bool = False) -> Outcome:
        """Serve or run the cell at a place of the document, after whatever above it is not up to date."""
        self.session.turn += 1
        self.at = self.session.cells[index].id
        drifted = ""
        for _ in range(len(self.session.cells) + 1):
            try:
                return await self._run(index, force=force)
            except Drifted as drift:
                # Cells above that used the old value are stale now.
                self.session.readvance()
                drifted = str(drift)
        raise StoreError(f"cell {drifted} leaves something else each time it runs, which this one would use")

    async def _run(self, index: int, *, force: bool) -> Outcome:
        self.session.look_anew()
        state = await self._above(index)
        self.resolver.files.restore(state)
        entry = self.session.look(self.session.cells[index], state)
        reasons = (Reason("forced", "forced"),) if force else entry.reasons
        if not force and entry.manifest is not None:
            # What cannot be read after all is a miss.
            with contextlib.suppress(StoreError):
                return self._serve(entry)
            reasons = (Reason("store", "its results cannot be read"),)
        outcome = await self._execute(index, state, "client", force=force)
        if isinstance(outcome, Restored):
            return outcome
        return msgspec.structs.replace(outcome, reasons=tuple(dict.fromkeys((*reasons, *outcome.reasons))))

    async def fetch(self, names: set[str]) -> None:
        """Bring variables of the current position into the namespace, running producers where there is no other way."""
        position = self.fetched = self.position
        try:
            drifted, failed, last = False, False, self.session.entries.get(self.at)
            for _ in range(len(self.session.cells)):
                try:
                    if drifted:
                        position = self.fetched = await self._caught_up(position)
                    await self.resolver.fetch(names, position)
                    if drifted or failed:  # cells that ran on the way left what stands between them
                        self.placement.clear_to(position)
                    return
                except Drifted:
                    drifted = True
                except CellFailed:
                    if self.session.entries.get(self.at) is last:
                        raise
                    # The cell had failed before as well: the position is where its failure leaves the process.
                    position, last = self.position, self.session.entries.get(self.at)
                    self.fetched = position
                    if failed:  # what it needs costs what was brought: all above it comes in order, and it fails anew
                        position, last = await self._failed_again(), self.session.entries.get(self.at)
                        self.fetched = position
                    failed = True
            self.resolver.load(names, position)
        except (CellFailed, Declined, StoreError):
            # What cannot come back as it was stays away.
            self.placement.clear_to(position)
            self.resolver.load(names, position)
        finally:
            self.position, self.fetched = position, START

    async def _failed_again(self) -> State:
        """Run all above the cell that failed last, in order, then that one; return where it leaves the process."""
        state = self.session.entries[self.at].before
        await self.resolver.replay({n for n in state if not hidden(n)}, state)
        places = [c.id for c in self.session.cells]
        if self.at in places:
            await self._execute(places.index(self.at), state, "nobody", force=True)
        return self.position

    async def _caught_up(self, position: State) -> State:
        """Return the current position anew after a value above it came out different."""
        self.session.readvance()
        places = [c.id for c in self.session.cells]
        if self.at not in places:
            return position
        place = places.index(self.at)
        state = await self._above(place)
        entry = self.session.current(self.session.cells[place], state, self.resolver.files.restore)
        if entry.manifest is None and self.session.ordered:
            outcome = await self._execute(place, state, "cell")
            if isinstance(outcome, Failed):
                # It failed before as well: the position is where its failure leaves the process.
                return self.position
            entry = outcome.entry
        return entry.after

    def load(self, names: set[str]) -> None:
        """Bring variables of the current position into the namespace, as far as that needs no cell to run."""
        self.resolver.load(names, self.position)

    async def _above(self, index: int) -> State:
        """Bring every cell above up to date where the order is known, and return the state they leave."""
        if not self.session.ordered:
            return self.session.state_before(index)
        state: State = START
        target = self.session.read(self.session.cells[index])
        agreed, asked = self.options.cascade != "off", False
        for place in range(index):
            entry = self.session.current(self.session.cells[place], state, self.resolver.files.restore, index)
            if agreed and self._must_run(entry, target):
                if not asked:
                    asked = True
                    await self._ask(index)
                    self.wave.until = index
                entry = await self._run_stale(place, state, target)
            state = entry.below if entry.manifest is not None else entry.before
        return state

    def _must_run(self, entry: Entry, target: Reading) -> bool:
        if entry.manifest is not None or entry.reading.analysis.error is not None:
            return False
        if entry.error is None or entry.reading.aside:
            return entry.error is None
        # What failed before is tried again only for a cell that needs it.
        return related(entry.reading, closure(target.analysis, entry.before).slots)

    async def _ask(self, index: int) -> None:
        stale = [e for e in self.session.walk(index) if e.manifest is None and e.error is None]
        seconds = sum(self.session.estimate(e) for e in stale)
        if self.options.cascade != "ask" and seconds <= self.options.ask_above_seconds:
            return
        if not await self.confirm(stale):
            raise Declined("the cells above are stale and were not run, as you wished")

    async def _run_stale(self, place: int, state: State, target: Reading) -> Entry:
        """Run a stale cell on behalf of one below; its failure matters only when that one needs what it writes."""
        outcome = await self._execute(place, state, "cell")
        entry = outcome.entry
        if (
            isinstance(outcome, Failed)
            and not entry.reading.aside
            and related(entry.reading, closure(target.analysis, entry.before).slots)
        ):
            raise CellFailed(entry.reading.label, outcome.error[0], outcome.error[1])
        return entry

    def _serve(self, entry: Entry) -> Restored:
        manifest = entry.manifest
        assert manifest is not None
        outputs = outputs_of(manifest, self.store)
        # Known before its files come back, so that what they change is no change of the world to it.
        self.session.enter(entry)
        if self.resolver.files.restore(entry.after) & {"file:" + f.path for f in manifest.files}:
            raise StoreError("a file that it wrote cannot be put back")
        self.arrive(entry.after)
        self.store.used(manifest)
        return Restored(entry, manifest, outputs)

    def arrive(self, state: State) -> None:
        """Note that the process stands at this state, and take away what it has not."""
        self.position = state
        self.placement.clear_to(state)
        self.placement.collect(
            lambda: self.session.versions() | {s.version for at in (state, self.fetched) for s in at.values()}
        )

    async def _rerun(self, place: int, state: State, twin: Manifest | None) -> Entry:
        """Run a cell again for its values alone; nothing of it is shown."""
        outcome = await self._execute(place, state, "nobody", twin, force=True)
        if isinstance(outcome, Failed):
            raise CellFailed(outcome.entry.reading.label, outcome.error[0], outcome.error[1])
        return outcome.entry

    async def _execute(
        self, index: int, state: State, audience: str, twin: Manifest | None = None, *, force: bool = False
    ) -> Outcome:
        """Really run a cell after the state, or those of its parts that the store lacks; `force` means all of them."""
        reading = self.session.read(self.session.cells[index])
        # Only for what did not come back is a run repeated: it must be in this process.
        if audience != "nobody" and self.is_away(reading):
            from strata_kernel.engine.away import send  # which knows the pipeline

            return await send(self, reading, state, audience)
        if reading.loop is None and reading.spread is None:
            return await self.perform(reading, state, audience, twin)
        from strata_kernel.engine.unfold import unfold  # as above

        return await unfold(self, reading, state, audience, force=force)

    async def perform(self, reading: Reading, state: State, audience: str, twin: Manifest | None = None) -> Outcome:
        """Really run one action after the state, and record what it did; `twin` is the run that it repeats."""
        cell = reading.cell
        self.resolver.runs(cell.id)
        try:
            reach = closure(reading.analysis, self.session.with_order(reading, state))
            if reach.always:
                await self.resolver.show_results(self.session.cells.index(cell))
            # A repeat needs also what changes with the definitions that it will change.
            wanted = {*reach.slots, *in_reach(reach.slots.values(), state), *(twin.reads if twin else ())}
            await self.resolver.bring(wanted, state, reading if audience != "nobody" else None)
            # What would change with a definition that is called had better be here, if no cell has to run for it.
            self.resolver.load(set(endangered(reach.slots.values(), state, self.values)), state)
            if reading.analysis.mutates or reach.opaque:
                self.publisher.wait([s.version for s in reach.slots.values() if s])
            before = note(reading, reach, state, self.placement)
            if not reading.part:
                self.listen(cell.id, "running", ())
            standing = self.placement.doubt(touchable(before, self.host), self._unique())
            made = Made(reading, self.host.namespace, self.values)
            self.host.observe()
            try:
                ran = await self.host.execute(reading.task, audience, reading.terms, made.step)
            finally:
                seen = self.host.observed(candidates(before, self.host))
            if audience == "cell":
                self.show(cell.id, ran.outputs)
            if ran.error is not None:
                self.session.settle((*seen.written, *seen.made, *seen.deleted))
                return self._failed(before, ran, seen)
            seen.facts = facts(before, seen, self.session.world)
            capture = Capture(before, ran, seen, made, self.host, self.values)
            return self._completed(capture, standing, audience, twin)
        finally:
            self.resolver.ran()
            self.session.look_anew()

    def _failed(self, before: Before, ran: Ran, seen: Observed) -> Failed:
        """Publish nothing; whatever the run could reach stands at a version that nothing prescribes."""
        assert ran.error is not None
        self.wave.past(None)
        changed = altered(before.definitions, self.values)
        doubtful = self.placement.settle_names(before.state, seen.hidden, before.definitions, changed)
        gone = before.present - set(self.host.names())
        live = {n: s for n, s in before.state.items() if n not in gone and n not in doubtful}
        for name in doubtful:
            unit = Unit((name,), self.placement.names[name], reach=Reach(opaque=True))
            live[name] = Slot(unit, before.reading.cell.id)
        keep_modules(live, seen, self.placement, before.reading.cell.id)
        self.position = live
        self.position = {**live, **left_in_process(before, ran, seen, self.placement, undo=self.session.ordered)}
        error = (ran.error[0], ran.error[1])
        # Without a document the values that a failed cell left are the ones that the next cell sees, as ever.
        after = before.state if self.session.ordered else live
        reasons = (Reason("error", ": ".join(error)),)
        saw = facts(before, seen, self.session.world)
        entry = Entry(before.reading, before.state, None, after, reasons, error, before.closure, saw)
        if not before.reading.part:
            self.session.enter(entry)
        return Failed(entry, ran.error, (), ran.seconds)

    def _completed(self, capture: Capture, standing: dict[str, str], audience: str, twin: Manifest | None) -> Completed:
        before = capture.before
        files = save_files(capture.seen, self.files, self.store, self.options.file_limit)
        found = functools.partial(recorded, self.session.entries, self.store, before.reading.program)
        alike = functools.partial(beside, self.session, before.reading)
        captured = finish(capture, files, found if twin is None else lambda key: twin, alike, self._unique())
        # A repetition shows nothing: what stands on the page is what the run that it repeats has shown.
        shown = twin if twin is not None and twin.nonce == captured.manifest.nonce else captured.manifest
        manifest = msgspec.structs.replace(captured.manifest, created=time.time(), outputs=shown.outputs)
        if self.placement.tainted(before.state):
            text = "a change made to the process by a cell that is gone or failed cannot be undone: restart the kernel"
            manifest = msgspec.structs.replace(manifest, reasons=(*manifest.reasons, Reason("tainted", text)))
        manifest, kept = worth_keeping(manifest, captured, self.options, part=bool(before.reading.part))
        self._put_in_place(manifest, captured, standing)
        after = advance(before.state, manifest, before.reading.cell.id)
        entry = Entry(before.reading, before.state, manifest, after, manifest.reasons, closure=before.closure)
        entry.turn = self.session.turn
        if not before.reading.part:
            self.session.enter(entry)
        if files:
            self.session.settle(f.path for f in files)
        self.wave.past(manifest)
        new = audience != "nobody" or twin is None or twin.nonce != manifest.nonce
        if new and not any(r.code in NOT_PUBLISHED for r in manifest.reasons):
            self.publisher.submit(manifest, kept)
        self.arrive(after)
        return Completed(entry, manifest, manifest.reasons)

    def _put_in_place(self, manifest: Manifest, captured: Captured, standing: dict[str, str]) -> None:
        """Record the versions that now stand in the process, and the digests by which later changes are told."""
        placement = self.placement
        placement.names = {n: v for n, v in standing.items() if n in self.host.namespace}
        for index, unit in enumerate(manifest.units):
            placement.note(unit)
            for name in unit.names:
                if hidden(name):
                    placement.note_hidden(name, unit)
                    note_effect(placement, unit, captured.patches, captured.reloads)
                elif name in self.host.namespace:
                    placement.names[name] = unit.version
            if unit.kind in ("value", "definition") and (index in captured.groups or unit.kind == "definition"):
                placement.contents[unit.version, unit.names] = unit.content
        changed_in_place(placement, captured.altered)
        placement.retire(captured.replaced, [u.version for u in manifest.units])
