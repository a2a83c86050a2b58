"""A running kernel's word to collections: what I wrote since I started may not be named yet."""

from __future__ import annotations

import os
import time
from contextlib import suppress

import msgspec

from strata_kernel.errors import StoreError
from strata_kernel.store.layout import LEASES
from strata_kernel.store.tree import Tree, discard

#: A heartbeat is written at most once in so many seconds.
BEAT = 60.0
#: A lease of another host lives so many seconds after its last heartbeat; one of this host as long as its process.
LIFE = 3600.0
#: No lease holds what is older than a day, so a notebook left open for a month does not stop collections.
REACH = 86_400.0


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lease and since when (seconds since the epoch)."""

    pid: int
    host: str
    start: float


_holder = msgspec.json.Decoder(Holder)


class Lease:
    """One lease; a store that refuses it is no reason not to run."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._start = time.time()
        self._relative = f"{LEASES}/{os.getpid()}-{os.urandom(8).hex()}"
        self._beaten = time.monotonic()
        self._released = False
        self._write()

    def beat(self) -> None:
        """Show that the kernel is alive; cheap, never raises."""
        now = time.monotonic()
        if self._released or now - self._beaten < BEAT:
            return
        self._beaten = now
        try:
            os.utime(self._tree.path(self._relative))
        except FileNotFoundError:
            self._write()
        except OSError:
            pass

    def release(self) -> None:
        """End it; a lease that is never released ends with its process."""
        self._released = True
        discard(self._tree.path(self._relative))

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _write(self) -> None:
        holder = Holder(os.getpid(), _host(), self._start)
        with suppress(StoreError):
            self._tree.write(self._relative, msgspec.json.encode(holder))


def live(tree: Tree, now: float) -> list[float]:
    """Return for each live lease the time from which it holds, and remove the dead ones."""
    since: list[float] = []
    host = _host()
    for entry in tree.scan(LEASES):
        try:
            beaten = entry.stat().st_mtime
            with open(entry.path, "rb") as file:
                holder = _holder.decode(file.read())
        except (OSError, msgspec.DecodeError):
            holder = None
        if holder is None or not (_runs(holder.pid) if holder.host == host else now - beaten < LIFE):
            discard(entry.path)
        else:
            since.append(max(holder.start, now - REACH))
    return since


def _host() -> str:
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")


def _runs(pid: int) -> bool:
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
