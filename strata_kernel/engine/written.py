"""The files that the cells of a session wrote: as a place of the document has them, or as a run had found them."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Collection

from strata_kernel.domain.cell import Cell
from strata_kernel.domain.manifest import FOLDER, FileOutput, Manifest, Unit
from strata_kernel.domain.state import ABSENT, State
from strata_kernel.engine.restore import Placement
from strata_kernel.engine.session import Session
from strata_kernel.errors import StoreError
from strata_kernel.ports import Files, Store

#: Bytes of a file that is kept although no cell had written it.
STOOD = 16 << 20


class WrittenFiles:
    """Puts files back, and keeps what stood in their place for cells that may have to run again."""

    def __init__(self, session: Session, files: Files) -> None:
        self.session, self.files = session, files
        self.store: Store = session.store
        #: What cells had found, by path and digest.
        self._stood: dict[tuple[str, str | None], FileOutput] = {}

    def stands(self, name: str, state: State) -> bool:
        """Tell whether the file of a unit is as it is in the state."""
        return (self.files.digest(name.removeprefix("file:")) or ABSENT) == state[name].version

    def restore(self, state: State) -> set[str]:
        """Put the files that the notebook wrote back as they are in the state; return those that only cells can."""
        changed, lost = [], set()
        for name, slot in state.items():
            if not name.startswith("file:") or self.stands(name, state):
                continue
            path, digest = name.removeprefix("file:"), slot.version or None
            blob = slot.unit.artifact.stream if slot.unit.artifact else None
            self._remember(path)
            try:
                self.files.restore(FileOutput(path, digest, blob), self.store)
                changed.append(path)
            except StoreError:
                lost.add(name)
        self._changed(changed)
        return lost

    def as_found(self, twin: Manifest, state: State) -> None:
        """Let a cell that runs again after a state find what the run that it repeats had found."""
        self._withdraw(twin, state)
        self._put_back(twin)

    def keep_for_repeats(self, run: Cell, placement: Placement) -> None:
        """Keep the files, which the run may change, of cells above that must run again for what they had made."""
        for cell in itertools.takewhile(lambda cell: cell.id != run.id, self.session.cells):
            entry = self.session.entries.get(cell.id)
            made = entry.manifest if entry is not None else None
            if made is not None and any(u.reason is not None and not _stand(u, placement) for u in made.units):
                for fact in made.facts:
                    if fact.kind == "file":
                        self._remember(fact.name)

    def _remember(self, path: str) -> None:
        """Keep a file as it is for cells that had found it so."""
        with contextlib.suppress(StoreError, OSError):
            if (path, self.files.digest(path)) in self._stood:
                return
            stood = self.files.save(path, self.store, STOOD)
            if stood.blob is not None:
                self._stood[path, stood.digest] = stood

    def _withdraw(self, twin: Manifest, state: State) -> None:
        """Take away what the notebook wrote only after that run, which had not found it; the store puts it back."""
        absent = [f.name for f in twin.facts if f.kind == "absent"]
        listed = [f for f in twin.facts if f.kind == "dir"]
        folders = {f.name for f in listed}
        taken, apart = {}, set()
        for entry in self.session.entries.values() if absent or folders else ():
            for file in entry.manifest.files if entry.manifest is not None else ():
                missed = any(file.path == path or file.path.startswith(path + "/") for path in absent)
                mattered = missed or file.path.rpartition("/")[0] in folders
                # Only what stands there exactly so can be put back exactly so.
                if mattered and "file:" + file.path not in state and self._can_return(file):
                    taken[file.path] = file
                    apart |= {file.path} if missed else set()
        for path in sorted(taken, reverse=True):  # what is in a folder before the folder
            self.files.restore(FileOutput(path, None), self.store)
        self._changed(taken)
        if not all(map(self.session.world.holds, listed)):
            # It had stood there before the notebook wrote it as well.
            back = {path: file for path, file in taken.items() if path not in apart}
            for file in back.values():
                self.files.restore(file, self.store)
            self._changed(back)

    def _put_back(self, twin: Manifest) -> None:
        """Put back what that run had read where a file stood in its place, which was served; the store returns it."""
        found = {f.name: self._stood.get((f.name, f.digest)) for f in twin.facts if f.kind == "file"}
        entries = [e.manifest.files for e in self.session.entries.values() if e.manifest is not None]
        changed = []
        for file in (f for files in entries for f in files):
            stood = found.pop(file.path, None) if self._can_return(file) else None
            if stood is not None and stood.digest != file.digest:
                with contextlib.suppress(StoreError):
                    self.files.restore(stood, self.store)
                    changed.append(file.path)
        self._changed(changed)

    def _can_return(self, file: FileOutput) -> bool:
        kept = file.digest in (None, FOLDER) or (file.blob is not None and self.store.has(file.blob))
        return kept and self.files.digest(file.path) == file.digest

    def _changed(self, changed: Collection[str]) -> None:
        if changed:
            self.session.look_anew()
            self.session.settle(changed)


def _stand(unit: Unit, placement: Placement) -> bool:
    return all(placement.has(name, unit.version) for name in unit.names)
