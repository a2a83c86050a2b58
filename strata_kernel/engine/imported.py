"""The user's own modules in the process: which cells loaded them, and which a place of the document has loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from strata_kernel.cells.kind import Reading
from strata_kernel.domain.cell import Cell
from strata_kernel.domain.manifest import BESIDE, Fact, Manifest
from strata_kernel.domain.state import CURRENT_FOLDER, State
from strata_kernel.engine.restore import Placement
from strata_kernel.engine.session import Session


class UsersModules:
    """Tells by the runs of a session which modules a fresh process would have at a place."""

    def __init__(self, session: Session, placement: Placement) -> None:
        self.session, self.placement, self.host = session, placement, placement.host
        #: Those that could not be loaded.
        self._nowhere: set[str] = set()
        #: By module, the cell whose run loaded it, as it was then; None for what came with values.
        self._loaders: dict[str, Cell | None] = {}

    def begins(self) -> None:
        """Note that what is loaded by now is no work of the run that begins."""
        self._note(None)

    def ran(self, cell: str) -> None:
        """Note the modules that the run of a cell has loaded."""
        self._note(next((c for c in self.session.cells if c.id == cell), None))

    def _note(self, loader: Cell | None) -> None:
        self._loaders = {m: self._loaders.get(m, loader) for m in self.host.modules.users()}

    def foreign_to(self, run: Reading) -> bool:
        """Tell whether a cell's import would find a module that no cell above has loaded, but the cell or one below."""
        users = self.host.modules.users()
        if not users or not self.session.ordered or run.part:
            return False
        above = self.session.cells[: self.session.cells.index(run.cell)]
        theirs = set(map(_module, self._imported(above)))
        mine = _with_parents({*run.analysis.modules, *map(_module, self._seen_by(run.cell))})
        # What is not loaded yet imports others in its turn.
        mine |= self.session.world.behind(mine - users)
        return any(m not in theirs and self._loaders.get(m) not in above for m in mine & users)

    def _seen_by(self, cell: Cell) -> list[Fact]:
        """Return the modules that the last run of a cell depended on, if only for a function that it defined."""
        entry = self.session.entries.get(cell.id)
        return [f for f in entry.saw if f.kind == "module"] if entry is not None else []

    def _imported(self, cells: Iterable[Cell]) -> Iterator[Fact]:
        """Yield the modules that the cells' own statements have imported, where these ran to their end."""
        for cell in cells:
            entry = self.session.entries.get(cell.id)
            if entry is not None and entry.manifest is not None:
                tops = {found.module.partition(".")[0] for found in entry.reading.analysis.imports.values()}
                yield from (f for f in self._seen_by(cell) if _module(f).partition(".")[0] in tops)

    def apart(self) -> set[str]:
        """Return the versions that can hold no part of the user's modules: they need not be loaded anew with these."""
        free: set[str] = set()
        for manifest in self._runs():
            alone = not any(f.kind == "module" for f in manifest.facts)
            if alone and all(not d.version or d.version in free for d in manifest.reads.values()):
                free.update(u.version for u in manifest.units)
        return free

    def _runs(self) -> Iterator[Manifest]:
        """Yield the runs that are known to stand for cells, in order."""
        for cell in self.session.cells:
            entry = self.session.entries.get(cell.id)
            if entry is not None and entry.manifest is not None:
                yield entry.manifest

    def load(self, state: State) -> None:
        """Load the user's modules that served cells above a change of the folder had loaded: none is found after it."""
        slot = state.get(CURRENT_FOLDER)
        if slot is None:
            return
        users = self.host.modules.users()
        place = next((i for i, cell in enumerate(self.session.cells) if cell.id == slot.by), 0)
        facts = self._imported(self.session.cells[:place])
        wanted = [f.name for f in facts if _module(f) not in users and f.name not in self._nowhere]
        if wanted:
            self.placement.settle_hidden({n: s for n, s in state.items() if n != CURRENT_FOLDER})
            for name in wanted:
                if self.session.world.sources_of([name]):
                    with self.host.quietly():
                        self.host.modules.load(name)
            self.host.modules.note()
            self._nowhere.update(n for n in wanted if n not in users)


def _module(fact: Fact) -> str:
    return fact.name.partition(BESIDE)[0]


def _with_parents(modules: Iterable[str]) -> set[str]:
    return {m.rsplit(".", up)[0] for m in modules for up in range(m.count(".") + 1)}
