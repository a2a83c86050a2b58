"""What the kernel sends to everyone: streams that are flushed only when written to, messages that go out together."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import Any

from ipykernel.iostream import IOPubThread, OutStream

#: The kernel's own streams: a cell may put others in their place after it has written to them.
_OURS: list[OutStream] = []


def lighten() -> None:
    """Let the kernel's streams return at once from a flush after which nothing was written.

    To flush a stream of ipykernel costs a round trip through another thread, and each request flushes both twice.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, OutStream) and stream not in _OURS:
            _lighten(stream)
            _OURS.append(stream)


def _lighten(stream: OutStream) -> None:
    write, flush = stream.write, stream.flush
    # Whatever was written before is flushed once more.
    written, flushed = 1, 0

    def counting(text: str) -> int | None:
        nonlocal written
        length: int | None = write(text)
        written += 1
        return length

    def flushing() -> None:
        nonlocal flushed
        upto = written
        if upto != flushed:
            flush()
            flushed = upto

    stream.write, stream.flush = counting, flushing


def address(parent: Any) -> None:
    """Let what is written belong to a request, also where a stream was away when that came and was not told."""
    for stream in _OURS:
        stream.set_parent(parent)


def flush() -> None:
    """Wait until everything that was written so far has been sent."""
    for stream in (*_OURS, sys.stdout, sys.stderr):
        with suppress(Exception):  # a cell can put anything in the place of a stream
            stream.flush()


class Together:
    """The IOPub socket, on which what the main thread sends at one moment can go out in one step.

    Each message by itself wakes the thread that sends, which then holds the interpreter while the request waits.
    """

    def __init__(self, thread: IOPubThread) -> None:
        self._thread = thread
        self._held: list[tuple[Any, dict[str, Any]]] | None = None

    def hold(self) -> None:
        """Keep what the main thread sends until `release`, or until it first waits for anything."""
        self._held = []
        with suppress(RuntimeError):  # outside of an event loop nothing waits
            asyncio.get_running_loop().call_soon(self.release)

    def release(self) -> None:
        """Send what was kept, in its order and before all that follows."""
        held, self._held = self._held, None
        if held:
            self._thread.schedule(partial(self._send, held))

    def send_multipart(self, parts: Any, **options: Any) -> None:
        """Send the parts of a message, now or with others."""
        if self._held is None or threading.current_thread() is not threading.main_thread():
            self._thread.send_multipart(parts, **options)
        else:
            self._held.append((parts, options))

    def send(self, part: Any, **options: Any) -> None:
        """Send a message of one part."""
        self.send_multipart([part], **options)

    def _send(self, messages: list[tuple[Any, dict[str, Any]]]) -> None:
        for parts, options in messages:
            self._thread.socket.send_multipart(parts, **options)
