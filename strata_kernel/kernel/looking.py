"""The kernel's mouth and eyes: what it shows and asks by itself, and how it looks at names that are not loaded yet."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ipykernel.ipkernel import IPythonKernel

from strata_kernel.cells.offers import asked, offers
from strata_kernel.domain.completion import complete
from strata_kernel.domain.directives import parse
from strata_kernel.kernel import reply as replies
from strata_kernel.kernel.interrupt import Interrupts
from strata_kernel.kernel.outputs import as_notebook

if TYPE_CHECKING:
    from strata_kernel.kernel.bridge import Bridge

#: Names whose attributes, items or results the completer may look at.
_LOOKED_INTO = re.compile(r"([^\W\d]\w*)\s*[.\[(]")
_TOKEN = re.compile(r"(?<![\w.])[^\W\d]\w*$")
_WORD = re.compile(r"[^\W\d]\w*")
#: Requests of a debugger that show variables.
_SHOWING = frozenset({"inspectVariables", "richInspectVariables", "variables", "evaluate"})


class LookingKernel(IPythonKernel):
    """ipykernel that completes, inspects and debugs with the values that the cache holds."""

    bridge: Bridge
    interrupts: Interrupts

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._inputs: list[tuple[int, str]] = []

    @property
    def current_message_id(self) -> str | None:
        """The id of the request being served."""
        found = self.get_parent("shell").get("header", {}).get("msg_id")
        return None if found is None else str(found)

    def topic(self, kind: str) -> bytes:
        """Return the topic under which a message of this kind is published."""
        return bytes(self._topic(kind))

    def show(self, kind: str, content: dict[str, Any]) -> None:
        """Send a message to the page, as the cell's that runs."""
        self.session.send(self.iopub_socket, kind, content, parent=self.get_parent("shell"), ident=self._topic(kind))

    def show_again(self, outputs: list[dict[str, Any]]) -> None:
        """Show recorded outputs as those of the present request."""
        for output in outputs:
            content = output["content"]
            if output["msg_type"] == "execute_result":
                content = {**content, "execution_count": self.shell.execution_count}
            self.show(output["msg_type"], content)

    def count(self, code: str, request: dict[str, Any]) -> None:
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
        self.show("error", content)
        count = max(self.shell.execution_count - 1, 0)
        return {"status": "error", "execution_count": count, "user_expressions": {}, "payload": [], **content}

    def told(self, error: tuple[str, str, list[str]] | None, count: int, *, shown: bool) -> dict[str, Any]:
        """Return the reply for a cell that ran elsewhere, with its error shown if it was not."""
        if error is None:
            return {"status": "ok", "execution_count": count, "user_expressions": {}, "payload": []}
        if not shown:
            return self.fail(*error)
        content = {"ename": error[0], "evalue": error[1], "traceback": error[2]}
        return {"status": "error", "execution_count": count, "user_expressions": {}, "payload": [], **content}

    def _pass_on_warnings(self) -> None:
        warnings = self.bridge.warnings
        while warnings:
            self.show("stream", {"name": "stderr", "text": warnings.pop(0) + "\n"})

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
        if (found := complete(code, cursor, self._directed())) is not None:
            return replies.completed(*found, cursor)
        if (found := self._tables(code, cursor)) is not None:
            return replies.completed(*found, cursor)
        self.bridge.load(_LOOKED_INTO.findall(code))
        reply = super().do_complete(code, cursor_pos)
        token = _TOKEN.search(code, 0, cursor)
        if token is not None and isinstance(reply, dict):
            replies.offer(reply, self.bridge.virtual(token.group()), token.start(), cursor)
        return reply

    def _tables(self, code: str, cursor: int) -> tuple[list[str], int] | None:
        """Return the tables and columns that can stand at the cursor, None outside of queries."""
        connection = asked(code, cursor)
        between = not self.bridge.host.running and threading.current_thread() is threading.main_thread()
        tables = self.bridge.catalogue.tables(connection) if connection is not None and between else {}
        return offers(code, cursor, tables) if tables else None

    def _directed(self) -> dict[str, set[str]]:
        """Return the names that directives may take from the settings and the notebook."""
        settings, order = self.bridge.parts.settings, self.bridge.order
        with order.lock:
            heads = [parse(cell.source) for cell in order.cells]
        return {
            "worker": {worker.name for worker in settings.workers},
            "sql": set(settings.connections),
            "after": {head.name for head in heads if head.name},
            "variant": {head.variant[0] for head in heads if head.variant},
        }

    def do_inspect(self, code: str, cursor_pos: int, detail_level: int = 0, omit_sections: Any = ()) -> Any:
        """Inspect with the names that the code mentions restored first."""
        self.bridge.load(_WORD.findall(code))
        return super().do_inspect(code, cursor_pos, detail_level, omit_sections)

    @property
    def has_breakpoints(self) -> bool:
        """Whether a debugger waits for code to come by: a cell that is served would never stop there."""
        debugger = getattr(self, "debugger", None)
        return debugger is not None and any(debugger.breakpoint_list.values())

    async def do_debug_request(self, msg: dict[str, Any]) -> Any:
        """Answer a debugger, with every name restored where it looks at variables and no cell is running."""
        if msg.get("command") in _SHOWING and not self.bridge.host.running:
            done = asyncio.run_coroutine_threadsafe(self._load_all(), self.io_loop.asyncio_loop)
            await asyncio.wait([asyncio.wrap_future(done)], timeout=2)
        return await super().do_debug_request(msg)

    async def _load_all(self) -> None:
        self.bridge.load(self.bridge.virtual(""))
