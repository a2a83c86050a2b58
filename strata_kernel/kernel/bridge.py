"""Joins the kernel to the engine: one session per kernel, and what follows it."""

from __future__ import annotations

import atexit
import os
import re
import secrets
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strata_kernel.domain.cell import Reason
from strata_kernel.domain.manifest import Manifest
from strata_kernel.engine.lookup import NOT_PUBLISHED
from strata_kernel.engine.pipeline import Completed, Failed, Outcome, Pipeline, Restored
from strata_kernel.engine.session import Entry
from strata_kernel.errors import LeftOut
from strata_kernel.kernel import magics
from strata_kernel.kernel.catalogue import Catalogue
from strata_kernel.kernel.comm import Frontends
from strata_kernel.kernel.host import IPythonHost
from strata_kernel.kernel.interrupt import NAMES
from strata_kernel.kernel.mounting import Mounting
from strata_kernel.kernel.observe.watch import Watch
from strata_kernel.kernel.order import Order, own_settings, session_file
from strata_kernel.kernel.queue import Queue
from strata_kernel.kernel.redeclare import Redeclaring
from strata_kernel.kernel.view import View
from strata_kernel.wiring import Parts, build

if TYPE_CHECKING:
    from strata_kernel.kernel.kernel import StrataKernel

_WORD = re.compile(r"[^\W\d]\w*")
_EVERYTHING = frozenset({"globals", "locals", "vars", "dir", "eval", "exec"})


