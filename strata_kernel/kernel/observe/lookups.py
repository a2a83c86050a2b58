"""`os.stat`, `os.lstat` and `os.getcwd`, by which programs ask what is there and where they are; none is audited."""

from __future__ import annotations

import os
from types import FrameType
from typing import Any

from strata_kernel.kernel.observe import active, frames
from strata_kernel.kernel.observe.recording import Recording
from strata_kernel.kernel.observe.substitutes import Substitute

#: Functions of the standard library that ask for existence, kind or size only: content and presence say it all.
_PLAIN = frozenset({
    "exists", "isfile", "isdir", "is_file", "is_dir", "getsize", "lexists", "is_mount", "ismount", "is_socket",
    "is_fifo",
    "is_block_device", "is_char_device", "samefile", "iglob", "_iglob", "glob1", "_glob1", "glob0", "_glob0",
    "_lexists", "is_symlink",
    "islink", "which", "_access_check",
})  # fmt: skip
#: Functions that look at every step of a path, or at what they are about to make or copy.
_PASSING = frozenset({
    "realpath", "_joinrealpath", "resolve", "makedirs", "mkdir", "touch", "copystat", "copymode", "copyfile",
    "_samefile", "rmtree",
    "_rmtree_safe_fd", "_rmtree_safe_fd_step", "_rmtree_unsafe", "_fwalk", "fwalk", "_copytree",
    "_is_immutable", "unlink", "move",
})  # fmt: skip


class Lookup(Substitute):
    """`os.stat` or `os.lstat`."""

    def __call__(self, path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
        """Call the original and note what was asked for."""
        if active.recording is None or type(path) is int:
            return self.__wrapped__(path, *args, **kwargs)  # type: ignore[no-any-return]
        if active.ahead is not None and type(path) is str and active.listening():
            active.ahead("stat", path)
        try:
            found: os.stat_result = self.__wrapped__(path, *args, **kwargs)
        except (FileNotFoundError, NotADirectoryError):
            if not kwargs.get("dir_fd"):
                active.note(_missing, path, active.caller(1))
            raise
        if not kwargs.get("dir_fd"):
            active.note(_found, path, active.caller(1), found)
        return found


def _asker(frame: FrameType | None) -> tuple[FrameType | None, str]:
    """Return the frame on whose behalf the question is asked, and the function of the standard library it asked."""
    name = ""
    while frame is not None and frames.module_of(frame) in frames.THROUGH:
        name = frame.f_code.co_name
        if name in _PASSING:
            return None, name
        frame = frame.f_back
    return frame, name


def _missing(recording: Recording, raw: Any, frame: FrameType | None) -> None:
    asker, _ = _asker(frame)
    if asker is None or frames.is_machinery(asker):
        return
    if (path := recording.place(raw)) is not None and frames.module_of(asker) != "tempfile":
        recording.lack(path)


def _found(recording: Recording, raw: Any, frame: FrameType | None, found: os.stat_result) -> None:
    asker, name = _asker(frame)
    if asker is None or frames.is_machinery(asker):
        return
    path = recording.place(raw)
    if path is not None and frames.module_of(asker) != "tempfile":
        exact = name not in _PLAIN and frames.is_users(asker, recording.namespace)
        recording.look(path, found, exact)


class Standing(Substitute):
    """`os.getcwd` or `os.getcwdb`."""

    def __call__(self) -> Any:
        """Call the original and note that the user's code asked."""
        if active.recording is not None:
            active.note(_stood, active.caller(1))
        return self.__wrapped__()


def _stood(recording: Recording, frame: FrameType | None) -> None:
    asker, _ = _asker(frame)
    if asker is not None and frames.is_users(asker, recording.namespace):
        recording.relative = True


def install() -> None:
    """Put the stand-ins into `os`."""
    for name in ("getcwd", "getcwdb"):
        if not isinstance(getattr(os, name), Standing):
            setattr(os, name, Standing(getattr(os, name), "os"))
    for name in ("stat", "lstat"):
        original = getattr(os, name)
        if isinstance(original, Lookup):
            continue
        substitute = Lookup(original, "os")
        for supported in (os.supports_fd, os.supports_dir_fd, os.supports_follow_symlinks):
            if original in supported:
                supported.add(substitute)
        setattr(os, name, substitute)
