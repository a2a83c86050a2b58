"""Runs a notebook through nbclient and a kernel that is told the document's order."""

from __future__ import annotations

import asyncio
import os
import tempfile
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from msgspec import convert
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from strata_kernel.domain.cell import Reason
from strata_kernel.domain.report import CellRecord, ErrorRecord, LargeArtifact
from strata_kernel.errors import InvocationError
from strata_kernel.protocol import TARGET, Document, Hello, Progress, Queued, encode
from strata_kernel.runner.notebook import code_ids
from strata_kernel.runner.writing import load, write

if TYPE_CHECKING:
    from strata_kernel.runner.runner import _Run


#: Seconds that an interrupted run has to end.
PATIENCE = 5.0


class KernelPool:
    """Started kernels by (folder, kernel name), on one event loop."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._kernels: dict[tuple[Path, str], AsyncKernelManager] = {}
        self._sockets: tempfile.TemporaryDirectory[str] | None = None

    def run(self, run: _Run, *, folder: Path, name: str, timeout: float | None, force: bool, wanted: set[str]) -> bool:
        """Run the notebook; return whether every wanted cell was reached."""
        task = self.loop.create_task(self._run(run, folder, name, timeout, force, wanted))
        try:
            return self.loop.run_until_complete(task)
        except KeyboardInterrupt:
            run.interrupted = True
            self.loop.run_until_complete(self._stop(task))
            self.close()
            raise

    async def _stop(self, task: asyncio.Task[bool]) -> None:
        """Interrupt the cell that runs and let the run come to its end; give up what does not within seconds."""
        # They run in sessions of their own: what the terminal sends does not reach them.
        await asyncio.gather(*(m.interrupt_kernel() for m in self._kernels.values()), return_exceptions=True)
        await asyncio.wait([task], timeout=PATIENCE)
        pending = asyncio.all_tasks() - {asyncio.current_task()}
        for left in pending:
            left.cancel()
        await asyncio.gather(task, *pending, return_exceptions=True)

    async def _run(
        self, run: _Run, folder: Path, name: str, timeout: float | None, force: bool, wanted: set[str]
    ) -> bool:
        content = load(run.notebook)
        manager = await self._kernel(folder, name)
        client = Client(
            content, manager, run=run, force=force, wanted=wanted, timeout=(timeout and int(timeout)) or None
        )
        try:
            return await client.play(folder)
        finally:
            if client.kc is not None:
                client.kc.stop_channels()
            if run.output is not None and client.started:
                write(content, run.output)

    async def _kernel(self, folder: Path, name: str) -> AsyncKernelManager:
        manager = self._kernels.get((folder, name))
        if manager is not None and await manager.is_alive():
            return manager
        # Sockets in the file system: no port is opened, and nothing travels over TCP in the clear.
        manager = AsyncKernelManager(kernel_name=name)
        if os.name != "nt":
            manager.transport, manager.ip = "ipc", os.path.join(self._folder(), str(len(self._kernels)))
        try:
            await manager.start_kernel(cwd=str(folder))
        except NoSuchKernel:
            raise InvocationError(
                f"there is no kernel {name!r}; `strata kernel install --user` registers this one"
            ) from None
        self._kernels[folder, name] = manager
        return manager

    def _folder(self) -> str:
        if self._sockets is None:
            self._sockets = tempfile.TemporaryDirectory(prefix="strata-", ignore_cleanup_errors=True)
        return self._sockets.name

    def close(self) -> None:
        """End every kernel, letting each drain what it is saving."""
        for manager in self._kernels.values():
            self.loop.run_until_complete(manager.shutdown_kernel(now=False))
        self._kernels.clear()
        if self._sockets is not None:
            self._sockets.cleanup()
            self._sockets = None


class Client(NotebookClient):  # type: ignore[misc]
    """nbclient that sends each cell's id, as JupyterLab does, and keeps the kernel's answers as records."""

    def __init__(self, nb: Any, km: Any, *, run: _Run, force: bool, wanted: set[str], **options: Any) -> None:
        super().__init__(nb, km=km, **options)
        self._job, self._force, self._wanted = run, force, wanted
        self._cell_id = ""
        self._comm = uuid.uuid4().hex
        self.started = False

    async def play(self, folder: Path) -> bool:
        """Run the wanted cells in order; a failure skips the rest."""
        self.resources.setdefault("metadata", {})["path"] = str(folder)
        self.reset_execution_trackers()
        self.kc = self.km.client()
        self.kc.start_channels()
        try:
            await self.kc.wait_for_ready(timeout=self.startup_timeout)
        except RuntimeError as error:
            raise InvocationError(f"the kernel did not start: {error}") from error
        self.kc.execute = self._send
        self._listen()
        self._tell_document()
        self.started = True
        failed = False
        for index, cell in enumerate(self.nb.cells):
            if cell.cell_type != "code":
                continue
            self._cell_id = cell.get("id") or f"cell-{index + 1}"
            if self._cell_id not in self._wanted or not cell.source.strip():
                continue
            if failed:
                self._job.record(CellRecord(cell_id=self._cell_id, status="skipped", cell_name=self._label()))
                continue
            failed = await self._play_cell(cell, index)
        self.set_widgets_metadata()
        return not failed

    async def _play_cell(self, cell: Any, index: int) -> bool:
        self._answer: dict[str, Any] = {}
        start = asyncio.get_running_loop().time()
        error = None
        try:
            await self.async_execute_cell(cell, index, execution_count=None)
        except CellExecutionError as failure:
            error = ErrorRecord(failure.ename, failure.evalue, list(self._traceback(cell)))
        except CellTimeoutError as failure:
            await self.km.interrupt_kernel()
            error = ErrorRecord("TimeoutError", str(failure).splitlines()[0], [])
        except DeadKernelError as failure:
            # So nbclient takes the end of its own task.
            stopped = self._job.interrupted
            error = ErrorRecord("KeyboardInterrupt", "") if stopped else ErrorRecord("DeadKernelError", str(failure))
        cell.execution_count = self._answer.get("content", {}).get("execution_count", cell.get("execution_count"))
        decision = self._answer.get("metadata", {}).get("strata") or {}
        elapsed = (asyncio.get_running_loop().time() - start) * 1000
        if decision.get("status") != "hit":
            # On a worker it may have begun before its turn.
            elapsed = max(elapsed, decision.get("seconds", 0.0) * 1000)
        own = decision.get("error")
        self._job.record(self._record(error or (ErrorRecord(**own) if own else None), elapsed))
        return error is not None

    @staticmethod
    def _traceback(cell: Any) -> Iterable[str]:
        return next((o.traceback for o in cell.outputs if o.output_type == "error"), [])

    def _record(self, error: ErrorRecord | None, elapsed: float) -> CellRecord:
        decision = self._answer.get("metadata", {}).get("strata") or {}
        self._job.large += [LargeArtifact(**large) for large in decision.get("large", [])]
        status = "error" if error else "cached" if decision.get("status") == "hit" else "ok"
        return CellRecord(
            cell_id=self._cell_id,
            cell_name=self._label(),
            status=status,  # type: ignore[arg-type]
            cache_key=decision.get("key"),
            duration_ms=elapsed,
            saved_ms=decision["savedSeconds"] * 1000 if decision.get("status") == "hit" else None,
            worker=decision.get("worker"),
            reasons=[Reason(**r) for r in decision.get("reasons", [])],
            error=error,
        )

    def _label(self) -> str | None:
        cell = next((c for c in self._job.session.cells if c.id == self._cell_id), None)
        return self._job.parts.read(cell).label if cell else None

    async def async_wait_for_reply(self, msg_id: str, cell: Any = None) -> Any:
        """Keep the reply, whose metadata says what was decided."""
        self._answer = await super().async_wait_for_reply(msg_id, cell) or {}
        return self._answer

    async def _async_poll_for_reply(self, msg_id: str, cell: Any, *args: Any) -> Any:
        self._answer = await super()._async_poll_for_reply(msg_id, cell, *args)
        return self._answer

    def _send(self, code: str, silent: bool = False, store_history: bool = True, **request: Any) -> str:
        content = {
            "code": code,
            "silent": silent,
            "store_history": store_history,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": request.get("stop_on_error", True),
        }
        metadata = {"cellId": self._cell_id, **({"strata": {"force": True}} if self._force else {})}
        message = self.kc.session.msg("execute_request", content, metadata=metadata)
        self.kc.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def handle_comm_msg(self, outs: Any, msg: Any, cell_index: int) -> None:
        """Leave our own comm out: nbclient takes every comm for a widget's."""
        if msg["content"].get("comm_id") != self._comm:
            super().handle_comm_msg(outs, msg, cell_index)

    def _listen(self) -> None:
        """Hear what the kernel says of its own accord, too: nbclient looks at answers to its requests alone."""
        channel = self.kc.iopub_channel
        get = channel.get_msg

        async def heard(**options: Any) -> Any:
            message = await get(**options)
            said = message["content"].get("data") if message["msg_type"] == "comm_msg" else None
            if isinstance(said, dict) and (said.get("type"), said.get("id")) == ("cell-status", self._cell_id):
                part = said.get("progress")
                self._job.on_progress(self._label() or self._cell_id, convert(part, Progress) if part else None)
            return message

        channel.get_msg = heard

    def _tell_document(self) -> None:
        comm = self._comm
        known = {i for i, _ in code_ids(self.nb)} & {c.id for c in self._job.session.cells}
        cells = [c for c in self._job.notebook.cells if c.id in known]
        path = str(self._job.notebook.path)
        for kind, body in (
            ("comm_open", {"target_name": TARGET, "data": encode(Hello(protocol=1, path=path))}),
            ("comm_msg", {"data": encode(Document(revision=1, cells=cells, variants=self._job.parts.active()))}),
            ("comm_msg", {"data": encode(Queued(cells=sorted(self._wanted), force=self._force))}),
        ):
            message = self.kc.session.msg(kind, {"comm_id": comm, **body})
            self.kc.shell_channel.send(message)
