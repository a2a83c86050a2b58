"""Chooses which values of a run are saved; the others are made again when something needs them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import msgspec

from strata_kernel.domain.cell import Reason
from strata_kernel.domain.manifest import Manifest
from strata_kernel.engine.capture import Captured
from strata_kernel.engine.publish import INLINE
from strata_kernel.engine.session import Entry
from strata_kernel.errors import StoreError
from strata_kernel.ports import Blobs, Group, Store

#: Facts about what others, or cells further down, may change at any time.
_PASSING = ("file", "absent", "dir", "table", "mount")


class Options(msgspec.Struct):
    """What of the settings the pipeline needs; sizes in bytes, times in the unit of their name."""

    min_runtime_ms: float = 5.0
    file_limit: int = 64 << 20
    value_limit: int = 10_000_000_000
    cascade: str = "auto"
    ask_above_seconds: float = 30.0


def worth_keeping(
    manifest: Manifest, captured: Captured, options: Options, *, part: bool = False
) -> tuple[Manifest, dict[int, Group]]:
    """Return the groups whose values are to be saved, and the manifest with the reasons why others are not.

    What a short run made is made again, unless it is so small that the record of the run holds it anyway.
    The values of a `part` of a cell always are: making them again takes all parts before it.
    """
    # A display's id is made up anew by every run, and later cells update the display that is shown.
    unique = bool(manifest.nonce) or any(_display(o) for o in captured.outputs)
    # What stands in a file may be gone when it is read again: the cell below that appends to it would run twice.
    passing = any(fact.kind in _PASSING for fact in manifest.facts)
    short = manifest.seconds * 1000 < options.min_runtime_ms and not (unique or part or passing)
    units, kept = list(manifest.units), {}
    for index, group in captured.groups.items():
        size = len(group.stream) + sum(b.nbytes for b in group.buffers)
        if group.reason is not None:
            continue
        if short and size > INLINE:
            reason = Reason("cheap", "cheaper to run than to restore")
            units[index] = msgspec.structs.replace(units[index], reason=reason)
        elif size > options.value_limit:
            text = f"{size / 1e6:,.1f} MB are above the limit of {options.value_limit / 1e6:,.1f} MB"
            units[index] = msgspec.structs.replace(units[index], reason=Reason("large", text), size=size)
        else:
            kept[index] = group
    return msgspec.structs.replace(manifest, units=tuple(units)), kept


def without_lost(manifest: Manifest, blobs: Blobs) -> Manifest:
    """Leave out artifacts that are no longer in the store: the run that repeats this one saves them anew."""
    units = [
        u
        if u.artifact is None or all(blobs.has(b) for b in (u.artifact.stream, *u.artifact.buffers) if b is not None)
        else msgspec.structs.replace(u, artifact=None)
        for u in manifest.units
    ]
    return msgspec.structs.replace(manifest, units=tuple(units))


def recorded(entries: Mapping[str, Entry], store: Store, program: str, key: str) -> Manifest | None:
    """Return the recorded run of a program with this key; those of `entries` may be on their way to the store."""
    recent = (entry.manifest for entry in entries.values() if entry.manifest is not None)
    with contextlib.suppress(StoreError):
        twin = next((m for m in (*recent, *store.entries(program)) if m.key == key), None)
        return twin and without_lost(twin, store)
    return None


def _display(output: dict[str, Any]) -> bool:
    return "display_id" in output["content"].get("transient", {})
