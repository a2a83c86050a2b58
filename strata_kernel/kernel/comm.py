"""The comm `strata`: what frontends tell the kernel and what they are told."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import msgspec

from strata_kernel import __version__, protocol
from strata_kernel.engine import report
from strata_kernel.engine.session import Entry
from strata_kernel.errors import CellError
from strata_kernel.kernel.explaining import explain
from strata_kernel.kernel.follow import Follower
from strata_kernel.kernel.observe import active
from strata_kernel.kernel.preview import pictures, preview

if TYPE_CHECKING:
    from strata_kernel.kernel.bridge import Bridge


class Frontends(Follower):
    """Every open comm of this kernel; requests are answered where they arrive, while a cell runs too."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        bridge.kernel.comm_manager.register_target(protocol.TARGET, self._opened)

    def _opened(self, comm: Any, message: dict[str, Any]) -> None:
        self.follow(comm)
        # ipykernel 7.4 would answer where the last message came from: the main thread, which a cell may occupy.
        comm._reply_subshell_for = lambda data, default: default
        comm.on_msg(lambda m: self._received(comm, m["content"]["data"]))
        comm.on_close(lambda m: self._closed(comm.comm_id))
        self._received(comm, message["content"].get("data", {}))

    def _closed(self, name: str) -> None:
        self.comms.pop(name, None)
        self.batches.discard(name)
        self.bridge.queue.put(name, ())

    def _received(self, comm: Any, data: dict[str, Any]) -> None:
        with active.exempt():
            try:
                self._answer(comm, data)
            except Exception as error:  # the comm's boundary: a bug here must not end the kernel's loop
                self.bridge.kernel.log.exception("strata comm: %s", error)

    def _answer(self, comm: Any, data: dict[str, Any]) -> None:
        # A message that this version does not understand is a newer frontend's business.
        match protocol.decode(data):
            case protocol.Hello() as message:
                if message.batches:
                    self.batches.add(comm.comm_id)
                self._post(comm, protocol.Welcome(version=__version__, options=self._options()))
                self._post(comm, self._workers())
                self.changed()
            case protocol.Document() as message:
                self.bridge.order.tell(message.cells)
                self._activate(message.variants)
                self._revise(message.revision)
            case protocol.DocumentPatch() as message:
                self.bridge.order.patch(message.cells, message.order)
                if message.variants is not None:
                    self._activate(message.variants)
                self._revise(message.revision)
            case protocol.RequestPlan() as message:
                force = message.mode == "force"
                view = self.bridge.view
                steps = report.plan(view.entries(), message.targets, view.estimate, force=force)
                self._post(comm, protocol.Plan(id=message.id, steps=steps))
            case protocol.RequestInspect() as message:
                self._post(comm, self._inspect(message))
            case protocol.RequestPreview() as message:
                self._preview(comm, message)
            case protocol.RequestPictures() as message:
                threading.Thread(target=self._pictures, args=(comm, message), name="strata-film", daemon=True).start()
            case protocol.RequestSchema() as message:
                self.bridge.catalogue.ask(message, lambda found: self._write(comm, protocol.encode(found), None))
            case protocol.SettingsChanged():
                self.bridge.redeclaring.soon()
            case protocol.RequestExplain() as message:
                # A database may be long in answering, and other questions are answered in this thread.
                threading.Thread(target=self._explain, args=(comm, message), name="strata-explain", daemon=True).start()
            case protocol.Refresh() as message:
                self.bridge.refresh.update(message.cells)
            case protocol.Forget() as message:
                self.bridge.forget(message.cells)
                self.revised()
            case protocol.Queued() as message:
                self.bridge.queue.put(comm.comm_id, message.cells, force=message.force)
            case protocol.SetOption() as message:
                self._set(message.options)

    def _activate(self, variants: dict[str, str]) -> None:
        self.bridge.order.activate({**self.bridge.parts.active(), **variants})

    def _revise(self, revision: int) -> None:
        self.revision = revision
        self.revised()

    def redeclared(self) -> None:
        """Tell everyone what is declared now, and what becomes of the cells by it."""
        self.send(protocol.encode(self._workers()))
        self.changed()

    def _workers(self) -> protocol.Workers:
        declared = self.bridge.parts.settings.workers
        return protocol.Workers(items=[protocol.WorkerItem(name=w.name, state=w.backend) for w in declared])

    def _options(self) -> dict[str, Any]:
        options = self.bridge.pipeline.options
        return {
            "cascade": options.cascade,
            "askAboveSeconds": options.ask_above_seconds,
            "minRuntimeMs": options.min_runtime_ms,
        }

    def _set(self, options: dict[str, Any]) -> None:
        held = self.bridge.pipeline.options
        if options.get("cascade") in ("auto", "ask", "off"):
            held.cascade = options["cascade"]
        for name, field in (("askAboveSeconds", "ask_above_seconds"), ("minRuntimeMs", "min_runtime_ms")):
            value = options.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
                setattr(held, field, float(value))

    def _inspect(self, message: protocol.RequestInspect) -> protocol.Inspection:
        view = self.bridge.view
        entry = view.find(message.cell or message.name or "")
        cell = entry.reading.cell.id if entry else message.cell
        if entry is None:
            text = f"there is no cell or name {(message.cell or message.name)!r}"
            return protocol.Inspection(id=message.id, cell=cell, name=message.name, text=text)
        text = view.why(entry) if message.cell or not message.name else view.describe(message.name)
        return protocol.Inspection(
            id=message.id, cell=cell, name=message.name, text=text, details=report.details(entry)
        )

    def _pictures(self, comm: Any, message: protocol.RequestPictures) -> None:
        active.exempt_thread()
        try:
            self._write(comm, protocol.encode(pictures(self.bridge, message)), None)
        except Exception as error:  # the comm's boundary, on its way out
            self.bridge.kernel.log.exception("strata comm: %s", error)

    def _explain(self, comm: Any, message: protocol.RequestExplain) -> None:
        active.exempt_thread()
        answer = protocol.Explanation(id=message.id, cell=message.cell)
        try:
            entry = self.bridge.view.find(message.cell)
            if entry is None:
                raise CellError(f"there is no cell {message.cell!r}")
            answer = msgspec.structs.replace(answer, text=explain(self.bridge, entry))
        except CellError as error:
            answer = msgspec.structs.replace(answer, reason=str(error))
        except Exception as error:  # the comm's boundary
            self.bridge.kernel.log.exception("strata explain: %s", error)
            answer = msgspec.structs.replace(answer, reason=f"{type(error).__name__}: {error}")
        self._write(comm, protocol.encode(answer), None)

    def _preview(self, comm: Any, message: protocol.RequestPreview) -> None:
        def answer(entry: Entry | None) -> None:
            if self.bridge.host.running:
                text = "a cell is running: look again when it has ended"
                shown = protocol.Preview(id=message.id, cell=message.cell, name=message.name, reason=text)
            else:
                with active.exempt():
                    shown = preview(self.bridge, message, entry)
            self._write(comm, protocol.encode(shown), None)

        entry = self.bridge.view.find(message.cell)
        if self.bridge.host.running:
            answer(entry)
        else:
            # Values belong to the main thread.
            self.bridge.kernel.io_loop.asyncio_loop.call_soon_threadsafe(answer, entry)

    def _post(self, comm: Any, message: protocol.Message) -> None:
        self._write(comm, protocol.encode(message), self.bridge.kernel.get_parent())
