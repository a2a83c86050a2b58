"""What the routes of a worker share: the token, errors as JSON, and bodies that are counted as they come."""

from __future__ import annotations

import asyncio
import hmac
import json
import queue
from collections.abc import Iterator
from typing import Any

from tornado.web import HTTPError, RequestHandler, stream_request_body

from strata_kernel.domain.manifest import Blob
from strata_kernel.store import LocalStore
from strata_kernel.worker.runs import Worker

CHUNK = 1 << 20


class WorkerHandler(RequestHandler):
    """What all routes share: the token, errors as JSON, and no page."""

    open = False

    def initialize(self, worker: Worker) -> None:
        """Take the worker."""
        self.worker = worker

    def prepare(self) -> None:
        """Refuse who has not the token."""
        token = self.worker.options.token
        if self.open or not token:
            return
        given = self.request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), f"Bearer {token}".encode()):
            raise HTTPError(401)

    def set_default_headers(self) -> None:
        """Say nothing of the server."""
        self.clear_header("Server")
        self.set_header("Content-Type", "application/json")

    def write_error(self, status_code: int, **failure: Any) -> None:
        """Answer in JSON; a bug of ours is told in the log alone."""
        error = failure.get("exc_info", (None, None))[1]
        text = error.get_message() if isinstance(error, HTTPError) else None
        self.finish(json.dumps(self.told(text or self._reason)))

    def told(self, text: str) -> dict[str, Any]:
        """Return the answer that tells what went wrong."""
        return {"error": text}


@stream_request_body
class BodyHandler(WorkerHandler):
    """A route whose body is counted as it comes."""

    #: Whether a body that is not much too large is let in and thrown away: most clients hear nothing while they send.
    patient = False

    def prepare(self) -> None:
        """Refuse what may not be asked: at once, or when the little that comes with it has come.

        A connection that is closed with bytes unread can cost the client the answer.
        """
        self.limit = self.worker.options.max_input_bytes
        self.request.connection.set_max_body_size((2 if self.patient else 1) * self.limit + CHUNK)
        self.count, self.chunks = 0, list[bytes]()
        said = self.request.headers.get("Content-Length", "0")
        self.length = int(said) if said.isdecimal() else 0
        self.refusal: HTTPError | None = None
        try:
            self.admit()
        except HTTPError as refusal:
            if not 0 < self.length <= CHUNK:
                raise
            self.refusal = refusal

    def admit(self) -> None:
        """Refuse who has not the token, a body that says it is too large, and everyone while the worker ends."""
        super().prepare()
        if self.length > self.limit and not self.patient:
            self.refuse()
        if self.worker.draining:
            raise HTTPError(503, "this worker is being stopped")

    def refuse(self) -> None:
        """Raise the refusal of a body that is too large."""
        raise HTTPError(413, f"more than {self.limit} bytes")

    def data_received(self, chunk: bytes) -> None:
        """Take one more piece."""
        self.count += len(chunk)
        if self.refusal is not None:
            if self.count >= self.length:
                self.send_error(self.refusal.status_code, exc_info=(HTTPError, self.refusal, None))
        elif self.count <= self.limit:
            self.take(chunk)
        elif self.patient:
            self.chunks.clear()
        else:
            self.refuse()

    def take(self, chunk: bytes) -> None:
        """Keep it."""
        self.chunks.append(chunk)

    def write_error(self, status_code: int, **failure: Any) -> None:
        """Answer in JSON, and let nobody ask again here: with its body unread, the connection is at its end."""
        self.set_header("Connection", "close")
        super().write_error(status_code, **failure)


class Feed:
    """Content that comes piece by piece, while a thread stores it."""

    def __init__(self, store: LocalStore) -> None:
        self._pieces: queue.SimpleQueue[bytes | ConnectionError | None] = queue.SimpleQueue()
        self._stored = asyncio.get_running_loop().run_in_executor(None, store.put, self._content())

    def take(self, piece: bytes) -> None:
        """Pass a piece on to the thread."""
        self._pieces.put(piece)

    async def stored(self) -> Blob:
        """Return what is stored now that all of it has come; raise StoreError."""
        self._pieces.put(None)
        return await self._stored

    def stop(self) -> None:
        """Let the thread end when nothing more comes; what is half there is not stored."""
        self._pieces.put(ConnectionError("the rest of it never came"))
        self._stored.add_done_callback(lambda stored: stored.cancelled() or stored.exception())

    def _content(self) -> Iterator[bytes]:
        while (piece := self._pieces.get()) is not None:
            if isinstance(piece, ConnectionError):
                raise piece
            yield piece
