"""The recording in progress, and the threads that are no part of it."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strata_kernel.kernel.observe.recording import Recording

#: What the wrappers look at first: while it is None, they cost one comparison.
recording: Recording | None = None

#: Is told the event and the path, as text, that user code opens, lists or asks for, ahead of it; what it raises goes to
#: that code.
ahead: Callable[[str, str], None] | None = None

#: What went wrong between recordings; the next one tells.
troubles: list[str] = []

_outsiders: dict[int, threading.Thread] = {}
#: Threads that were started by what is kept out of the recording.
_begun: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


class _Own(threading.local):
    depth = 0


_own = _Own()


@contextmanager
def exempt() -> Iterator[None]:
    """Keep what this thread does inside the block out of every recording."""
    _own.depth += 1
    try:
        yield
    finally:
        _own.depth -= 1


def exempt_thread() -> None:
    """Keep all that this thread does from now on out of every recording."""
    _own.depth += 1


def exempt_others() -> None:
    """Keep the threads that are alive now out, the main one and this one aside."""
    kept = (threading.main_thread(), threading.current_thread())
    _outsiders.update((t.ident, t) for t in threading.enumerate() if t.ident is not None and t not in kept)


def is_outsider(thread: threading.Thread) -> bool:
    """Tell whether a thread was alive when observation was installed, or is no work of the user's code."""
    return _outsiders.get(thread.ident or 0) is thread or thread in _begun


@contextmanager
def apart() -> Iterator[None]:
    """Keep what this thread does inside the block out, and the threads that the libraries it calls leave behind."""
    before = set(threading.enumerate())
    with exempt():
        try:
            yield
        finally:
            for thread in set(threading.enumerate()) - before:
                target = getattr(thread, "_target", None)
                if getattr(target, "__module__", "__main__") != "__main__":
                    _begun.add(thread)


def forget_finished() -> None:
    """Drop the outsiders that ended: the system gives their numbers to new threads."""
    for ident, thread in list(_outsiders.items()):
        if not thread.is_alive():
            del _outsiders[ident]


def listening() -> bool:
    """Tell whether what this thread does now is recorded."""
    return recording is not None and not _own.depth and threading.get_ident() not in _outsiders


def note(handler: Callable[..., None], *args: Any) -> None:
    """Record by calling `handler(recording, *args)`; what goes wrong there is noted and never raised."""
    current = recording
    if current is None or _own.depth or threading.get_ident() in _outsiders:
        return
    _own.depth += 1
    try:
        handler(current, *args)
    except Exception as error:
        # The user's open() must not fail because of us; a recording with a gap is not published.
        current.miss(f"{type(error).__name__} in {getattr(handler, '__name__', 'a handler')}: {error}")
    finally:
        _own.depth -= 1


def attempt(call: Callable[..., Any], *args: Any) -> Any:
    """Call something of ours in the midst of the user's code, unrecorded; return None when it fails."""
    _own.depth += 1
    try:
        return call(*args)
    except Exception as error:  # in the midst of the user's code: a fault of ours is told by the next recording
        text = f"{type(error).__name__} in {getattr(call, '__name__', 'a hook')}: {error}"
        if recording is not None:
            recording.miss(text)
        else:
            troubles.append(text)
        return None
    finally:
        _own.depth -= 1


def caller(depth: int) -> Any:
    """Return the frame `depth` levels above the function that asks, None when there is none."""
    try:
        return sys._getframe(depth + 1)
    except ValueError:
        return None
