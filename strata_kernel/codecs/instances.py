"""Instances of classes that say themselves how they are made, saved or filled: none of that runs when they are stored.

What such methods leave out would be missing in the value that comes back, and what they do beside would be done twice.
"""

from __future__ import annotations

import sys
import types
from typing import Any

from strata_kernel.codecs import rebuild
from strata_kernel.codecs.refuse import Refused, shown
from strata_kernel.codecs.trace import Trace

#: Methods by which a class takes part in its pickling.
_SAVING = (
    "__reduce_ex__", "__reduce__", "__getstate__", "__setstate__", "__new__", "__getnewargs__", "__getnewargs_ex__",
    "__setattr__",
)  # fmt: skip
#: Those of them that say all of how an instance is saved.
_SAVING_ALONE = frozenset({"__reduce_ex__", "__reduce__"})
#: Methods that pickle calls to fill a container.
_FILLING = ("append", "extend", "__setitem__")


def written(cls: type, names: tuple[str, ...]) -> bool:
    """Tell whether a cell of the notebook has written one of these methods for the class."""
    return any(_of_notebook(vars(base).get(name)) for base in cls.__mro__[:-1] for name in names)


def reduce_context(context: Any, trace: Trace) -> Any:
    """Reduce the context in force to what it is: state of the process, not a value."""
    return (rebuild.context, ()) if context is sys.modules["decimal"].getcontext() else NotImplemented


def whole(obj: Any, reduced: Any) -> Any:
    """Add the attributes that a subclass gives its instances, where a class of the standard library reduces without."""
    attributes = getattr(obj, "__dict__", None)
    if not attributes or not isinstance(reduced, tuple) or any(part is not None for part in reduced[2:3]):
        return reduced
    saves = next(base for base in type(obj).__mro__ if _SAVING_ALONE & vars(base).keys())
    if saves in (type(obj), object) or saves.__module__.split(".")[0] not in sys.stdlib_module_names:
        return reduced
    items = (*reduced[3:5], None, None)[:2]
    return (*reduced[:2], dict(attributes), *items, rebuild.fill_more)


def _of_notebook(found: Any) -> bool:
    function = getattr(found, "__func__", found)
    return isinstance(function, types.FunctionType) and function.__globals__.get("__name__") == "__main__"


def saves_itself(cls: type) -> bool:
    """Tell whether its own methods would run when an instance is stored or comes back."""
    return written(cls, _SAVING) or (cls.__base__ is not object and written(cls, ("__init__", *_FILLING)))


def reduce_instance(obj: Any, trace: Trace) -> Any:
    """Reduce to what the instance holds; refuse where it holds more than attributes and its methods fill it."""
    cls: Any = type(obj)
    if rebuild.is_plain(cls):
        return rebuild.bare, (cls,), object.__getstate__(obj), None, None, rebuild.fill_instance
    if written(cls, _SAVING):
        raise Refused(f"{shown(cls)}, which says itself how it is made or saved")
    reduced = obj.__reduce_ex__(5)
    made = isinstance(reduced, tuple) and reduced[0] is cls and written(cls, ("__init__",))
    if made or (isinstance(reduced, tuple) and any(reduced[3:5]) and written(cls, _FILLING)):
        raise Refused(f"{shown(cls)}, whose own methods would make it anew")
    return reduced
