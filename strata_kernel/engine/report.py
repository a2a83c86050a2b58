"""Says what was decided of a cell and why, for people and for frontends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from strata_kernel.domain.analysis import Analysis
from strata_kernel.domain.cell import Gather, Reason
from strata_kernel.domain.manifest import Unit
from strata_kernel.domain.state import AFTER, hidden
from strata_kernel.engine.pipeline import Completed, Failed, Outcome, Restored
from strata_kernel.engine.session import Entry
from strata_kernel.protocol import Node, State, Step

#: Tells what an answer of a model took.
USAGE = "usage"
FROZEN = frozenset({"clock", "entropy", "network", "random"})


def state(entry: Entry, last: Outcome | None) -> tuple[State, tuple[Reason, ...]]:
    """Return the state of a cell as its badge shows it, and the reasons."""
    if entry.reading.analysis.error is not None:
        return "failed", (entry.reading.analysis.error,)
    if entry.error is not None:
        return "failed", entry.reasons
    if entry.manifest is None:
        return _not_served(entry, last)
    current = last is not None and not isinstance(last, Failed) and last.manifest.key == entry.manifest.key
    reasons = tuple(r for r in entry.manifest.reasons if r.code in FROZEN)
    if reasons:
        return "frozen", (*reasons, *(r for r in entry.manifest.reasons if r.code == USAGE))
    if not current:
        return "servable", ()
    return ("served" if isinstance(last, Restored) else "fresh"), entry.manifest.reasons


def _not_served(entry: Entry, last: Outcome | None) -> tuple[State, tuple[Reason, ...]]:
    always = entry.reading.analysis.always or (entry.closure.always if entry.closure else ())
    if always:
        return "always", always
    if last is None:
        codes = {r.code for r in entry.reasons}
        return ("new" if codes <= {"new"} else "stale"), entry.reasons
    edited = last.entry.reading.program != entry.reading.program
    return ("edited" if edited else "stale"), entry.reasons


def blocked(entries: list[Entry], sound: Mapping[str, Analysis] = MappingProxyType({})) -> dict[str, list[Reason]]:
    """Return, by cell, why it cannot be made: a cell that it needs failed, or cannot be made either.

    `sound` are earlier analyses, by cell, of cells that cannot be read at the moment.
    """
    held: dict[str, str] = {}
    found: dict[str, list[Reason]] = {}
    for entry in entries:
        cell_id = entry.reading.cell.id
        analysis = _readable(entry, sound)
        slots = entry.closure.slots if entry.closure else {}
        # One that was run all the same fails for want of them: that is no fault of its own.
        lacking = sorted(n for n in held if n in slots and not hidden(n))
        if lacking:
            found[cell_id] = [Reason("blocked", f"`{n}` could not be made", cell=held[n], name=n) for n in lacking]
        elif not _failed(entry):
            for name in _written(entry):
                held.pop(name, None)
            continue
        if not entry.reading.aside:
            held |= dict.fromkeys(analysis.stores | analysis.mutates | analysis.deletes, cell_id)
    return found


def _failed(entry: Entry) -> bool:
    return entry.error is not None or entry.reading.analysis.error is not None


def _readable(entry: Entry, sound: Mapping[str, Analysis]) -> Analysis:
    analysis = entry.reading.analysis
    return analysis if analysis.error is None else sound.get(entry.reading.cell.id, analysis)


def _written(entry: Entry) -> set[str]:
    units = entry.manifest.units if entry.manifest else ()
    return {n for u in units for n in u.names if not hidden(n)} or set(entry.reading.analysis.stores)


def graph(entries: list[Entry], sound: Mapping[str, Analysis] = MappingProxyType({})) -> list[Node]:
    """Return the cells with the names they read and write, and the cells that these reads come from.

    What a cell that failed would have written comes from it all the same. `sound` is that of `blocked`.
    """
    nodes = []
    #: Names that stand otherwise in the states, or not at all, because their cell failed.
    unmade: dict[str, str] = {}
    for entry in entries:
        cell_id, analysis = entry.reading.cell.id, _readable(entry, sound)
        slots = entry.closure.slots if entry.closure else {n: entry.before.get(n) for n in analysis.reads}
        sources = {n: s.by for n, s in slots.items() if s is not None}
        sources |= {n: unmade[n] for n in slots if n in unmade}
        upstream = {by for n, by in sources.items() if not hidden(n) or n.startswith(AFTER)}
        failed = _failed(entry)
        writes = set(analysis.stores) if failed else _written(entry)
        for name in writes | analysis.deletes:
            unmade.pop(name, None)
        if failed and not entry.reading.aside:
            unmade |= dict.fromkeys(writes | analysis.mutates, cell_id)
        nodes.append(
            Node(
                id=cell_id,
                label=entry.reading.label,
                kind=entry.reading.kind,
                reads=sorted(n for n in sources if not hidden(n)),
                writes=sorted(writes),
                upstream=sorted(upstream - {cell_id}),
            )
        )
    return _without_gatherers(nodes, entries)


def _without_gatherers(nodes: list[Node], entries: list[Entry]) -> list[Node]:
    """Put the cells that are gathered in the place of those that stand in no document."""
    cells = [e.reading.cell for e in entries]
    gathered = {c.id: [m.id for m in c.members] for c in cells if isinstance(c, Gather)}
    if not gathered:
        return nodes
    shown = [n for n in nodes if n.id not in gathered]
    return [
        msgspec.structs.replace(n, upstream=sorted({m for u in n.upstream for m in gathered.get(u, [u])}))
        for n in shown
    ]


def plan(
    entries: list[Entry], targets: list[str], estimate: Callable[[Entry], float | None], *, force: bool
) -> list[Step]:
    """Return what running the targets (all cells when empty) would do, in order; `estimate` gives earlier durations."""
    wanted = set(targets) or {e.reading.cell.id for e in entries}
    last = max((i for i, e in enumerate(entries) if e.reading.cell.id in wanted), default=-1)
    steps = []
    for entry in entries[: last + 1]:
        forced = force and entry.reading.cell.id in wanted
        served = entry.manifest is not None and not forced
        steps.append(
            Step(
                cell=entry.reading.cell.id,
                action="serve" if served else "run",
                reasons=[] if served else list(entry.reasons),
                seconds=entry.manifest.seconds if entry.manifest else estimate(entry),
            )
        )
    return steps


def why(entry: Entry, last: Outcome | None = None, lacking: Sequence[Reason] = ()) -> str:
    """Explain the last decision on a cell in words; `lacking` is why it is blocked."""
    lines = []
    if isinstance(last, Restored):
        lines.append(f"served; the run took {last.manifest.seconds:.3g} s")
    elif isinstance(last, Completed):
        lines.append(f"ran in {last.manifest.seconds:.3g} s")
    elif isinstance(last, Failed):
        lines.append(f"failed: {last.error[0]}: {last.error[1]}")
    now, reasons = ("blocked", tuple(lacking)) if lacking else state(entry, last)
    lines.append(f"now: {now}")
    lines += [f"  - {r.text}" + (f" (in {r.cell})" if r.cell else "") for r in (*entry.reasons, *reasons)]
    if entry.manifest is not None:
        kept = [u for u in entry.manifest.units if u.reason is not None]
        lines += [
            f"  - {', '.join(u.names)}: values recomputed when needed ({u.reason.text})" for u in kept if u.reason
        ]
        lines += [
            f"  - runs again in a fresh process before anything below it does: {e}" for e in entry.manifest.effects
        ]
    return "\n".join(dict.fromkeys(lines))


def _size(unit: Unit) -> int | None:
    """Return how many bytes of the store a unit takes, None when it is not saved."""
    if unit.artifact is None:
        return None
    blobs = [*unit.artifact.buffers, unit.artifact.stream]
    return sum(b.size for b in blobs if b) + len(unit.artifact.inline or b"")


def details(entry: Entry) -> dict[str, Any]:
    """Return the inputs and outputs of a cell as plain data."""
    slots = entry.closure.slots if entry.closure else {}
    units = entry.manifest.units if entry.manifest else ()
    return {
        "key": entry.manifest.key if entry.manifest else None,
        "seconds": entry.manifest.seconds if entry.manifest else None,
        "created": entry.manifest.created if entry.manifest else None,
        "inputs": [
            {"name": n, "cell": s.by, "version": s.version, "summary": s.unit.summary.get(n, s.unit.kind)}
            for n, s in sorted(slots.items())
            if s is not None and not hidden(n)
        ],
        "outputs": [
            {
                "names": list(u.names),
                "version": u.version,
                "summary": u.summary,
                "bytes": _size(u),
                "kind": u.kind,
                "reason": u.reason.text if u.reason else None,
            }
            for u in units
            if not all(hidden(n) for n in u.names)
        ],
        "facts": [{"kind": f.kind, "name": f.name} for f in entry.manifest.facts] if entry.manifest else [],
    }
