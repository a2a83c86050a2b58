"""What is noted around a run: before it, what its writes will be told from; after it, what else it saw and left."""

from __future__ import annotations

from typing import Any

import msgspec

from strata_kernel.cells.kind import Reading
from strata_kernel.domain.manifest import FOLDER, Fact, FileOutput
from strata_kernel.domain.state import Closure, State, in_reach
from strata_kernel.engine.altered import Noted, noted
from strata_kernel.engine.effects import begins_at, lasting
from strata_kernel.engine.restore import Placement
from strata_kernel.errors import StoreError
from strata_kernel.ports import Files, Host, Observed, Patch, Store, World


class Touched(msgspec.Struct, frozen=True):
    """Where a run may change what was imported: the cell's own line (0: a function's), and what stood there.

    None stands where that cannot be told.
    """

    line: int
    patch: Patch | None


class Before(msgspec.Struct):
    """What is noted before a run: its place, and the values that it could rebind without being told from before."""

    reading: Reading
    closure: Closure
    state: State
    bound: dict[str, Any]
    present: frozenset[str]
    patches: list[Touched]
    reference: dict[tuple[str, ...], tuple[str, str | None]]
    definitions: Noted
    #: What it may import, by itself or through what it calls: the user's modules that stand may be named by any string.
    modules: frozenset[str]


def note(reading: Reading, closure: Closure, state: State, placement: Placement) -> Before:
    """Record the values and digests that the run's writes will be told from."""
    analysis = reading.analysis
    # A value that the run lets go of must not live on here: what happens at its end belongs to the run.
    certain = (analysis.stores - analysis.unsure) | analysis.deletes
    present = placement.host.names()
    bound = {n: v for n in present if n not in certain for v in (placement.host.namespace[n],)}
    reference: dict[tuple[str, ...], tuple[str, str | None]] = {}
    by_version: dict[str, list[str]] = {}
    for name, slot in in_reach(closure.slots.values(), state).items():
        if name in bound and slot.unit.kind != "module":
            by_version.setdefault(slot.version, []).append(name)
    for version, names in by_version.items():
        kept = tuple(sorted(names))
        values = placement.values
        if all(values.immutable(bound[n]) and values.lineage(bound[n]) is None for n in kept):
            continue
        reference[kept] = (version, placement.content(kept, version))
    return Before(
        reading,
        closure,
        state,
        bound,
        frozenset(present),
        touched(reading, closure, placement.host),
        reference,
        noted(closure.slots.values(), placement.values),
        _importable(reading, closure, placement.host),
    )


def _importable(reading: Reading, closure: Closure, host: Host) -> frozenset[str]:
    reaches = [slot.unit.reach for slot in closure.slots.values() if slot is not None]
    mentions = reading.analysis.mentions.union(*(reach.mentions for reach in reaches))
    return reading.analysis.named.union(mentions & host.modules.users(), *(reach.modules for reach in reaches))


def touched(reading: Reading, closure: Closure, host: Host) -> list[Touched]:
    """Return where the run may change what was imported."""
    found = []
    own = set(reading.analysis.effects)
    for chain in closure.effects:
        line = chain.line if chain in own else 0
        slot = closure.slots.get(chain.root)
        imported = reading.analysis.imports.get(chain.root)
        if imported is not None:
            target = imported.module + (f":{imported.attribute}" if imported.attribute else "")
        elif slot is not None and slot.unit.kind == "module":
            inline = slot.unit.artifact.inline if slot.unit.artifact else None
            record = msgspec.json.decode(inline or b"{}", type=dict[str, str | None])
            target = str(record.get("module")) + (f":{record['attribute']}" if record.get("attribute") else "")
        else:
            continue
        known = chain.path.endswith("=") and not chain.path.endswith("[]=") and "(" not in chain.path
        if known:
            found.append(Touched(line, host.patch(target, chain.path.removesuffix("="))))
        elif lasting(chain, begins_at(chain, reading.analysis.imports, closure.slots)):
            found.append(Touched(line, None))
    return found


def undoable(before: Before, seen: Observed, until: int = 0) -> list[Patch | None]:
    """Return the patches behind a run's effects; None among them for what is no patch.

    `until`: the last line of the cell that the run came to, 0 for all.
    """
    reached = [t.patch for t in before.patches if not until or t.line <= until]
    names = {p.name for p in reached if p is not None}
    others = [r for r in seen.reasons if r.code == "effect" and not any(n in r.text for n in names)]
    return [*reached, *(seen.undo.get(r.name or "") for r in others)]


def touchable(before: Before, host: Host) -> set[str]:
    """Return the names whose values the run could bind or change."""
    reached = in_reach(before.closure.slots.values(), before.state)
    everything = set(host.names()) if before.closure.opaque else set()
    return {*reached, *before.reading.analysis.stores, *before.reading.analysis.deletes, *everything}


def candidates(before: Before, host: Host) -> list[Any]:
    """Return the strings and paths that a library could have opened below Python's eyes."""
    if not before.reading.analysis.mutates:
        return []
    here = host.namespace
    return [*before.reading.analysis.paths, *(here[n] for n in before.closure.slots if n in here)]


def facts(before: Before, seen: Observed, world: World) -> tuple[Fact, ...]:
    """Add the sources and distributions behind the run's imports, and what its directives declare."""
    declared = [world.observe(kind, name) for kind, name in before.reading.deps]
    imported = world.facts_of(before.modules | seen.modules)
    return (*seen.facts, *imported, *(f for f in declared if f is not None))


def save_files(seen: Observed, files: Files, store: Store, limit: int) -> tuple[FileOutput, ...]:
    """Keep what the run wrote; files above `limit` bytes by their digest alone."""
    if any(r.code == "threads" for r in seen.reasons):
        return ()  # still being written: to put back what stood at the end of the run would destroy what came since
    saved = []
    for path in seen.written:
        try:
            saved.append(files.save(path, store, limit))
        except StoreError:
            saved.append(FileOutput(path, files.digest(path)))
    saved += [FileOutput(path, FOLDER) for path in seen.made]
    saved += [FileOutput(path, None) for path in seen.deleted]
    return tuple(saved)
