"""`os.environ`, with reads recorded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import FrameType
from typing import Any

from strata_kernel.kernel.observe import active, frames
from strata_kernel.kernel.observe.recording import Recording
from strata_kernel.world.env import is_volatile

#: How programs are found: it differs with the shell that started Jupyter, and what they do is not seen anyway.
_OF_PROGRAMS = frozenset({"PATH", "LD_LIBRARY_PATH"})


class RecordingEnviron(os._Environ):  # type: ignore[type-arg]
    """The environment; reads are noted, a walk over all variables only when the user's own code walks."""

    _walked: Any = None

    def __getitem__(self, key: Any) -> Any:
        if active.recording is not None and key != self._walked:
            active.note(_read, self, key, active.caller(1))
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[Any]:
        if active.recording is None:
            yield from super().__iter__()
            return
        active.note(_walk, self, active.caller(1))
        try:
            for key in super().__iter__():
                # A copy of all variables, as `dict(os.environ)` takes it, asks for the key that it was just given.
                self._walked = key
                yield key
        finally:
            self._walked = None

    def __len__(self) -> int:
        return super().__len__()


def _text(environ: Any, key: Any) -> tuple[str, str | None] | None:
    try:
        raw = environ._data.get(environ.encodekey(key))
        name = os.fsdecode(key)
    except (TypeError, ValueError, UnicodeError):
        return None
    return name, None if raw is None else os.fsdecode(raw)


def _read(recording: Recording, environ: Any, key: Any, frame: FrameType | None) -> None:
    asker = frames.beyond(frame, frames.THROUGH)
    if frames.is_machinery(asker):
        return
    found = _text(environ, key)
    if found is None or is_volatile(found[0]):
        return
    if found[0] not in _OF_PROGRAMS or frames.is_users(asker, recording.namespace):
        recording.read_env(*found)


def _walk(recording: Recording, environ: Any, frame: FrameType | None) -> None:
    if frames.is_users(frames.beyond(frame, frames.THROUGH), recording.namespace):
        for key, value in list(environ._data.items()):
            if not is_volatile(name := os.fsdecode(key)):
                recording.read_env(name, os.fsdecode(value))


def install() -> None:
    """Change the class of the one environment that all code shares."""
    os.environ.__class__ = RecordingEnviron
    if hasattr(os, "environb"):
        os.environb.__class__ = RecordingEnviron
