"""Whether definitions change: which can by a call, and what tells cheaply that one has not."""

from __future__ import annotations

import types
from collections.abc import Iterator
from operator import is_
from typing import Any

from strata_kernel.codecs.content import definition_content, parts_of
from strata_kernel.codecs.immutable import is_immutable
from strata_kernel.codecs.source import Definitions

#: What stands for a definition at one moment: the parts of which it consists, or the digest of what they hold.
Sign = tuple[object, ...] | str


def can_change(value: object) -> bool:
    """Tell whether calling a function or class may change it: by a default, a closure, or an attribute of its own."""
    if isinstance(value, types.FunctionType):
        return not all(map(_is_fixed, _held(value)))
    if type(value) is not type:
        return True
    for name, part in parts_of(value):
        inner = _functions(part)
        if any(map(can_change, inner)):
            return True
        if not inner and not (name.startswith("__") and name.endswith("__")) and not is_immutable(part):
            return True
    return False


def sign(value: object, definitions: Definitions) -> Sign:
    """Return what tells a definition from what it may be later; compared by `stands`."""
    return definition_content(value, definitions)[0] if can_change(value) else tuple(_parts(value))


def stands(value: object, before: Sign, definitions: Definitions) -> bool:
    """Tell whether a definition still is as its sign says."""
    if isinstance(before, str):
        return definition_content(value, definitions)[0] == before
    now = tuple(_parts(value))
    return len(now) == len(before) and all(map(is_, now, before))


def _parts(value: Any) -> Iterator[object]:
    if isinstance(value, types.FunctionType):
        yield from (value.__code__, value.__defaults__, value.__kwdefaults__)
        for name, held in vars(value).items():
            yield from (name, held)
        return
    yield value.__bases__
    for name, part in parts_of(value):
        yield from (name, part)
        for function in _functions(part):
            yield from _parts(function)


def _functions(part: Any) -> list[types.FunctionType]:
    """Return the functions of a method or property."""
    if isinstance(part, staticmethod | classmethod):
        part = part.__func__
    found = (part.fget, part.fset, part.fdel) if isinstance(part, property) else (part,)
    functions = [f for f in found if isinstance(f, types.FunctionType)]
    # What `dataclass` wraps around them remembers only the calls under way.
    return [f for f in functions if f.__globals__.get("__name__") != "dataclasses"]


def _held(function: types.FunctionType) -> Iterator[object]:
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    yield from vars(function).values()
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # it is empty still
            yield cell


def _is_fixed(value: object) -> bool:
    # A method knows its class, and `dataclass` leaves signs of its own in the methods that it makes.
    return isinstance(value, type) or type(value).__module__ == "dataclasses" or is_immutable(value)
