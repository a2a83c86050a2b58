"""Sets of strings: pickle refills them in an order that may give another walk, so say how to refill them right."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable
from typing import Any

_LINEAR_PROBES = 9
_PERTURB_SHIFT = 5
_MASK = (1 << 64) - 1


def reorderings(objects: Iterable[Any]) -> list[tuple[set[Any], bool, list[Any]]]:
    """Return, for each set that pickle would walk otherwise, whether to presize it and the order in which to refill it."""
    found = []
    for candidate in objects:
        if type(candidate) is set and len(candidate) > 1:
            walk = list(candidate)
            if not _same(list(set(walk)), walk):
                recipe = _recipe(candidate, walk)
                if recipe is not None:
                    found.append((candidate, *recipe))
    return found


def _same(left: list[Any], right: list[Any]) -> bool:
    return len(left) == len(right) and all(map(_is, left, right))


def _is(left: object, right: object) -> bool:
    return left is right


def _recipe(original: set[Any], walk: list[Any]) -> tuple[bool, list[Any]] | None:
    order = _insertion_order(original, walk)
    for items in (order, walk) if order is not None else (walk,):
        for presize in (False, True):
            trial: set[Any] = set()
            trial.update(dict.fromkeys(items) if presize else items)
            if _same(list(trial), walk):
                return presize, items
    return None


class _Set(ctypes.Structure):
    _fields_ = [
        ("refcount", ctypes.c_ssize_t),
        ("type", ctypes.c_void_p),
        ("fill", ctypes.c_ssize_t),
        ("used", ctypes.c_ssize_t),
        ("mask", ctypes.c_ssize_t),
        ("table", ctypes.c_void_p),
    ]


def _insertion_order(original: set[Any], walk: list[Any]) -> list[Any] | None:
    """Return an order in which every element finds the slots that it passed over taken, None when there is none.

    The slots are read from CPython's table, whose layout has been the same since 3.7; what does not look like it is
    left alone, and the caller tries the order out in any case.
    """
    if sys.implementation.name != "cpython" or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return None
    head = _Set.from_address(id(original))
    mask = head.mask
    if head.used != len(walk) or mask & (mask + 1) or mask < 7 or not head.table:
        return None
    table = (ctypes.c_size_t * (2 * (mask + 1))).from_address(head.table)
    by_id = {id(item): item for item in walk}
    slots = [by_id.get(table[2 * slot]) if table[2 * slot] in by_id else _Set for slot in range(mask + 1)]
    hashes = [table[2 * slot + 1] for slot in range(mask + 1)]
    passed = {slot: _passed(slot, hashes[slot], mask) for slot in range(mask + 1) if slots[slot] is not _Set}
    if any(path is None for path in passed.values()):
        return None
    # Those at home first: they fill what the others passed over, in any order.
    done: set[int] = set()
    order: list[Any] = []
    waiting = sorted(passed, key=lambda slot: len(passed[slot] or ()))
    while waiting:
        rest = []
        for slot in waiting:
            if all(before in done for before in passed[slot] or ()):
                done.add(slot)
                order.append(slots[slot])
            else:
                rest.append(slot)
        if len(rest) == len(waiting):
            return None
        waiting = rest
    return order


def _passed(slot: int, hashed: int, mask: int) -> list[int] | None:
    """Return the slots that the search for a free one tries before `slot`."""
    perturb = hashed
    position = hashed & mask
    tried: list[int] = []
    for _ in range(64):
        stop = position + (_LINEAR_PROBES if position + _LINEAR_PROBES <= mask else 0)
        for probe in range(position, stop + 1):
            if probe == slot:
                return tried
            tried.append(probe)
        perturb = (perturb & _MASK) >> _PERTURB_SHIFT
        position = (position * 5 + 1 + perturb) & mask
    return None
