"""The comm `strata`: what frontends tell the kernel and what they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from strata_kernel import __version__, protocol
from strata_kernel.domain.cell import Cell, Reason
from strata_kernel.engine import report
from strata_kernel.engine.pipeline import Completed, Failed, Outcome

if TYPE_CHECKING:
    from strata_kernel.kernel.bridge import Bridge


class Frontends:
    """Every open comm of this kernel."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self.comms: dict[str, Any] = {}
        self.revision = 0
        bridge.kernel.comm_manager.register_target(protocol.TARGET, self._opened)

    def _opened(self, comm: Any, message: dict[str, Any]) -> None:
        self.comms[comm.comm_id] = comm
        comm.on_msg(lambda m: self._received(comm, m["content"]["data"]))
        comm.on_close(lambda m: self.comms.pop(comm.comm_id, None))
        self._received(comm, message["content"].get("data", {}))

    def _received(self, comm: Any, data: dict[str, Any]) -> None:
        # A message that this version does not understand is a newer frontend's business.
        try:
            match protocol.decode(data):
                case protocol.Hello():
                    comm.send(protocol.encode(protocol.Welcome(version=__version__, options=self._options())))
                case protocol.Document() as message:
                    self._document(message.revision, list(message.cells))
                case protocol.DocumentPatch() as message:
                    self._patch(message)
                case protocol.RequestPlan() as message:
                    comm.send(protocol.encode(self._plan(message)))
                case protocol.RequestInspect() as message:
                    comm.send(protocol.encode(self._inspect(message)))
                case protocol.SetOption() as message:
                    self._set(message.options)
        except Exception as error:  # the comm's boundary: a bug here must not end the kernel's loop
            self.bridge.kernel.log.exception("strata comm: %s", error)

    def _options(self) -> dict[str, Any]:
        options = self.bridge.pipeline.options
        return {"cascade": options.cascade, "minRuntimeMs": options.min_runtime_ms}

    def _set(self, options: dict[str, Any]) -> None:
        if options.get("cascade") in ("auto", "ask", "off"):
            self.bridge.pipeline.options.cascade = options["cascade"]

    def _document(self, revision: int, cells: list[Cell]) -> None:
        self.revision = revision
        self.bridge.document(cells)
        self.refresh()

    def _patch(self, message: protocol.DocumentPatch) -> None:
        session = self.bridge.session
        changed = {c.id: c for c in message.cells}
        known = {c.id: c for c in session.cells} | changed
        order = message.order if message.order is not None else list(known)
        self._document(message.revision, [known[i] for i in order if i in known])

    def refresh(self) -> None:
        """Tell everyone the graph, the state of every cell, and what is wrong with any."""
        if not self.comms:
            return
        with self.bridge.lock:
            entries = self.bridge.session.walk()
            nodes = report.graph(entries)
        self.send(protocol.encode(protocol.Graph(revision=self.revision, cells=nodes)))
        for entry in entries:
            cell_id = entry.reading.cell.id
            state, reasons = report.state(entry, self.bridge.last.get(cell_id))
            self.status(cell_id, state, reasons)
            if entry.reading.directives.diagnostics:
                items = [msgspec.structs.replace(d, cell=cell_id) for d in entry.reading.directives.diagnostics]
                self.send(protocol.encode(protocol.Diagnostics(id=cell_id, items=items)))

    def ran(self, cell_id: str, outcome: Outcome) -> None:
        """Tell everyone how a run ended."""
        if not self.comms:
            return
        state, reasons = report.state(outcome.entry, outcome)
        saved = None if isinstance(outcome, Completed | Failed) else outcome.manifest.seconds * 1000
        hit = not isinstance(outcome, Completed | Failed)
        self.send(
            protocol.encode(
                protocol.CellStatus(id=cell_id, state=state, reasons=list(reasons), hit=hit, saved_ms=saved)
            )
        )

    def status(self, cell_id: str, state: str, reasons: tuple[Reason, ...]) -> None:
        """Tell everyone the state of one cell."""
        if self.comms:
            self.send(protocol.encode(protocol.CellStatus(id=cell_id, state=state, reasons=list(reasons))))  # type: ignore[arg-type]

    def _plan(self, message: protocol.RequestPlan) -> protocol.Plan:
        with self.bridge.lock:
            entries = self.bridge.session.walk()
        return protocol.Plan(id=message.id, steps=report.plan(entries, message.targets, force=message.mode == "force"))

    def _inspect(self, message: protocol.RequestInspect) -> protocol.Inspection:
        with self.bridge.lock:
            entries = self.bridge.session.walk()
        entry = next((e for e in entries if e.reading.cell.id == message.cell), None)
        if entry is None:
            return protocol.Inspection(id=message.id, cell=message.cell, text="no such cell")
        text = report.why(entry, self.bridge.last.get(entry.reading.cell.id))
        return protocol.Inspection(id=message.id, cell=message.cell, text=text, details=report.details(entry))

    def send(self, data: dict[str, Any]) -> None:
        """Send plain data to every frontend."""
        for comm in list(self.comms.values()):
            comm.send(data)
