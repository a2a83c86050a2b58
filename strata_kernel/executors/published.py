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
from strata_kernel.executors.parcel import WHOLE, Answer, BundleError, Parcel, build, read, request
from strata_kernel.ports import Show, Store

#: Seconds for cells without a limit, and that an answer may take beyond the cell's own limit.
LONGEST, GRACE = 86400.0, 20.0
#: Seconds in which an executor must begin with a cell, between two questions after it, and that one wait may take.
BEGIN, POLL, LONG = 600.0, 1.0, 60.0
#: Questions in a row that may find nobody, while a cell is under way.
MISSED = 8
#: Bytes of an answer that are held in memory.
_HELD = 64 << 20

_SPEAKS = {VERSION_HEADER: VERSION}
#: The states of a job that has not begun.
_WAITING = ("queued", "provisioning", "starting")

#: Runs a dispatch by what it may ask of an executor of this name, and makes the record of the run.
Perform = Callable[[str, Dispatch, Ask, Show, Store], Awaitable[Away]]


class PublishedExecutor:
    """One executor of others."""

    def __init__(self, caller: Caller, perform: Perform) -> None:
        self.caller, self._perform = caller, perform

    async def execute(self, dispatch: Dispatch, show: Show, store: Store) -> Away:
        """Run the cell there; raise WorkerError. Cancelled, it lets go of the connection, and says so where it can."""

        async def ask(parcel: Parcel) -> Answer:
            return await self._asked(parcel, dispatch.id, show)

        try:
            return await self._perform(self.caller.name, dispatch, ask, show, store)
        except asyncio.CancelledError:
            text = f"{self.caller.name} was told to end the cell"
            if not await self._cancel(dispatch.id):
                text = f"the connection to {self.caller.name} was closed, which may go on with the cell"
            return Away(error=("KeyboardInterrupt", text, []))

    async def _asked(self, parcel: Parcel, run: str, show: Show) -> Answer:
        """Send a cell and return what came of it."""
        limit = parcel.timeout or LONGEST
        began = time.perf_counter()
        # Connections of their own: on one that was kept, nobody knows whether the cell was begun before it broke.
        async with self.caller.connect() as client:
            with tempfile.SpooledTemporaryFile(_HELD) as body:
                try:
                    await self._answered(client, request(parcel, run, limit), limit, body, show)
                except WorkerError as error:
                    if error.code == "timeout":
                        await self._cancel(run)
                    raise
                body.seek(0)
                answer = await asyncio.to_thread(self._read, body, parcel.wanted)
        return answer._replace(seconds=time.perf_counter() - began)

    async def _answered(self, client: Any, parts: Any, limit: float, body: IO[bytes], show: Show) -> None:
        """Receive the archive that answers; an executor that is full, or that begins later, is waited for."""
        import httpx

        times = httpx.Timeout(60.0, connect=CONNECT, read=limit + GRACE)
        delays: list[float | None] = [*AGAIN, None]
        full = time.monotonic() + BEGIN
        while True:
            show("state", {"state": "running"})
            try:
                asked = client.stream("POST", "/v1/execute", files=parts, headers=_SPEAKS, timeout=times)
                async with asked as response:
                    if response.status_code == 200:
                        await self._received(response, body)
                        return
                    text = (await response.aread()).decode("utf-8", "replace")
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                delay = delays.pop(0)
                if delay is None:
                    raise self.caller.unreachable(error) from error
            except httpx.ReadTimeout as error:
                raise self.caller.died("timeout") from error
            except httpx.TransportError as error:
                await self._admitted(client)
                raise self.caller.died(type(error).__name__) from error
            else:
                if response.status_code == 202:
                    await self._followed(client, text, limit, body, show)
                    return
                after = response.headers.get("Retry-After", "")
                if response.status_code != 503 or not after.isdecimal() or time.monotonic() > full:
                    self._refuse(response.status_code, text)
                show("state", {"state": "dispatching"})  # it refuses before it has begun anything
                delay = min(max(int(after), 0.1), LONG)
            await asyncio.sleep(delay)

    async def _followed(self, client: Any, text: str, limit: float, body: IO[bytes], show: Show) -> None:
        """Ask for a job until it has ended: its time counts from when it says that the cell runs."""
        import httpx

        place, job, url = httpx.URL(self.caller.place.url), self._told(text).get("job_url"), None
        with contextlib.suppress(httpx.InvalidURL):
            url = place.join(job) if isinstance(job, str) else None
        if url is None or (url.scheme, url.netloc) != (place.scheme, place.netloc):
            raise self._unreadable(f"its job is not where the executor is: {str(job)[:80]}")
        state, missed, deadline = "", 0, time.monotonic() + BEGIN
        while True:
            try:
                async with client.stream("GET", url, headers=_SPEAKS, timeout=60.0) as response:
                    if response.status_code == 200 and "json" not in response.headers.get("Content-Type", ""):
                        await self._received(response, body)
                        return
                    text = (await response.aread()).decode("utf-8", "replace")
                    if response.status_code != 200:
                        self._refuse(response.status_code, text)
                missed = 0
            except httpx.TransportError as error:
                missed += 1
                if missed > MISSED:
                    raise self.caller.died(type(error).__name__) from error
                await asyncio.sleep(POLL)
                continue
            told = self._told(text)
            before, state = state, str(told.get("state"))
            if state == "failed":
                status = told.get("status_code")
                self._refuse(status if isinstance(status, int) and status >= 400 else 500, text)
            if state not in _WAITING and state != "running":
                raise self._unreadable(f"its job is {state[:80]!r}")
            if state == "running" and before != state:
                deadline = time.monotonic() + limit + GRACE
            show("state", {"state": "running" if state == "running" else "dispatching"})
            if time.monotonic() > deadline:
                raise self.caller.died("timeout") if state == "running" else self._never(state)
            await asyncio.sleep(POLL)

    def _told(self, text: str) -> dict[str, Any]:
        try:
            return msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise self._unreadable(str(error)) from error

    def _never(self, state: str) -> WorkerError:
        text = f"worker {self.caller.name} did not begin with the cell in {BEGIN:.0f} s: it is still {state}"
        return WorkerError("timeout", f"{text}\nSee what keeps it, and run the cell again.")

    async def _cancel(self, run: str) -> bool:
        """Say that nobody waits for a cell any more, and return whether it is ended; older executors cannot hear it."""
        import httpx

        with contextlib.suppress(httpx.HTTPError, ValueError):
            async with self.caller.connect() as client:
                response = await client.post(f"/v1/executions/{build(run)}/cancel", timeout=CONNECT)
                told = response.json() if response.status_code == 200 else None
                return isinstance(told, dict) and told.get("cancelled") is True
        return False

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
        size = body.seek(0)
        body.truncate()  # what came before the connection broke
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
