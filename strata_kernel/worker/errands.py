"""`/v1/execute`: cells of clients that speak the published protocol."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from pathlib import Path
from typing import Any

import msgspec
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError

from strata_kernel.domain.published import (
    BUNDLE,
    BUNDLE_HEADER,
    ENVELOPE,
    ENVELOPE_HEADER,
    VERSION,
    VERSION_HEADER,
    Errand,
    Input,
    Shown,
)
from strata_kernel.errors import StoreError
from strata_kernel.worker.asked import Given, Malformed, Request
from strata_kernel.worker.bodies import BodyHandler
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
    """Runs a cell and answers once it has ended."""

    patient = True

    def initialize(self, worker: Worker) -> None:
        """Be ready for a client that goes away."""
        super().initialize(worker)
        self._gone = False

    def on_connection_close(self) -> None:
        """Let the cell end: nobody waits for it any more."""
        self._gone = True

    async def post(self) -> None:
        """Run it."""
        if self.count > self.limit:
            self.refuse()
        try:
            request = Request(self.request.headers.get("Content-Type", ""), b"".join(self.chunks))
        except Malformed as error:
            raise HTTPError(400, "%s", error) from error
        self.chunks.clear()
        try:
            errand = Errand(
                id=secrets.token_hex(16),
                source=request.source,
                terms=request.terms,
                inputs=tuple([await self._kept(each) for each in request.inputs]),
                changes=request.changes,
            )
        except StoreError as error:
            raise HTTPError(503, "%s", error) from error
        del request
        # Closed at once, so that a cell whose caller is gone does not go on.
        async with contextlib.aclosing(self.worker.run(errand)) as lines:
            async for line in lines:
                if self._gone:
                    log.info("client gone", extra={"fields": {"run": errand.id}})
                    return
                if line.startswith((b'{"t":"end"', b'{"t":"died"')):
                    await self._answer(msgspec.json.decode(line, type=_End), errand.id)

    async def _kept(self, given: Given) -> Input:
        content = await asyncio.to_thread(self.worker.store.put, [given.content])
        return Input(given.name, given.kind, content, tuple([await self._kept(each) for each in given.injected]))

    async def _answer(self, end: _End, run: str) -> None:
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
        await asyncio.to_thread(pack, bundle, shown, self.worker.store)
        self.set_header("Content-Type", "application/gzip")
        self.set_header("Content-Length", str(bundle.stat().st_size))
        self.set_header(VERSION_HEADER, VERSION)
        self.set_header(ENVELOPE_HEADER, ENVELOPE)
        self.set_header(BUNDLE_HEADER, BUNDLE)
        with contextlib.suppress(StreamClosedError):
            for piece in pieces(bundle):
                self.write(piece)
                await self.flush()

    def write_error(self, status_code: int, **failure: Any) -> None:
        """Answer in JSON under the names by which clients look for the text."""
        error = failure.get("exc_info", (None, None))[1]
        text = error.get_message() if isinstance(error, HTTPError) else None
        text = text or self._reason
        self.finish(json.dumps({"success": False, "error": text, "detail": text}))


def _how(status: int | str | None) -> str:
    if status == "timeout":
        return "the cell was ended: it was over its time"
    return f"the process of the cell ended before it did ({status})"
