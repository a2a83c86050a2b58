"""From the arguments of a native reader to the files behind them."""

from __future__ import annotations

import glob
import os
from typing import Any
from urllib.parse import unquote, urlsplit

from strata_kernel.kernel.observe.recording import Recording

_MAGIC = frozenset("*?[")


def touch(recording: Recording, mode: str, value: Any) -> None:
    """Note that a library natively reads ("r"), writes ("w") or updates ("u") what an argument names."""
    if isinstance(value, list | tuple | set | frozenset):
        for item in value:
            touch(recording, mode, item)
        return
    if not isinstance(value, str | bytes | os.PathLike):
        return
    text = os.fsdecode(value)
    if not text or len(text) > 4096 or "\n" in text or "\0" in text:
        return
    if "://" in text:
        parts = urlsplit(text)
        if parts.scheme not in ("file", "local"):
            recording.reason("network", f"reads {parts.scheme}://{parts.netloc}", name=parts.netloc or parts.scheme)
            return
        text = unquote(parts.path)
    path = recording.place(os.path.expanduser(text))
    if path is None:
        return
    if mode == "r":
        read(recording, path)
    elif mode == "w":
        write(recording, path)
    else:
        recording.write(path, update=True)
        recording.held.add(path)


def read(recording: Recording, path: str) -> None:
    """Note a file, all files of a folder, or all that a pattern matches."""
    if os.path.isdir(path):
        for folder, _, _ in os.walk(path):
            recording.names(folder)
        for file in recording.below(path):
            recording.read(file)
    elif _MAGIC.isdisjoint(path) or os.path.lexists(path):
        recording.read(path)
    else:
        _read_pattern(recording, path)


def _read_pattern(recording: Recording, pattern: str) -> None:
    parts = pattern.split(os.sep)
    first = next(index for index, part in enumerate(parts) if not _MAGIC.isdisjoint(part))
    base = os.sep.join(parts[:first]) or os.sep
    depth = len(parts) - first
    for folder, folders, _ in os.walk(base):
        recording.names(folder)
        level = folder[len(base) :].count(os.sep)
        if "**" not in pattern and level >= depth - 1:
            folders.clear()
    for path in sorted(glob.glob(pattern, recursive=True)):
        if os.path.isfile(path):
            recording.read(path)


def write(recording: Recording, path: str) -> None:
    """Note a file that is written anew; of a folder, the files that it holds already."""
    if os.path.isdir(path):
        for file in recording.below(path):
            recording.read(file)
            recording.freeze(file)
        recording.grown.add(path)
    else:
        recording.write(path)
        recording.grown.add(path)


def pick(args: tuple[Any, ...], kwargs: dict[str, Any], index: int, names: tuple[str, ...]) -> Any:
    """Return the argument at a position or under one of the names, None when it is not given."""
    if len(args) > index:
        return args[index]
    return next((kwargs[name] for name in names if name in kwargs), None)
