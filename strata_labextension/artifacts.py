"""Says of a kept run what it left, from its manifest alone: no value is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator

from strata_kernel.domain.cell import Reason
from strata_kernel.domain.manifest import Blob, FileOutput, Manifest, Unit
from strata_kernel.store import LocalStore
from strata_kernel.store.tiered import TieredStore
from strata_labextension.answers import Artifact, Place

Store = LocalStore | TieredStore

#: How the names of files begin among the artifacts, as they do among the versions of a state.
FILE = "file:"
_SHAPE = re.compile(r"\((\d+(?:, ?\d+)*),?\)")


def artifacts(manifest: Manifest, store: Store) -> Iterator[Artifact]:
    """Yield every name and file that a run left, without those that the process keeps for itself."""
    for unit in manifest.units:
        for name in unit.names:
            if ":" not in name:
                yield _named(unit, name, store)
    for file in manifest.files:
        if file.digest is not None:
            yield _file(file, store)


def _named(unit: Unit, name: str, store: Store) -> Artifact:
    summary = unit.summary.get(name, "")
    kept = unit.artifact
    stored = [_place(b, store) for b in _blobs(unit)]
    if kept is not None and kept.inline is not None:
        stored.append(Place(where="manifest", size=len(kept.inline)))
    shape = _SHAPE.search(summary)
    alone = len(unit.names) == 1
    return Artifact(
        name=name,
        shared_with=[n for n in unit.names if n != name],
        kind=unit.kind,
        type=summary.partition(" ")[0],
        shape=[int(n) for n in shape[1].split(",")] if shape else None,
        size=(sum(p.size for p in stored) or unit.size or None) if alone else None,
        version=unit.version,
        summary=summary,
        codec=kept.codec if kept else None,
        stored=stored,
        reason=unit.reason,
    )


def _file(file: FileOutput, store: Store) -> Artifact:
    large = Reason("large", "larger than the limit for files, so it is not kept")
    return Artifact(
        name=FILE + file.path,
        shared_with=[],
        kind="file",
        type=file.path.rpartition(".")[2] if "." in file.path.rpartition("/")[2] else "",
        shape=None,
        size=file.blob.size if file.blob else file.size or None,
        version=file.digest or "",
        summary=file.path,
        codec=None,
        stored=[_place(file.blob, store)] if file.blob else [],
        reason=large if file.blob is None and file.size else None,
    )


def _blobs(unit: Unit) -> list[Blob]:
    if unit.artifact is None:
        return []
    return [b for b in (unit.artifact.stream, *unit.artifact.buffers) if b is not None]


def _place(blob: Blob, store: Store) -> Place:
    where = "local" if store.local.has(blob) else "remote" if store.has(blob) else "missing"
    return Place(where=where, size=blob.size, hash=blob.hash)
