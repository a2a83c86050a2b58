"""The IPython kernel that looks a cell up before it runs it."""

from __future__ import annotations

import asyncio
from typing import Any

from ipykernel.ipkernel import IPythonKernel

from strata_kernel import __version__
from strata_kernel.domain.cell import Reason
from strata_kernel.engine.pipeline import Completed, Failed, Outcome, Restored
from strata_kernel.errors import CellFailed, StrataError
from strata_kernel.kernel.bridge import Bridge
from strata_kernel.kernel.outputs import as_notebook

STATUS = {Restored: "hit", Completed: "ran", Failed: "ran"}


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
        self.bridge = Bridge(self)

    @property
    def current_message_id(self) -> str | None:
        """The id of the request being served."""
        found = self.get_parent("shell").get("header", {}).get("msg_id")
        return None if found is None else str(found)

    async def execute_plainly(self, code: str, **request: Any) -> dict[str, Any]:
        """Run code as ipykernel does."""
        reply: dict[str, Any] = await super().do_execute(code, **request)
        return reply

    async def do_execute(  # type: ignore[override]  # noqa: PLR0913
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
        async with self._turn:
            if silent or not code.strip():
                return await self._aside(code, request, user_expressions)
            self.bridge.drop((cell_meta or {}).get("deletedCells") or ())
            own = (cell_meta or {}).get("strata") or {}
            reply = await self._cell(code, cell_id, request, force=bool(own.get("force")))
            if reply["status"] == "ok" and user_expressions:
                await self.bridge.fetch(" ".join(user_expressions.values()))
                reply["user_expressions"] = self.shell.user_expressions(user_expressions)
            return reply

    async def _aside(
        self, code: str, request: dict[str, Any], user_expressions: dict[str, str] | None
    ) -> dict[str, Any]:
        await self.bridge.fetch("\n".join([code, *(user_expressions or {}).values()]))
        with self.bridge.foreign():
            return await self.execute_plainly(code, user_expressions=user_expressions, **request)

    async def _cell(
        self, code: str, cell_id: str | None, request: dict[str, Any], *, force: bool
    ) -> dict[str, Any]:
        self.bridge.host.request = request
        self.plain_reply = {}
        try:
            outcome = await self.bridge.run(cell_id, code, force=force)
        except KeyboardInterrupt:
            return self._error("KeyboardInterrupt", "interrupted before the cell ran")
        except CellFailed as error:
            return self._error("CellFailed", str(error))
        except StrataError as error:
            return self._error(type(error).__name__, str(error))
        self._decision = self._describe(outcome)
        if isinstance(outcome, Restored):
            return self._replay(outcome, request)
        return self.plain_reply

    def _describe(self, outcome: Outcome) -> dict[str, Any]:
        if isinstance(outcome, Failed):
            return {"status": "ran", "key": None, "seconds": 0.0, "savedSeconds": 0.0, "reasons": [], "worker": "local"}
        manifest = outcome.manifest
        hit = isinstance(outcome, Restored)
        reasons = outcome.entry.reasons if hit else outcome.reasons
        bypass = any(r.code == "bypass" for r in reasons)
        return {
            "status": "hit" if hit else "bypass" if bypass else "ran",
            "key": manifest.key,
            "seconds": 0.0 if hit else manifest.seconds,
            "savedSeconds": manifest.seconds if hit else 0.0,
            "reasons": [_plain(r) for r in reasons],
            "worker": "local",
        }

    def finish_metadata(self, parent: Any, metadata: dict[str, Any], reply_content: Any) -> dict[str, Any]:
        """Add the decision to the reply of the request that it belongs to."""
        metadata = super().finish_metadata(parent, metadata, reply_content)
        if self._decision is not None and parent["header"]["msg_type"] == "execute_request":
            metadata["strata"], self._decision = self._decision, None
        return metadata

    def _replay(self, outcome: Restored, request: dict[str, Any]) -> dict[str, Any]:
        shell = self.shell
        count = shell.execution_count
        for output in outcome.outputs:
            content = output["content"]
            if output["msg_type"] == "execute_result":
                content = {**content, "execution_count": count}
            self.session.send(self.iopub_socket, output["msg_type"], content, parent=self.get_parent("shell"))
        if request["store_history"]:
            source = outcome.entry.reading.cell.source
            shell.history_manager.store_inputs(count, source, source)
            shell.execution_count += 1
        return {"status": "ok", "execution_count": count, "user_expressions": {}, "payload": []}

    def _error(self, ename: str, evalue: str) -> dict[str, Any]:
        content = {"ename": ename, "evalue": evalue, "traceback": [f"{ename}: {evalue}"]}
        self.session.send(self.iopub_socket, "error", content, parent=self.get_parent("shell"))
        return {"status": "error", "execution_count": self.shell.execution_count, **content}

    def show_elsewhere(self, cell_id: str, outputs: list[dict[str, Any]]) -> None:
        """Send the outputs of a cell that was run on behalf of another to the frontend."""
        self.bridge.tell("cell-outputs", id=cell_id, outputs=as_notebook(outputs, None), executionCount=None)

    def do_complete(self, code: str, cursor_pos: int | None) -> Any:
        """Complete with the names that the cursor's line mentions restored first."""
        self.bridge.load(code)
        return super().do_complete(code, cursor_pos)

    def do_inspect(self, code: str, cursor_pos: int, detail_level: int = 0, omit_sections: Any = ()) -> Any:
        """Inspect with the names that the code mentions restored first."""
        self.bridge.load(code)
        return super().do_inspect(code, cursor_pos, detail_level, omit_sections)

    def do_shutdown(self, restart: bool) -> Any:
        """Let the store take in what is still under way, then shut down."""
        self.bridge.close()
        return super().do_shutdown(restart)


def _plain(reason: Reason) -> dict[str, Any]:
    found = {"code": reason.code, "text": reason.text, "cell": reason.cell, "name": reason.name, "line": reason.line}
    return {k: v for k, v in found.items() if v is not None}
