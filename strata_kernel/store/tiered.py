"""A local store with a shared one behind it: read through, written through, and no worse than local when it is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Literal

from strata_kernel.domain.manifest import Blob, Manifest
from strata_kernel.errors import StoreError
from strata_kernel.store.lease import Lease
from strata_kernel.store.local import LocalStore
from strata_kernel.store.record import blobs_of
from strata_kernel.store.remote import RemoteDown, RemoteStore

#: What the remote store holds for a program is asked again after so many seconds.
LISTED = 60.0
#: After a failure the remote store is left alone for so many seconds, so that being offline costs one time-out.
PAUSE = 60.0


class TieredStore:
    """Local first. The remote store gets the blobs of a manifest when it is published, and never fails the caller:
    its troubles go to `report`, once for reading and once for writing, until it works again.
    """

    def __init__(self, local: LocalStore, remote: RemoteStore, report: Callable[[str], None] | None = None) -> None:
        self._local, self.remote = local, remote
        self.report = report or _log
        self._paused: dict[str, float] = {}
        self._reported: set[str] = set()
        self._listed: dict[str, tuple[float, list[Manifest]]] = {}
        self._adopted: set[tuple[str, str]] = set()

    @property
    def local(self) -> LocalStore:
        """The part of the store that lies on this machine."""
        return self._local

    def check(self) -> None:
        """Raise StoreError when either part cannot be read."""
        self._local.check()
        self.remote.check()

    def put(self, chunks: Iterable[bytes | memoryview]) -> Blob:
        """Store the concatenated chunks here; they travel when a manifest that names them is published."""
        return self._local.put(chunks)

    def get(self, blob: Blob) -> memoryview:
        """Return the bytes, writable and private, fetched if need be; raise StoreError."""
        try:
            return self._local.get(blob)
        except StoreError as absent:
            if not self._open("read"):
                raise absent
        try:
            return self._fetch(blob)
        except RemoteDown as error:
            self._fail("read", error)
            raise

    def has(self, blob: Blob) -> bool:
        """Tell whether the blob is here, or there."""
        return self._local.has(blob) or (self._open("read") and self.remote.has(blob))

    def entries(self, program: str) -> list[Manifest]:
        """Return the manifests of both, newest first; of two with one key the newer."""
        newest: dict[str, Manifest] = {}
        for manifest in [*self._local.entries(program), *self._remote_entries(program)]:
            if manifest.key not in newest or manifest.created > newest[manifest.key].created:
                newest[manifest.key] = manifest
        return sorted(newest.values(), key=lambda manifest: (manifest.created, manifest.key), reverse=True)

    def publish(self, manifest: Manifest) -> None:
        """Write the manifest here, then its blobs and itself there; raise StoreError only for what fails here."""
        for blob in blobs_of(manifest):
            if not self._local.has(blob):
                self.get(blob)
        self._local.publish(manifest)
        if not self._open("write"):
            return
        try:
            for blob in set(blobs_of(manifest)):
                if not self.remote.has(blob):
                    self.remote.upload(blob, self._local.get(blob))
            self.remote.publish(manifest)
            self._mend("write")
        except StoreError as error:
            self._fail("write", error)

    def discard(self, manifest: Manifest) -> None:
        """Remove the manifest from both; raise StoreError only for what fails here."""
        self._listed.pop(manifest.program, None)
        self._local.discard(manifest)
        if self._open("write"):
            try:
                self.remote.discard(manifest)
            except StoreError as error:
                self._fail("write", error)

    def used(self, manifest: Manifest) -> None:
        """Note that the manifest served, and keep a copy here once its blobs are here; never raise."""
        self._local.used(manifest)
        name = (manifest.program, manifest.key)
        if name in self._adopted or not all(map(self._local.has, blobs_of(manifest))):
            return
        self._adopted.add(name)
        if all(found.key != manifest.key for found in self._local.entries(manifest.program)):
            # It served all the same; the local store tells of its own troubles when a run is saved.
            with suppress(StoreError):
                self._local.publish(manifest)

    def lease(self) -> Lease:
        """Hold what this process writes here; never raise."""
        return self._local.lease()

    def _fetch(self, blob: Blob) -> memoryview:
        try:
            stored = self._local.put(self.remote.stream(blob))
        except RemoteDown:
            raise
        except StoreError:
            # A full or read-only disk here is no reason to go without; one that is absent there raises again.
            content = self.remote.get(blob)
        else:
            if stored != blob:
                self.remote.drop(blob)
                raise StoreError(f"blob {blob.hash[:12]}… at {self.remote.url} is corrupt: removed")
            content = self._local.get(blob)
        self._mend("read")
        return content

    def _remote_entries(self, program: str) -> list[Manifest]:
        now = time.monotonic()
        since, listed = self._listed.get(program, (-LISTED, []))
        if now - since >= LISTED and self._open("read"):
            try:
                listed = self.remote.entries(program)
                self._listed[program] = (now, listed)
                self._mend("read")
            except StoreError as error:
                self._fail("read", error)
        return listed

    def _open(self, way: Literal["read", "write"]) -> bool:
        return time.monotonic() >= self._paused.get(way, 0.0)

    def _mend(self, way: Literal["read", "write"]) -> None:
        self._reported.discard(way)

    def _fail(self, way: Literal["read", "write"], error: StoreError) -> None:
        self._paused[way] = time.monotonic() + PAUSE
        if way not in self._reported:
            self._reported.add(way)
            self.report(f"remote store: {error}")


def _log(text: str) -> None:
    import logging

    logging.getLogger("strata.store").warning(text)
