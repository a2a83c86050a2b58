"""The steps that every cell goes through: resolve, look up, restore or execute, capture, publish, report."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable
from typing import Any

import msgspec

from strata_kernel.cells.kind import Reading
from strata_kernel.domain.cell import Reason
from strata_kernel.domain.manifest import FOLDER, Fact, FileOutput, Manifest, Reach, Unit
from strata_kernel.domain.state import Closure, Slot, State, advance, closure, hidden, in_reach
from strata_kernel.engine.capture import Before, Capture, Captured, finish, note
from strata_kernel.engine.publish import Publisher
from strata_kernel.engine.restore import Placement
from strata_kernel.engine.session import Entry, Session, same
from strata_kernel.errors import CellFailed, StoreError
from strata_kernel.ports import Files, Host, Observed, Ran, Store, Values

#: Values on the shelf and digests in memory above which those that no place of the document prescribes are dropped.
KEPT = 64
#: Reasons for which a run is not even recorded: its inputs are not what the key says.
NOT_PUBLISHED = frozenset({"changed", "tainted"})


class Options(msgspec.Struct):
    """What of the settings the pipeline needs; sizes in bytes, times in the unit of their name."""

    min_runtime_ms: float = 5.0
    file_limit: int = 64 << 20
    cascade: str = "auto"
    ask_above_seconds: float = 30.0


class Restored(msgspec.Struct, frozen=True):
    """The cell was served; `outputs` are to be shown again."""

    entry: Entry
    manifest: Manifest
    outputs: list[dict[str, Any]]


class Completed(msgspec.Struct, frozen=True):
    """The cell ran to its end."""

    entry: Entry
    manifest: Manifest
    reasons: tuple[Reason, ...]


class Failed(msgspec.Struct, frozen=True):
    """The cell raised, or was interrupted."""

    entry: Entry
    error: tuple[str, str, list[str]]
    reasons: tuple[Reason, ...]


Outcome = Restored | Completed | Failed
Listener = Callable[[str, str, tuple[Reason, ...]], None]


class Pipeline:
    """Runs one cell at a time against a session and a process."""

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
        self.position: State = {}
        self.listen: Listener = lambda cell_id, status, reasons: None
        self.show: Callable[[str, list[dict[str, Any]]], None] = lambda cell_id, outputs: None
        self._running: list[str] = []

    async def run(self, index: int, *, force: bool = False) -> Outcome:
        """Serve or run the cell at a place of the document, after whatever above it is not up to date."""
        for _ in range(len(self.session.cells)):
            try:
                return await self._run(index, force=force)
            except Drifted:
                # A value that was made again came out different, so cells above that used the old one are stale.
                self.session.readvance()
        return await self._run(index, force=force)

    async def _run(self, index: int, *, force: bool) -> Outcome:
        state = await self._above(index)
        cell = self.session.cells[index]
        if not force:
            entry = self.session.look(cell, state)
            if entry.manifest is not None:
                self.session.entries[cell.id] = entry
                # What cannot be read after all is a miss.
                with contextlib.suppress(StoreError):
                    return self._serve(entry)
        return await self._execute(index, state, "client")

    async def _above(self, index: int) -> State:
        """Bring every cell above up to date where the order is known, and return the state they leave."""
        state: State = {}
        if not self.session.ordered:
            return self.session.state_before(index)
        target = self.session.read(self.session.cells[index])
        for place in range(index):
            cell = self.session.cells[place]
            entry = self.session.current(cell, state)
            if entry.manifest is None and entry.reading.analysis.error is None and self.options.cascade != "off":
                needed = closure(target.analysis, entry.after).slots if entry.error else {}
                if entry.error is None or self.session.related(entry.reading, needed):
                    entry = await self._run_stale(place, state, target)
            state = entry.after if entry.manifest is not None else entry.before
        return state

    async def _run_stale(self, place: int, state: State, target: Reading) -> Entry:
        """Run a stale cell on behalf of one below; its failure matters only when that one needs what it writes."""
        outcome = await self._execute(place, state, "cell")
        entry = outcome.entry
        if isinstance(outcome, Failed) and self.session.related(
            entry.reading, closure(target.analysis, entry.before).slots
        ):
            raise CellFailed(entry.reading.cell.id, outcome.error[0], outcome.error[1])
        return entry

    def _serve(self, entry: Entry) -> Restored:
        manifest = entry.manifest
        assert manifest is not None
        outputs = self._outputs(manifest)
        self._restore_files(entry.after)
        self._arrive(entry.after)
        self.store.used(manifest)
        return Restored(entry, manifest, outputs)

    def _outputs(self, manifest: Manifest) -> list[dict[str, Any]]:
        if isinstance(manifest.outputs, list):
            return manifest.outputs
        found: list[dict[str, Any]] = msgspec.json.decode(bytes(self.store.get(manifest.outputs)))
        return found

    def _arrive(self, state: State) -> None:
        self.position = state
        self.placement.clear_to(state)
        if len(self.placement.shelf) + len(self.placement.contents) > KEPT:
            self.placement.forget(self.session.versions())

    def _restore_files(self, state: State) -> None:
        for name, slot in state.items():
            if name.startswith("file:"):
                path = name.removeprefix("file:")
                digest = slot.version or None
                if self.files.digest(path) != digest:
                    blob = slot.unit.artifact.stream if slot.unit.artifact else None
                    if digest in (None, FOLDER) or blob is not None:
                        self.files.restore(FileOutput(path, digest, blob), self.store)

    async def fetch(self, names: set[str]) -> None:
        """Bring variables of the current position into the namespace, running producers where there is no other way."""
        position = self.position
        wanted = {n for n in names if n in position and not hidden(n) and self._missing(n, position)}
        if wanted:
            try:
                await self._bring(wanted, position)
            except (Drifted, CellFailed, StoreError):
                # Looking at a value never fails: what cannot come back as it was stays away.
                self.load(wanted)
            finally:
                self.position = position

    def _missing(self, name: str, state: State) -> bool:
        return not self.placement.has(name, state[name].version)

    def definition(self, name: str, lineage: str) -> object | None:
        """Return a live definition of the current state, for values that refer to it; None when it is not there."""
        state = self.placement.state
        slot = state.get(name)
        if slot is None or slot.unit.lineage != lineage or not self.placement.load(name, state):
            return None
        found: object = self.host.namespace[name]
        return found

    def load(self, names: set[str]) -> None:
        """Bring variables of the current position into the namespace, as far as that needs no cell to run."""
        for name in names & self.position.keys():
            if not hidden(name):
                self.placement.load(name, self.position)

    async def _bring(self, names: set[str], state: State) -> None:
        """Bring names and hidden units to their versions in the state: from the shelf, the store, or by running."""
        wanted = {n for n in names if n in state and not hidden(n)}
        for _ in range(len(self.session.cells) + 2):
            pending = set(self.placement.settle_hidden(state))
            if "out:_" in names and "out:_" in state:
                if self.placement.hidden.get("out:_") != state["out:_"].version:
                    pending.add("out:_")
            pending |= {n for n in wanted if not self.placement.load(n, state)}
            if not pending:
                break
            cells = [c.id for c in self.session.cells]
            writers = sorted({cells.index(state[n].by) for n in pending if state[n].by in cells})
            if not writers or cells[writers[0]] in self._running:
                raise StoreError(f"cannot bring back {', '.join(sorted(pending))}")
            await self._recompute(writers, pending, state)
        else:
            raise StoreError(f"cannot bring back {', '.join(sorted(pending))}")
        self.placement.clear_to(state)
        self._restore_files(state)
        for name in wanted:
            self.placement.load(name, state)
        self.placement.settle_hidden(state)

    async def _recompute(self, writers: list[int], pending: set[str], state: State) -> None:
        for place in writers:
            entry = self.session.entries[self.session.cells[place].id]
            mine = [n for n in pending if state[n].by == entry.reading.cell.id]
            if all(self._stands(n, state) for n in mine):
                continue
            outcome = await self._execute(place, entry.before, "nobody", twin=entry.manifest)
            if isinstance(outcome, Failed):
                raise CellFailed(entry.reading.cell.id, outcome.error[0], outcome.error[1])
            if not same(outcome.entry.after, state) and any(
                n in outcome.entry.after and outcome.entry.after[n].version != state[n].version for n in mine
            ):
                raise Drifted(entry.reading.cell.id)

    def _stands(self, name: str, state: State) -> bool:
        if hidden(name):
            return self.placement.hidden.get(name) == state[name].version
        return self.placement.has(name, state[name].version)

    async def _execute(
        self, index: int, state: State, audience: str, *, twin: Manifest | None = None
    ) -> Outcome:
        """Really run a cell after the state, and record what it did; `twin` is the run that it repeats."""
        cell = self.session.cells[index]
        reading = self.session.read(cell)
        self._running.append(cell.id)
        try:
            reach = closure(reading.analysis, self.session.with_order(reading, state))
            await self._bring({*reach.slots, *in_reach(reach.slots.values(), state)}, state)
            if reading.analysis.mutates or reach.opaque:
                self.publisher.wait([s.version for s in reach.slots.values() if s])
            before = note(reading, reach, state, self.placement)
            self.listen(cell.id, "running", ())
            self.host.observe()
            try:
                ran = await self.host.execute(cell, audience)
            finally:
                seen = self.host.observed(self._candidates(reading, reach))
            if audience == "cell":
                self.show(cell.id, ran.outputs)
            if ran.error is not None:
                return self._failed(before, ran)
            seen.facts = self._facts(reading, seen)
            capture = Capture(before, ran, seen, self.host, self.values)
            return self._completed(state, capture, audience, twin or self._twin(capture))
        finally:
            self._running.pop()

    def _candidates(self, reading: Reading, reach: Closure) -> list[Any]:
        """Return the strings and paths that a library could have opened below Python's eyes."""
        if not reading.analysis.mutates:
            return []
        here = self.host.namespace
        return [*reading.analysis.paths, *(here[n] for n in reach.slots if n in here)]

    def _facts(self, reading: Reading, seen: Observed) -> tuple[Fact, ...]:
        """Add the sources and distributions behind the run's imports, and what its directives declare."""
        declared = [self.session.world.observe(kind, name) for kind, name in reading.deps]
        imported = self.session.world.facts_of(reading.analysis.modules | seen.modules)
        return (*seen.facts, *imported, *(f for f in declared if f is not None))

    def _failed(self, before: Before, ran: Ran) -> Failed:
        """Publish nothing; whatever the run could reach stands at a version that nothing prescribes."""
        assert ran.error is not None
        reading, reach, state = before.reading, before.closure, before.state
        nonce = "failed:" + secrets.token_hex(8)
        reached = in_reach(reach.slots.values(), state)
        for name in self.host.names():
            if name in reached or reach.opaque or name not in self.placement.names or name in reading.analysis.stores:
                self.placement.names[name] = nonce
        self.placement.doubt_hidden(nonce)
        error = (ran.error[0], ran.error[1])
        for name in self.placement.names.keys() - self.host.namespace.keys():
            del self.placement.names[name]
        self.position = self._live(before, nonce)
        # Without a document the values that a failed cell left are the ones that the next cell sees, as ever.
        after = state if self.session.ordered else self.position
        entry = Entry(reading, state, None, after, (Reason("error", ": ".join(error)),), error, reach)
        self.session.entries[reading.cell.id] = entry
        return Failed(entry, ran.error, ())

    def _live(self, before: Before, nonce: str) -> State:
        """Return what really stands after a failure: the state, but for what the run bound, changed or deleted."""
        here = self.placement.names
        gone = before.present - set(self.host.names())
        live = {n: s for n, s in before.state.items() if n not in gone and here.get(n) != nonce}
        for name, version in here.items():
            if version == nonce:
                live[name] = Slot(Unit((name,), nonce, reach=Reach(opaque=True)), before.reading.cell.id)
        return live

    def _completed(self, state: State, capture: Capture, audience: str, twin: Manifest | None) -> Completed:
        cell = capture.before.reading.cell
        tainted = self.placement.tainted(state)
        files = self._save_files(capture.seen)
        captured = finish(capture, files, twin, secrets.token_hex(8))
        manifest = msgspec.structs.replace(captured.manifest, created=time.time())
        if tainted:
            text = "a change made to the process by a cell that is gone cannot be undone: restart the kernel"
            manifest = msgspec.structs.replace(manifest, reasons=(*manifest.reasons, Reason("tainted", text)))
        self._put_in_place(manifest, captured)
        after = advance(state, manifest, cell.id)
        entry = Entry(capture.before.reading, state, manifest, after, manifest.reasons, closure=capture.before.closure)
        self.session.entries[cell.id] = entry
        if audience != "nobody" or twin is None or twin.nonce != manifest.nonce:
            self._publish(manifest, captured)
        self._arrive(after)
        return Completed(entry, manifest, manifest.reasons)

    def _twin(self, capture: Capture) -> Manifest | None:
        try:
            entries = self.store.entries(capture.before.reading.program)
        except StoreError:
            return None
        # A run of this session may still be on its way to the store.
        recent = [e.manifest for e in self.session.entries.values() if e.manifest is not None]
        return next((m for m in (*recent, *entries) if m.key == capture.key), None)

    def _put_in_place(self, manifest: Manifest, captured: Captured) -> None:
        """Record the versions that now stand in the process, and the digests by which later changes are told."""
        for name in self.placement.names.keys() - self.host.namespace.keys():
            del self.placement.names[name]
        for index, unit in enumerate(manifest.units):
            for name in unit.names:
                if hidden(name):
                    self.placement.note_hidden(name, unit)
                elif name in self.host.namespace:
                    self.placement.names[name] = unit.version
            if unit.kind in ("value", "definition") and (index in captured.groups or unit.kind == "definition"):
                self.placement.contents[unit.version, unit.names] = unit.content

    def _publish(self, manifest: Manifest, captured: Captured) -> None:
        if any(r.code in NOT_PUBLISHED for r in manifest.reasons):
            return
        kept = captured.groups
        undetermined = bool(manifest.nonce)
        if manifest.seconds * 1000 < self.options.min_runtime_ms and not undetermined:
            kept = {}
            cheap = Reason("cheap", "cheaper to run than to restore")
            units = tuple(
                msgspec.structs.replace(u, reason=u.reason or cheap) if i in captured.groups else u
                for i, u in enumerate(manifest.units)
            )
            manifest = msgspec.structs.replace(manifest, units=units)
        self.publisher.submit(manifest, {i: g for i, g in kept.items() if g.reason is None})

    def _save_files(self, seen: Observed) -> tuple[FileOutput, ...]:
        saved = []
        for path in seen.written:
            try:
                saved.append(self.files.save(path, self.store, self.options.file_limit))
            except StoreError:
                digest = self.files.digest(path)
                saved.append(FileOutput(path, digest))
        saved += [FileOutput(path, FOLDER) for path in seen.made]
        saved += [FileOutput(path, None) for path in seen.deleted]
        return tuple(saved)


class Drifted(Exception):
    """A recomputed cell gave something else than its record: what stands below it must be resolved again."""
