"""Interrupts while a cell runs elsewhere: they end the wait for it, never the event loop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def cancelling(task: asyncio.Task[Any]) -> Iterator[None]:
    """Cancel the task for every SIGINT that comes inside the block."""
    loop = task.get_loop()

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(task.cancel)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
