"""What a Dask worker does for a cell: a worker of ours inside of it, with everything but the HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from strata_kernel.domain.dispatch import Dispatch, blobs_of_run
from strata_kernel.domain.manifest import Blob, Manifest
from strata_kernel.worker.runs import Options, Worker, environment
from strata_kernel.worker.server import check

__all__ = ["environment", "interrupt", "piece", "run"]

#: Bytes that come back with the events of a run: the scheduler keeps the last thousand of these.
SMALL = 1 << 14
#: Bytes of one event above which it is fetched from here, so that no scheduler has to hold it.
EVENT = 1 << 16

_inner: _Inner | None = None
_lock = threading.Lock()


class _End(msgspec.Struct, frozen=True):
    manifest: Manifest | None = None


class _Inner:
    """A worker on an event loop of its own."""

    def __init__(self, folder: Path, concurrency: int) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="strata-worker", daemon=True).start()
        self.worker: Worker = self.wait(self._start(Options(work=folder, concurrency=concurrency)))

    def wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    async def _start(self, options: Options) -> Worker:
        worker = Worker(options)
        await worker.guests.start()
        return worker

    async def run(self, dispatch: Dispatch, emit: Callable[[bytes], None]) -> bytes:
        """Run a cell and return the line that tells its end."""
        last = b""
        async with contextlib.aclosing(self.worker.run(dispatch)) as lines:
            async for line in lines:
                if line.startswith((b'{"t":"end"', b'{"t":"died"')):
                    last = line
                else:
                    emit(line)
        return last


def _worker() -> _Inner:
    global _inner
    with _lock:
        if _inner is None:
            from distributed import get_worker

            here = get_worker()
            _inner = _Inner(Path(here.local_directory) / "strata", here.state.nthreads)
        return _inner


def run(job: bytes, topic: str, hashes: Sequence[str], *contents: Any) -> dict[str, Any]:
    """Run a cell, telling its events under a topic, and return its end and the blobs that it left, where small."""
    from distributed import get_worker

    dispatch = msgspec.json.decode(job, type=Dispatch)
    if dispatch.python != (here := environment()["python"]):
        return {"python": here}
    inner, worker, token = _worker(), get_worker(), secrets.token_hex(8)
    check(dispatch)
    store = inner.worker.store
    for blob, content in zip(dispatch.blobs(), contents, strict=True):
        if not store.has(blob):
            store.put([content])
    count = 0

    def tell(message: dict[str, Any]) -> None:
        worker.log_event(topic, {"run": dispatch.id, "token": token, "worker": worker.address, **message})

    def emit(line: bytes) -> None:
        nonlocal count
        if line.startswith(b'{"t":"beat"'):
            return
        count += 1
        if len(line) <= EVENT:
            tell({"line": line.decode()})
        else:
            blob = store.put([line])
            tell({"line": "", "blob": [blob.hash, blob.size]})

    end = inner.wait(inner.run(dispatch, emit))
    manifest = msgspec.json.decode(end, type=_End).manifest if end.startswith(b'{"t":"end"') else None
    blobs = [] if manifest is None else blobs_of_run(manifest)
    small = len(end) + sum(blob.size for blob in blobs) <= SMALL
    found = {blob.hash: bytes(store.get(blob)) for blob in blobs} if small else {}
    result = {"end": end, "count": count, "blobs": found}
    if small:
        tell(result)
    return {"token": token, "worker": worker.address, **result}


def piece(name: str, size: int, start: int, length: int) -> bytes:
    """Return bytes of a blob that a cell left here; raise StoreError when it has gone."""
    return bytes(_worker().worker.store.get(Blob(name, size))[start : start + length])


def interrupt(run: str) -> None:
    """Interrupt a cell that runs here."""
    if _inner is not None and (guest := _inner.worker.running.get(run)) is not None:
        guest.interrupt()
