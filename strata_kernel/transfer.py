"""Bytes on their way to and from other machines: how far they have come, told now and then while it lasts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

#: Seconds from which on a transfer is worth a word, and between one word and the next.
SHOWN, PAUSE = 0.5, 0.25

#: Takes what is under way as {label, done, total}, sizes in bytes; {} once nothing is any more.
Tell = Callable[[dict[str, Any]], None]


class Abandoned(Exception):
    """Whoever wanted the bytes has gone."""


class Transfer:
    """So many bytes in all, counted inside of a `with` block in whichever thread they pass."""

    def __init__(self, tell: Tell, label: str, total: int) -> None:
        self._tell, self._label, self._total = tell, label, total
        self._done, self._told, self._stopped = 0, False, False
        self._lock = threading.Lock()

    def __enter__(self) -> Transfer:
        self._due = time.monotonic() + SHOWN
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._stopped = True
            if self._told:
                self._tell({})

    def add(self, size: int) -> None:
        """Count bytes that passed; raise Abandoned once the block was left."""
        with self._lock:
            if self._stopped:
                # Clients of object stores go on in a thread of their own: this is what ends them.
                raise Abandoned
            self._done += size
            now = time.monotonic()
            if now >= self._due:
                self._due, self._told = now + PAUSE, True
                self._tell({"label": self._label, "done": min(self._done, self._total), "total": self._total})
