"""Digests of encoded units, and of the mutable state of definitions, which have no stored form of their own."""

from __future__ import annotations

import abc
import enum
import functools
import types
from collections.abc import Iterable
from typing import Any

import xxhash

from strata_kernel.codecs.pickle import UnitPickler
from strata_kernel.codecs.reach import Reached
from strata_kernel.codecs.refuse import Refused
from strata_kernel.codecs.source import Definitions
from strata_kernel.domain.digest import Plain, digest

#: Set by the interpreter or derived from the rest, at different times and not the same in every process.
_SKIPPED = frozenset(
    {
        "__dict__", "__weakref__", "_abc_impl", "__abstractmethods__", "__firstlineno__", "__static_attributes__",
        "__subclasshook__", "__module__", "__qualname__", "__slotnames__", "__annotations_cache__",
    }
)  # fmt: skip

#: What every member of an enumeration has.
_MEMBER = frozenset({"_name_", "__objclass__", "_sort_order_"})

#: What `functools.singledispatch` keeps to answer sooner, derived from its registry.
_CACHES = frozenset({"dispatch_cache", "cache_token", "_clear_cache"})

_ATOMS = frozenset({type(None), bool, int, str})


def unit_content(stream: bytes, buffers: Iterable[memoryview]) -> str:
    """Return the digest of a unit in stored form."""
    # Digests of one length each: joined, they cannot be taken for others.
    return digest("unit", 1, b"".join(map(xxhash.xxh3_128_digest, (stream, *buffers))))


def definition_content(obj: object, definitions: Definitions) -> tuple[str, Reached]:
    """Return the digest of what can change about a definition, and what its parts can reach."""
    reach = Reached()
    return digest("definition", 2, _state(obj, definitions, reach)), reach


def state_of(obj: Any) -> list[Any]:
    """Return what a definition holds that could change: defaults, closures, attributes, those of methods too."""
    if isinstance(obj, types.FunctionType):
        cells = [c for c in obj.__closure__ or () if c is not None]
        return [
            obj.__defaults__,
            obj.__kwdefaults__,
            {k: v for k, v in vars(obj).items() if k != "__wrapped__"},
            *cells,
        ]
    if not isinstance(obj, type):
        return [getattr(obj, "__dict__", {})]
    found: list[Any] = []
    for name, value in parts_of(obj):
        inner = getattr(value, "__func__", value)
        own = isinstance(inner, types.FunctionType) or is_inner(inner, name, obj)
        found += state_of(inner) if own else [value]
    return found


def is_inner(value: Any, name: str, cls: type) -> bool:
    """Tell whether what stands in a class is a class that its own statement made."""
    return isinstance(value, type) and value.__qualname__ == f"{cls.__qualname__}.{name}"


def parts_of(cls: type) -> list[tuple[str, Any]]:
    """Return what stands in a class, by name."""
    # Pickling an instance and asking for annotations leave their marks on a class: no change that a cell made.
    return [(n, v) for n, v in vars(cls).items() if n not in _SKIPPED and not (n == "__annotations__" and not v)]


#: What an abstract class holds beside its attributes: weak references to the registered classes come first.
_dump: Any = getattr(abc, "_get_dump", lambda cls: ((),))


def _registered(cls: type) -> list[type]:
    """Return the classes that were registered with an abstract one, in the order of their names."""
    if not isinstance(cls, abc.ABCMeta):
        return []
    found = [each for ref in _dump(cls)[0] if (each := ref()) is not None]
    return sorted(found, key=lambda each: (each.__module__, each.__qualname__))


def _state(obj: Any, definitions: Definitions, reach: Reached) -> Plain:
    if isinstance(obj, types.FunctionType):
        return _function(obj, obj, definitions, reach)
    if isinstance(obj, type):
        return _class(obj, definitions, reach)
    wrapped = getattr(obj, "__wrapped__", None)
    parts: list[Plain] = [type(obj).__qualname__]
    if isinstance(wrapped, types.FunctionType):
        parts.append(_function(wrapped, obj, definitions, reach))
    for name, value in sorted(getattr(obj, "__dict__", {}).items()):
        parts.append([str(name), _part(value, obj, definitions, reach)])
    if isinstance(obj, functools._lru_cache_wrapper):
        # What it has cached shows only in how often it was asked.
        parts.append(list(obj.cache_info()))
    if isinstance(wrapped, types.FunctionType):
        return parts
    try:
        reduced = obj.__reduce_ex__(5)
    except Exception:  # user code: what does not reduce counts by identity
        reduced = None
    parts.append(_part(reduced[1:], obj, definitions, reach) if isinstance(reduced, tuple) else id(obj))
    return parts


