"""Takes the workers, mounts and connections of a settings file that changes while the kernel runs."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from strata_kernel.errors import WorkerError
from strata_kernel.kernel.observe import active
from strata_kernel.settings import files, unreadable

if TYPE_CHECKING:
    from strata_kernel.kernel.bridge import Bridge
    from strata_kernel.ports import Executor

#: A file that was changed so many seconds ago may be changed once more without its stamp telling.
YOUNG = 2.0

Stamp = tuple[tuple[str, int, int, int], ...]


class Redeclaring:
    """Looks at the settings files between cells, in the main thread; what else stands in them waits for a restart."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._user = files(None)[0]
        self._stamp = self._seen()
        self._told: str | None = None
        #: Executors that no cell is sent to any more.
        self._gone: list[Executor] = []

    def soon(self) -> None:
        """Look as soon as the main thread has nothing to do; may be called in any thread."""
        self._bridge.kernel.io_loop.asyncio_loop.call_soon_threadsafe(self._look_between)

    def _look_between(self) -> None:
        # A cell that is under way has looked; the next one will.
        if not self._bridge.engaged and not self._bridge.host.running:
            self._look()

    async def look(self) -> None:
        """Take what is declared anew, before a cell runs."""
        self._look()
        while self._gone:
            with contextlib.suppress(OSError, WorkerError):
                await self._gone.pop().close()

    def _look(self) -> None:
        if self._bridge.pipeline.wave.flying:
            return  # they began by what was declared then
        with active.exempt():
            seen = self._seen()
            if seen is not None and seen == self._stamp:
                return
            self._stamp = seen
            bridge, parts = self._bridge, self._bridge.parts
            settings, diagnostics = parts.load()
            trouble = unreadable(diagnostics)
            if trouble is not None and trouble != self._told:
                bridge.warnings.append(f"strata: {trouble}; workers, mounts and connections stay as they were")
            self._told = trouble
            if trouble is not None or (gone := parts.take(settings)) is None:
                return
            self._gone += gone
            # Some drivers change the process when they load: before the next cell is watched.
            parts.databases.load()
            bridge.redeclared()

    def _seen(self) -> Stamp | None:
        """Return what tells the files from others, None while that is not certain."""
        found = []
        for path in files(self._bridge.start, self._user):
            try:
                stat = os.stat(path)
            except OSError:
                continue
            if abs(time.time() - stat.st_mtime) < YOUNG:
                return None
            found.append((str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return tuple(found)
