"""Cells of clients that speak the published protocol, and `/v1/execute`, by which most of them ask."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from tornado.iostream import StreamClosedError
from tornado.web import Finish, HTTPError

from strata_kernel.domain.manifest import Blob
from strata_kernel.domain.published import (
    BUNDLE,
    BUNDLE_HEADER,
    ENVELOPE,
    ENVELOPE_HEADER,
    JSON,
    VERSION,
    VERSION_HEADER,
    Errand,
    Input,
    Shown,
)
from strata_kernel.errors import StoreError
from strata_kernel.worker.asked import Malformed, Pushed, Request, Spec
from strata_kernel.worker.bodies import BodyHandler, WorkerHandler
from strata_kernel.worker.bundle import pack, pieces
from strata_kernel.worker.runs import Worker, log

#: What a process calls the end of a cell that was over its time, and of one whose input it could not read.
_OVER, _UNREADABLE = "CellTimeout", "InputError"


class _End(msgspec.Struct, frozen=True):
    t: str
    shown: Shown | None = None
    error: tuple[str, str, list[str]] | None = None
    status: int | str | None = None


class ErrandHandler(BodyHandler):
    """Runs a cell that a client of the published protocol asks for, and lets it end when nobody waits for it."""

    patient = True
    #: How `tarfile` is to write the archive.
    mode: ClassVar[str]

    def initialize(self, worker: Worker) -> None:
        """Be ready for a client that goes away."""
        super().initialize(worker)
        self._gone = False

    def on_connection_close(self) -> None:
        """Let the cell end: nobody waits for it any more."""
        self._gone = True

    def body(self) -> bytes:
        """Return what came, once; refuse what is too large."""
        if self.count > self.limit:
            self.refuse()
        body = b"".join(self.chunks)
        self.chunks.clear()
        return body

    async def perform(self, run: str, request: Request, inputs: tuple[Input, ...]) -> None:
        """Run the cell; what is heard of it meanwhile and what it left is passed on."""
        tables = [Input(n, JSON, await self._kept(content)) for n, content in request.tables.items()]
        errand = Errand(
            id=run, source=request.source, terms=request.terms, inputs=(*inputs, *tables), changes=request.changes
        )
        if self.worker.draining:
            raise HTTPError(503, "this worker is being stopped")
        # Closed at once, so that a cell whose caller is gone does not go on.
        async with contextlib.aclosing(self.worker.run(errand)) as lines:
            async for line in lines:
                self.wanted(run)
                if line.startswith((b'{"t":"end"', b'{"t":"died"')):
                    await self._end(msgspec.json.decode(line, type=_End), run)
                else:
                    self.heard(line)

    def wanted(self, run: str) -> None:
        """Raise when nobody wants the cell any more."""
        if run in self.worker.unwanted:
            raise HTTPError(409, "the cell was cancelled")
        if self._gone:
            log.info("client gone", extra={"fields": {"run": run}})
            raise Finish

    def heard(self, line: bytes) -> None:
        """Take what a cell tells while it runs."""

    async def answer(self, bundle: Path) -> None:
        """Pass the archive on of what a cell left."""
        raise NotImplementedError

    async def _kept(self, content: bytes) -> Blob:
        try:
            return await asyncio.to_thread(self.worker.store.put, [content])
        except StoreError as error:
            raise HTTPError(503, "%s", error) from error

    async def _end(self, end: _End, run: str) -> None:
        shown = end.shown
        if end.t == "died":
            raise HTTPError(504 if end.status == "timeout" else 500, "%s", _how(end.status))
        if shown is None:
            raise HTTPError(500, "%s", ": ".join((end.error or ("the cell did not run", ""))[:2]))
        if shown.error is not None and shown.error[0] == _OVER:
            raise HTTPError(504, "%s", f"the cell was ended: {shown.error[1]}")
        if shown.error is not None and shown.error[0] == _UNREADABLE:
            raise HTTPError(400, "%s", shown.error[1])
        guest = self.worker.running[run]
        assert guest is not None
        bundle = Path(guest.folder, "bundle")
        await asyncio.to_thread(pack, bundle, shown, self.worker.store, self.mode)
        await self.answer(bundle)

    def told(self, text: str) -> dict[str, Any]:
        """Tell it under the names by which clients look for the text."""
        return {"success": False, "error": text, "detail": text}


class PushHandler(ErrandHandler):
    """`/v1/execute`: the inputs come with the request, and what the cell left is its answer."""

    mode = "w:gz"

    async def post(self) -> None:
        """Run it."""
        try:
            request = Pushed(self.request.headers.get("Content-Type", ""), self.body())
        except Malformed as error:
            raise HTTPError(400, "%s", error) from error
        with self.worker.asked(request.build) as run:
            inputs = tuple([await self._input(request, spec) for spec in request.inputs])
            request.forget()
            await self.perform(run, request, inputs)

    async def answer(self, bundle: Path) -> None:
        """Send it."""
        self.set_header("Content-Type", "application/gzip")
        self.set_header("Content-Length", str(bundle.stat().st_size))
        self.set_header(VERSION_HEADER, VERSION)
        self.set_header(ENVELOPE_HEADER, ENVELOPE)
        self.set_header(BUNDLE_HEADER, BUNDLE)
        with contextlib.suppress(StreamClosedError):
            for piece in pieces(bundle):
                self.write(piece)
                await self.flush()

    async def _input(self, request: Pushed, spec: Spec) -> Input:
        injected = tuple([await self._input(request, each) for each in spec.injected])
        return Input(spec.name, spec.kind, await self._kept(request.content(spec)), injected)


class CancelHandler(WorkerHandler):
    """`/v1/executions/BUILD/cancel`: end a cell by what its client calls it."""

    def post(self, build: str) -> None:
        """End it where it is under way; that there is none is no failure."""
        run = self.worker.builds.get(build)
        if run is not None:
            self.worker.unwanted.add(run)
        self.finish({"build_id": build, "cancelled": run is not None})


def _how(status: int | str | None) -> str:
    if status == "timeout":
        return "the cell was ended: it was over its time"
    return f"the process of the cell ended before it did ({status})"
