"""The IPython kernel that looks a cell up before it runs it."""

from __future__ import annotations

import asyncio
import re
import signal
import threading
from collections.abc import Iterable
from typing import Any

from ipykernel.ipkernel import IPythonKernel

from strata_kernel import __version__
from strata_kernel.domain.cell import Reason
from strata_kernel.engine.pipeline import Restored
from strata_kernel.errors import CellFailed, StrataError
from strata_kernel.kernel import reply as replies
from strata_kernel.kernel.bridge import Bridge
from strata_kernel.kernel.interrupt import Interrupts
from strata_kernel.kernel.outputs import as_notebook

#: Names whose attributes, items or results the completer may look at.
_LOOKED_INTO = re.compile(r"([^\W\d]\w*)\s*[.\[(]")
_TOKEN = re.compile(r"(?<![\w.])[^\W\d]\w*$")
_WORD = re.compile(r"[^\W\d]\w*")
#: Requests of a debugger that show variables.
_SHOWING = frozenset({"inspectVariables", "richInspectVariables", "variables", "evaluate"})


class StrataKernel(IPythonKernel):
    """ipykernel with a cache in front of the shell: everything but `execute` is ipykernel's own."""

    implementation = "strata"
    implementation_version = __version__
    banner = f"Strata {__version__}: cells that have nothing new to say are served"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plain_reply: dict[str, Any] = {}
        self._decision: dict[str, Any] | None = None
        self._turn = asyncio.Lock()
        self._inputs: list[tuple[int, str]] = []
        self.interrupts = Interrupts()
        self.bridge = Bridge(self)
        for kind in ("comm_open", "comm_msg", "comm_close"):
            # A frontend without subshells is answered here while a cell runs.
            self.control_handlers[kind] = getattr(self.comm_manager, kind)

    @property
    def current_message_id(self) -> str | None:
        """The id of the request being served."""
        found = self.get_parent("shell").get("header", {}).get("msg_id")
        return None if found is None else str(found)

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
        try:
            with self.interrupts.held():
                await super().execute_request(stream, ident, parent)
            self._store_inputs()
        finally:
            self.bridge.engaged = False

    async def execute_plainly(self, code: str, **request: Any) -> dict[str, Any]:
        """Run code as ipykernel does."""
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
            reply = await self._cell(code, cell_id, request, force=bool(own.get("force")))
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

    async def _cell(
        self, code: str, cell_id: str | None, request: dict[str, Any], *, force: bool
    ) -> dict[str, Any]:
        host = self.bridge.host
        host.request, host.executed, host.failure = request, False, None
        self.plain_reply = {}
        try:
            outcome = await self.bridge.run(cell_id, code, force=force)
        except KeyboardInterrupt:
            return self._interrupted(code, request)
        except StrataError as error:
            if self.interrupts.pending:
                return self._interrupted(code, request)
            return self._blocked(error, code, request)
        except Exception as error:  # around the user's code: a fault of ours is none of the cell's
            return await self._despite(error, code, request)
        self._decision = replies.describe(outcome)
        if isinstance(outcome, Restored):
            return self._replay(outcome, code, request)
        return self.plain_reply

    async def _despite(self, error: Exception, code: str, request: dict[str, Any]) -> dict[str, Any]:
        """Run the cell without the cache, if it has not run, and say what is wrong with us."""
        self.log.exception("strata: %s", error)
        text = f"internal error ({type(error).__name__}: {error}); the cell was run without the cache"
        self.bridge.warnings.append("strata: " + text)
        if not self.bridge.host.executed:
            with self.interrupts.released():
                self.plain_reply = await self.execute_plainly(code, **request)
        self.bridge.distrust()
        self._decision = {**replies.not_run(Reason("bug", text)), "status": "bypass"}
        return self.plain_reply

    def _interrupted(self, code: str, request: dict[str, Any]) -> dict[str, Any]:
        if self.bridge.host.executed:
            return self.plain_reply  # it ran, and shows how it ended
        self._decision = replies.not_run(Reason("interrupted", "interrupted before it ran"))
        self._count(code, request)
        return self.fail("KeyboardInterrupt", "interrupted before the cell ran")

    def _blocked(self, error: StrataError, code: str, request: dict[str, Any]) -> dict[str, Any]:
        failure = self.bridge.host.failure if isinstance(error, CellFailed) else None
        text, traceback = replies.explain(error, failure, self.bridge.parts.read)
        cell = failure.cell.id if failure else None
        self._decision = replies.not_run(Reason("blocked", text.splitlines()[0], cell=cell))
        self._count(code, request)
        return self.fail(type(error).__name__, text, traceback)

    def finish_metadata(self, parent: Any, metadata: dict[str, Any], reply_content: Any) -> dict[str, Any]:
        """Add the decision to the reply of the request that it belongs to."""
        metadata = super().finish_metadata(parent, metadata, reply_content)
        mine = threading.current_thread() is threading.main_thread()
        if mine and self._decision is not None and parent["header"]["msg_type"] == "execute_request":
            metadata["strata"], self._decision = self._decision, None
        return metadata

    def _replay(self, outcome: Restored, code: str, request: dict[str, Any]) -> dict[str, Any]:
        count = self.shell.execution_count
        for output in outcome.outputs:
            content = output["content"]
            if output["msg_type"] == "execute_result":
                content = {**content, "execution_count": count}
            self._show(output["msg_type"], content)
        self._count(code, request)
        return {"status": "ok", "execution_count": count, "user_expressions": {}, "payload": []}

    def _show(self, kind: str, content: dict[str, Any]) -> None:
        self.session.send(self.iopub_socket, kind, content, parent=self.get_parent("shell"), ident=self._topic(kind))

    def _count(self, code: str, request: dict[str, Any]) -> None:
        """Count a cell that the shell did not run as one that it did."""
        if request["store_history"]:
            # Waking the thread that writes history costs milliseconds: after the reply.
            self._inputs.append((self.shell.execution_count, code))
            self.shell.execution_count += 1

    def _store_inputs(self) -> None:
        inputs, self._inputs = self._inputs, []
        for count, code in inputs:
            self.shell.history_manager.store_inputs(count, code, code)

    def fail(self, ename: str, evalue: str, traceback: Iterable[str] = ()) -> dict[str, Any]:
        """Show an error and return the reply that goes with it."""
        lines = [*traceback, f"\x1b[31m{ename}\x1b[39m: {evalue}"]
        content = {"ename": ename, "evalue": evalue, "traceback": lines}
        self._show("error", content)
        count = max(self.shell.execution_count - 1, 0)
        return {"status": "error", "execution_count": count, "user_expressions": {}, "payload": [], **content}

    def _pass_on_warnings(self) -> None:
        warnings = self.bridge.warnings
        while warnings:
            self._show("stream", {"name": "stderr", "text": warnings.pop(0) + "\n"})

    def ask(self, prompt: str) -> str:
        """Ask the user through the client that runs the cell; raise KeyboardInterrupt when that is the answer."""
        self._allow_stdin: bool = True
        try:
            with self.interrupts.released():
                return str(self.raw_input(prompt))
        except EOFError:
            return "n"
        finally:
            self._allow_stdin = False

    def show_elsewhere(self, cell_id: str, outputs: list[dict[str, Any]]) -> None:
        """Send the outputs of a cell that was run on behalf of another to the frontend."""
        shown = as_notebook(outputs, None)
        message = {"type": "cell-outputs", "id": cell_id, "outputs": shown, "executionCount": None}
        self.bridge.frontends.send(message, self.get_parent("shell"))

    def do_complete(self, code: str, cursor_pos: int | None) -> Any:
        """Complete with what the code looks into restored first, and offer names that are not restored yet."""
        cursor = len(code) if cursor_pos is None else cursor_pos
        self.bridge.load(_LOOKED_INTO.findall(code))
        reply = super().do_complete(code, cursor_pos)
        token = _TOKEN.search(code, 0, cursor)
        if token is not None and isinstance(reply, dict):
            replies.offer(reply, self.bridge.virtual(token.group()), token.start(), cursor)
        return reply

    def do_inspect(self, code: str, cursor_pos: int, detail_level: int = 0, omit_sections: Any = ()) -> Any:
        """Inspect with the names that the code mentions restored first."""
        self.bridge.load(_WORD.findall(code))
        return super().do_inspect(code, cursor_pos, detail_level, omit_sections)

    async def do_debug_request(self, msg: dict[str, Any]) -> Any:
        """Answer a debugger, with every name restored where it looks at variables and no cell is running."""
        if msg.get("command") in _SHOWING and not self.bridge.host.running:
            done = asyncio.run_coroutine_threadsafe(self._load_all(), self.io_loop.asyncio_loop)
            await asyncio.wait([asyncio.wrap_future(done)], timeout=2)
        return await super().do_debug_request(msg)

    async def _load_all(self) -> None:
        self.bridge.load(self.bridge.virtual(""))

    def do_shutdown(self, restart: bool) -> Any:
        """Let the store take in what is still under way, then shut down."""
        self.bridge.close()
        return super().do_shutdown(restart)
