"""Brings names and hidden units to the versions of a place: from the shelf, the store, or their producers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from strata_kernel.cells.kind import Reading
from strata_kernel.domain.manifest import Manifest
from strata_kernel.domain.state import (
    LAST_RESULT,
    VARIABLES,
    State,
    hidden,
    holders,
    with_definitions,
)
from strata_kernel.engine.imported import UsersModules
from strata_kernel.engine.outlived import rests_on_changes
from strata_kernel.engine.restore import Placement, holds, start_over
from strata_kernel.engine.session import Entry, Session
from strata_kernel.engine.written import WrittenFiles
from strata_kernel.errors import StoreError
from strata_kernel.ports import Files, Host

#: Runs the cell at an index again, after a state, repeating a run; returns its entry, or raises CellFailed.
Rerun = Callable[[int, State, Manifest | None], Awaitable[Entry]]


class Drifted(Exception):
    """A value that was made again came out different: what stands below it must be resolved again."""


class Resolver:
    """Resolves against one session and one process; `rerun` is the pipeline's way to run a cell."""

    def __init__(self, session: Session, placement: Placement, files: Files, rerun: Rerun) -> None:
        self.session, self.placement, self._rerun = session, placement, rerun
        self.files = WrittenFiles(session, files)
        self.host: Host = placement.host
        placement.can_repeat = lambda: session.ordered
        #: The cells that are being run, outermost first.
        self.running: list[str] = []
        self.modules = UsersModules(session, placement)
        self._replaying = False

    async def rerun(self, place: int, state: State, twin: Manifest | None) -> Entry:
        """Run the cell at an index again after a state, in the place that its run had found."""
        if twin is not None:
            self.files.as_found(twin, state)
        return await self._rerun(place, state, twin)

    def runs(self, cell: str) -> None:
        """Note that a cell is being run."""
        self.running.append(cell)
        self.modules.begins()

    def ran(self) -> None:
        """Note that the innermost cell that was being run no longer is, and which modules it loaded."""
        self.modules.ran(self.running.pop())

    async def bring(self, names: set[str], state: State, run: Reading | None = None) -> None:
        """Bring names and all hidden units to their versions in the state, and take away what it has not.

        `run` is the cell that is to run then for what its run shows or leaves, not just for its values.
        """
        wanted = {n for n in names if n in state and not hidden(n)}
        if run is not None:
            self.files.keep_for_repeats(run.cell, self.placement)
        if self.host.modules.changed() or (run is not None and self.modules.foreign_to(run)):
            start_over(self.placement, self.modules.apart())
        self.modules.load(state)
        for _ in range(len(self.session.cells) + 2):
            pending = self._pending(wanted, names, state)
            if not pending:
                # What is loaded can take away what refers to what it brought anew, or holds what that stands for.
                if all(self._stands(n, state) for n in (*wanted, *(n for n in state if n.startswith("effect:")))):
                    break
                continue
            await self._recompute(pending, state)
        else:
            await self.replay(pending, state)
        self.placement.clear_to(state)

    async def show_results(self, index: int) -> None:
        """Run the cells above a place whose results were served, for a cell that looks at the record of the session."""
        above = [self.session.entries.get(cell.id) for cell in self.session.cells[:index]]
        results = {place: _result(e.manifest) for place, e in enumerate(above) if e is not None and e.manifest}
        if not self.placement.shown.issuperset(v for v in results.values() if v):
            for place in [p for p, version in results.items() if version]:
                entry = self.session.entries[self.session.cells[place].id]
                await self.rerun(place, entry.before, entry.manifest)

    def _pending(self, wanted: set[str], names: set[str], state: State) -> set[str]:
        """Set and load what can be, and return what only running cells can bring."""
        pending = set(self.placement.settle_hidden(state))
        result = state.get(LAST_RESULT) if LAST_RESULT in names else None
        if result is not None and self.placement.hidden.get(LAST_RESULT) != result.version:
            pending.add(LAST_RESULT)
        if pending:
            # Effects first: a value may load only in the process that they make. What no load will bring comes from a
            # cell in any case, and the cells run in their order: going back above an effect can lose all that stands.
            return pending | {n for n in wanted if self._lost(n, state)}
        return {n for n in wanted if not self._load(n, state)} or self.files.restore(state)

    def _load(self, name: str, state: State) -> bool:
        return not rests_on_changes(name, state, self.session, self.placement) and self.placement.load(name, state)

    def _lost(self, name: str, state: State) -> bool:
        """Tell whether a value is neither in the process nor in the store."""
        placement, slot = self.placement, state[name]
        if holds(placement, name, slot.version):
            return False
        if (slot.unit.artifact or placement.saved(slot.version)) is None:
            return True
        return rests_on_changes(name, state, self.session, placement)

    async def _recompute(self, pending: set[str], state: State) -> None:
        places = {cell.id: place for place, cell in enumerate(self.session.cells)}
        writers = sorted({places[state[n].by] for n in pending if state[n].by in places})
        if not writers or self.session.cells[writers[0]].id in self.running:
            raise StoreError(f"cannot bring back {', '.join(sorted(pending))}")
        for place in writers:
            old = self.session.entries[self.session.cells[place].id]
            mine = [n for n in pending if state[n].by == old.reading.cell.id]
            if all(self._stands(n, state) for n in mine):
                continue
            new = await self.rerun(place, old.before, old.manifest)
            if any(n not in new.after or new.after[n].version != state[n].version for n in mine):
                raise Drifted(old.reading.cell.id)

    async def repeat(self, cell: str) -> None:
        """Run a cell again for what its parts made."""
        entry = self.session.entries[cell]
        await self.rerun(self.session.cells.index(entry.reading.cell), entry.before, entry.manifest)

    async def replay(self, pending: set[str], state: State) -> None:
        """Run all cells again in their order: what each brings back by itself can cost what another has brought."""
        if self._replaying:
            raise StoreError(f"cannot bring back {', '.join(sorted(pending))}")
        writers = {slot.by for slot in state.values()}
        last = max((place for place, cell in enumerate(self.session.cells) if cell.id in writers), default=-1)
        self._replaying = True
        try:
            for place, cell in enumerate(self.session.cells[: last + 1]):
                entry = self.session.entries.get(cell.id)
                if entry is None or entry.manifest is None or cell.id in self.running:
                    continue
                after = (await self.rerun(place, entry.before, entry.manifest)).after
                mine = [n for n, slot in state.items() if slot.by == cell.id]
                if any(n not in after or after[n].version != state[n].version for n in mine):
                    raise Drifted(cell.id)
            if lost := [n for n in self._pending(pending, pending, state) if not self._stands(n, state)]:
                raise StoreError(f"cannot bring back {', '.join(sorted(lost))}")
        finally:
            self._replaying = False

    def _stands(self, name: str, state: State) -> bool:
        if name.startswith("file:"):
            return self.files.stands(name, state)
        if hidden(name):
            return self.placement.hidden.get(name) == state[name].version
        return self.placement.has(name, state[name].version)

    async def fetch(self, names: set[str], position: State) -> None:
        """Bring names of a position into the namespace; raise Drifted, CellFailed or StoreError."""
        wanted = {n for n in with_definitions(names, position) if not hidden(n)}
        # What is shown of an object can depend on the module of its class.
        shown = wanted | {n for n in position if n.startswith(VARIABLES)}
        foreign = any(n.startswith(VARIABLES) and n not in position for n in self.placement.hidden)
        if any(position[n].unit.kind == "module" for n in wanted if n in position):
            # What a module holds is what the effects on it made of it.
            shown |= {n for n in position if n.startswith("effect:")}
            foreign |= bool(self.placement.tainted(position))
        if not foreign and all(self._stands(n, position) for n in shown):
            return
        await self.bring(wanted, position)

    def load(self, names: set[str], position: State) -> None:
        """Bring names of a position into the namespace, as far as no cell needs to run for it."""
        for name in names & position.keys():
            if not hidden(name):
                self._load(name, position)

    def definition(self, name: str, lineage: str) -> object | None:
        """Return a live definition of the state that is being brought about, None when it is not there."""
        state = self.placement.state
        for holder in holders(name, lineage, state):
            if self.placement.load(holder, state):
                found: object = self.host.namespace[holder]
                return found
        return None


def _result(manifest: Manifest) -> str | None:
    return next((u.version for u in manifest.units if u.names == (LAST_RESULT,)), None)
