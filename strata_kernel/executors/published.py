"""Cells on an executor that speaks the published protocol, `v1`: one request, one answer once the cell has ended."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import IO, Any

import msgspec

from strata_kernel.domain.dispatch import Away, Dispatch
from strata_kernel.domain.published import VERSION, VERSION_HEADER
from strata_kernel.errors import WorkerError
from strata_kernel.executors.caller import AGAIN, CONNECT, Caller
from strata_kernel.executors.far import Ask
from strata_kernel.executors.parcel import WHOLE, Answer, BundleError, Parcel, read, request
from strata_kernel.ports import Show, Store

#: Seconds for cells without a limit, and that an answer may take beyond the cell's own limit.
LONGEST, GRACE = 86400.0, 20.0
#: Bytes of an answer that are held in memory.
_HELD = 64 << 20

#: Runs a dispatch by what it may ask of an executor of this name, and makes the record of the run.
Perform = Callable[[str, Dispatch, Ask, Show, Store], Awaitable[Away]]


class PublishedExecutor:
    """One executor of others."""

    def __init__(self, caller: Caller, perform: Perform) -> None:
        self.caller, self._perform = caller, perform

    async def execute(self, dispatch: Dispatch, show: Show, store: Store) -> Away:
        """Run the cell there; raise WorkerError. Cancelled, it lets go of the connection: there is no other way."""

        async def ask(parcel: Parcel) -> Answer:
            show("state", {"state": "running"})
            return await self._asked(parcel, dispatch.id)

        try:
            return await self._perform(self.caller.name, dispatch, ask, show, store)
        except asyncio.CancelledError:
            text = f"the connection to {self.caller.name} was closed, which may go on with the cell"
            return Away(error=("KeyboardInterrupt", text, []))

    async def _asked(self, parcel: Parcel, run: str) -> Answer:
        """Send a cell and return what came of it."""
        import httpx

        limit = parcel.timeout or LONGEST
        parts = request(parcel, run, limit)
        times = httpx.Timeout(60.0, connect=CONNECT, read=limit + GRACE)
        began = time.perf_counter()
        delays: list[float | None] = [*AGAIN, None]
        # Connections of their own: on one that was kept, nobody knows whether the cell was begun before it broke.
        async with self.caller.connect() as client:
            while True:
                with tempfile.SpooledTemporaryFile(_HELD) as body:
                    try:
                        headers = {VERSION_HEADER: VERSION}
                        asked = client.stream("POST", "/v1/execute", files=parts, headers=headers, timeout=times)
                        async with asked as response:
                            if response.status_code != 200:
                                self._refuse(response.status_code, (await response.aread()).decode("utf-8", "replace"))
                            await self._received(response, body)
                    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                        delay = delays.pop(0)
                        if delay is None:
                            raise self.caller.unreachable(error) from error
                        await asyncio.sleep(delay)
                        continue
                    except httpx.ReadTimeout as error:
                        raise self.caller.died("timeout") from error
                    except httpx.TransportError as error:
                        await self._admitted(client)
                        raise self.caller.died(type(error).__name__) from error
                    body.seek(0)
                    answer = await asyncio.to_thread(self._read, body, parcel.wanted)
                    return answer._replace(seconds=time.perf_counter() - began)

    async def _admitted(self, client: Any) -> None:
        """Raise WorkerError for a token that is refused: who sends much is cut off before the refusal is read."""
        import httpx

        with contextlib.suppress(httpx.TransportError):
            response = await client.post("/v1/execute", content=b"", timeout=CONNECT)
            if response.status_code in (401, 403):
                self._refuse(response.status_code, response.text)

    async def _received(self, response: Any, body: IO[bytes]) -> None:
        spoken = response.headers.get(VERSION_HEADER)
        if spoken not in (None, VERSION):
            raise WorkerError("version", f"worker {self.caller.name} answers in {spoken}, not in {VERSION}")
        size = 0
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > WHOLE:
                raise self._unreadable("it is too large")
            body.write(chunk)

    def _read(self, body: Any, wanted: str) -> Answer:
        try:
            return read(body, wanted)
        except BundleError as error:
            raise self._unreadable(str(error)) from error

    def _unreadable(self, why: str) -> WorkerError:
        return WorkerError("version", f"what came from {self.caller.name} cannot be used: {why}")

    def _refuse(self, status: int, text: str) -> None:
        said = text[:300]
        with contextlib.suppress(msgspec.DecodeError):
            told = msgspec.json.decode(text, type=dict[str, Any])
            said = str(told.get("detail") or told.get("error") or said)
        if status in (500, 502):
            raise WorkerError(
                "died",
                f"worker {self.caller.name} could not run the cell to its end: {said}\n"
                "Nothing of the run was kept. Run the cell again; if this happens each time, it may need more memory.",
            )
        self.caller.check(status, msgspec.json.encode({"error": said}).decode())
