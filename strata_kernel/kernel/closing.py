"""What a kernel does for the store at its end: collect what is over the limit, at most once an hour."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress

from strata_kernel.errors import StoreError
from strata_kernel.kernel.observe import active
from strata_kernel.store import LocalStore
from strata_kernel.store.gc import collect

#: Its age tells when the last collection was.
STAMP = "refs/collected"
EVERY = 3600.0
#: Clients kill a kernel that takes five seconds to end; a collection that is cut short leaves a sound store.
PATIENCE = 2.0


def collect_sometimes(store: LocalStore, max_bytes: int) -> bool:
    """Collect unless it was done within the hour; tell whether it was due. Never raises, returns in time."""
    if not _due(store):
        return False
    thread = threading.Thread(target=_collect, args=(store, max_bytes), name="strata-collector", daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return True


def _due(store: LocalStore) -> bool:
    stamp = store.path / STAMP
    try:
        if time.time() - stamp.stat().st_mtime < EVERY:
            return False
        os.utime(stamp)
        return True
    except FileNotFoundError:
        if not (store.path / "cas").is_dir():
            return False  # nothing was ever kept here
        with suppress(OSError):
            stamp.parent.mkdir(exist_ok=True)
            stamp.touch()
            return True
    except OSError:
        pass
    return False


def _collect(store: LocalStore, max_bytes: int) -> None:
    active.exempt_thread()
    # What cannot be collected now is collected by the next one.
    with suppress(StoreError, OSError):
        collect(store, max_bytes)
