"""The user's own modules in the process: which cells loaded them, and which a place of the document has loaded."""

from __future__ import annotations

from collections.abc import Iterator, Set

from strata_kernel.cells.kind import Reading
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
        #: By module, the cell whose run loaded it.
        self._loaders: dict[str, str] = {}

    def ran(self, cell: str) -> None:
        """Note the modules that the run of a cell has loaded."""
        self._loaders = {m: self._loaders.get(m, cell) for m in self.host.modules.users()}

    def foreign_to(self, run: Reading) -> bool:
        """Tell whether a cell's import would find a module that no cell above has loaded, but the cell or one below."""
        users = self.host.modules.users()
        if not users or not self.session.ordered or run.part:
            return False
        saw = {i: {_module(f) for f in e.saw if f.kind == "module"} for i, e in self.session.entries.items()}
        above = {cell.id for cell in self.session.cells[: self.session.cells.index(run.cell)]}
        imports = _with_parents(run.analysis.modules | saw.get(run.cell.id, set())) & users
        return any(self._loaders.get(m) not in above and not any(m in saw.get(i, ()) for i in above) for m in imports)

    def apart(self) -> set[str]:
        """Return the versions that can hold no part of the user's modules: they need not be loaded anew with these."""
        free: set[str] = set()
        for manifest in self._runs():
            alone = not any(f.kind == "module" for f in manifest.facts)
            if alone and all(not d.version or d.version in free for d in manifest.reads.values()):
                free.update(u.version for u in manifest.units)
        return free

    def _runs(self, above: str = "") -> Iterator[Manifest]:
        """Yield the runs that are known to stand for cells, in order, down to a cell."""
        for cell in self.session.cells:
            if cell.id == above:
                return
            entry = self.session.entries.get(cell.id)
            if entry is not None and entry.manifest is not None:
                yield entry.manifest

    def load(self, state: State) -> None:
        """Load the user's modules that served cells above a change of the folder had loaded: none is found after it."""
        slot = state.get(CURRENT_FOLDER)
        if slot is None:
            return
        facts = [f for manifest in self._runs(above=slot.by) for f in manifest.facts if f.kind == "module"]
        users = self.host.modules.users()
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


def _with_parents(modules: Set[str]) -> set[str]:
    return {m.rsplit(".", up)[0] for m in modules for up in range(m.count(".") + 1)}
