"""Changes of the process that are seen but cannot be set again: handlers, hooks, callbacks, replaced streams."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # no wrapper that makes an enumeration member of each answer
import builtins
import logging
import operator
import signal
import sys
import weakref
from collections.abc import Iterator
from typing import Any

from IPython.core.getipython import get_ipython

from strata_kernel.domain.cell import Reason
from strata_kernel.ports import Patch

Seen = dict[str, Any]


class Standing(tuple[Any, ...]):
    """What stands in one place: the same only where the objects are."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, tuple) and len(self) == len(other) and all(map(operator.is_, self, other))

    def __ne__(self, other: object) -> bool:
        return not self == other


_BUILTINS = "builtins"

_HOOKS = ("stdout", "stderr", "stdin", "displayhook", "excepthook", "unraisablehook", "breakpointhook")
#: Not SIGINT: ipykernel sets it around each cell.
_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGALRM", "SIGCHLD", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGPIPE", "SIGVTALRM", "SIGPROF")
    if hasattr(signal, name)
)
_NOT_OURS = frozenset({"_", "display", "get_ipython", "__IPYTHON__", "exit", "quit", "copyright", "credits", "license"})
_TEXT = {
    "log": "adds or removes a handler of the logger {name!r}",
    "signal": "sets the handler of {name}",
    "hook": "replaces sys.{name}",
    "builtin": "changes the builtin {name}",
    "event": "registers what IPython calls at {name}",
    "shell": "changes how IPython reads cells or shows values ({name})",
    "magic": "defines the magic {name}",
    "mock": "patches by unittest.mock",
    "finalize": "registers what is called at the end of an object",
}
_PLACES = {
    "log": "the handlers of the logger {name!r}",
    "hook": "sys.{name}",
    "builtin": "the builtin {name}",
    "event": "what IPython calls at {name}",
    "shell": "IPython's {name}",
    "magic": "IPython's magics",
    "finalize": "what weakref.finalize calls",
}
_TRANSFORMERS = ("ast_transformers", "input_transformers_cleanup", "input_transformers_post")
#: Callbacks of these are no cell's doing: they come whenever the library is first used.
_LIBRARIES = ("IPython", "ipykernel", "matplotlib", "matplotlib_inline", "strata_kernel")


def seen() -> Seen:
    """Return what stands where."""
    found: Seen = {}
    handlers = {"root": logging.root.handlers}
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and logger.handlers:
            handlers[name] = logger.handlers
    for name, listed in handlers.items():
        found["log:" + name] = Standing(h for h in listed if not isinstance(h, logging.NullHandler))
    for number in _SIGNALS:
        found["signal:" + number.name] = _signal.getsignal(number)
    for name in _HOOKS:
        found["hook:" + name] = Standing((getattr(sys, name, None),))
    found[_BUILTINS] = dict(vars(builtins))
    if (mock := sys.modules.get("unittest.mock")) is not None:
        found["mock:"] = Standing(mock._patch._active_patches)
    found["finalize:"] = Standing(function for _, function in _finalizers())
    if (shell := get_ipython()) is not None:
        found.update((key, Standing(listed)) for key, listed in _of_shell(shell))
    return found


def _finalizers() -> list[tuple[Any, Any]]:
    """Return the finalizers of the notebook's own, and what they call: those of libraries look after their own."""
    registered = [(each, info.func) for each, info in list(weakref.finalize._registry.items())]  # type: ignore[attr-defined]
    return [(each, f) for each, f in registered if getattr(f, "__module__", None) in (None, "__main__")]


class _Finalizers:
    """The finalizers that a run has registered; whatever else is set in their place, they are called no more."""

    def __init__(self, called: list[Any]) -> None:
        vars(self)["called"] = called

    def __setattr__(self, name: str, value: Any) -> None:
        for finalizer in vars(self)["called"]:
            finalizer.detach()
        vars(self)[name] = value


def _of_shell(shell: Any) -> Iterator[tuple[str, list[Any]]]:
    """Yield what the notebook's own code is called for by the shell."""
    for event, callbacks in shell.events.callbacks.items():
        yield "event:" + event, [c for c in callbacks if not _library(c)]
    for name in _TRANSFORMERS:
        yield "shell:" + name, list(getattr(shell, name, ()))
    for kind, formatter in shell.display_formatter.formatters.items():
        printers = [*formatter.type_printers.items(), *formatter.deferred_printers.items()]
        yield "shell:" + kind, [p for _, p in printers if getattr(p, "__module__", None) == "__main__"]
    for kind, magics in shell.magics_manager.magics.items():
        yield "magic:" + kind, [m for m in magics.values() if getattr(m, "__module__", None) == "__main__"]


def _library(callback: Any) -> bool:
    module = getattr(getattr(callback, "__func__", callback), "__module__", None) or ""
    return module.partition(".")[0] in _LIBRARIES


def installed(start: Seen) -> dict[str, Any]:
    """Return what cells have put where the process finds it, by what a person calls the place."""
    before, after, found = _spread(start), _spread(seen()), dict[str, Any]()
    for key, now in after.items():
        kind, _, name = key.partition(":")
        if kind in _PLACES and now != before.get(key):
            found[_PLACES[kind].format(name=name)] = list(now)
    return found


def undo(before: Seen, reasons: list[Reason]) -> dict[str, Patch]:
    """Return how the changes behind the reasons can be taken back, by the reason's name, where they can."""
    found = {}
    for key in (r.name or "" for r in reasons):
        kind, _, name = key.partition(":")
        if kind == "hook":
            found[key] = Patch(sys, name, before[key][0])
        elif kind == "builtin" and name in before[_BUILTINS]:
            found[key] = Patch(builtins, name, before[_BUILTINS][name])
        elif kind == "event":
            callbacks = get_ipython().events.callbacks
            theirs = [c for c in callbacks[name] if _library(c)]
            found[key] = Patch(callbacks, name, [*theirs, *before.get(key, ())])
        elif kind == "finalize":
            added = [each for each, f in _finalizers() if not any(f is known for known in before[key])]
            found[key] = Patch(_Finalizers(added), "called", [])
        elif kind == "log":
            found[key] = Patch(logging.getLogger(None if name == "root" else name), "handlers", [*before.get(key, ())])
    return found


def _spread(found: Seen) -> Seen:
    spread = {key: value for key, value in found.items() if key != _BUILTINS}
    named = found.get(_BUILTINS, {})
    spread.update({"builtin:" + name: Standing((value,)) for name, value in named.items() if name not in _NOT_OURS})
    return spread


def excuse(before: Seen, excused: Seen) -> None:
    """Add to the excused what an import has changed since."""
    now = seen()
    if now != before:
        old = _spread(before)
        excused.update({key: value for key, value in _spread(now).items() if old.get(key) != value})


def differences(before: Seen, after: Seen, excused: Seen) -> list[Reason]:
    """Return a reason for each difference that is not excused by an import."""
    if before == after:
        return []
    before, after = _spread(before), _spread(after)
    found = []
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key), after.get(key)
        kind, _, name = key.partition(":")
        if was == now or (key in excused and excused[key] == now) or (kind == "log" and not was and not now):
            continue
        if kind == "finalize" and all(any(f is w for w in was or ()) for f in now or ()):
            continue  # objects came to their ends
        found.append(Reason("effect", _TEXT[kind].format(name=name), name=key))
    return found
