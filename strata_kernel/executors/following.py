"""What one run on a cluster tells, in order, whichever worker it is on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from strata_kernel.domain.manifest import Blob
from strata_kernel.ports import Show

#: Seconds without a word after which no more events of a run that has ended are waited for.
LATE = 2.0
#: Fetches what a run left on a worker; raises Lost.
Fetch = Callable[[Blob, str], Awaitable[bytes]]


class Lost(Exception):
    """What the cell needs, or what it left, was lost with a worker."""


class Events:
    """What one run tells, in order, whichever worker it is on."""

    def __init__(self, show: Show, fetch: Fetch) -> None:
        self.show, self._fetch = show, fetch
        self.worker, self.token, self.count = "", "", 0
        #: Whether one that is large was lost, and whether one is on its way.
        self._gaps = self._fetching = False
        #: How it ended, where that came before the task's own result.
        self.last: dict[str, Any] | None = None
        self.arrived = asyncio.Event()
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def follow(self) -> None:
        """Show what comes as the cell's own: what is shown belongs to the request in whose task it is."""
        while True:
            message = await self.queue.get()
            if message["token"] != self.token:
                self._begin(message)
            self._fetching = True
            try:
                self._tell(message["line"] or await self._fetch(Blob(*message["blob"]), self.worker))
            except Lost:
                self._gaps = True
            self._fetching = False
            self.count += 1
            self.arrived.set()

    def _begin(self, message: dict[str, Any]) -> None:
        """Take back what a run had shown that was lost, where there was one."""
        if self.token:
            self.show("clear_output", {"wait": False})
            text = f"strata: the worker {self.worker} was lost; the cell runs again on {message['worker']}\n"
            self.show("stream", {"name": "stderr", "text": text})
        self.token, self.worker, self.count, self._gaps = message["token"], message["worker"], 0, False

    def _tell(self, line: str | bytes) -> None:
        event = json.loads(line)
        if event["t"] == "running":
            self.show("state", {"state": "running"})
        elif event["t"] == "progress":
            self.show("progress", event["moved"])
        elif event["t"] == "show":
            self.show(event["kind"], event["content"])

    async def all(self, token: str, count: int) -> None:
        """Wait, not for long, until as many were told; raise Lost when one of them was."""
        while token != self.token or self.count < count:
            self.arrived.clear()
            try:
                await asyncio.wait_for(self.arrived.wait(), LATE)
            except TimeoutError:
                if not self._fetching:
                    break
        if self._gaps:
            raise Lost

    def take(self, message: dict[str, Any]) -> None:
        """Take what has come: an event, or how the run ended, where that is small."""
        if self.last is not None and self.last["token"] != message["token"]:
            self.last = None
        if "end" in message:
            self.last = message
        else:
            self.queue.put_nowait(message)

    async def result(self, task: Any) -> dict[str, Any]:
        """Return what the task returns, without asking for it where that was told already."""
        from distributed import wait

        with task.client.as_current():
            waiting = wait(task)
        await waiting
        if task.status == "finished" and self.last is not None:
            return self.last
        found: dict[str, Any] = await task.result()
        return found
