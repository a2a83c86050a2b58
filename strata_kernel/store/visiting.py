"""A store for one run in another place than the notebook's: its blobs, and the records that came with the cell."""

from __future__ import annotations

from collections.abc import Iterable

from strata_kernel.domain.manifest import Blob, Manifest
from strata_kernel.ports import Blobs


class VisitingStore:
    """The blobs of a store, with no records but those of earlier runs that are given."""

    def __init__(self, blobs: Blobs, twins: Iterable[Manifest]) -> None:
        self._blobs, self._twins = blobs, list(twins)

    def put(self, chunks: Iterable[bytes | memoryview]) -> Blob:
        """Store the chunks."""
        return self._blobs.put(chunks)

    def get(self, blob: Blob) -> memoryview:
        """Return the bytes."""
        return self._blobs.get(blob)

    def has(self, blob: Blob) -> bool:
        """Tell whether the blob is there."""
        return self._blobs.has(blob)

    def entries(self, program: str) -> list[Manifest]:
        """Return the earlier runs that are known where the cell comes from."""
        return [m for m in self._twins if m.program == program]

    def publish(self, manifest: Manifest) -> None:
        """Leave the record to whoever sent the cell."""

    def discard(self, manifest: Manifest) -> None:
        """Leave it there too."""

    def used(self, manifest: Manifest) -> None:
        """Note nothing."""
