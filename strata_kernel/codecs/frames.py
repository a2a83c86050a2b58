"""pandas: copy-on-write families keep their links, so that no frame writes through to another."""

from __future__ import annotations

import sys
from typing import Any

from strata_kernel.codecs import rebuild
from strata_kernel.codecs.trace import FIXED, PLAIN, Trace


class _Enter:
    """Marks, in the order of encoding, that memory from here on is guarded by `key`."""

    def __init__(self, key: int) -> None:
        self.key = key


class _Leave:
    """Marks where the guarded memory ends."""


def reduce_enter(mark: _Enter, trace: Trace) -> Any:
    """Begin guarded memory."""
    trace.guards.append(mark.key)
    return rebuild.marker, ()


def reduce_leave(mark: _Leave, trace: Trace) -> Any:
    """End guarded memory."""
    trace.guards.pop()
    return rebuild.marker, ()


MARKS: dict[type, Any] = {_Enter: reduce_enter, _Leave: reduce_leave}


def reduce_block(block: Any, trace: Trace) -> Any:
    """Reduce a block of a frame with its copy-on-write family."""
    make, args = block.__reduce__()[:2]
    refs = block.refs if copy_on_write() else None
    values = args[0]
    if type(values) is sys.modules["numpy"].ndarray:
        # A fresh view, so that the same array met elsewhere is seen again, out in the open.
        values = values.view()
    return rebuild.block, (_Enter(id(refs) if refs is not None else PLAIN), make, (values, *args[1:]), refs, _Leave())


def reduce_frame(frame: Any, trace: Trace) -> Any:
    """Reduce a frame or series as pandas does, without the class's own list of attribute names, which all share."""
    reduced = _settled(frame.__reduce_ex__(5))
    if len(reduced) > 2 and isinstance(reduced[2], dict):
        if reduced[2].get("_metadata") is type(frame)._metadata:
            del reduced[2]["_metadata"]
        # What a cell has set on it, which pandas forgets; its own accessors are kept there, too.
        own = {name: part for name, part in vars(frame).items() if name[:1] != "_" and not hasattr(type(frame), name)}
        reduced[2].update(own)
    return reduced


def reduce_single(series: Any, trace: Trace) -> Any:
    """Reduce the holder of a series' values to its block: pandas' own state has no block to tell the family of."""
    return rebuild.single, (type(series), series.blocks[0], series.axes[0])


def reduce_index(index: Any, trace: Trace) -> Any:
    """Reduce an index, guarded as memory that nobody writes."""
    make, args = index.__reduce__()[:2]
    refs = vars(index).get("_references") if copy_on_write() else None
    return rebuild.index, (_Enter(id(refs) if refs is not None else FIXED), make, args, refs, _Leave())


def reduce_family(refs: Any, trace: Trace) -> Any:
    """Reduce what links a copy-on-write family to a fresh one: its members join as they are rebuilt."""
    return rebuild.family, ()


def reduce_extension(array: Any, trace: Trace) -> Any:
    """Note whether an extension array was met inside a frame only."""
    if trace.guards:
        trace.inside.add(id(array))
    else:
        trace.inside.discard(id(array))
    return _settled(array.__reduce_ex__(5))


def _settled(reduced: Any) -> Any:
    """Leave out what pandas caches on first use: reading is not writing."""
    if not isinstance(reduced, tuple) or len(reduced) < 3:
        return reduced
    state = reduced[2]
    if isinstance(state, tuple):
        parts = (_uncached(part) if type(part) is dict else part for part in state)
        state = tuple(part for part in parts if type(part) is not dict or part)
    elif type(state) is dict:
        state = _uncached(state)
    return (*reduced[:2], state, *reduced[3:])


def _uncached(state: dict[str, Any]) -> dict[str, Any]:
    # Interned, because some of these keys come back as attribute names and others as plain text.
    return {sys.intern(key) if type(key) is str else key: state[key] for key in state if key != "_cache"}


def copy_on_write() -> bool:
    """Tell that pandas is of the versions in which frames never share writes."""
    pandas: Any = sys.modules.get("pandas")
    return pandas is not None and int(pandas.__version__.split(".")[0]) >= 3
