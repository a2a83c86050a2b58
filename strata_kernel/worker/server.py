"""The worker's HTTP server: who may ask for what, and how a run is told while it goes on."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from typing import Any

import msgspec
from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.web import Application, HTTPError, RequestHandler

from strata_kernel import __version__
from strata_kernel.domain.dispatch import PROTOCOL, Dispatch
from strata_kernel.domain.manifest import Blob
from strata_kernel.domain.published import BUNDLE, CELL, ENVELOPE, VERSION
from strata_kernel.errors import StoreError
from strata_kernel.worker.bodies import CHUNK, BodyHandler, Feed, WorkerHandler
from strata_kernel.worker.errands import CancelHandler, PushHandler
from strata_kernel.worker.pulling import PullHandler
from strata_kernel.worker.runs import Worker, environment, log


class HealthHandler(WorkerHandler):
    """`/health`, open to everyone."""

    open = True

    def get(self) -> None:
        """Say what the worker speaks and how busy it is."""
        worker = self.worker
        self.finish({
            "status": "draining" if worker.draining else "healthy",
            "capabilities": {
                "protocol_versions": list(worker.options.protocols),
                "transform_refs": [CELL],
                "features": {
                    "notebook_protocol_version": ENVELOPE, "output_format": BUNDLE, "languages": ["python"],
                    "pull_model": VERSION in worker.options.protocols, "stream": True, "cancel": True, "blobs": True,
                },
            },
            "version": __version__,
            "uptime_seconds": round(time.monotonic() - worker.started, 3),
            "active_executions": len(worker.running),
            "concurrency": worker.options.concurrency,
            "max_concurrent": worker.options.concurrency,
        })  # fmt: skip


class EnvironmentHandler(WorkerHandler):
    """`/v2/environment`: what is installed."""

    def get(self) -> None:
        """List it."""
        self.finish(environment())


class BlobHandler(BodyHandler):
    """`/v2/blobs/HASH`: one piece of content."""

    def initialize(self, worker: Worker) -> None:
        """Have a place for what comes, also when it never does."""
        super().initialize(worker)
        self._feed: Feed | None = None

    def take(self, chunk: bytes) -> None:
        """Pass it on to the thread that writes."""
        if self.request.method == "PUT":
            self._fed().take(chunk)

    def _fed(self) -> Feed:
        self._feed = self._feed or Feed(self.worker.store)
        return self._feed

    def on_connection_close(self) -> None:
        """Let the thread end when nothing more comes."""
        if self._feed is not None:
            self._feed.stop()

    def on_finish(self) -> None:
        """Let it end when the body was refused, too."""
        self.on_connection_close()

    async def put(self, name: str) -> None:
        """Store it under its own name, whatever it was called."""
        try:
            blob = await self._fed().stored()
        except StoreError as error:
            raise HTTPError(503, str(error)) from error
        if blob.hash != name:
            raise HTTPError(400, "the content is not what its name says")
        self.set_status(204)

    async def get(self, name: str) -> None:
        """Return it."""
        size = self.get_query_argument("size", "")
        if not re.fullmatch(r"[0-9]{1,15}", size):
            raise HTTPError(400, "`size` is missing")
        try:
            view = await asyncio.to_thread(self.worker.store.get, Blob(name, int(size)))
        except StoreError as error:
            raise HTTPError(404, "there is no such blob") from error
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Content-Length", size)
        try:
            for start in range(0, len(view), CHUNK):
                self.write(bytes(view[start : start + CHUNK]))
                await self.flush()
        except StreamClosedError:
            log.info("client gone", extra={"fields": {"blob": name}})


class ExecuteHandler(BodyHandler):
    """`/v2/execute`: run a cell and tell what happens, a line of JSON at a time."""

    async def post(self) -> None:
        """Run it, unless something is missing."""
        try:
            dispatch = msgspec.json.decode(b"".join(self.chunks), type=Dispatch)
            check(dispatch)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise HTTPError(400, str(error)) from error
        missing = [b for b in dispatch.blobs() if not self.worker.store.has(b)]
        if missing:
            self.set_status(409)
            self.finish(msgspec.json.encode({"missing": missing}))
            return
        if not self.worker.remember(dispatch.id):
            raise HTTPError(410, "this run was begun before")
        self.set_header("Content-Type", "application/x-ndjson")
        try:
            # Closed at once, so that a cell whose caller is gone does not go on.
            async with contextlib.aclosing(self.worker.run(dispatch)) as lines:
                async for line in lines:
                    self.write(line)
                    await self.flush()
        except StreamClosedError:
            log.info("client gone", extra={"fields": {"run": dispatch.id}})


class RunHandler(WorkerHandler):
    """`/v2/executions/ID`: a run under way."""

    def delete(self, run: str) -> None:
        """Interrupt it."""
        if run not in self.worker.running:
            raise HTTPError(404, "no such run is under way")
        guest = self.worker.running[run]
        if guest is not None:
            guest.interrupt()
        else:
            self.worker.unwanted.add(run)
        self.set_status(202)


class UnknownHandler(WorkerHandler):
    """Everything else."""

    def prepare(self) -> None:
        """Refuse, whatever the method."""
        super().prepare()
        raise HTTPError(404, "there is no such route")


def check(dispatch: Dispatch) -> None:
    """Raise ValueError for what no kernel sends."""
    if not re.fullmatch(r"[0-9a-f]{32}", dispatch.id):
        raise ValueError("`id` must be 32 hexadecimal digits")
    places = [*dispatch.state.values(), *(p for made in dispatch.producers for p in made.before.values())]
    if any(not 0 <= index < len(dispatch.units) for index, _ in places):
        raise ValueError("a place names no unit")
    if any(not re.fullmatch(r"[0-9a-f]{64}", blob.hash) or blob.size < 0 for blob in dispatch.blobs()):
        raise ValueError("a blob has no proper name")
    if not all(re.fullmatch(r"(\w+/)*\w+(\.[\w-]+)*", path, re.ASCII) for path in dispatch.modules):
        raise ValueError("a module has no proper path")
    if not dispatch.folder.startswith("/"):
        raise ValueError("`folder` must be absolute")
    if any("\0" in k or "=" in k or not k or "\0" in v for k, v in (*dispatch.environ.items(), *dispatch.terms.env)):
        raise ValueError("`environ` has a name or value that no environment can hold")


def serve(worker: Worker) -> HTTPServer:
    """Return the server of a worker, which listens to nothing yet."""
    given = {"worker": worker}
    routes: dict[str, list[Any]] = {
        VERSION: [
            ("/v1/execute", PushHandler, given),
            ("/v1/notebook-execute", PushHandler, given),
            ("/v1/execute-manifest", PullHandler, given),
            ("/execute", PullHandler, given),  # where pools of workers ask
            ("/v1/executions/([^/]+)/cancel", CancelHandler, given),
        ],
        PROTOCOL: [
            ("/v2/environment", EnvironmentHandler, given),
            ("/v2/blobs/([0-9a-f]{64})", BlobHandler, given),
            ("/v2/execute", ExecuteHandler, given),
            ("/v2/executions/([0-9a-f]{32})", RunHandler, given),
        ],
    }
    spoken = [route for each in worker.options.protocols for route in routes[each]]
    application = Application(
        [("/health", HealthHandler, given), *spoken],
        default_handler_class=UnknownHandler,
        default_handler_args=given,
        log_function=_log_request,
    )
    return HTTPServer(application, max_header_size=1 << 16, idle_connection_timeout=600)


def _log_request(handler: RequestHandler) -> None:
    request = handler.request
    fields = {
        "method": request.method,
        "path": request.path,
        "status": handler.get_status(),
        "ms": round(request.request_time() * 1000, 1),
    }
    log.info("request", extra={"fields": fields})
