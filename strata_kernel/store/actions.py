"""The action cache on a local disk: one signed file per (program, key)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec

from strata_kernel.domain.manifest import Blob, Manifest
from strata_kernel.errors import ClearedError, StoreError
from strata_kernel.store.layout import SUFFIX, manifest_path, program_path
from strata_kernel.store.record import blobs_of, pack, unpack
from strata_kernel.store.tree import Tree, refused
from strata_kernel.store.trust import Trust

#: The last use of a manifest is written at most once in so many seconds.
TOUCH = 3600.0
#: A directory that changed within so many nanoseconds before it was listed may change again without a new time stamp.
SETTLED = 2_000_000_000


class _Listing(msgspec.Struct, frozen=True):
    mtime: int
    settled: bool
    manifests: list[Manifest]


class LocalActions:
    """The action half of a local store; what it parsed stays in memory until the file changes."""

    def __init__(self, tree: Tree, trust: Trust, stored: Callable[[Blob], bool]) -> None:
        self._tree, self._trust, self._stored = tree, trust, stored
        self._listings: dict[str, _Listing] = {}
        self._parsed: dict[str, tuple[tuple[int, int, int], Manifest | None]] = {}
        self._used: dict[tuple[str, str], float] = {}

    def entries(self, program: str) -> list[Manifest]:
        """Return the manifests of a program that this user signed, newest first; whatever is wrong is left out."""
        try:
            relative = program_path(program)
            mtime = os.stat(self._tree.path(relative)).st_mtime_ns
            listing = self._listings.get(program)
            if listing is None or listing.mtime != mtime or not listing.settled:
                settled = time.time_ns() - mtime > SETTLED
                listing = _Listing(mtime, settled, self._scan(program, relative))
                self._listings[program] = listing
        except (OSError, StoreError):
            self._listings.pop(program, None)
            return []
        return list(listing.manifests)

    def publish(self, manifest: Manifest) -> None:
        """Write the manifest, replacing one of the same key; raise StoreError when a blob it names is missing."""
        relative = manifest_path(manifest.program, manifest.key)
        for blob in blobs_of(manifest):
            if not self._stored(blob):
                raise ClearedError(f"not published: blob {blob.hash[:12]}… is not in {self._tree.root}")
        self._tree.write(relative, pack(manifest, self._trust))
        self._forget(manifest)

    def discard(self, manifest: Manifest) -> None:
        """Remove the manifest, if it is there; raise StoreError when it cannot be removed."""
        path = self._tree.path(manifest_path(manifest.program, manifest.key))
        self._forget(manifest)
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise refused("remove", path, error) from error

    def used(self, manifest: Manifest) -> None:
        """Note that the manifest served; never raise."""
        name = (manifest.program, manifest.key)
        now = time.monotonic()
        if now - self._used.get(name, -TOUCH) < TOUCH:
            return
        self._used[name] = now
        # A read-only store has no last use to keep.
        with suppress(OSError, StoreError):
            os.utime(self._tree.path(manifest_path(*name)))

    def _forget(self, manifest: Manifest) -> None:
        self._listings.pop(manifest.program, None)
        self._parsed.pop(self._tree.path(manifest_path(manifest.program, manifest.key)), None)
        self._used.pop((manifest.program, manifest.key), None)

    def _scan(self, program: str, relative: str) -> list[Manifest]:
        found: list[Manifest] = []
        for entry in self._tree.scan(relative):
            if entry.name.endswith(SUFFIX):
                manifest = self._parse(entry)
                # A signed file under another name would be an answer to another question.
                if manifest is not None and (manifest.program, manifest.key) == (program, entry.name[: -len(SUFFIX)]):
                    found.append(manifest)
        found.sort(key=lambda manifest: (manifest.created, manifest.key), reverse=True)
        return found

    def _parse(self, entry: os.DirEntry[str]) -> Manifest | None:
        try:
            status = entry.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            known = self._parsed.get(entry.path)
            if known is not None and known[0] == seen:
                return known[1]
            with open(entry.path, "rb") as file:
                raw = file.read()
        except OSError:
            return None
        try:
            manifest = unpack(raw, self._trust)
        except StoreError:
            manifest = None
        self._parsed[entry.path] = (seen, manifest)
        return manifest
