"""Collection: what was used least recently goes, and never what a pin, a lease or a manifest still needs.

It is safe at any time, next to any number of kernels. A mapped blob stays readable after its file is gone; a blob or a
manifest that is missing later is a miss. So the rules below only keep collections from costing more than they must.
"""

from __future__ import annotations

import os
import time
from collections import Counter

import msgspec

from strata_kernel.domain.manifest import Blob
from strata_kernel.errors import StoreError
from strata_kernel.store.layout import PINS, SEALS, TMP
from strata_kernel.store.lease import live
from strata_kernel.store.local import LocalStore
from strata_kernel.store.record import blobs_of
from strata_kernel.store.tree import Tree, discard
from strata_kernel.store.upkeep import Filed, filed, hashes, prune

#: What was written so many seconds ago may still be waiting for its manifest.
GRACE = 3600.0


class Collected(msgspec.Struct, frozen=True):
    """What a collection removed and left; bytes are those of blobs and manifest files."""

    manifests: int = 0
    blobs: int = 0
    temporary: int = 0
    freed: int = 0
    kept_manifests: int = 0
    kept_bytes: int = 0


def collect(store: LocalStore, max_bytes: int, now: float | None = None) -> Collected:
    """Remove least recently used manifests until those left need at most `max_bytes`, then blobs that none names.

    `max_bytes` counts each blob that is named once, and the manifest files. Kept whatever their size: pinned
    manifests; manifests used within the last hour while some kernel holds a lease; blobs younger than an hour; and
    blobs that no manifest named yet, written since a live lease began (a day at most).
    """
    now = time.time() if now is None else now
    tree = store.tree
    tree.check()
    leases = live(tree, now)
    files = sorted(filed(tree, store.trust), key=lambda file: (file.mtime, file.path))
    if unread := next((file for file in files if not file.readable), None):
        # What it names is unknown, so no blob could be called unnamed.
        raise StoreError(f"nothing collected: {unread.path} is {unread.text}")
    kept, gone = _choose(tree, files, max_bytes, max(min(leases), now - GRACE) if leases else None)
    removed: list[Filed] = []
    for file in gone:
        (removed if _remove(file) else kept).append(file)
    named = {blob.hash for file in kept for blob in _blobs(file)}
    orphaned = {blob.hash for file in removed for blob in _blobs(file)}
    blobs, freed = _sweep(tree, named, orphaned, min([*leases, now]), now - GRACE)
    temporary = sum(1 for entry in tree.scan(TMP) if _remove_older(entry.path, now - GRACE) is not None)
    _tidy(tree)
    return Collected(
        manifests=len(removed),
        blobs=blobs,
        temporary=temporary,
        freed=freed + sum(file.size for file in removed),
        kept_manifests=len(kept),
        kept_bytes=_need(kept),
    )


def _choose(
    tree: Tree, files: list[Filed], max_bytes: int, held_since: float | None
) -> tuple[list[Filed], list[Filed]]:
    """Split the files, which come least recently used first, into those that stay and those that go."""
    pinned = {entry.name for entry in tree.scan(PINS)}
    count = Counter(blob.hash for file in files for blob in _blobs(file))
    total = _need(files)
    kept: list[Filed] = []
    gone: list[Filed] = []
    for file in files:
        held = held_since is not None and file.mtime >= held_since
        if total <= max_bytes or held or file.pin in pinned:
            kept.append(file)
            continue
        gone.append(file)
        total -= file.size
        for blob in _blobs(file):
            count[blob.hash] -= 1
            total -= blob.size if not count[blob.hash] else 0
    return kept, gone


def _sweep(tree: Tree, named: set[str], orphaned: set[str], held_since: float, old: float) -> tuple[int, int]:
    """Remove blobs that nothing holds; return how many and their bytes."""
    blobs = freed = 0
    for digest, entry in hashes(tree):
        if digest in named:
            continue
        # What a manifest named until now was published long ago: no lease is waiting to name it.
        size = _remove_older(entry.path, old if digest in orphaned else min(old, held_since))
        if size is not None:
            blobs, freed = blobs + 1, freed + size
    return blobs, freed


def _tidy(tree: Tree) -> None:
    """Remove seals of blobs that are gone, and the directories of programs that have no manifest left."""
    present = {digest for digest, _ in hashes(tree)}
    for entry in tree.scan(SEALS):
        if entry.name not in present:
            discard(entry.path)
    prune(tree)


def _remove(file: Filed) -> bool:
    """Remove the manifest unless it was used or replaced since it was listed."""
    try:
        if os.stat(file.path).st_mtime == file.mtime:
            os.unlink(file.path)
            return True
    except FileNotFoundError:
        return True
    except OSError:
        pass
    return False


def _remove_older(path: str, before: float) -> int | None:
    """Remove the file if it was last written before that time, and return its size."""
    try:
        status = os.stat(path)
        if status.st_mtime < before:
            os.unlink(path)
            return status.st_size
    except OSError:
        pass
    return None


def _blobs(file: Filed) -> set[Blob]:
    return set(blobs_of(file.manifest)) if file.manifest is not None else set()


def _need(files: list[Filed]) -> int:
    """Return the bytes of the files and of the blobs that they name, each once."""
    return sum(file.size for file in files) + sum({b.hash: b.size for file in files for b in _blobs(file)}.values())
