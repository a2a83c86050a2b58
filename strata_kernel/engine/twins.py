"""Two runs under one key: whether the later repeats the earlier one, and the versions that its units then have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from strata_kernel.domain import provenance
from strata_kernel.domain.manifest import Dependency, Fact, Manifest, Unit
from strata_kernel.domain.state import IMPORTED


def same_inputs(twin: Manifest, reads: Mapping[str, Dependency], facts: Iterable[Fact]) -> bool:
    """Tell whether a run depended on nothing that is known to differ from what the other one depended on."""
    known = {(f.kind, f.name): f.digest for f in twin.facts}
    theirs, mine = ({n: d.version for n, d in each.items()} for each in (twin.reads, reads))
    return theirs == mine and all(known.get((f.kind, f.name), f.digest) == f.digest for f in facts)


def role(unit: Unit) -> tuple[str, ...]:
    """Return the names of a unit, by which it is the same in two runs; effects are named by the key."""
    return ("effect:",) if unit.names[0].startswith("effect:") else unit.names


def first(unit: Unit) -> bool:
    """Tell whether a unit stands for the first import of a module, which is not repeated in the same process."""
    return unit.names[0].startswith(IMPORTED)


def same_results(mine: list[Unit], theirs: Iterable[Unit], *, undetermined: bool) -> bool:
    """Tell whether two runs left equal units; what an undetermined one left has to be told from its content."""
    others = {role(u): u for u in theirs if not first(u)}
    mine = [u for u in mine if not first(u)]
    if {role(u) for u in mine} != others.keys():
        return False
    if undetermined and any(u.content is None and u.kind == "value" for u in mine):
        return False
    return all(_equal(u, others[role(u)]) for u in mine)


def _equal(unit: Unit, other: Unit) -> bool:
    # What changed with a definition without being there is found in place when the run is repeated.
    unknown = other.kind == "value" and other.content is None
    return unit.lineage == other.lineage and (unknown or unit.content == other.content)


def as_other(unit: Unit, other: Unit) -> Unit:
    """Return the unit at the version that it has in the other run."""
    artifact = unit.artifact or other.artifact
    return msgspec.structs.replace(unit, names=other.names, version=other.version, artifact=artifact)


def with_nonce(unit: Unit, key: str, nonce: str) -> Unit:
    """Return the unit at a version of its own run's, where its version is not told by what it is."""
    if (
        unit.kind == "module"
        or unit.lineage == unit.version
        or (not unit.names[0].startswith("rng:") and unit.kind == "hidden")
    ):
        return unit
    return msgspec.structs.replace(unit, version=provenance.version(key=key, names=unit.names, nonce=nonce))
