"""Interrupts: held back while the engine works, raised in the user's code and at the points in between."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from signal import default_int_handler
from types import FrameType

#: How IPython names the error of an interrupted cell: the second when it was awaiting.
NAMES = ("KeyboardInterrupt", "CancelledError")


class Interrupts:
    """The handler of SIGINT in the main thread while a request is served."""

    def __init__(self) -> None:
        self.pending = False
        self._held = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt, or note it while it is held; a second one is always raised."""
        if self._held and not self.pending:
            self.pending = True
            return
        default_int_handler(number, frame)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Note interrupts instead of raising them: what is written here must not be left half done."""
        before, self._held = self._held, True
        try:
            yield
        finally:
            self._held = before
            if not before:
                # What came too late for the request that it meant must not hit the next one.
                self.pending = False

    @contextmanager
    def released(self) -> Iterator[None]:
        """Let interrupts through at once, one that was noted before too."""
        self.check()
        before, self._held = self._held, False
        # Not ours, whose frame would show in the traceback.
        signal.signal(signal.SIGINT, default_int_handler)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, self.handle)
            self._held = before

    def check(self) -> None:
        """Raise KeyboardInterrupt when one was noted."""
        if self.pending:
            self.pending = False
            raise KeyboardInterrupt
