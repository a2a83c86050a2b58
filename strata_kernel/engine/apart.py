"""Tells definitions of one text apart, and answers that are not determined: the one is never the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from strata_kernel.cells.kind import Reading
from strata_kernel.domain import provenance
from strata_kernel.domain.cell import Reason
from strata_kernel.domain.digest import digest
from strata_kernel.domain.manifest import Manifest
from strata_kernel.domain.state import State, held_apart

if TYPE_CHECKING:
    from strata_kernel.engine.session import Session

#: Reasons for which each of several cells of one text has an answer of its own.
OWN = frozenset({"clock", "entropy"})
#: How many definitions of one text that are in use at a time are told apart when a run is looked up.
MANY = 8


def own_lineage(name: str, lineage: str, key: str, state: State, written: Iterable[str]) -> tuple[str, int]:
    """Return the lineage of a definition that a run made, and how many with the same text above are still in use."""
    found, above = lineage, 0
    while held_apart([(name, found)], state, written):
        found = provenance.version(key=key, names=[name], nonce=str(above))
        above += 1
    return found, above


def key_of(key: str, above: int) -> str:
    """Return the key of a run whose definitions stand beside others of their text: its values are not theirs."""
    return digest("apart", key, above) if above else key


def beside(session: Session, reading: Reading, reasons: Iterable[Reason]) -> int:
    """Return how many cells of the same text above gave an answer, where no two answers are one."""
    if reading.part or not any(r.code in OWN for r in reasons):
        return 0
    count = 0
    for cell in session.cells:
        if cell.id == reading.cell.id:
            break
        entry = session.entries.get(cell.id)
        if entry is not None and entry.manifest is not None and entry.reading.program == reading.program:
            count += any(r.code in OWN for r in entry.manifest.reasons)
    return count


def is_own(session: Session, reading: Reading, manifest: Manifest) -> bool:
    """Tell whether a run's answer is not that of a cell above: one that is not determined stands for one cell."""
    if not any(r.code in OWN for r in manifest.reasons):
        return True
    key = _plain_key(manifest)
    above = beside(session, reading, manifest.reasons)
    if manifest.key == key_of(key, above):
        return True
    return not above and all(manifest.key != key_of(key, other) for other in range(1, MANY))


def in_order(entries: list[Manifest]) -> list[Manifest]:
    """Return the runs of one program, those first that had the fewest definitions of the same text above them."""
    return sorted(entries, key=_above) if len(entries) > 1 else entries


def fits(manifest: Manifest, state: State) -> bool:
    """Tell whether what the run made and refers to are the definitions that stand in the state, not their equals."""
    made = _made(manifest)
    if held_apart(made, state, (name for u in manifest.units for name in u.names)):
        return False
    if all(name in state and state[name].version == d.version for name, d in manifest.reads.items() if d.version):
        return True
    # Inputs that are equal in content may be of another class of the same text.
    here = {lineage for _, lineage in made} | {slot.unit.lineage for slot in state.values()}
    here |= {lineage for slot in state.values() for _, lineage in slot.unit.reach.definitions}
    used = {(n, u.lineage) for u in manifest.units if u.lineage for n in u.names}
    used.update(d for u in manifest.units for d in u.reach.definitions)
    for name in manifest.reads.keys() & state.keys():
        # What it refers to may live on in an instance, while the name stands for another by now.
        meant, stands = {lineage for n, lineage in used if n == name}, state[name].unit.lineage
        if stands and meant and stands not in meant:
            return False
    key = _plain_key(manifest)
    return all(v in here or v == provenance.version(key=key, names=[n]) for n, v in used)


def _made(manifest: Manifest) -> list[tuple[str, str]]:
    # One that was only changed still is the one that others use.
    made = [u for u in manifest.units if u.lineage and (u.kind == "definition" or u.lineage == u.version)]
    return [(name, str(u.lineage)) for u in made for name in u.names]


def _plain_key(manifest: Manifest) -> str:
    reads = {name: d.version for name, d in manifest.reads.items()}
    return provenance.key(program=manifest.program, reads=reads, facts=manifest.facts)


def _above(manifest: Manifest) -> int:
    key = _plain_key(manifest)
    return next((above for above in range(MANY) if manifest.key == key_of(key, above)), 0)
