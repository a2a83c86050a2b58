"""Sets of strings: pickle refills them in an order that may give another walk, so say how to refill them right."""

from __future__ import annotations

import ctypes
import itertools
import operator
import sys
from collections.abc import Iterable
from typing import Any

_LINEAR_PROBES = 9
_PERTURB_SHIFT = 5
_MASK = (1 << 64) - 1
#: How many orders of insertion to try for a frozen set.
_TRIED = 5040


def reorderings(objects: Iterable[Any]) -> list[tuple[set[Any], int, list[Any]]]:
    """Return, for each set that pickle would walk otherwise, its table's size and the order in which to refill it."""
    found = []
    for candidate in objects:
        if type(candidate) is set and len(candidate) > 1:
            walk = list(candidate)
            if not _same(list(set(walk)), walk):
                recipe = _recipe(candidate, walk)
                if recipe is not None:
                    found.append((candidate, *recipe))
    return found


def refill(target: set[Any], size: int, items: list[Any]) -> None:
    """Empty the set and insert the items, in this order, into a table that has `size` slots from the start."""
    target.clear()
    # A set makes room at once for twice what a dict brings, from five items on: bring just as many, or pad.
    least, most = (5 if size == 16 else size // 4), size // 2 - 1
    first, rest = items[:most], items[most:]
    padding = [object() for _ in range(least - len(first))] if size > 8 else []
    target.update(dict.fromkeys([*first, *padding]))
    target.update(rest)
    for pad in padding:
        target.discard(pad)


def frozen_order(original: frozenset[Any]) -> list[Any]:
    """Return the items of a small frozen set in an order in which it can be made to be walked as it is."""
    walk = list(original)
    for items in itertools.islice(itertools.permutations(walk), _TRIED):
        if _same(list(frozenset(items)), walk):
            return list(items)
    return walk


def _same(left: list[Any], right: list[Any]) -> bool:
    return len(left) == len(right) and all(map(operator.is_, left, right))


def _recipe(original: set[Any], walk: list[Any]) -> tuple[int, list[Any]] | None:
    placed = _placed(original, walk)
    if placed is None:
        return None
    size, order = placed
    trial: set[Any] = set()
    refill(trial, size, order)
    return placed if _same(list(trial), walk) else None


class _Set(ctypes.Structure):
    _fields_ = [
        ("refcount", ctypes.c_ssize_t),
        ("type", ctypes.c_void_p),
        ("fill", ctypes.c_ssize_t),
        ("used", ctypes.c_ssize_t),
        ("mask", ctypes.c_ssize_t),
        ("table", ctypes.c_void_p),
    ]


def _placed(original: set[Any], walk: list[Any]) -> tuple[int, list[Any]] | None:
    """Return the table's size and an order in which every element finds the slots that it passed over taken.

    The slots are read from CPython's table, whose layout has been the same since 3.7; what does not look like it is
    left alone, and the caller tries the order out in any case.
    """
    if sys.implementation.name != "cpython" or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return None
    head = _Set.from_address(id(original))
    size = head.mask + 1
    if head.used != len(walk) or size & (size - 1) or not 8 <= size <= 1 << 40 or not head.table:
        return None
    table = (ctypes.c_size_t * (2 * size)).from_address(head.table)
    keys, hashes, mask = table[::2], table[1::2], head.mask
    items = {id(item): item for item in walk}
    # Those at home first: they fill what the others passed over, in any order.
    done: set[int] = set()
    order: list[Any] = []
    waiting: list[tuple[int, list[int]]] = []
    for slot, key in enumerate(keys):
        if key in items:
            if hashes[slot] & mask == slot:
                done.add(slot)
                order.append(items[key])
            else:
                path = _passed(slot, hashes[slot], mask)
                if path is None:
                    return None
                waiting.append((slot, path))
    while waiting:
        rest = []
        for slot, path in waiting:
            if done.issuperset(path):
                done.add(slot)
                order.append(items[keys[slot]])
            else:
                rest.append((slot, path))
        if len(rest) == len(waiting):
            return None
        waiting = rest
    return size, order


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
