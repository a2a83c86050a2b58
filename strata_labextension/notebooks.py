"""What can be asked of a notebook on disk; each function blocks, runs in a thread and runs no cell."""

from __future__ import annotations

from pathlib import Path

import msgspec

from strata_kernel import Runner
from strata_kernel.domain.manifest import Blob, Manifest
from strata_kernel.domain.report import Standing
from strata_kernel.domain.variants import groups
from strata_kernel.errors import InvocationError, StoreError
from strata_kernel.protocol import Node
from strata_kernel.runner.comparison import compare
from strata_kernel.runner.inspection import Inspection, Kept
from strata_kernel.store.record import blobs_of
from strata_labextension import pages
from strata_labextension.answers import (
    Artifact,
    CellDetails,
    CellStanding,
    Cleared,
    Comparison,
    Group,
    NotebookStanding,
    Pinned,
    Preview,
)
from strata_labextension.artifacts import FILE, Store, artifacts
from strata_labextension.refusal import Refusal


class Request(msgspec.Struct, frozen=True):
    """A notebook as the client names it, its file, and a cell of it."""

    path: str
    file: Path
    cell: str | None = None


def standing(request: Request) -> NotebookStanding:
    """Return the state of every cell, with reasons."""
    seen = _inspect(request)
    pairs = zip(seen.status(), seen.graph().cells, strict=True)
    return NotebookStanding(path=request.path, cells=[_standing(seen, found, node) for found, node in pairs])


def details(request: Request) -> CellDetails:
    """Return why a cell stands as it does, its inputs, and what its newest kept run left."""
    seen = _inspect(request)
    found = _one(seen, request)
    kept = _newest(seen, found.cell_id)
    return CellDetails(
        path=request.path,
        cell=_standing(seen, found, seen.node(found.cell_id)),
        text=found.text,
        inputs=seen.inputs(found.cell_id),
        current=kept is not None and kept.current,
        key=kept.manifest.key if kept else None,
        artifacts=list(artifacts(kept.manifest, seen.parts.store)) if kept else [],
    )


def preview(request: Request, name: str, offset: int, limit: int) -> Preview:
    """Return an artifact of a cell's newest kept run, and of a table these rows."""
    seen = _inspect(request)
    store = seen.parts.store
    kept = _newest(seen, _one(seen, request).cell_id)
    if kept is None:
        raise Refusal(404, "nothing_kept", f"no run of cell {request.cell!r} is kept")
    found = next((a for a in artifacts(kept.manifest, store) if a.name == name), None)
    if found is None:
        raise Refusal(404, "artifact_unknown", f"cell {request.cell!r} left nothing named {name!r}")
    shown = Preview(artifact=found, current=kept.current)
    kind = found.codec or found.type.lower()
    content = _open(kept.manifest, found, store) if found.kind == "file" or kind in pages.TABLES else None
    if content is None:
        return shown
    if kind in pages.TABLES:
        return msgspec.structs.replace(shown, table=pages.table(kind, content, offset, limit))
    image = pages.picture(name, content)
    return msgspec.structs.replace(shown, image=image, text=None if image else pages.text(content))


def comparison(request: Request) -> Comparison:
    """Return the variants of every group side by side, without loading a value; raise StoreError."""
    seen = _inspect(request, sweep=True)
    for found in seen.status():
        # A store that cannot be read is not one without runs.
        _newest(seen, found.cell_id)
    named = groups(seen.notebook.cells)
    return Comparison(
        path=request.path, groups=[Group(group=name, variants=compare(seen, name, load=False)) for name in named]
    )


def clear(request: Request) -> Cleared:
    """Remove every kept run of a cell's code, or of all cells'; raise StoreError."""
    seen = _inspect(request)
    store = seen.parts.store
    chosen = {k.manifest.key: k.manifest for cell in _cells(seen, request) for k in seen.kept(cell)}
    for manifest in chosen.values():
        store.local.unpin(manifest)
        store.discard(manifest)
    # A shared store that cannot be written keeps its own.
    left = {m.key for manifest in chosen.values() for m in store.entries(manifest.program)} & chosen.keys()
    return Cleared(removed=len(chosen) - len(left), left=len(left))


def pin(request: Request) -> Pinned:
    """Keep what stands for a cell now, or for all cells, from collections; raise StoreError."""
    seen = _inspect(request)
    done = []
    for cell in _cells(seen, request):
        kept = _newest(seen, cell)
        if kept is not None and kept.current:
            _bring(kept.manifest, seen.parts.store)
            seen.parts.store.local.pin(kept.manifest)
            done.append(cell)
        elif request.cell is not None:
            raise Refusal(409, "nothing_kept", f"nothing that is kept stands for cell {cell!r} now")
    return Pinned(cells=done)


def unpin(request: Request) -> Pinned:
    """Let every kept run of a cell's code, or of all cells', be collected again; raise StoreError."""
    seen = _inspect(request)
    local = seen.parts.store.local
    done = []
    for cell in _cells(seen, request):
        held = [kept.manifest for kept in seen.kept(cell) if local.pinned(kept.manifest)]
        for manifest in held:
            local.unpin(manifest)
        done += [cell] if held else []
    return Pinned(cells=done)


def _inspect(request: Request, *, sweep: bool = False) -> Inspection:
    try:
        return Runner(sweep=sweep).inspect(request.file)
    except InvocationError as error:
        # The client knows the notebook by another path than the file system.
        text = str(error).replace(str(request.file), request.path)
        raise Refusal(400, "notebook_invalid", text) from error


def _one(seen: Inspection, request: Request) -> Standing:
    assert request.cell is not None
    try:
        return seen.why(request.cell)
    except InvocationError as error:
        raise Refusal(404, "cell_unknown", f"{request.path}: there is no code cell {request.cell!r}") from error


def _cells(seen: Inspection, request: Request) -> list[str]:
    if request.cell is not None:
        return [_one(seen, request).cell_id]
    return [found.cell_id for found in seen.status()]


def _newest(seen: Inspection, cell: str) -> Kept | None:
    return next(seen.kept(cell), None)


def _standing(seen: Inspection, found: Standing, node: Node) -> CellStanding:
    kept = _newest(seen, found.cell_id)
    current = kept.manifest if kept is not None and kept.current else None
    return CellStanding(
        id=found.cell_id,
        label=found.cell_name,
        state=found.state,
        reasons=found.reasons,
        reads=node.reads,
        writes=node.writes,
        upstream=node.upstream,
        pinned=current is not None and seen.parts.store.local.pinned(current),
        seconds=current.seconds if current else None,
    )


def _bring(manifest: Manifest, store: Store) -> None:
    """Copy what only the shared store holds, which a pin here would not keep."""
    if all(found.key != manifest.key for found in store.local.entries(manifest.program)):
        for blob in blobs_of(manifest):
            store.get(blob).release()
        store.local.publish(manifest)


def _open(manifest: Manifest, found: Artifact, store: Store) -> memoryview | None:
    """Return the bytes of a file, or of a value whose form is values alone; None when they are not kept."""
    try:
        if found.kind == "file":
            blob = next(f.blob for f in manifest.files if FILE + f.path == found.name)
            return store.get(blob) if blob is not None else None
        kept = next(u.artifact for u in manifest.units if found.name in u.names)
        assert kept is not None
        return _stream(kept.stream, store) if kept.inline is None else memoryview(kept.inline)
    except StoreError as error:
        raise Refusal(410, "gone", f"{found.name} is not in the store any more: {error}") from error


def _stream(blob: Blob | None, store: Store) -> memoryview | None:
    return store.get(blob) if blob is not None else None
