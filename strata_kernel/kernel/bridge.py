"""Joins the kernel to the engine: one session per kernel, and the comm through which frontends follow it."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strata_kernel.domain.cell import Cell, Reason
from strata_kernel.engine.pipeline import Completed, Outcome, Pipeline
from strata_kernel.kernel.comm import Frontends
from strata_kernel.kernel.host import IPythonHost
from strata_kernel.kernel.observe.watch import Watch
from strata_kernel.wiring import Parts, build

if TYPE_CHECKING:
    from strata_kernel.kernel.kernel import StrataKernel

_WORD = re.compile(r"[^\W\d]\w*")
_EVERYTHING = frozenset({"globals", "locals", "vars", "dir", "eval", "exec"})


class Bridge:
    """The engine's side of one kernel."""

    def __init__(self, kernel: StrataKernel) -> None:
        self.kernel = kernel
        path = os.environ.get("JPY_SESSION_NAME", "")
        self.start = Path(path).parent if path else Path.cwd()
        self.parts: Parts = build(self.start, dict(os.environ), kernel.shell.transform_cell)
        self.watch = Watch(self.parts.world, [str(self.parts.store.local.path)])
        self.watch.install()
        self.host = IPythonHost(kernel, self.watch)
        self.pipeline: Pipeline = self.parts.pipeline(self.host, self._warn, self.watch.exempt)
        self.session = self.pipeline.session
        self.lock = threading.RLock()
        self.frontends = Frontends(self)
        self.last: dict[str, Outcome] = {}

    @staticmethod
    def _warn(text: str) -> None:
        print(f"strata: {text}", file=sys.__stderr__)

    async def run(self, cell_id: str | None, source: str, *, force: bool = False) -> Outcome:
        """Serve or run a cell."""
        with self.lock:
            if cell_id is not None:
                self.session.ordered = True
            index = self.session.locate(cell_id, source)
            cell = self.session.cells[index]
        self.pipeline.listen = self._listen
        self.pipeline.show = self._show
        outcome = await self.pipeline.run(index, force=force)
        self.last[cell.id] = outcome
        self.frontends.ran(cell.id, outcome)
        return outcome

    def _listen(self, cell_id: str, status: str, reasons: tuple[Reason, ...]) -> None:
        self.frontends.status(cell_id, status, reasons)

    def _show(self, cell_id: str, outputs: list[dict[str, Any]]) -> None:
        self.kernel.show_elsewhere(cell_id, outputs)

    def drop(self, cell_ids: Iterable[str]) -> None:
        """Forget cells that the client says are deleted."""
        gone = set(cell_ids)
        if gone:
            with self.lock:
                self.session.cells = [c for c in self.session.cells if c.id not in gone]

    def document(self, cells: Iterable[Cell]) -> None:
        """Take the document of a frontend."""
        with self.lock:
            self.session.document(cells)

    async def fetch(self, text: str) -> None:
        """Restore what an expression names."""
        names = set(_WORD.findall(text))
        if names & _EVERYTHING or "%" in text:
            names = set(self.pipeline.position)
        await self.pipeline.fetch({n for n in names if ":" not in n})

    def load(self, text: str) -> None:
        """Restore what an expression names, as far as nothing needs to run."""
        self.pipeline.load(set(_WORD.findall(text)))

    @contextmanager
    def foreign(self) -> Iterator[None]:
        """Names bound inside are the frontend's, not the notebook's."""
        before = set(self.host.namespace)
        try:
            yield
        finally:
            self.host.foreign |= set(self.host.namespace) - before

    def tell(self, kind: str, **fields: Any) -> None:
        """Send a message to every frontend that is listening."""
        self.frontends.send({"type": kind, **fields})

    def close(self) -> None:
        """Drain what is being saved."""
        self.pipeline.publisher.drain()

    def summary(self) -> str:
        """Return the tally of this session in words."""
        served = sum(not isinstance(o, Completed) for o in self.last.values())
        return f"{served} of {len(self.last)} served"
