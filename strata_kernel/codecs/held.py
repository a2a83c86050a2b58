"""What the process itself holds of the notebook's objects: a copy of them would not be what it writes to."""

from __future__ import annotations

import gc
import logging
import types
from typing import Any

from strata_kernel.codecs.immutable import is_immutable, shareable
from strata_kernel.codecs.source import Definitions

#: Objects walked from one place; beyond that it holds more than a notebook's own.
_WALKED = 20_000
#: Instances of these belong to the kernel or to the interpreter, with all behind them.
_INFRASTRUCTURE = ("ipykernel", "IPython", "traitlets", "zmq", "tornado", "asyncio", "_asyncio", "threading", "_thread")
#: Found again by name, never copied.
_BY_NAME = (type, types.ModuleType, logging.Logger, logging.Manager)


def reachable(held: dict[str, Any], definitions: Definitions) -> dict[int, str]:
    """Return the objects that can change and are reached from the places, by identity, with the place."""
    found: dict[int, str] = {}
    for place, root in held.items():
        # What is listed, not the list: that is none of the notebook's.
        pending = list(root) if isinstance(root, list) else [root]
        seen: dict[int, Any] = {}
        while pending and len(seen) < _WALKED:
            value = pending.pop()
            if id(value) in seen or _is_boundary(value, definitions):
                continue
            seen[id(value)] = value
            if isinstance(value, types.FunctionType):
                pending += [*(value.__closure__ or ()), *(value.__defaults__ or ()), value.__kwdefaults__]
            elif not is_immutable(value):
                pending += gc.get_referents(value)
        found.update((key, place) for key, value in seen.items() if not is_immutable(value) and not shareable(value))
    return found


def _is_boundary(value: Any, definitions: Definitions) -> bool:
    if value is None or value is definitions.namespace or isinstance(value, _BY_NAME):
        return True
    if type(value) is dict and "__builtins__" in value:
        return True
    if type(value).__module__.partition(".")[0] in _INFRASTRUCTURE:
        return True
    return definitions.reference(value) is not None
