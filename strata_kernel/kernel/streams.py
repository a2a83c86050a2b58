"""The standard streams of the kernel, flushed only when something was written to them."""

from __future__ import annotations

import sys

from ipykernel.iostream import OutStream


class Streams:
    """Counts what is written: to flush a stream of ipykernel costs a round trip through another thread."""

    def __init__(self) -> None:
        self._writes = 0
        self._flushed = 0
        self._counted: list[OutStream] = []
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, OutStream):
                self._count(stream)

    def _count(self, stream: OutStream) -> None:
        write = stream.write

        def counting(text: str) -> int | None:
            length: int | None = write(text)
            self._writes += 1
            return length

        stream.write = counting
        self._counted.append(stream)

    def flush(self) -> None:
        """Wait until everything that was written so far has been sent."""
        writes = self._writes
        streams = [stream for stream in (sys.stdout, sys.stderr) if stream is not None]
        # What the user's code put in their place is flushed as ever.
        if writes == self._flushed and all(stream in self._counted for stream in streams):
            return
        for stream in streams:
            stream.flush()
        self._flushed = writes
