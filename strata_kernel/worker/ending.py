"""Ends a process with all that it has started, wherever that has gone to."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

_PROC = Path("/proc")


def end_tree(pid: int, mark: str) -> None:
    """Kill a process that leads its group, its descendants, and what carries its mark in the environment.

    A child that left the group and lost its parent is known by the mark alone; without /proc only the group is.
    """
    marked = f"STRATA_EXECUTION={mark}".encode()
    for _ in range(3):
        found = {p for p in _descendants(pid) | _marked(marked) if p != os.getpid()}
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        for each in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(each, signal.SIGKILL)
        if not found:
            return


def _descendants(pid: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for each in _numbers():
        with contextlib.suppress(OSError, ValueError, IndexError):
            stat = (_PROC / str(each) / "stat").read_text("ascii", "replace")
            state, parent = stat.rpartition(")")[2].split()[:2]
            if state != "Z":
                children.setdefault(int(parent), []).append(each)
    found: set[int] = set()
    pending = list(children.get(pid, ()))
    while pending:
        each = pending.pop()
        if each not in found:
            found.add(each)
            pending.extend(children.get(each, ()))
    return found


def _marked(mark: bytes) -> set[int]:
    found = set()
    for each in _numbers():
        with contextlib.suppress(OSError):
            if mark in (_PROC / str(each) / "environ").read_bytes().split(b"\0"):
                found.add(each)
    return found


def _numbers() -> list[int]:
    try:
        return [int(name) for name in os.listdir(_PROC) if name.isdigit()]
    except OSError:
        return []
