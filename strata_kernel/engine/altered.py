"""Definitions that a run changes where they stand, by a store or by a call: what refers to them changes with them."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from typing import Any

from strata_kernel.domain import provenance
from strata_kernel.domain.manifest import Unit
from strata_kernel.domain.state import Slot, State, referring
from strata_kernel.ports import Values

#: A definition by name and lineage.
Definition = tuple[str, str]
#: Live definitions and the digests of what can change about them.
Noted = dict[Definition, tuple[object, str | None]]


def noted(
    slots: Iterable[Slot | None],
    bound: Mapping[str, Any],
    known: Mapping[tuple[str, ...], tuple[str, str | None]],
    values: Values,
) -> Noted:
    """Return the live definitions that these units are or refer to; `known` has versions and digests of bound names."""
    found: Noted = {}
    for definition in {d for slot in slots if slot is not None for d in _definitions(slot.unit)}:
        live = values.live(*definition)
        if live is not None:
            standing = known.get(definition[:1]) if bound.get(definition[0]) is live else None
            found[definition] = live, standing[1] if standing is not None else _content(live, values)
    return found


def can_change(value: object, values: Values) -> bool:
    """Tell whether calling a function or class may change it: by a default, a closure, or an attribute of its own."""
    if isinstance(value, types.FunctionType):
        kept = [value.__defaults__, *(value.__kwdefaults__ or {}).values(), *vars(value).values()]
        return bool(value.__closure__) or not all(values.immutable(v) for v in kept)
    code = (types.FunctionType, staticmethod, classmethod, property)
    own = [v for n, v in vars(value).items() if not n.startswith("__") and not isinstance(v, code)]
    return type(value) is not type or not all(values.immutable(v) for v in own)


def endangered(slots: Iterable[Slot | None], state: State, values: Values) -> frozenset[str]:
    """Return the variables that change with live definitions in reach, should a call change one of these."""
    reached = {d for slot in slots if slot is not None for d in _definitions(slot.unit)}
    live = {d: values.live(*d) for d in reached}
    changeable = {d for d, value in live.items() if value is not None and can_change(value, values)}
    return referring((lineage for _, lineage in changeable), state)


def altered(before: Noted, values: Values) -> frozenset[Definition]:
    """Return the definitions that no longer are as they were noted."""
    return frozenset(d for d, (live, content) in before.items() if _content(live, values) != content)


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


def _content(live: object, values: Values) -> str | None:
    return values.group({"": live})[0].content