class Bridge:
    """The engine's side of one kernel."""

    def __init__(self, kernel: StrataKernel) -> None:
        self.kernel = kernel
        path = session_file(os.environ.get("JPY_SESSION_NAME"))
        self.start = path.parent if path else Path.cwd()
        self.parts: Parts = build(
            self.start, dict(os.environ), kernel.shell.transform_cell, metadata=own_settings(path)
        )
        os.environ.update(self.parts.environ)
        self._lease = self.parts.store.local.lease()
        self.watch = Watch(self.parts.world, [str(self.parts.store.local.path)])
        self.host = IPythonHost(kernel, self.watch)
        self.host.mounting = Mounting(kernel, self.parts.mounts, self.moved)
        self.host.stage.performers = self.parts.performers()
        self.pipeline: Pipeline = self.parts.pipeline(self.host, self._warn, self.watch.exempt)
        self.session = self.pipeline.session
        self.pipeline.listen = self._listen
        self.pipeline.show = kernel.show_elsewhere
        self.pipeline.confirm = self.confirm
        self.pipeline.publisher.published = self._published
        self.pipeline.publisher.hurried = lambda: self.engaged
        self.order = Order(path)
        self.order.activate(self.parts.active())
        #: Cells that do not stand, with the reason, by id.
        self.left_out: dict[str, str] = {}
        self.last: dict[str, Outcome] = {}
        self.view = View(self.parts.session(), self.session, self.order, self.last)
        self.catalogue, self.redeclaring = Catalogue(self), Redeclaring(self)
        self.frontends = Frontends(self)
        self.pipeline.progress = self.frontends.progress
        #: The main thread is in our code: whoever can wait should.
        self.engaged = False
        #: The cell that ran last, and those that are to run anew.
        self.recent = ""
        self.refresh: set[str] = set()
        #: What the next reply has to say of the store.
        self.warnings: list[str] = []
        #: The cell that the client is waiting for.
        self.target = ""
        self.queue = Queue(self)
        self._forgotten: set[str] = set()
        self._ran: dict[str, tuple[Reason, ...]] = {}
        self._closing = threading.Lock()
        self._closed = False
        magics.register(kernel.shell, self)
        atexit.register(self.close)

    def begin(self) -> None:
        """Take the process as it is now for its start: what IPython runs before the first cell has run."""
        self.parts.databases.load()
        self.watch.install()
        bound, initial = self.host.namespace, self.host.initial
        self.host.given = frozenset(n for n, value in bound.items() if n not in initial or initial[n] is not value)

    def _warn(self, text: str) -> None:
        self.warnings.append(f"strata: {text}")
        self.frontends.unsaved()

    async def run(self, cell_id: str | None, source: str, *, force: bool = False) -> Outcome:
        """Serve or run a cell."""
        await self.redeclaring.look()
        with self.order.lock:
            index = self.order.place(cell_id, source)
            cell = self.order.cells[index]
            self._take()
        if cell.id in self.left_out:
            raise LeftOut(self.left_out[cell.id])
        index = next(i for i, c in enumerate(self.session.cells) if c.id == cell.id)
        self.target = cell.id
        self.queue.take(cell.id)
        self._ran.clear()
        force = self.host.anew = force or cell.id in self.refresh
        failed = True
        try:
            outcome = await self.pipeline.run(index, force=force)
            failed = isinstance(outcome, Failed) and not outcome.entry.reading.aside
        except BaseException:
            self._forget_interrupted()
            self.frontends.changed()
            raise
        finally:
            self.target = ""
            self._note_others(cell.id)
            if failed:
                self.queue.drop()
            self.pipeline.wave.settle(cell.id, failed=failed)
        if not isinstance(outcome, Restored):
            self.refresh.discard(cell.id)
        self.last[cell.id] = outcome
        self.recent = cell.id
        self.view.forgotten.discard(cell.id)
        saving = isinstance(outcome, Completed) and not any(r.code in NOT_PUBLISHED for r in outcome.manifest.reasons)
        self.frontends.ran(cell.id, outcome, saving=saving)
        return outcome

    def redeclared(self) -> None:
        """Read the cells anew, as other things are declared now; those that are read as before stand as before."""
        self.pipeline.origin = self.parts.origin
        read, entries = self.session.read, self.session.entries
        self.session.entries = {i: e for i, e in entries.items() if read(e.reading.cell) == e.reading}
        self.view.reread()
        self.frontends.redeclared()

    def forget(self, cells: Iterable[str]) -> None:
        """Take nothing that is known of these cells for granted any more: their runs are gone from the store."""
        with self.order.lock:
            self._forgotten.update(cells)
            self.view.forgotten.update(cells)

    def _take(self) -> None:
        """Give the session the document as it is now; in between its runs, it holds still."""
        while self._forgotten:
            self.session.entries.pop(self._forgotten.pop(), None)
        if not self.order.changed:
            return
        self.order.changed = False
        choice = self.order.choice()
        self.left_out = choice.left_out
        if self.order.known:
            self.session.document(choice.standing)
        else:
            self.session.cells = choice.standing

    def _forget_interrupted(self) -> None:
        # A cell above that the user interrupted has not failed: it is as stale as before.
        for cell_id, entry in list(self.session.entries.items()):
            if entry.error is not None and entry.error[0] in NAMES:
                del self.session.entries[cell_id]

    def _note_others(self, cell_id: str) -> None:
        """Keep what became of the cells that ran on behalf of this one."""
        for other, reasons in self._ran.items():
            entry = self.session.entries.get(other)
            if other == cell_id or entry is None:
                continue
            self.view.forgotten.discard(other)
            if entry.manifest is not None:
                self.last[other] = Completed(entry, entry.manifest, reasons)
            elif entry.error is not None:
                self.last[other] = Failed(entry, (*entry.error, []), reasons)

    def distrust(self) -> None:
        """Take nothing that stands in the process for what it should be: it is brought back before it is used."""
        placement = self.pipeline.placement
        placement.doubt(set(self.host.names()), secrets.token_hex(8))
        placement.contents.clear()

    def pause(self, seconds: float) -> None:
        """Wait, so long at most, while the main thread makes a reply: that comes first."""
        deadline = time.monotonic() + seconds
        while self.engaged and time.monotonic() < deadline:
            time.sleep(0.001)

    def _listen(self, cell_id: str, status: str, reasons: tuple[Reason, ...]) -> None:
        if cell_id != self.target:
            self.frontends.status(self.target, "queued", ())
            # What made it stale is known now, and not after it has run.
            entry = self.session.entries.get(cell_id)
            if entry is not None and entry.manifest is None:
                self._ran[cell_id] = entry.reasons
        self.frontends.status(cell_id, status, reasons)

    def moved(self, moved: dict[str, Any]) -> None:
        """Tell how far what the cell that runs has on its way has come; may be called in any thread."""
        if self.host.running:
            self.frontends.progress(self.host.running[-1], **moved)

    def _published(self, manifest: Manifest) -> None:
        self._lease.beat()
        self.frontends.saved(manifest.key)

    async def confirm(self, entries: list[Entry]) -> bool:
        """Ask whether stale cells may run; a client that takes no input is not asked."""
        if not self.host.request.get("allow_stdin") or not entries:
            return True
        seconds = sum(self.session.estimate(e) for e in entries)
        cells = "1 cell" if len(entries) == 1 else f"{len(entries)} cells"
        answer = self.kernel.ask(f"run {cells} above first{_about(seconds)}? [Y/n] ")
        return answer.strip().lower() not in ("n", "no")

    async def fetch(self, text: str) -> None:
        """Restore what an expression names."""
        names = set(_WORD.findall(text))
        if names & _EVERYTHING or "%" in text:
            names = set(self.pipeline.position)
        await self.pipeline.fetch({n for n in names if ":" not in n})

    def load(self, names: Iterable[str]) -> None:
        """Restore names, as far as nothing needs to run."""
        if self.engaged or self.host.running or threading.current_thread() is not threading.main_thread():
            return  # the process is a running cell's now
        with self.kernel.interrupts.held():
            self.pipeline.load(set(names))

    def virtual(self, prefix: str) -> list[str]:
        """Return the names that begin so and are recorded, but not loaded."""
        here = self.host.namespace
        return sorted(n for n in self.pipeline.position if n.startswith(prefix) and ":" not in n and n not in here)

    @contextmanager
    def foreign(self) -> Iterator[None]:
        """Names bound inside are the frontend's, not the notebook's."""
        before = set(self.host.namespace)
        try:
            yield
        finally:
            self.host.foreign |= set(self.host.namespace) - before

    def close(self) -> None:
        """Drain what is being saved and collect what is over the store's limit; only the first call does."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self.frontends.close()
            self.pipeline.publisher.drain()
            for text in self.warnings:
                print(text, file=sys.__stderr__)
            self._lease.release()
            from strata_kernel.kernel.closing import collect_sometimes  # only the end of a kernel pays for it

            collect_sometimes(self.parts.store.local, self.parts.settings.cache.max_bytes)


def _about(seconds: float) -> str:
    if seconds < 1:
        return ""
    return f" (about {seconds:.0f} s)" if seconds < 90 else f" (about {seconds / 60:.0f} min)"
