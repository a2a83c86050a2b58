"""Work that a cell hands to other processes, where nothing of it is seen."""

from __future__ import annotations

import gc
import sys
import types
from functools import partial
from multiprocessing.pool import ThreadPool
from types import ModuleType
from typing import Any

from strata_kernel.kernel.observe import active
from strata_kernel.kernel.observe.imports import ImportHooks
from strata_kernel.kernel.observe.recording import Recording
from strata_kernel.kernel.observe.substitutes import put, shadow
from strata_kernel.world.places import is_library

#: By module and class, the methods that take work to be done elsewhere.
TABLE: dict[str, dict[str, tuple[str, ...]]] = {
    "concurrent.futures.process": {"ProcessPoolExecutor": ("submit",)},
    "joblib.externals.loky.process_executor": {"ProcessPoolExecutor": ("submit",)},
    "loky.process_executor": {"ProcessPoolExecutor": ("submit",)},
    "multiprocessing.pool": {"Pool": ("apply_async", "_map_async", "imap", "imap_unordered")},
    "distributed.client": {"Client": ("submit", "map", "get", "compute", "persist", "run", "gather")},
}
#: Libraries whose tasks compute on what they are given and look at nothing else.
_COMPUTING = ("sklearn.",)
#: Objects of a task that are looked through for code of the user's.
_WALKED = 20_000
_PLAIN = (int, float, str, bytes, complex, type(None))


def _hand_over(recording: Recording, pool: Any, task: Any) -> None:
    if not isinstance(pool, ThreadPool) and not is_computing(task):
        recording.reason("subprocess", "has work done by other processes, which are not observed", name="pool")


def is_computing(task: Any) -> bool:
    """Tell whether a batch of joblib's calls is a library's arithmetic on data, with no code of the user's in it."""
    calls = getattr(task, "items", None)
    if not isinstance(calls, list):
        return False
    for function, args, kwargs in calls:
        inner = getattr(function, "function", function)
        if not str(getattr(inner, "__module__", "")).startswith(_COMPUTING) or _holds_own_code([args, kwargs]):
            return False
    return True


def _holds_own_code(roots: list[Any]) -> bool:
    seen: set[int] = set()
    pending = roots
    while pending:
        fresh = []
        for value in pending:
            if id(value) in seen or isinstance(value, _PLAIN):
                continue
            seen.add(id(value))
            owner = value if isinstance(value, type | types.FunctionType) else type(value)
            if _is_own(owner):
                return True
            if not isinstance(value, type | types.FunctionType | types.ModuleType):
                fresh.append(value)
        if len(seen) > _WALKED:
            return True
        pending = gc.get_referents(*fresh)
    return False


def _is_own(owner: type | types.FunctionType) -> bool:
    name = owner.__module__
    if name == "__main__":
        return True
    origin = getattr(sys.modules.get(name), "__file__", None)
    return origin is not None and not is_library(origin)


def _before(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if active.recording is not None:
        active.note(_hand_over, args[0], args[1] if len(args) > 1 else None)


def _wrap(table: dict[str, tuple[str, ...]], module: ModuleType) -> None:
    for owner, methods in table.items():
        cls = getattr(module, owner, None)
        for name in methods:
            original = vars(cls).get(name) if cls is not None else None
            if isinstance(original, types.FunctionType) and not hasattr(original, "__wrapped__"):
                put(cls, name, shadow(original, _before))


def install(hooks: ImportHooks) -> None:
    """Wrap the pools, now or once their libraries are loaded."""
    for name, table in TABLE.items():
        hooks.after(name, partial(_wrap, table))
