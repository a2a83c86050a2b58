"""Tells frontends, from a thread of its own, what becomes of the cells, and only what they were not told before."""

from __future__ import annotations

import collections
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from strata_kernel import protocol
from strata_kernel.cells.kind import Reading
from strata_kernel.domain.cell import Gather, Reason
from strata_kernel.domain.diagnostic import Diagnostic
from strata_kernel.domain.terms import LOCAL
from strata_kernel.engine.pipeline import Outcome, Restored
from strata_kernel.engine.session import Entry
from strata_kernel.kernel.observe import active

if TYPE_CHECKING:
    from strata_kernel.kernel.bridge import Bridge

#: What changed within so many seconds is told at once: the state of the whole document while cells run one after
#: another, and the state of one cell. After an edit nothing waits: the frontend has let it settle already.
QUIET = 0.05
SOON = 0.01


class Follower:
    """What is told without being asked; its methods may be called in any thread and wait for nothing."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self.comms: dict[str, Any] = {}
        #: The comms whose frontends take many states in one message.
        self.batches: set[str] = set()
        self.revision = 0
        self._lock = threading.RLock()
        #: The last of each message by its kind and cell: only what differs is sent.
        self._sent: dict[tuple[str, str], dict[str, Any]] = {}
        self._graph: dict[str, Any] = {}
        #: What was told last of the cell under way, but for the bytes that it waits for.
        self._current: protocol.CellStatus | None = None
        #: Final states of cells that are being saved, by key of the run.
        self._saving: dict[str, protocol.CellStatus] = {}
        #: Runs that were in the store before their cell's reply was made.
        self._stored: set[str] = set()
        self._saves = True
        self._words: collections.deque[protocol.CellStatus | str] = collections.deque()
        self._woken, self._pressing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, comm: Any) -> None:
        """Tell one more frontend, and everything anew."""
        with self._lock, active.exempt():
            self.comms[comm.comm_id] = comm
            self._sent.clear()
            self._graph = {}
            if self._thread is None:
                self._thread = threading.Thread(target=self._follow, name="strata-frontends", daemon=True)
                self._thread.start()

    def status(self, cell_id: str, state: str, reasons: tuple[Reason, ...]) -> None:
        """Tell everyone the state of one cell, soon."""
        if self.comms:
            session = self.bridge.session
            cell = next((c for c in session.cells if c.id == cell_id), None)
            if isinstance(cell, Gather):
                return
            away = _away(session.read(cell)) if cell else None
            self._current = protocol.CellStatus(
                id=cell_id,
                state=state,  # type: ignore[arg-type]
                reasons=list(reasons),
                worker=away,
            )
            self._put(self._current)

    def progress(self, cell_id: str, done: int = 0, total: int = 0, label: str = "pass") -> None:
        """Tell everyone at which pass a loop is, or how many bytes a cell has on its way; 0 of 0 for none any more."""
        if not self.comms or not self.bridge.order.stands(cell_id):
            return
        current, progress = self._current, protocol.Progress(done=done, total=total, label=label)
        if current is None or current.id != cell_id:
            current = protocol.CellStatus(id=cell_id, state="running")
        if label == "pass" and total:
            self._current = current = msgspec.structs.replace(current, state="running", progress=progress)
        elif total:
            current = msgspec.structs.replace(current, progress=progress)
        self._put(current)

    def ran(self, cell_id: str, outcome: Outcome, *, saving: bool) -> None:
        """Tell everyone how a run ended, and soon what follows for the other cells."""
        self._current = None
        if not self.comms:
            return
        hit = isinstance(outcome, Restored)
        saved = outcome.manifest.seconds * 1000 if isinstance(outcome, Restored) else None
        status = _status(outcome.entry, *self.bridge.view.state(outcome.entry))
        final = msgspec.structs.replace(status, hit=hit, saved_ms=saved)
        key = outcome.entry.manifest.key if saving and self._saves and outcome.entry.manifest else None
        with self._lock:
            if key is None or key in self._stored:
                self._put(final)
            else:
                self._saving[key] = final
                self._put(protocol.CellStatus(id=cell_id, state="saving", reasons=final.reasons))
            self._stored.clear()
        self.changed()

    def saved(self, key: str) -> None:
        """Take the publisher's word that a run is in the store."""
        if not self.comms:
            return
        with self._lock:
            final = self._saving.pop(key, None)
            if final is not None:
                self._put(final)
            else:
                self._stored.add(key)

    def unsaved(self) -> None:
        """Expect no further word from the publisher: the store refuses."""
        self._saves = False
        self._saving.clear()
        self.changed()

    def changed(self) -> None:
        """Tell everyone soon the graph, the state of every cell and what is wrong with any, as far as they changed."""
        if self.comms:
            self._put("changed")

    def revised(self) -> None:
        """Tell the same at once: somebody has edited the document and looks at it."""
        if self.comms:
            self._pressing.set()
            self._put("revised")

    def close(self) -> None:
        """End the thread that tells."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._put("end")
            self._thread.join(1)
            self._thread = None

    def _put(self, word: protocol.CellStatus | str) -> None:
        self._words.append(word)
        # To wake a thread costs more than all else here, and the one that is awake takes this too.
        if not self._woken.is_set():
            self._woken.set()

    def _follow(self) -> None:
        active.exempt_thread()
        due: float | None = None
        while True:
            if not self._woken.wait(due):
                due = None
                self._guarded()
                continue
            # What a cell is for less than a moment nobody sees, and telling it would hold up the cell.
            self._pressing.wait(SOON)
            self._pressing.clear()
            self.bridge.pause(SOON)
            self._woken.clear()
            held: dict[str, protocol.CellStatus] = {}
            while self._words:
                word = self._words.popleft()
                if word == "end":
                    return
                if isinstance(word, protocol.CellStatus):
                    held.pop(word.id, None)
                    held[word.id] = word
                else:
                    due = 0 if word == "revised" or due == 0 else QUIET
            self._tell(held.values())

    def _guarded(self) -> None:
        try:
            self._refresh()
        except Exception as error:  # the comm's boundary, on its way out
            self.bridge.kernel.log.exception("strata comm: %s", error)

    def _refresh(self) -> None:
        if not self.comms:
            return
        revision = self.revision
        entries = self.bridge.view.entries(lambda: self.bridge.pause(0.5))
        graph = protocol.encode(protocol.Graph(revision=revision, cells=self.bridge.view.graph(entries)))
        if graph != self._graph:
            self._graph = graph
            here = {e.reading.cell.id for e in entries}
            with self._lock:
                # A frontend forgets what leaves the graph, so all is told again when it comes back.
                self._sent = {told: data for told, data in self._sent.items() if told[1] in here}
            self.send(graph)
        current = set(self.bridge.host.running)
        unsettled = {status.id for status in list(self._saving.values())}
        items = self._findings()
        entries = [e for e in entries if not isinstance(e.reading.cell, Gather)]
        moving = {*current, *unsettled, self.bridge.target, *self.bridge.pipeline.wave.flying}
        settled = [e for e in entries if e.reading.cell.id not in moving]
        self._tell([_status(e, *self.bridge.view.standing(e)) for e in settled])
        # Those that do not stand are shown, too.
        for cell_id in dict.fromkeys((*(e.reading.cell.id for e in entries), *items)):
            found = items.get(cell_id, [])
            if found or ("diagnostics", cell_id) in self._sent:
                self._once("diagnostics", cell_id, protocol.encode(protocol.Diagnostics(id=cell_id, items=found)))

    def _findings(self) -> dict[str, list[Diagnostic]]:
        found: dict[str, list[Diagnostic]] = {}
        order = self.bridge.order
        with order.lock:
            cells, active = list(order.cells), dict(order.variants)
        for item in self.bridge.parts.check(cells, active):
            found.setdefault(item.cell or "", []).append(item)
        return found

    def _tell(self, statuses: Iterable[protocol.CellStatus]) -> None:
        news = [data for status in statuses if (data := self._news(status)) is not None]
        if not news:
            return
        together = news if len(news) == 1 else [{"type": "cell-statuses", "items": news}]
        for name, comm in list(self.comms.items()):
            for data in together if name in self.batches else news:
                self._write(comm, data, None)

    def _news(self, status: protocol.CellStatus) -> dict[str, Any] | None:
        """Return what is to be said of the state, None when that was said before."""
        data = protocol.encode(status)
        with self._lock:
            before = self._sent.get(("status", status.id), {})
            said = {k: v for k, v in before.items() if k not in ("hit", "savedMs")}
            # What a refresh finds says less than what was said after the run.
            if before == data or (status.hit is None and said == data):
                return None
            self._sent["status", status.id] = data
        return data

    def _once(self, kind: str, cell_id: str, data: dict[str, Any]) -> None:
        with self._lock:
            if self._sent.get((kind, cell_id)) == data:
                return
            self._sent[kind, cell_id] = data
        self.send(data)

    def send(self, data: dict[str, Any], parent: Any = None) -> None:
        """Send plain data to every frontend, from any thread."""
        for comm in list(self.comms.values()):
            self._write(comm, data, parent)

    def _write(self, comm: Any, data: dict[str, Any], parent: Any) -> None:
        # Past the comm's own send, which would bind the answers to this thread's channel.
        kernel = self.bridge.kernel
        content = {"data": data, "comm_id": comm.comm_id}
        with self._lock:
            kernel.session.send(kernel.iopub_socket, "comm_msg", content, parent=parent, ident=comm.topic)


def _away(reading: Reading) -> str | None:
    """Return the worker of a cell that does not run here."""
    return None if reading.terms.worker == LOCAL else reading.terms.worker


def _status(entry: Entry, state: str, reasons: tuple[Reason, ...]) -> protocol.CellStatus:
    """Return what is told of a cell: its state, its last run, and where it runs."""
    plain = protocol.CellStatus(
        id=entry.reading.cell.id,
        state=state,  # type: ignore[arg-type]
        reasons=list(reasons),
        worker=_away(entry.reading),
    )
    if entry.manifest is None:
        return plain
    took, at = entry.manifest.seconds * 1000, entry.manifest.created * 1000
    return msgspec.structs.replace(plain, run_ms=took, ran_at=round(at) or None)
