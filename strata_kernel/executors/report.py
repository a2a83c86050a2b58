"""What workers said of their environments: kept between sessions, to verify runs of theirs without asking again."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path

import msgspec

from strata_kernel.domain.digest import digest


class Report(msgspec.Struct, frozen=True):
    """What a worker said of itself: Python's minor version, and its distributions' versions by name."""

    python: str = ""
    distributions: dict[str, str] = {}


class Health(msgspec.Struct, frozen=True):
    """How a worker is when it is asked: `state` is ok, draining, or the code of the error that `text` tells.

    `latency` in milliseconds; `active` cells under way of `capacity` at a time, where it tells.
    """

    state: str
    text: str = ""
    latency: float | None = None
    active: int | None = None
    capacity: int | None = None
    python: str = ""
    version: str = ""
    protocols: tuple[str, ...] = ()


class Reports:
    """The last report of each worker, by the worker's identity; what cannot be read or written is not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Report | None] = {}

    def _path(self, identity: str) -> Path:
        return self._folder / f"{digest('report', identity)[:32]}.json"

    def keep(self, identity: str, report: Report) -> None:
        """Keep what a worker said."""
        if self._known.get(identity) == report:
            return
        self._known[identity] = report
        path = self._path(identity)
        temporary = path.with_suffix(f".{secrets.token_hex(4)}")
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary.write_bytes(msgspec.json.encode(report))
            os.replace(temporary, path)

    def version(self, identity: str, name: str) -> str | None:
        """Return the version of a distribution, "" where it is missing, None for a worker that never said."""
        if identity not in self._known:
            found = None
            with contextlib.suppress(OSError, msgspec.DecodeError):
                found = msgspec.json.decode(self._path(identity).read_bytes(), type=Report)
            # The graph may ask at the same time as the run, and a report may have come meanwhile.
            self._known.setdefault(identity, found)
        report = self._known[identity]
        if report is None:
            return None
        wanted = normal(name)
        return next((v for n, v in report.distributions.items() if normal(n) == wanted), "")


def normal(name: str) -> str:
    """Return a distribution's name as names are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()
