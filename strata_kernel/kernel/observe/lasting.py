"""Changes of the process that are seen but cannot be set again: handlers, hooks, replaced streams."""

from __future__ import annotations

import builtins
import logging
import signal
import sys
from typing import Any

from strata_kernel.domain.cell import Reason

Seen = dict[str, Any]

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
        found["signal:" + number.name] = signal.getsignal(number)
    for name in _HOOKS:
        found["hook:" + name] = id(getattr(sys, name, None))
    for name, value in vars(builtins).items():
        if name not in _NOT_OURS:
            found["builtin:" + name] = id(value)
    return found


def differences(before: Seen, after: Seen, excused: Seen) -> list[Reason]:
    """Return a reason for each difference that is not excused by an import."""
    if before == after:
        return []
    found = []
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key), after.get(key)
        kind, _, name = key.partition(":")
        if was == now or (key in excused and excused[key] == now) or (kind == "log" and not was and not now):
            continue
        found.append(Reason("effect", _TEXT[kind].format(name=name), name=key))
    return found
