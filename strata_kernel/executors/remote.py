"""Cells on a worker reached by HTTP: what it lacks goes there, what happens is shown, what was made comes back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from typing import Any

import msgspec

from strata_kernel.domain.cell import Reason
from strata_kernel.domain.dispatch import PROTOCOL, Away, Dispatch, blobs_of_run
from strata_kernel.domain.manifest import Blob, Fact, Manifest
from strata_kernel.domain.published import CELL, VERSION
from strata_kernel.errors import StoreError, WorkerError
from strata_kernel.executors.caller import AGAIN, CONNECT, PATIENCE, Caller
from strata_kernel.executors.published import PublishedExecutor
from strata_kernel.executors.report import Health, Report, normal
from strata_kernel.ports import Show, Store
from strata_kernel.transfer import Tell, Transfer

_CHUNK = 1 << 20


class End(msgspec.Struct, frozen=True):
    """How a run ended: its record, or its error as (name, text, traceback)."""

    manifest: Manifest | None = None
    error: tuple[str, str, list[str]] | None = None
    seconds: float = 0.0


class _Broken(Exception):
    """The connection broke before the worker said that it has taken the cell."""


class HttpExecutor:
    """One worker; its connections are kept between cells."""

    def __init__(self, caller: Caller, reported: Callable[[Report], None], published: PublishedExecutor | None) -> None:
        self.name, self.caller, self.reported, self._published = caller.name, caller, reported, published
        #: What it said of itself; an executor of the published protocol says nothing.
        self.report: Report | None = None
        self.capacity = 1
        self._greeted = False

    async def differences(self, facts: Iterable[Fact]) -> tuple[Reason, ...]:
        """Return which distributions have other versions there; raise WorkerError."""
        await self._greet()
        if self.report is None:
            return ()
        there = {normal(name): version for name, version in self.report.distributions.items()}
        found = []
        for fact in facts:
            if fact.kind == "dist" and (version := there.get(normal(fact.name), "")) != fact.digest:
                text = f"{fact.name} is {version or 'missing'} on {self.name} and {fact.digest or 'missing'} here"
                found.append(Reason("environment", text, name=fact.name))
        return tuple(found)

    async def execute(self, dispatch: Dispatch, show: Show, store: Store) -> Away:
        """Run the cell there; raise WorkerError."""
        await self._greet()
        if self.report is None:
            assert self._published is not None
            return await self._published.execute(dispatch, show, store)
        if self.report.python != dispatch.python:
            raise WorkerError(
                "version",
                f"worker {self.name} runs Python {self.report.python}, this kernel {dispatch.python}: values do not "
                "travel between the two\nStart `strata worker` with the Python of this notebook's environment.",
            )
        events: asyncio.Queue[dict[str, Any] | BaseException] = asyncio.Queue()
        reader = asyncio.ensure_future(self._read(dispatch, store, events))
        interrupted = taken = ended = False
        try:
            while True:
                try:
                    event = await asyncio.wait_for(events.get(), PATIENCE if interrupted else None)
                except TimeoutError:
                    return Away(error=("KeyboardInterrupt", f"{self.name} was told to end the cell", []))
                except asyncio.CancelledError:
                    if interrupted or not taken:
                        raise
                    interrupted = True
                    await self._interrupt(dispatch.id)
                    continue
                if isinstance(event, BaseException):
                    raise event
                match event["t"]:
                    case "show":
                        show(event["kind"], event["content"])
                    case "accepted":
                        taken = True
                    case "running":
                        show("state", {"state": "running"})
                    case "progress":
                        show("progress", event["moved"])
                    case "end":
                        ended = True
                        return await self._arrived(msgspec.convert(event, End), store, partial(show, "progress"))
                    case "died":
                        ended = True
                        raise self.caller.died(event.get("status"))
        finally:
            # One that is cancelled as it closes would keep its connection for ever, and there are only so many.
            if not ended:
                reader.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await reader

    async def health(self) -> Health:
        """Return how the worker is now; raise WorkerError."""
        await self.caller.asked("/health")
        began = time.perf_counter()
        said = await self.caller.asked("/health")
        latency = 1000 * (time.perf_counter() - began)
        spoken = tuple(said.get("capabilities", {}).get("protocol_versions", ()))
        report = msgspec.convert(await self.caller.asked("/v2/environment"), Report) if PROTOCOL in spoken else Report()
        return Health(
            state="draining" if said.get("status") == "draining" else "ok",
            latency=round(latency, 1),
            active=said.get("active_executions"),
            capacity=said.get("concurrency", said.get("max_concurrent")),
            python=report.python,
            version=str(said.get("version", "")),
            protocols=spoken,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self.caller.close()

    async def _greet(self) -> None:
        """Ask once what it speaks and what is installed there."""
        if self._greeted:
            return
        health = await self.caller.asked("/health")
        can = health.get("capabilities", {})
        spoken = can.get("protocol_versions", [])
        self.capacity = max(1, int(health.get("concurrency") or health.get("max_concurrent") or 1))
        if PROTOCOL in spoken:
            self.report = msgspec.convert(await self.caller.asked("/v2/environment"), Report)
            self.reported(self.report)
        elif VERSION not in spoken or CELL not in can.get("transform_refs", [CELL]):
            text = f"worker {self.name} speaks neither {PROTOCOL} nor {VERSION} for cells, but {', '.join(spoken)}"
            raise WorkerError("version", text)
        self._greeted = True

    async def _interrupt(self, run: str) -> None:
        with contextlib.suppress(Exception):  # whatever it says, the wait for its end is bounded
            await self.caller.connection().delete(f"/v2/executions/{run}", timeout=CONNECT)

    # Reading

    async def _read(self, dispatch: Dispatch, store: Store, events: asyncio.Queue[Any]) -> None:
        def tell(moved: dict[str, Any]) -> None:
            events.put_nowait({"t": "progress", "moved": moved})

        try:
            body = msgspec.json.encode(dispatch)
            for attempt in range(2):
                with contextlib.suppress(_Broken):
                    async for event in self._run(body, store, tell):
                        events.put_nowait(event)
                    return
                if attempt:
                    raise self.caller.died(None)
        except Exception as error:  # told to whoever waits for the events
            events.put_nowait(error)

    async def _run(self, body: bytes, store: Store, tell: Tell) -> AsyncIterator[dict[str, Any]]:
        """Yield what the worker tells; nothing was observed while it has not taken the cell."""
        import httpx

        taken = ended = False
        delays: list[float | None] = [*AGAIN, None]
        while True:
            try:
                async with self.caller.connection().stream("POST", "/v2/execute", content=body) as response:
                    if response.status_code == 409:
                        missing = msgspec.json.decode(await response.aread())["missing"]
                        await self._send(msgspec.convert(missing, list[Blob]), store, tell)
                        continue
                    if response.status_code == 410:
                        raise self.caller.died(None)
                    if response.status_code != 200:
                        self.caller.check(response.status_code, (await response.aread()).decode("utf-8", "replace"))
                    async for line in response.aiter_lines():
                        event = json.loads(line)
                        taken = taken or event["t"] == "accepted"
                        yield event
                        ended = event["t"] in ("end", "died")
                if ended:
                    return
                raise self.caller.died(None)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                delay = delays.pop(0)
                if delay is None:
                    raise self.caller.unreachable(error) from error
                await asyncio.sleep(delay)
            except httpx.TransportError as error:
                self._greeted = False
                if ended:
                    return
                if taken:
                    raise self.caller.died(type(error).__name__) from error
                raise _Broken from error

    async def _send(self, blobs: list[Blob], store: Store, tell: Tell) -> None:
        with Transfer(tell, "sending", sum(blob.size for blob in blobs)) as transfer:
            for blob in blobs:
                view = await asyncio.to_thread(store.get, blob)
                headers = {"Content-Length": str(blob.size)}
                content = _pieces(view, transfer)
                response = await self.caller.connection().put(
                    f"/v2/blobs/{blob.hash}", content=content, headers=headers, timeout=120.0
                )
                self.caller.check(response.status_code, response.text)

    async def _arrived(self, end: End, store: Store, tell: Tell) -> Away:
        """Bring what the run left into the store."""
        if end.manifest is None:
            return Away(error=end.error, seconds=end.seconds)
        lacking = [blob for blob in blobs_of_run(end.manifest) if not store.has(blob)]
        with Transfer(tell, "receiving", sum(blob.size for blob in lacking)) as transfer:
            for blob in lacking:
                await self._fetch(blob, store, transfer)
        return Away(manifest=end.manifest, seconds=end.seconds)

    async def _fetch(self, blob: Blob, store: Store, transfer: Transfer) -> None:
        import httpx

        chunks: list[bytes | memoryview] = []
        try:
            async with self.caller.connection().stream("GET", f"/v2/blobs/{blob.hash}?size={blob.size}") as response:
                if response.status_code != 200:
                    self.caller.check(response.status_code, (await response.aread()).decode("utf-8", "replace"))
                async for chunk in response.aiter_bytes(_CHUNK):
                    chunks.append(chunk)
                    transfer.add(len(chunk))
        except httpx.TransportError as error:
            raise self.caller.died(type(error).__name__) from error
        try:
            stored = await asyncio.to_thread(store.put, chunks)
        except StoreError as error:
            raise WorkerError("store", f"what {self.name} made cannot be kept here: {error}") from error
        if stored != blob:
            raise WorkerError("died", f"what came from {self.name} is not what it said it would be")


def _pieces(view: memoryview, transfer: Transfer) -> Any:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in _slices(view):
            yield piece
            transfer.add(len(piece))

    return pieces()


def _slices(view: memoryview) -> Iterator[bytes]:
    for start in range(0, len(view), _CHUNK):
        yield bytes(view[start : start + _CHUNK])
