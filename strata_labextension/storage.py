"""Statistics and collections of a store; each function blocks and runs in a thread."""

from __future__ import annotations

import os
from pathlib import Path

from strata_kernel.settings import Settings, load_settings
from strata_kernel.store import open_store
from strata_kernel.store.gc import collect
from strata_kernel.store.local import LocalStore
from strata_labextension.answers import Collection, StoreStatistics


def statistics(folder: Path) -> StoreStatistics:
    """Count what lies in the store of a folder's settings; raise StoreError."""
    settings, store = _store(folder)
    found = store.stats()
    return StoreStatistics(
        path=str(store.path),
        remote=settings.cache.remote,
        size=found.manifest_bytes + found.blob_bytes,
        limit=settings.cache.max_bytes,
        entries=found.manifests,
        programs=found.programs,
        blobs=found.blobs,
        pins=found.pins,
        leases=found.leases,
        temporary_bytes=found.temporary_bytes,
    )


def make_room(folder: Path, max_bytes: int | None) -> Collection:
    """Collect in the store of a folder's settings down to so many bytes; raise StoreError."""
    settings, store = _store(folder)
    if not (store.path / "cas").is_dir():
        # A setting may name any folder; where no store has ever been, nothing is ours to remove.
        return Collection(removed=0, blobs=0, freed=0, kept=0, kept_bytes=0)
    done = collect(store, settings.cache.max_bytes if max_bytes is None else max_bytes)
    return Collection(
        removed=done.manifests, blobs=done.blobs, freed=done.freed, kept=done.kept_manifests, kept_bytes=done.kept_bytes
    )


def _store(folder: Path) -> tuple[Settings, LocalStore]:
    settings, _ = load_settings(folder, os.environ)
    # The shared store behind it is nobody's to count or collect from here.
    return settings, open_store(Path(settings.cache.store)).local
