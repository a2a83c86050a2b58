"""Changes of the process that are seen but cannot be set again: handlers, hooks, replaced streams."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # no wrapper that makes an enumeration member of each answer
import builtins
import logging
import signal
import sys
from typing import Any

from strata_kernel.domain.cell import Reason

Seen = dict[str, Any]

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
}


def seen() -> Seen:
    """Return what stands where, by identity."""
    found: Seen = {}
    handlers = {"root": logging.root.handlers}
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and logger.handlers:
            handlers[name] = logger.handlers
    for name, listed in handlers.items():
        found["log:" + name] = tuple(id(h) for h in listed if not isinstance(h, logging.NullHandler))
    for number in _SIGNALS:
        found["signal:" + number.name] = _signal.getsignal(number)
    for name in _HOOKS:
        found["hook:" + name] = id(getattr(sys, name, None))
    found[_BUILTINS] = dict(vars(builtins))
    return found


def _spread(found: Seen) -> Seen:
    spread = {key: value for key, value in found.items() if key != _BUILTINS}
    named = found.get(_BUILTINS, {})
    spread.update({"builtin:" + name: id(value) for name, value in named.items() if name not in _NOT_OURS})
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
        found.append(Reason("effect", _TEXT[kind].format(name=name), name=key))
    return found
