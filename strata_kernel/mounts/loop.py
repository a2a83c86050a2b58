"""The event loop on which the clients of object stores work, apart from whatever loop the user's code has."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


class Loop:
    """One thread, begun when it is first needed; `settle` is called at the start of each thread that works here."""

    def __init__(self, settle: Callable[[], None]) -> None:
        self._settle = settle
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def running(self) -> asyncio.AbstractEventLoop:
        """Return the loop."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._loop.set_default_executor(ThreadPoolExecutor(4, "strata-mounts", initializer=self._settle))
                threading.Thread(target=self._run, args=(self._loop,), name="strata-mounts", daemon=True).start()
            return self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        self._settle()
        asyncio.set_event_loop(loop)
        loop.run_forever()
