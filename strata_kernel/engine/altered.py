"""Definitions that a run changes where they stand, by a store or by a call: what refers to them changes with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from strata_kernel.domain import provenance
from strata_kernel.domain.manifest import Unit
from strata_kernel.domain.state import Slot, State, referring
from strata_kernel.ports import Values

#: A definition by name and lineage.
Definition = tuple[str, str]
#: Live definitions, and what tells each from what it may be later.
Noted = dict[Definition, tuple[object, tuple[object, ...] | str]]


def noted(slots: Iterable[Slot | None], values: Values) -> Noted:
    """Return the live definitions that these units are or refer to."""
    return {definition: (live, values.sign(live)) for definition, live in _live(slots, values).items()}


def altered(before: Noted, values: Values) -> frozenset[Definition]:
    """Return the definitions that no longer are as they were noted; from now on none is taken for what it was."""
    found = frozenset(d for d, (live, sign) in before.items() if not values.stands(live, sign))
    for definition in found:
        values.alter(*definition)
    return found


def endangered(slots: Iterable[Slot | None], state: State, values: Values) -> frozenset[str]:
    """Return the variables that change with live definitions in reach, should a call change one of these."""
    changeable = [d for d, live in _live(slots, values).items() if values.can_change(live)]
    return referring((lineage for _, lineage in changeable), state)


def _live(slots: Iterable[Slot | None], values: Values) -> dict[Definition, object]:
    reached = {d for slot in slots if slot is not None for d in _definitions(slot.unit)}
    return {d: live for d in reached if (live := values.live(*d)) is not None}


def out_of_reach(slots: Mapping[str, Slot], key: str) -> list[Unit]:
    """Return the units of variables that change with definitions though they were not there when the run was.

    They have a version of the run's key and no value: a repeat of the run brings them first.
    """
    units: dict[str, tuple[Unit, list[str]]] = {}
    for name, slot in slots.items():
        units.setdefault(slot.version, (slot.unit, []))[1].append(name)
    return [
        Unit(
            tuple(names),
            provenance.version(key=key, names=names),
            reach=unit.reach,
            lineage=unit.lineage,
            summary=unit.summary,
        )
        for unit, names in units.values()
    ]


def _definitions(unit: Unit) -> Iterable[Definition]:
    yield from unit.reach.definitions
    if unit.lineage is not None:
        yield from ((name, unit.lineage) for name in unit.names)
