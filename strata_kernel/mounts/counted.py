"""Counts the bytes that clients of object stores say they have moved."""

from __future__ import annotations

from typing import Any

from fsspec.callbacks import Callback

from strata_kernel.mounts.places import Moved


class Bytes(Callback):
    """What one file's transfer calls."""

    def __init__(self, moved: Moved) -> None:
        super().__init__()
        self._moved = moved

    def relative_update(self, inc: int = 1) -> None:
        """Take so many more bytes."""
        self.absolute_update(self.value + inc)

    def absolute_update(self, value: int) -> None:
        """Take so many bytes in all; a client that starts anew counts from zero again."""
        self.value, before = value, self.value
        if value > before:
            self._moved(value - before)


class Files(Callback):
    """What the transfer of several files calls: its own count is of files."""

    def __init__(self, moved: Moved) -> None:
        super().__init__()
        self._moved = moved

    def branched(self, path_1: str, path_2: str, **more: Any) -> Bytes:
        """Return what the transfer of one file calls."""
        return Bytes(self._moved)
