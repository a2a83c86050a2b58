"""The cells that frontends say they are going to run: those on workers may begin ahead of their turns."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strata_kernel.kernel.bridge import Bridge


class Queue:
    """What each frontend has said last, less what has run since. Every method may be called in any thread."""

    def __init__(self, bridge: Bridge) -> None:
        self._lock = threading.Lock()
        self._bridge = bridge
        self._said: dict[str, tuple[set[str], bool]] = {}
        wave = bridge.pipeline.wave
        wave.waiting = self.waiting
        wave.anew = lambda cell_id: cell_id in bridge.refresh or self.forces(cell_id)
        wave.tell = self._tell

    def _tell(self, cell_id: str, state: str) -> None:
        if state:
            self._bridge.frontends.status(cell_id, state, ())
        else:
            self._bridge.frontends.changed()

    def put(self, frontend: str, cells: Iterable[str], *, force: bool = False) -> None:
        """Take the cells that a frontend is going to run, instead of those that it named before."""
        with self._lock:
            if found := set(cells):
                self._said[frontend] = found, force
            elif self._said.pop(frontend, None) is None:
                return
        bridge = self._bridge
        bridge.kernel.io_loop.asyncio_loop.call_soon_threadsafe(bridge.pipeline.wave.look)

    def take(self, cell_id: str) -> None:
        """Let a cell have its turn."""
        with self._lock:
            for cells, _ in self._said.values():
                cells.discard(cell_id)

    def drop(self) -> None:
        """Expect no more: one has failed."""
        with self._lock:
            self._said.clear()

    def waiting(self) -> frozenset[str]:
        """Return the cells that wait for their turns."""
        with self._lock:
            return frozenset().union(*(cells for cells, _ in self._said.values()))

    def forces(self, cell_id: str) -> bool:
        """Tell whether a cell that waits is to run anew."""
        with self._lock:
            return any(force and cell_id in cells for cells, force in self._said.values())
