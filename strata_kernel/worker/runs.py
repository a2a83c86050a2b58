"""A worker apart from how it is reached: its values, its processes, and the runs under way."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import shutil
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from strata_kernel.domain.dispatch import PROTOCOL, Dispatch
from strata_kernel.domain.published import VERSION, Errand, Job
from strata_kernel.store import LocalStore
from strata_kernel.worker.guests import Guest, Guests
from strata_kernel.worker.keeping import Keeping

log = logging.getLogger("strata.worker")

#: Seconds between signs of life while a cell says nothing, and that a cell has to end after its own limit.
BEAT, GRACE = 1.0, 20.0
#: The protocols that a worker speaks: the published one, and our own.
PROTOCOLS = (VERSION, PROTOCOL)
#: Ids of runs that are remembered, so that none is begun twice.
REMEMBERED = 10_000


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker runs: sizes in bytes, `timeout` in seconds for cells that say nothing."""

    work: Path
    token: str = ""
    concurrency: int = 1
    max_input_bytes: int = 2 << 30
    memory: int = 0
    store_bytes: int = 20_000_000_000
    timeout: float = 86400.0
    python: str = sys.executable
    #: Hosts on private addresses that a manifest may name; one that begins with a dot, those below it.
    hosts: frozenset[str] = frozenset()
    protocols: tuple[str, ...] = PROTOCOLS


class Worker:
    """One worker: its blobs, its processes, and the runs under way."""

    def __init__(self, options: Options) -> None:
        self.options = options
        options.work.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.store = LocalStore(options.work / "store")
        self.guests = Guests(
            _own(options.work), options.work / "store", options.concurrency + 1, options.memory, options.python
        )
        self.keeping = Keeping(self.store, options.store_bytes)
        self.room = asyncio.Semaphore(options.concurrency)
        self.running: dict[str, Guest | None] = {}
        #: Those that were interrupted before there was room for them, and those that were cancelled.
        self.unwanted: set[str] = set()
        #: By what their clients call them, the runs of the published protocol.
        self.builds: dict[str, str] = {}
        self.known: dict[str, None] = {}
        self.draining = False
        self.started = time.monotonic()

    def remember(self, run: str) -> bool:
        """Note the id of a run; False when it was begun before."""
        if run in self.known:
            return False
        self.known[run] = None
        if len(self.known) > REMEMBERED:
            del self.known[next(iter(self.known))]
        return True

    @contextlib.contextmanager
    def asked(self, build: str) -> Iterator[str]:
        """Give a run its id, by which it can be found while it is under way."""
        run = secrets.token_hex(16)
        if build:
            self.builds[build] = run
        try:
            yield run
        finally:
            self.unwanted.discard(run)
            if self.builds.get(build) == run:
                del self.builds[build]

    async def drain(self, patience: float) -> None:
        """Take no more cells, wait for those that run, and end."""
        self.draining = True
        deadline = time.monotonic() + patience
        while self.running and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        for guest in list(self.running.values()):
            if guest is not None:
                guest.interrupt()
        await self.guests.close()

    async def run(self, dispatch: Dispatch | Errand) -> AsyncGenerator[bytes, None]:
        """Run the cell and yield lines of JSON, the last of which tells the end."""
        job = Job(errand=dispatch) if isinstance(dispatch, Errand) else Job(dispatch)
        self.running[dispatch.id] = None
        guest: Guest | None = None
        begun = time.monotonic()
        status = "died"
        try:
            yield _line({"t": "accepted", "id": dispatch.id})
            waiting = asyncio.ensure_future(self.room.acquire())
            try:
                while not (await asyncio.wait([waiting], timeout=BEAT))[0]:
                    yield _line({"t": "beat", "queued": True})
            except BaseException:
                if not waiting.cancel():
                    self.room.release()
                raise
            try:
                if dispatch.id in self.unwanted:
                    status = "ended"
                    yield _line({"t": "end", "error": ["KeyboardInterrupt", "", []]})
                    return
                guest = self.running[dispatch.id] = await self.guests.take()
                if blobs := dispatch.blobs():
                    await asyncio.to_thread(self.keeping.used, blobs)
                await guest.give(msgspec.json.encode(job))
                limit = dispatch.terms.timeout or self.options.timeout
                async with contextlib.aclosing(self._told(guest, limit)) as told:
                    async for line in told:
                        if line.startswith(b'{"t":"end"'):
                            status = "ended"
                        yield line
            finally:
                self.room.release()
        finally:
            del self.running[dispatch.id]
            self.unwanted.discard(dispatch.id)
            if guest is not None:
                self.guests.done(guest)
            if not self.running and self.keeping.due:
                asyncio.get_running_loop().run_in_executor(None, self.keeping.sometimes)
            seconds = round(time.monotonic() - begun, 3)
            log.info("run", extra={"fields": {"run": dispatch.id, "status": status, "seconds": seconds}})

    async def _told(self, guest: Guest, limit: float) -> AsyncGenerator[bytes, None]:
        deadline = time.monotonic() + limit + GRACE
        events = guest.events()
        reading = asyncio.ensure_future(anext(events, b""))
        try:
            while True:
                done, _ = await asyncio.wait([reading], timeout=BEAT)
                if done:
                    line = reading.result()
                    if not line:
                        await asyncio.wait([guest.ended], timeout=BEAT)
                        status: int | str | None = guest.ended.result() if guest.ended.done() else None
                        # Its own limit ends it, where no interrupt does.
                        over = time.monotonic() > deadline - GRACE
                        yield _line({"t": "died", "status": "timeout" if over else status})
                        return
                    yield line
                    if line.startswith(b'{"t":"end"'):
                        return
                    reading = asyncio.ensure_future(anext(events, b""))
                elif time.monotonic() > deadline:
                    yield _line({"t": "died", "status": "timeout"})
                    return
                else:
                    yield _line({"t": "beat"})
        finally:
            reading.cancel()


def _own(work: Path) -> Path:
    """Return this worker's folder for its guests, once those of workers that were killed are gone."""
    for left in (work / "guests").glob("*"):
        try:
            os.kill(int(left.name), 0)
        except (ProcessLookupError, ValueError):
            shutil.rmtree(left, ignore_errors=True)
        except PermissionError:
            pass
    return work / "guests" / str(os.getpid())


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


_known: tuple[list[tuple[str, int]], dict[str, Any]] = ([], {})


def environment() -> dict[str, Any]:
    """Return Python's minor version and what is installed; read anew once a folder on the path has changed."""
    global _known
    here = [(path, os.stat(path).st_mtime_ns) for path in sys.path if os.path.isdir(path)]
    if not _known[1] or here != _known[0]:
        found = {d.metadata["Name"]: d.version for d in metadata.distributions() if d.metadata["Name"]}
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        _known = here, {"python": version, "distributions": dict(sorted(found.items()))}
    return _known[1]
