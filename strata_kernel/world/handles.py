"""The files that this process, or one that it started, still works on."""

from __future__ import annotations

import os

APPENDS, WRITES, MAPS = "appends", "writes", "maps"


def held() -> dict[str, str]:
    """Return the regular files that this process has open for writing, each with how it writes to them."""
    import psutil  # only where a run has written files

    found: dict[str, str] = {}
    for handle in psutil.Process().open_files():
        mode = getattr(handle, "mode", "w")  # only Linux tells
        if mode != "r":
            # One that writes anywhere counts, whatever others do.
            found[handle.path] = APPENDS if mode.startswith("a") and found.get(handle.path) != WRITES else WRITES
    return found


def children() -> list[str]:
    """Return the names of the processes that this one started and that still run."""
    import psutil  # only where a run has started processes

    running = []
    for child in psutil.Process(os.getpid()).children():
        try:
            if child.status() != psutil.STATUS_ZOMBIE:
                running.append(child.name())
        except psutil.Error:
            continue
    return running
