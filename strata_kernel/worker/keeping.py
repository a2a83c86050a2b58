"""What a worker keeps of the values that came and went: those used last, within a bound."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable

from strata_kernel.domain.manifest import Blob
from strata_kernel.store import LocalStore
from strata_kernel.store.layout import CAS, TMP, blob_path

#: Seconds for which what was used stays, whatever the bound: a cell may be about to read it, or its kernel to fetch it.
FRESH = 3600.0
#: Seconds between two looks at how much there is.
EVERY = 60.0


class Keeping:
    """Bounds a worker's store to `limit` bytes. It holds no records, so what is missing later is sent again."""

    def __init__(self, store: LocalStore, limit: int) -> None:
        self._store, self._limit = store, limit
        self._looked = time.monotonic()

    def used(self, blobs: Iterable[Blob]) -> None:
        """Note that a cell needs these."""
        for blob in blobs:
            with contextlib.suppress(OSError):
                os.utime(os.path.join(self._store.path, blob_path(blob.hash)))

    @property
    def due(self) -> bool:
        """Whether there was no look for long."""
        return time.monotonic() - self._looked >= EVERY

    def sometimes(self) -> int:
        """Collect, if that was not just done; return the bytes that went."""
        if not self.due:
            return 0
        self._looked = time.monotonic()
        return self.collect()

    def collect(self, now: float | None = None) -> int:
        """Take away what was used the longest ago while there is more than the limit; return the bytes that went."""
        now = time.time() if now is None else now
        found = []
        for folder in (CAS, TMP):
            for here, _, names in os.walk(os.path.join(self._store.path, folder)):
                for name in names:
                    with contextlib.suppress(OSError):
                        stat = os.stat(os.path.join(here, name))
                        found.append((stat.st_mtime, stat.st_size, os.path.join(here, name)))
        total, gone = sum(size for _, size, _ in found), 0
        for used, size, path in sorted(found):
            if total - gone <= self._limit or now - used < FRESH:
                break
            with contextlib.suppress(OSError):
                os.unlink(path)
                gone += size
        return gone
