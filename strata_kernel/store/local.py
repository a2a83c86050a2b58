"""The store in a directory of this machine, or of a file server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from strata_kernel.domain.manifest import Blob, Manifest
from strata_kernel.store import upkeep
from strata_kernel.store.actions import LocalActions
from strata_kernel.store.blobs import LocalBlobs
from strata_kernel.store.layout import pin_path
from strata_kernel.store.lease import Lease
from strata_kernel.store.tree import Tree, refused
from strata_kernel.store.trust import Trust


class LocalStore:
    """Both halves of one local store, with what a person does to it: count, list, verify, pin, clear."""

    def __init__(self, path: Path, trust: Trust | None = None) -> None:
        self.path = Path(path).expanduser().absolute()
        self.trust = trust or Trust()
        self.tree = Tree(self.path)
        self.blobs = LocalBlobs(self.tree, self.trust)
        self.actions = LocalActions(self.tree, self.trust, self.blobs.freshen)
        self._lease: Lease | None = None

    @property
    def local(self) -> LocalStore:
        """The part of the store that lies on this machine: all of it."""
        return self

    def check(self) -> None:
        """Raise StoreError when the store exists and cannot be read, or when nothing in it could be verified."""
        self.tree.check()
        self.trust.secret()

    def put(self, chunks: Iterable[bytes | memoryview]) -> Blob:
        """Store the concatenated chunks; raise StoreError."""
        self._beat()
        return self.blobs.put(chunks)

    def get(self, blob: Blob) -> memoryview:
        """Return the bytes, writable and private; raise StoreError when absent, short or corrupt."""
        return self.blobs.get(blob)

    def has(self, blob: Blob) -> bool:
        """Tell whether the blob is there with its full size."""
        return self.blobs.has(blob)

    def entries(self, program: str) -> list[Manifest]:
        """Return the manifests of a program that this user signed, newest first."""
        return self.actions.entries(program)

    def publish(self, manifest: Manifest) -> None:
        """Write a manifest whose blobs are stored, replacing one of the same key; raise StoreError."""
        self._beat()
        self.actions.publish(manifest)

    def discard(self, manifest: Manifest) -> None:
        """Remove the manifest, if it is there; raise StoreError."""
        self.actions.discard(manifest)

    def used(self, manifest: Manifest) -> None:
        """Note that the manifest served, so that it is collected later; never raise."""
        self._beat()
        self.actions.used(manifest)

    def lease(self) -> Lease:
        """Hold what this process writes until it is released or the process ends; never raise."""
        self._lease = Lease(self.tree)
        return self._lease

    def pin(self, manifest: Manifest) -> None:
        """Keep the manifest and its blobs from collections; raise StoreError."""
        self.tree.write(pin_path(manifest.program, manifest.key), b"")

    def unpin(self, manifest: Manifest) -> None:
        """Let the manifest be collected again; raise StoreError."""
        path = self.tree.path(pin_path(manifest.program, manifest.key))
        try:
            Path(path).unlink(missing_ok=True)
        except OSError as error:
            raise refused("remove", path, error) from error

    def pinned(self, manifest: Manifest) -> bool:
        """Tell whether the manifest is kept from collections."""
        return Path(self.tree.path(pin_path(manifest.program, manifest.key))).exists()

    def stats(self) -> upkeep.Stats:
        """Count what is there."""
        return upkeep.stats(self.tree)

    def ls(self) -> Iterator[upkeep.Entry]:
        """Yield every manifest of this user with its bytes and its last use, least recently used first."""
        return upkeep.entries(self.tree, self.trust)

    def verify(self, repair: bool = False) -> list[upkeep.Problem]:
        """Hash and check everything; with `repair`, remove what is wrong."""
        return upkeep.verify(self.tree, self.trust, repair)

    def clear(self) -> int:
        """Remove every manifest, blob and pin, and return the bytes that it freed."""
        return upkeep.clear(self.tree)

    def _beat(self) -> None:
        if self._lease is not None:
            self._lease.beat()
