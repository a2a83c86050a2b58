"""What is known of a notebook on disk, without running anything: one walk, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from strata_kernel.domain.cell import Gather, Reason
from strata_kernel.domain.manifest import Manifest
from strata_kernel.domain.report import Standing
from strata_kernel.domain.variants import choose
from strata_kernel.engine import report
from strata_kernel.engine.outputs import outputs_of
from strata_kernel.engine.passes import missing
from strata_kernel.engine.session import Entry
from strata_kernel.errors import InvocationError
from strata_kernel.protocol import Graph, Node
from strata_kernel.runner.notebook import Notebook
from strata_kernel.wiring import Parts


class Kept(msgspec.Struct, frozen=True):
    """A run of a cell that the store holds; `current` tells whether it stands for the cell as it is now."""

    manifest: Manifest
    current: bool


class Input(msgspec.Struct, frozen=True):
    """A name that a cell reads, the cell that bound it, and its value in a line."""

    name: str
    cell: str
    version: str
    summary: str


class Inspection:
    """The code cells of one notebook as they stand against the store at one moment."""

    def __init__(self, notebook: Notebook, parts: Parts) -> None:
        self.notebook, self.parts = notebook, parts
        self.session = parts.session()
        self.session.document(choose(notebook.cells, parts.active()).standing)
        self.entries: list[Entry] = self.session.walk()
        self._blocked = report.blocked(self.entries)

    def status(self) -> list[Standing]:
        """Return how every cell stands."""
        return [self._standing(entry) for entry in self.entries if not isinstance(entry.reading.cell, Gather)]

    def why(self, cell: str) -> Standing:
        """Return how a cell, named by id, label or position, stands and why; raise InvocationError for no such cell."""
        entry = self._entry(cell)
        lines = [report.why(entry, lacking=self._blocked.get(entry.reading.cell.id, ()))]
        if entry.manifest is None:
            lines += [f"  - {reason.text}" for reason in missing(self.session, entry)]
        return msgspec.structs.replace(self._standing(entry), text="\n".join(lines))

    def graph(self) -> Graph:
        """Return the cells with what they read and write."""
        return Graph(revision=0, cells=report.graph(self.entries))

    def node(self, cell: str) -> Node:
        """Return a cell of the graph; raise InvocationError for no such cell."""
        entry = self._entry(cell)
        return next(node for node in self.graph().cells if node.id == entry.reading.cell.id)

    def inputs(self, cell: str) -> list[Input]:
        """Return the names that the cell reads; raise InvocationError for no such cell."""
        return msgspec.convert(report.details(self._entry(cell))["inputs"], list[Input])

    def kept(self, cell: str) -> Iterator[Kept]:
        """Yield the runs that the store holds of the cell's code: first what stands for it now, then newest first.

        The same code in another notebook is the same program, so its runs are among them. Raises InvocationError for
        no such cell.
        """
        entry = self._entry(cell)
        if entry.manifest is not None:
            yield Kept(entry.manifest, True)
        for manifest in self.parts.store.entries(entry.reading.program):
            if entry.manifest is None or manifest.key != entry.manifest.key:
                yield Kept(manifest, False)

    def text(self, manifest: Manifest) -> str:
        """Return what a run showed, as plain text; raise StoreError when it cannot be read."""
        bodies = [output["content"] for output in outputs_of(manifest, self.parts.store)]
        shown = [b["text"] if "text" in b else b.get("data", {}).get("text/plain", "") + "\n" for b in bodies]
        return "".join(shown).rstrip("\n")

    def _entry(self, cell: str) -> Entry:
        # An id is exact, so one cell's position or label never hides another cell's id.
        for entry in self.entries:
            if cell == entry.reading.cell.id:
                return entry
        entries = [e for e in self.entries if not isinstance(e.reading.cell, Gather)]
        for place, entry in enumerate(entries, 1):
            if cell in (entry.reading.directives.name, str(place), entry.reading.label):
                return entry
        raise InvocationError(f"{self.notebook.path}: there is no cell {cell!r}")

    def _standing(self, entry: Entry) -> Standing:
        cell_id = entry.reading.cell.id
        if lacking := self._blocked.get(cell_id):
            return Standing(cell_id=cell_id, cell_name=entry.reading.label, state="blocked", reasons=lacking)
        state, reasons = report.state(entry, None)
        merged: tuple[Reason, ...] = tuple(dict.fromkeys((*entry.reasons, *reasons)))
        return Standing(cell_id=cell_id, cell_name=entry.reading.label, state=state, reasons=list(merged))
