"""The document's order: from a frontend's comm, else from the notebook file that the session names, else arrival."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from strata_kernel.domain.cell import Cell
from strata_kernel.domain.variants import Choice, choose
from strata_kernel.kernel.observe import active


class Order:
    """The code cells as they stand in the document, as far as it is known. Every method may be called in any thread."""

    def __init__(self, path: Path | None) -> None:
        self.lock = threading.RLock()
        self.cells: list[Cell] = []
        #: A frontend sent the document, so the file does not count.
        self.told = False
        #: Clients name cells; otherwise each request is a new cell.
        self.identified = False
        #: The cells differ from those that were last taken.
        self.changed = False
        #: The active variants by group, as settings and frontends have them.
        self.variants: dict[str, str] = {}
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._last: str | None = None
        self._dropped: set[str] = set()
        self._count = 0

    @property
    def known(self) -> bool:
        """Whether document order means anything here."""
        return self.told or self.identified

    def tell(self, cells: Iterable[Cell]) -> None:
        """Take the document of a frontend."""
        with self.lock:
            self.cells = [c for c in cells if c.kind == "code"]
            self.told = self.changed = True

    def patch(self, cells: Iterable[Cell], order: list[str] | None) -> None:
        """Take new and edited cells, and the order of all ids when it changed."""
        with self.lock:
            known = {c.id: c for c in self.cells}
            known |= {c.id: c for c in cells}
            self.tell(known[i] for i in (known if order is None else order) if i in known)

    def activate(self, variants: Mapping[str, str]) -> None:
        """Take which variants are active."""
        with self.lock:
            self.changed = self.changed or variants != self.variants
            self.variants = dict(variants)

    def choice(self) -> Choice:
        """Return the cells that stand: of each group of variants, one."""
        with self.lock:
            return choose(self.cells, self.variants, whole=self.told or self._path is not None)

    def drop(self, ids: Iterable[str]) -> None:
        """Take cells out that the client says are deleted."""
        gone = set(ids)
        with self.lock:
            kept = [c for c in self.cells if c.id not in gone]
            self.changed = self.changed or len(kept) != len(self.cells)
            self.cells = kept
            self._dropped |= gone

    def place(self, cell_id: str | None, source: str) -> int:
        """Return the index of a cell that a client runs; one that is not there yet comes after the last one run."""
        with self.lock:
            if cell_id is None:
                self._count += 1
                return self._insert(Cell(f"run-{self._count}", source), len(self.cells))
            self.identified = True
            self._dropped.discard(cell_id)
            if not self.told:
                self._read(cell_id)
            found = self._index(cell_id)
            if found is None:
                last = self._index(self._last)
                found = self._insert(Cell(cell_id, source), len(self.cells) if last is None else last + 1)
            elif self.cells[found].source != source:
                self.cells[found] = Cell(cell_id, source)
                self.changed = True
            self._last = cell_id
            return found

    def _index(self, cell_id: str | None) -> int | None:
        return next((i for i, c in enumerate(self.cells) if c.id == cell_id), None)

    def _insert(self, cell: Cell, index: int) -> int:
        self.cells.insert(index, cell)
        self.changed = True
        return index

    def _read(self, cell_id: str) -> None:
        """Read the file when it is new or changed, and take its cells when the cell that runs is one of them."""
        with active.exempt():
            found = self._load()
        # A file that has none of the cells that run is not what the client shows.
        if found is None or not {c.id for c in found} & {cell_id, *(c.id for c in self.cells)}:
            return
        here = {c.id for c in found}
        merged = [c for c in found if c.id not in self._dropped]
        # What is not in the file yet stays behind the cell that it stood behind.
        before: str | None = None
        for cell in self.cells:
            if cell.id not in here:
                last = -1 if before is None else len(merged) - 1
                merged.insert(next((i for i, c in enumerate(merged) if c.id == before), last) + 1, cell)
            before = cell.id
        self.cells, self.changed = merged, True

    def _load(self) -> list[Cell] | None:
        if self._path is None:
            return None
        try:
            stat = os.stat(self._path)
            if (stamp := (stat.st_mtime_ns, stat.st_size)) == self._stamp:
                return None
            notebook = msgspec.json.decode(self._path.read_bytes())
            self._stamp = stamp
            return [Cell(c["id"], _text(c["source"])) for c in notebook["cells"] if c["cell_type"] == "code"]
        except (OSError, ValueError, KeyError, TypeError):
            return None  # no file, not a notebook, or one from before cells had ids


def _text(source: Any) -> str:
    return source if isinstance(source, str) else "".join(source)


def own_settings(path: Path | None) -> dict[str, Any] | None:
    """Return the table `strata` of a notebook's metadata, None where there is none to be read."""
    if path is None:
        return None
    try:
        found = msgspec.json.decode(path.read_bytes())["metadata"]["strata"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def session_file(name: str | None) -> Path | None:
    """Return the notebook file that a session's name stands for, None when it names none."""
    if not name or not name.endswith(".ipynb"):
        return None
    return Path(name).absolute()
