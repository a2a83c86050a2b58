"""The standard streams of the kernel, flushed only when something was written to them."""

from __future__ import annotations

import sys

from ipykernel.iostream import OutStream


def lighten() -> None:
    """Let the kernel's streams return at once from a flush after which nothing was written.

    To flush a stream of ipykernel costs a round trip through another thread, and each request flushes both twice.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, OutStream):
            _lighten(stream)


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


def flush() -> None:
    """Wait until everything that was written so far has been sent."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
