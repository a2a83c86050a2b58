"""What one run on a cluster tells, in order, whichever worker it is on."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from strata_kernel.ports import Show

#: Seconds for the last events of a run to arrive.
LATE = 2.0


class Events:
    """What one run tells, in order, whichever worker it is on."""

    def __init__(self, show: Show) -> None:
        self.show, self.worker, self.token, self.count = show, "", "", 0
        #: How it ended, where that came before the task's own result.
        self.last: dict[str, Any] | None = None
        self.arrived = asyncio.Event()
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def follow(self) -> None:
        """Show what comes as the cell's own: what is shown belongs to the request in whose task it is."""
        while True:
            self._tell(await self.queue.get())

    def _tell(self, message: dict[str, Any]) -> None:
        """Show one event; a run that begins anew takes back what the lost one had shown."""
        if message["token"] != self.token:
            if self.token:
                self.show("clear_output", {"wait": False})
                text = f"strata: the worker {self.worker} was lost; the cell runs again on {message['worker']}\n"
                self.show("stream", {"name": "stderr", "text": text})
            self.token, self.count = message["token"], 0
        self.worker = message["worker"]
        self.count += 1
        event = json.loads(message["line"])
        if event["t"] == "running":
            self.show("state", {"state": "running"})
        elif event["t"] == "progress":
            self.show("progress", event["moved"])
        elif event["t"] == "show":
            self.show(event["kind"], event["content"])
        self.arrived.set()

    async def all(self, token: str, count: int) -> None:
        """Wait, not for long, until as many were told."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LATE):
                while token != self.token or self.count < count:
                    self.arrived.clear()
                    await self.arrived.wait()

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
