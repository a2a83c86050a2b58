"""Values that read files when they are asked: what they read is not in them, so that none is equal to any other.

The mark of a value is part of its stored form and comes back with it.
"""

from __future__ import annotations

import json
import secrets
import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from strata_kernel.codecs import rebuild
from strata_kernel.codecs.immutable import qualified
from strata_kernel.codecs.trace import Trace

#: Plans of more bytes hold frames: they are not searched, and taken to read files.
_SEARCHED = 1 << 20

_PLAN = "polars.lazyframe.frame.LazyFrame"
_FILES = frozenset({"pyarrow._dataset.Dataset", "pyarrow._dataset.Fragment"})


def reduce_outside(value: Any, trace: Trace) -> Any:
    """Reduce as the type says, with the mark of a value that reads files."""
    if sources(value) == []:
        return NotImplemented
    known = rebuild.MARKS.get(id(value))
    mark = known[1] if known is not None and known[0]() is value else rebuild.marked(value, secrets.token_hex(16))
    make, args, *more = value.__reduce_ex__(5)
    return (rebuild.outside, (mark, make, args), *more)


def sources(value: Any) -> list[str] | None:
    """Return the paths that a value reads when it is asked, None when it does not tell; none of other values."""
    cls: Any = type(value)
    kind = _kind(cls)
    if not kind:
        return []
    if kind == _PLAN:
        return _planned(value)
    if hasattr(value, "children"):
        parts = [sources(child) for child in value.children]
        return None if None in parts else [path for part in parts for path in part or ()]
    return list(getattr(value, "files", ())) or ([value.path] if hasattr(value, "path") else None)


@lru_cache(maxsize=4096)
def _kind(cls: type) -> str:
    """Return the name of the class for which values of this one read files, empty for others: every run asks."""
    return next((name for name in map(qualified, cls.__mro__) if name == _PLAN or name in _FILES), "")


def _planned(plan: Any) -> list[str] | None:
    try:
        if len(plan.serialize()) > _SEARCHED:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(_paths(json.loads(plan.serialize(format="json"))))
    except Exception:  # a plan of functions does not tell what it reads, and this form of it is on its way out
        return None


def _paths(tree: Any) -> Iterator[str]:
    if isinstance(tree, list):
        for item in tree:
            yield from _paths(item)
    elif isinstance(tree, dict):
        for name, part in tree.items():
            if name == "Paths" and isinstance(part, list):
                yield from (path.get("inner", "") if isinstance(path, dict) else str(path) for path in part)
            else:
                yield from _paths(part)
