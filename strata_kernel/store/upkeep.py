"""What a person asks of a local store: how much is there, what, is it sound, and away with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal

import msgspec
from blake3 import blake3

from strata_kernel.domain.manifest import Blob, Manifest
from strata_kernel.errors import StoreError, TrustError
from strata_kernel.store.blobs import SLICE
from strata_kernel.store.layout import AC, CAS, LEASES, PINS, SEALS, SUFFIX, TMP, blob_path, seal_path
from strata_kernel.store.record import blobs_of, unpack
from strata_kernel.store.tree import Tree, discard
from strata_kernel.store.trust import Trust

Kind = Literal["corrupt", "torn", "unsigned", "dangling", "stray"]


class Stats(msgspec.Struct, frozen=True):
    """Counts, and sizes in bytes."""

    programs: int = 0
    manifests: int = 0
    manifest_bytes: int = 0
    blobs: int = 0
    blob_bytes: int = 0
    pins: int = 0
    leases: int = 0
    temporary_bytes: int = 0


class Entry(msgspec.Struct, frozen=True):
    """One manifest: `size` is the bytes of its file and of its blobs, `used` its last use (seconds since the epoch)."""

    manifest: Manifest
    size: int
    used: float
    pinned: bool


class Problem(msgspec.Struct, frozen=True):
    """Something wrong with a file; `removed` tells whether it is gone now."""

    kind: Kind
    path: str
    text: str
    removed: bool = False


class Filed(msgspec.Struct, frozen=True):
    """A manifest's file: `manifest` is None for one that cannot be read, `genuine` is False for another's signature."""

    path: str
    size: int
    mtime: float
    manifest: Manifest | None
    genuine: bool
    text: str = ""
    readable: bool = True

    @property
    def pin(self) -> str:
        """The name of its pin."""
        directory, name = os.path.split(self.path)
        return f"{os.path.basename(directory)}-{name[: -len(SUFFIX)]}"


def filed(tree: Tree, trust: Trust) -> Iterator[Filed]:
    """Yield every manifest file, whoever signed it."""
    for entry in tree.scan(AC, depth=2):
        if not entry.name.endswith(SUFFIX):
            continue
        try:
            status = entry.stat()
            with open(entry.path, "rb") as file:
                raw = file.read()
        except FileNotFoundError:
            continue
        except OSError as error:
            yield Filed(entry.path, 0, 0.0, None, False, f"unreadable: {error.strerror}", readable=False)
            continue
        manifest, genuine, text = _judge(entry, raw, trust)
        yield Filed(entry.path, status.st_size, status.st_mtime, manifest, genuine, text)


def _judge(entry: os.DirEntry[str], raw: bytes, trust: Trust) -> tuple[Manifest | None, bool, str]:
    try:
        manifest = unpack(raw, trust)
    except TrustError as error:
        try:
            return unpack(raw, None), False, str(error)
        except StoreError as torn:
            return None, False, str(torn)
    except StoreError as error:
        return None, False, str(error)
    program = os.path.basename(os.path.dirname(entry.path))
    if (manifest.program, manifest.key + SUFFIX) != (program, entry.name):
        return manifest, False, "the signed program and key are others than the path says"
    return manifest, True, ""


def hashes(tree: Tree) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield the file of each blob with the name that its path spells."""
    for entry in tree.scan(CAS, depth=1):
        yield os.path.basename(os.path.dirname(entry.path)) + entry.name, entry


def stats(tree: Tree) -> Stats:
    """Count what is there."""
    manifests = [entry for entry in tree.scan(AC, depth=2) if entry.name.endswith(SUFFIX)]
    blobs = [entry for _, entry in hashes(tree)]
    return Stats(
        programs=len({os.path.dirname(entry.path) for entry in manifests}),
        manifests=len(manifests),
        manifest_bytes=sum(map(_size, manifests)),
        blobs=len(blobs),
        blob_bytes=sum(map(_size, blobs)),
        pins=sum(1 for _ in tree.scan(PINS)),
        leases=sum(1 for _ in tree.scan(LEASES)),
        temporary_bytes=sum(map(_size, tree.scan(TMP))),
    )


def entries(tree: Tree, trust: Trust) -> Iterator[Entry]:
    """Yield this user's manifests, least recently used first."""
    pinned = {entry.name for entry in tree.scan(PINS)}
    for file in sorted(filed(tree, trust), key=lambda file: (file.mtime, file.path)):
        if file.manifest is not None and file.genuine:
            size = file.size + sum(blob.size for blob in set(blobs_of(file.manifest)))
            yield Entry(file.manifest, size, file.mtime, file.pin in pinned)


def verify(tree: Tree, trust: Trust, repair: bool) -> list[Problem]:
    """Hash every blob and check every manifest; with `repair`, remove what is wrong."""
    found: list[Problem] = []
    sizes: dict[str, int] = {}
    for digest, entry in hashes(tree):
        try:
            blob_path(digest)
        except StoreError as error:
            found.append(_problem("stray", entry.path, str(error), repair))
            continue
        try:
            right = _hash_file(entry.path) == digest
        except OSError as error:
            if os.path.exists(entry.path):
                found.append(_problem("corrupt", entry.path, f"unreadable: {error.strerror}", repair))
            continue
        if right:
            sizes[digest] = _size(entry)
        else:
            found.append(_problem("corrupt", entry.path, "its bytes are not what its name says", repair))
            if repair:
                discard(tree.path(seal_path(digest)))
    for file in filed(tree, trust):
        if file.manifest is None:
            found.append(_problem("torn", file.path, file.text, repair))
        elif not file.genuine:
            found.append(_problem("unsigned", file.path, file.text, repair))
        elif lost := [blob for blob in blobs_of(file.manifest) if not _there(tree, blob, sizes)]:
            text = f"{len(lost)} of its blobs missing or broken, the first {lost[0].hash[:12]}…"
            found.append(_problem("dangling", file.path, text, repair))
    return found


def clear(tree: Tree) -> int:
    """Remove every manifest, blob and pin; the manifests first, so that none names a blob that is gone."""
    freed = 0
    for relative, depth in ((AC, 2), (PINS, 0), (CAS, 1), (SEALS, 0), (TMP, 0)):
        for entry in tree.scan(relative, depth):
            size = _size(entry)
            freed += size if discard(entry.path) else 0
    prune(tree)
    return freed


def prune(tree: Tree) -> None:
    """Remove the empty directories of programs; a writer makes its own again."""
    try:
        groups = os.listdir(tree.path(AC))
    except OSError:
        return
    for group in groups:
        try:
            for program in os.listdir(tree.path(f"{AC}/{group}")):
                _rmdir(tree.path(f"{AC}/{group}/{program}"))
        except OSError:
            continue
        _rmdir(tree.path(f"{AC}/{group}"))


def _rmdir(path: str) -> None:
    with suppress(OSError):
        os.rmdir(path)


def _there(tree: Tree, blob: Blob, sizes: dict[str, int]) -> bool:
    if blob.hash not in sizes:
        # Published after the blobs were listed: present counts, the next run hashes it.
        try:
            path = tree.path(blob_path(blob.hash))
            return os.stat(path).st_size == blob.size and _hash_file(path) == blob.hash
        except (OSError, StoreError):
            return False
    return sizes[blob.hash] == blob.size


def _hash_file(path: str) -> str:
    hasher = blake3(max_threads=blake3.AUTO)
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(SLICE):
            hasher.update(piece)
    return str(hasher.hexdigest())


def _problem(kind: Kind, path: str, text: str, repair: bool) -> Problem:
    return Problem(kind, path, text, repair and discard(path))


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:
        return 0
