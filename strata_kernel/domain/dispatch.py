"""What travels when a cell runs on a worker: the cell, the state that it can reach, and what comes back."""

from __future__ import annotations

from typing import Any

import msgspec

from strata_kernel.domain.cell import Cell
from strata_kernel.domain.manifest import Blob, Manifest, Unit
from strata_kernel.domain.state import Slot, State
from strata_kernel.domain.terms import Terms

PROTOCOL = "v2"

#: By name of the state: which unit of the dispatch stands there, and the cell that wrote it.
Places = dict[str, tuple[int, str]]


class Producer(msgspec.Struct, frozen=True):
    """A cell above that must run on the worker as well, for what it does to the process."""

    cell: Cell
    before: Places
    manifest: Manifest


class Dispatch(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one cell.

    `folder` is where its relative paths start here, `environ` what its kernel starts with, `modules` the user's own
    files that imports may look for, by relative path. `python`, `session` and `identity` (the worker's) are parts of
    its program; `twins` are earlier runs of it.
    """

    id: str
    cell: Cell
    terms: Terms
    state: Places = {}
    units: tuple[Unit, ...] = ()
    producers: tuple[Producer, ...] = ()
    twins: tuple[Manifest, ...] = ()
    folder: str = ""
    environ: dict[str, str] = {}
    modules: dict[str, bytes] = {}
    python: str = ""
    session: str = ""
    identity: str = ""
    defaults: Terms = Terms()
    protocol: str = PROTOCOL

    def blobs(self) -> list[Blob]:
        """Return every blob that the run may read, each once."""
        found = {blob.hash: blob for unit in self.units for blob in blobs_of(unit)}
        return list(found.values())


class Away(msgspec.Struct, frozen=True):
    """How a run on a worker ended: its record, or the error as (name, text, traceback); `seconds` of the run."""

    manifest: Manifest | None = None
    error: tuple[str, str, list[str]] | None = None
    outputs: list[dict[str, Any]] = []
    seconds: float = 0.0


class Packer:
    """Collects slots of states, with each unit once."""

    def __init__(self) -> None:
        self.units: list[Unit] = []
        self._known: dict[tuple[str, tuple[str, ...]], int] = {}

    def pack(self, slots: State) -> Places:
        """Return the places of these slots."""
        places = {}
        for name, slot in slots.items():
            unit = slot.unit
            at = (unit.version, unit.names)
            if at not in self._known:
                self._known[at] = len(self.units)
                self.units.append(unit)
            places[name] = (self._known[at], slot.by)
        return places


def unpack(places: Places, units: tuple[Unit, ...]) -> dict[str, Slot]:
    """Return the slots that stand at these places."""
    return {name: Slot(units[index], by) for name, (index, by) in places.items()}


def blobs_of(unit: Unit) -> tuple[Blob, ...]:
    """Return the blobs that hold a unit's value."""
    artifact = unit.artifact
    if artifact is None:
        return ()
    return (*([artifact.stream] if artifact.stream else []), *artifact.buffers)


def blobs_of_run(manifest: Manifest) -> list[Blob]:
    """Return every blob that a run left, each once."""
    found = [blob for unit in manifest.units for blob in blobs_of(unit)]
    found += [file.blob for file in manifest.files if file.blob is not None]
    if isinstance(manifest.outputs, Blob):
        found.append(manifest.outputs)
    return list({blob.hash: blob for blob in found}.values())