def _class(cls: type, definitions: Definitions, reach: Reached) -> Plain:
    parts: list[Plain] = [cls.__qualname__, [_part(base, cls, definitions, reach) for base in cls.__bases__]]
    if type(cls) is not type:
        parts.append(["metaclass", _part(type(cls), cls, definitions, reach)])
    parts += [["registered", _part(each, cls, definitions, reach)] for each in _registered(cls)]
    if isinstance(cls, enum.EnumMeta):
        # They are stored by name, whatever was set on them since.
        members: dict[str, Any] = dict(cls.__members__)
        held = {n: {k: v for k, v in vars(m).items() if k not in _MEMBER} for n, m in members.items()}
        parts.append(["members", _part(held, cls, definitions, reach)])
    for name, value in parts_of(cls):
        if is_inner(value, name, cls):
            parts.append([name, _class(value, definitions, reach)])
        elif isinstance(value, types.GetSetDescriptorType | types.MemberDescriptorType):
            parts.append([name, "slot"])
        else:
            parts.append([name, _part(value, cls, definitions, reach)])
    return parts


def _function(func: types.FunctionType, owner: object, definitions: Definitions, reach: Reached) -> Plain:
    attributes, cells = _held(func)
    attributes.pop("__wrapped__", None)
    parts = (
        func.__code__, func.__name__, func.__qualname__, func.__doc__, func.__defaults__, func.__kwdefaults__,
        func.__annotations__, attributes, *cells,
    )  # fmt: skip
    return [_part(part, owner, definitions, reach) for part in parts]


def _held(func: types.FunctionType) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """Return the attributes and the closure of a function, but for what is derived from these."""
    derived = _CACHES if func.__globals__ is vars(functools) else ()
    cells = zip(func.__code__.co_freevars, func.__closure__ or (), strict=True)
    held = {name: value for name, value in vars(func).items() if name not in derived}
    return held, tuple(cell for name, cell in cells if name not in derived)


class _Digester(UnitPickler):
    """Writes what is only digested, never loaded: more can be told apart than can be stored."""

    def reducer_override(self, obj: Any) -> Any:
        if obj is self.trace.owner:
            return _Digester, ()
        if type(obj) is types.MappingProxyType:
            return dict, (dict(obj),)
        derived = isinstance(obj, types.FunctionType) and obj.__globals__ is vars(functools)
        try:
            return _written(obj) if derived else super().reducer_override(obj)
        except Refused:
            if not isinstance(obj, types.FunctionType):
                raise
            # Made by `exec` in globals of its own, as a named tuple's constructor is: they are its maker's.
            return _written(obj)


def _written(func: types.FunctionType) -> tuple[Any, ...]:
    attributes, cells = _held(func)
    state = (func.__defaults__, func.__kwdefaults__, attributes)
    return types.FunctionType, (func.__code__, func.__qualname__, cells), state


def _part(value: object, owner: object, definitions: Definitions, reach: Reached) -> Plain:
    """Return a digest of one part; what cannot be encoded counts by its identity in this process."""
    if (plain := _plain(value)) is not None:
        return plain
    pickler = _Digester(definitions)
    pickler.trace.owner, pickler.trace.reach = owner, reach
    try:
        if isinstance(value, types.FunctionType) and definitions.reference(value) is None:
            # A method is found through its class, but here it is the class that is told apart.
            return _function(value, owner, definitions, reach)
        pickler.dump(value)
    except Exception:  # user code: what does not pickle counts by identity
        return id(value)
    return unit_content(pickler.out.getvalue(), pickler.buffers)


def _plain(value: object) -> Plain:
    """Return what can be digested as it is, under its type; None for all else. Most parts are no more than that."""
    kind = type(value)
    if kind is float:
        return ["float", value.hex()]  # type: ignore[attr-defined]
    if kind is tuple:
        parts = [_plain(each) for each in value]  # type: ignore[attr-defined]
        return None if None in parts else ["tuple", parts]
    if value is object or ((kind is dict or kind is list) and not value):
        return ["object" if value is object else kind.__name__]
    return [kind.__name__, value] if kind in _ATOMS else None  # type: ignore[list-item]
