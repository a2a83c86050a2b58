"""The IPython kernel that looks a cell up before it runs it."""

from __future__ import annotations

import asyncio
import re
import signal
import threading
from inspect import isawaitable
from typing import Any

from strata_kernel import __version__
from strata_kernel.domain.cell import Reason
from strata_kernel.engine.pipeline import Completed, Failed, Restored
from strata_kernel.errors import CellFailed, LeftOut, StrataError
from strata_kernel.kernel import reply as replies
from strata_kernel.kernel.bridge import Bridge
from strata_kernel.kernel.interrupt import NAMES, Interrupts
from strata_kernel.kernel.looking import LookingKernel
from strata_kernel.kernel.streams import Together

#: A cell that names a worker other than this process, told without the parts that may be at fault.
_AWAY = re.compile(r"^#\s*@worker\s+(?!local\s*$)\S", re.MULTILINE)


_OK: dict[str, Any] = {"status": "ok", "user_expressions": {}, "payload": []}


class StrataKernel(LookingKernel):
    """ipykernel with a cache in front of the shell: everything but `execute` is ipykernel's own."""

    _execute_sleep: float
    implementation = "strata"
    implementation_version = __version__
    banner = f"Strata {__version__}: cells that have nothing new to say are served"

    def __init__(self, **kwargs: Any) -> None:
        if (thread := kwargs.get("iopub_thread")) is not None:
            kwargs["iopub_socket"] = Together(thread)
        super().__init__(**kwargs)
        self.plain_reply: dict[str, Any] = {}
        self._decision: dict[str, Any] | None = None
        self._turn = asyncio.Lock()
        self.interrupts = Interrupts()
        #: How many seconds ipykernel lets late output follow a cell's code before it replies.
        self._patience = self._execute_sleep
        self.bridge = Bridge(self)
        for kind in ("comm_open", "comm_msg", "comm_close"):
            # A frontend without subshells is answered here while a cell runs.
            self.control_handlers[kind] = getattr(self.comm_manager, kind)

    def start(self) -> None:
        """Begin to answer requests."""
        self.bridge.begin()
        super().start()

    def pre_handler_hook(self) -> None:
        """Take SIGINT for the time of a request, as ipykernel does, but so that it can be held back."""
        super().pre_handler_hook()
        signal.signal(signal.SIGINT, self.interrupts.handle)

    async def execute_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Serve the request to its reply; an interrupt ends the user's code, never the reply."""
        if threading.current_thread() is not threading.main_thread():
            await super().execute_request(stream, ident, parent)
            return
        self.bridge.engaged = True
        self._execute_sleep = self._patience
        try:
            with self.interrupts.held():
                await super().execute_request(stream, ident, parent)
            self._store_inputs()
        finally:
            self.bridge.engaged = False

    def _publish_status(self, status: str, channel: str, parent: Any = None) -> None:
        """Say busy or idle; what is said before code runs goes out with it, and else after the reply."""
        mine = threading.current_thread() is threading.main_thread()
        asked = (self.get_parent(channel) or {}).get("header", {}).get("msg_type")
        if mine and status == "busy" and asked == "execute_request":
            self.iopub_socket.hold()
        super()._publish_status(status, channel, parent)
        if mine and status == "idle":
            self.iopub_socket.release()

    def wake(self) -> None:
        """Let the event loop look at what was left for it; may be called in any thread."""
        self.io_loop.asyncio_loop.call_soon_threadsafe(lambda: None)

    async def execute_plainly(self, code: str, **request: Any) -> dict[str, Any]:
        """Run code as ipykernel does."""
        if threading.current_thread() is threading.main_thread():
            self.iopub_socket.release()
        reply: dict[str, Any] = await super().do_execute(code, **request)
        return reply

    async def do_execute(
        self,
        code: str,
        silent: bool,
        store_history: bool = True,
        user_expressions: dict[str, str] | None = None,
        allow_stdin: bool = False,
        *,
        cell_meta: dict[str, Any] | None = None,
        cell_id: str | None = None,
    ) -> dict[str, Any]:
        """Serve or run a cell; requests that are no cells of the notebook go to the shell as they are."""
        request = {"silent": silent, "store_history": store_history, "allow_stdin": allow_stdin}
        if threading.current_thread() is not threading.main_thread():
            # A subshell runs beside the notebook's cells, so it is not one of them.
            return await self.execute_plainly(code, user_expressions=user_expressions, **request)
        async with self._turn:
            if silent or not code.strip():
                return await self._aside(code, request, user_expressions)
            self.bridge.order.drop((cell_meta or {}).get("deletedCells") or ())
            own = (cell_meta or {}).get("strata") or {}
            reply = await self._cell(code, cell_id, request, force=bool(own.get("force")) or self.has_breakpoints)
            if not self.bridge.host.executed:
                self._execute_sleep = 0.0  # what was served writes nothing more
            self._pass_on_warnings()
            if reply["status"] == "ok" and user_expressions:
                await self.bridge.fetch(" ".join(user_expressions.values()))
                reply["user_expressions"] = self.shell.user_expressions(user_expressions)
            return reply

    async def _aside(
        self, code: str, request: dict[str, Any], user_expressions: dict[str, str] | None
    ) -> dict[str, Any]:
        try:
            await self.bridge.fetch("\n".join([code, *(user_expressions or {}).values()]))
            with self.bridge.foreign(), self.interrupts.released():
                return await self.execute_plainly(code, user_expressions=user_expressions, **request)
        except KeyboardInterrupt:
            return self.fail("KeyboardInterrupt", "")

    async def _cell(self, code: str, cell_id: str | None, request: dict[str, Any], *, force: bool) -> dict[str, Any]:
        host = self.bridge.host
        host.request, host.executed, host.uncounted, host.failure = request, False, False, None
        self.plain_reply = {}
        try:
            outcome = await self.bridge.run(cell_id, code, force=force)
        except KeyboardInterrupt:
            return self._interrupted(code, request)
        except LeftOut as error:
            return self._left_out(error, code, request)
        except StrataError as error:
            if self.interrupts.pending:
                return self._interrupted(code, request)
            return self._blocked(error, code, request)
        except Exception as error:  # around the user's code: a fault of ours is none of the cell's
            return await self._despite(error, code, request)
        self._decision = replies.describe(outcome, self.bridge.pipeline.options)
        if isinstance(outcome, Restored):
            return self._replay(outcome, code, request)
        aside = isinstance(outcome, Failed) and outcome.entry.reading.aside and outcome.error[0] not in NAMES
        if aside or (isinstance(outcome, Completed) and self.plain_reply.get("status") == "error"):
            # Its failure, or that of a part, is its result: what reads it gets the error, and nothing is given up.
            self.plain_reply = {**_OK, "execution_count": self.plain_reply.get("execution_count", 0)}
        if isinstance(outcome, Failed) and aside:
            self._decision["error"] = dict(zip(("ename", "evalue", "traceback"), outcome.error, strict=True))
        return self._plain(code, request)

    def _plain(self, code: str, request: dict[str, Any]) -> dict[str, Any]:
        """Return the reply of what was executed, counted as one cell."""
        if self.bridge.host.uncounted and request["store_history"]:
            self.plain_reply = {**self.plain_reply, "execution_count": self.shell.execution_count}
            self.count(code, request)
        return self.plain_reply

    async def _despite(self, error: Exception, code: str, request: dict[str, Any]) -> dict[str, Any]:
        """Run the cell without the cache, if it has not run, and say what is wrong with us."""
        self.log.exception("strata: %s", error)
        what = f"internal error ({type(error).__name__}: {error})"
        if not self.bridge.host.executed and (_AWAY.search(code) or self.bridge.parts.settings.worker):
            # What belongs on a worker never runs here, whatever goes wrong.
            self._decision = replies.not_run(Reason("bug", what))
            self.count(code, request)
            return self.fail(type(error).__name__, f"{what}; the cell was not sent to its worker")
        text = f"{what}; the cell was run without the cache"
        self.bridge.warnings.append("strata: " + text)
        if not self.bridge.host.executed:
            with self.interrupts.released():
                self.plain_reply = await self.execute_plainly(code, **request)
        self.bridge.distrust()
        self._decision = {**replies.not_run(Reason("bug", text)), "status": "bypass"}
        return self.plain_reply

    def _interrupted(self, code: str, request: dict[str, Any]) -> dict[str, Any]:
        if self.bridge.host.executed:
            return self._plain(code, request)  # it ran, and shows how it ended
        self._decision = replies.not_run(Reason("interrupted", "interrupted before it ran"))
        self.count(code, request)
        return self.fail("KeyboardInterrupt", "interrupted before the cell ran")

    def _left_out(self, error: LeftOut, code: str, request: dict[str, Any]) -> dict[str, Any]:
        """Do nothing, and say why: the cell is no part of the notebook now."""
        self._decision = {**replies.not_run(Reason("variant", str(error))), "status": "bypass"}
        self.show("stream", {"name": "stderr", "text": f"strata: {error}\n"})
        count = self.shell.execution_count
        self.count(code, request)
        return {**_OK, "execution_count": count}

    def _blocked(self, error: StrataError, code: str, request: dict[str, Any]) -> dict[str, Any]:
        failure = self.bridge.host.failure if isinstance(error, CellFailed) else None
        text, traceback = replies.explain(error, failure, self.bridge.parts.read)
        cell = failure.cell.id if failure else None
        self._decision = replies.not_run(Reason("blocked", text.splitlines()[0], cell=cell))
        self.count(code, request)
        return self.fail(type(error).__name__, text, traceback)

    def finish_metadata(self, parent: Any, metadata: dict[str, Any], reply_content: Any) -> dict[str, Any]:
        """Add the decision to the reply of the request that it belongs to."""
        metadata = super().finish_metadata(parent, metadata, reply_content)
        mine = threading.current_thread() is threading.main_thread()
        if mine and self._decision is not None and parent["header"]["msg_type"] == "execute_request":
            metadata["strata"], self._decision = self._decision, None
        return metadata

    def _replay(self, outcome: Restored, code: str, request: dict[str, Any]) -> dict[str, Any]:
        count = self.bridge.host.counts[outcome.entry.reading.cell.id] = self.shell.execution_count
        self.show_again(outcome.outputs)
        self.count(code, request)
        return {**_OK, "execution_count": count}

    async def do_shutdown(self, restart: bool) -> Any:
        """Let the store take in what is still under way, then shut down."""
        self.bridge.close()
        reply = super().do_shutdown(restart)
        return await reply if isawaitable(reply) else reply
