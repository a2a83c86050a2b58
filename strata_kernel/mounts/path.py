"""The path of a mount: a `pathlib.Path` that fetches a file when it is opened, or when its text is handed on.

Whoever is given the text of a path, be it a library in C or another program, must find behind it what stands there.
A folder's text therefore brings all that is below the folder; methods of the path itself bring no more than they need.
"""

from __future__ import annotations

import errno
import fnmatch
import operator
import os
import pathlib
import posixpath
from collections.abc import Callable, Iterator
from pathlib import Path, PosixPath, PurePath, PurePosixPath
from typing import Any, NamedTuple, Protocol

from strata_kernel.errors import MountError
from strata_kernel.mounts.mounted import Mounted
from strata_kernel.mounts.staged import Staged


class Spot(NamedTuple):
    """A path below a mount."""

    mounted: Mounted
    path: str


class Finder(Protocol):
    """Knows the mounts of this process."""

    def spot(self, text: str) -> Spot | None:
        """Return where the text of a path stands in a mount, None for one that is in none; raise MountError."""
        ...

    def reopened(self, mount: bytes, path: str) -> Any:
        """Return the path that a saved one stands for."""
        ...


#: The one of this process, once it has a mount.
finder: Finder | None = None


def plain(path: PurePath) -> str:
    """Return the text of a path, with nothing fetched."""
    return PosixPath.__str__(path) if isinstance(path, MountPath) else str(path)


def spot(path: PurePath) -> Spot | None:
    """Return where a path stands in a mount, None for one that is in none; raise MountError for one that leaves it."""
    return None if finder is None else finder.spot(plain(path))


def _reopen(mount: bytes, path: str) -> Any:
    return PurePosixPath(path) if finder is None else finder.reopened(mount, path)


def _compared(compare: Callable[[Any, Any], bool]) -> Any:
    def ordered(self: PurePath, other: object) -> Any:
        if not isinstance(other, PurePath):
            return NotImplemented
        return compare(PurePosixPath(plain(self)), PurePosixPath(plain(other)))

    return ordered


class _Text(PosixPath):
    """What a path is as a value."""

    __slots__ = ()

    def __fspath__(self) -> str:
        if (here := spot(self)) is not None:
            here.mounted.leave(here.path)
        return plain(self)

    def __str__(self) -> str:
        return self.__fspath__()

    def __repr__(self) -> str:
        here = spot(self)
        return f"MountPath({here.mounted.address(here.path) if here else plain(self)!r})"

    def __hash__(self) -> int:
        return hash(PurePosixPath(plain(self)))

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, PurePath):
            return NotImplemented
        return PurePosixPath(plain(self)) == PurePosixPath(plain(other))

    __lt__ = _compared(operator.lt)
    __le__ = _compared(operator.le)
    __gt__ = _compared(operator.gt)
    __ge__ = _compared(operator.ge)

    def __reduce__(self) -> Any:
        here = spot(self)
        if here is None:
            return (PosixPath, (plain(self),))
        import msgspec

        return (_reopen, (msgspec.json.encode(here.mounted.mount), here.path))

    def absolute(self) -> Any:
        """Return itself."""
        return self

    def resolve(self, strict: bool = False) -> Any:
        """Return the path without `..`; raise FileNotFoundError when it is strict and nothing stands there."""
        here = spot(self)
        if here is None:
            return PosixPath(plain(self)).resolve(strict)
        if strict:
            here.mounted.stat(here.path)
        return type(self)(os.path.normpath(plain(self)))

    def match(self, path_pattern: Any, **options: Any) -> bool:
        """Tell whether the path fits a pattern."""
        return PurePosixPath(plain(self)).match(path_pattern, **options)

    def as_posix(self) -> str:
        """Return the text."""
        return str(self)


class _Reading(_Text):
    """Looking and reading."""

    __slots__ = ()

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Return what is known of the file, without fetching it."""
        here = spot(self)
        return os.stat(plain(self)) if here is None else here.mounted.stat(here.path)

    def lstat(self) -> os.stat_result:
        """Return what is known of the file, without fetching it."""
        return self.stat()

    def _kind(self) -> str:
        here = spot(self)
        if here is None:
            text = plain(self)
            return "folder" if os.path.isdir(text) else "file" if os.path.isfile(text) else ""
        found = here.mounted.look(here.path)
        return "" if found is None else "folder" if found.folder else "file"

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether something stands there."""
        return bool(self._kind())

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether it is a file."""
        return self._kind() == "file"

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether it is a folder."""
        return self._kind() == "folder"

    def is_symlink(self) -> bool:
        """Tell that it is none."""
        return False

    def iterdir(self) -> Any:
        """Yield what stands in the folder; raise FileNotFoundError or NotADirectoryError."""
        here = spot(self)
        if here is None:
            yield from PosixPath(plain(self)).iterdir()
            return
        found = here.mounted.look(here.path)
        if found is None or not found.folder:
            number = errno.ENOENT if found is None else errno.ENOTDIR
            raise type(OSError(number, ""))(number, os.strerror(number), here.mounted.address(here.path))
        for name in here.mounted.names(here.path):
            yield self / name

    def glob(self, pattern: Any, **options: Any) -> Any:
        """Yield what fits the pattern, fetching nothing."""
        parts = PurePosixPath(plain(pattern) if isinstance(pattern, PurePath) else pattern).parts
        if not parts:
            raise ValueError(f"Unacceptable pattern: {pattern!r}")
        here = spot(self)
        if here is None:
            yield from PosixPath(plain(self)).glob(pattern, **options)
            return
        seen: set[str] = set()
        for path in _matches(here.mounted, here.path, parts):
            if path not in seen:
                seen.add(path)
                yield type(self)(posixpath.join(here.mounted.root, path))

    def rglob(self, pattern: Any, **options: Any) -> Any:
        """Yield what fits the pattern at any depth, fetching nothing."""
        return self.glob(f"**/{plain(pattern) if isinstance(pattern, PurePath) else pattern}", **options)

    def walk(self, top_down: bool = True, on_error: Any = None, follow_symlinks: bool = False) -> Any:
        """Yield each folder with the names of the folders and of the files in it."""
        inner = list(self.iterdir())
        folders, files = [p for p in inner if p.is_dir()], [p for p in inner if not p.is_dir()]
        here = (self, [p.name for p in folders], [p.name for p in files])
        if top_down:
            yield here
        for name in here[1]:
            yield from (self / name).walk(top_down, on_error, follow_symlinks)
        if not top_down:
            yield here


def _matches(mounted: Mounted, folder: str, parts: tuple[str, ...]) -> Iterator[str]:
    head, *rest = parts
    join = (lambda name: f"{folder}/{name}") if folder else (lambda name: name)
    if head == "**":
        below = mounted.below(folder)
        inner = {path.rpartition("/")[0] for path in below} - {""}
        inner |= {path[:at] for path in inner for at in range(len(path)) if path[at] == "/"}
        start = f"{folder}/" if folder else ""
        folders = [folder, *sorted(f for f in inner if f.startswith(start) and f != folder)]
        if not rest:
            yield from folders
        elif len(rest) == 1:
            # One list tells all of it.
            every = sorted({*below, *folders[1:]})
            depth = len(start)
            yield from (p for p in every if fnmatch.fnmatchcase(p.rpartition("/")[2], rest[0]) and len(p) > depth)
        else:
            for each in folders:
                yield from _matches(mounted, each, tuple(rest))
        return
    if any(c in head for c in "*?["):
        names = [n for n in _names(mounted, folder) if fnmatch.fnmatchcase(n, head)]
    else:
        names = [head] if mounted.look(join(head)) is not None else []
    for name in names:
        path = join(name)
        if not rest:
            yield path
        elif (found := mounted.seen(path)) is None or found.folder:
            yield from _matches(mounted, path, tuple(rest))


def _names(mounted: Mounted, folder: str) -> list[str]:
    found = mounted.look(folder)
    return list(mounted.names(folder)) if found is not None and found.folder else []


class MountPath(_Reading):
    """A path below a mount: reading needs nothing else, writing needs its mode to be rw."""

    __slots__ = ()

    def open(
        self, mode: str = "r", buffering: int = -1, encoding: Any = None, errors: Any = None, newline: Any = None
    ) -> Any:
        """Open the file, fetching it where it is read."""
        here = spot(self)
        if here is None:
            return open(plain(self), mode, buffering, encoding, errors, newline)
        writes = bool(set(mode) & set("wax+"))
        text = self._writable(here, mode) if writes else here.mounted.place(here.path)
        return open(text, mode, buffering, encoding, errors, newline)

    @staticmethod
    def _writable(here: Spot, mode: str) -> str:
        staged = _staged(here)
        found = staged.look(here.path)
        if "x" in mode and found is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), staged.address(here.path))
        if found is not None and not found.folder and ("a" in mode or "r" in mode):
            return staged.place(here.path)
        return staged.make_room(here.path)

    def read_text(self, encoding: Any = None, errors: Any = None, newline: Any = None) -> str:
        """Return the file's text."""
        with self.open("r", -1, encoding, errors, newline) as file:
            text: str = file.read()
            return text

    def read_bytes(self) -> bytes:
        """Return the file's bytes."""
        with self.open("rb") as file:
            content: bytes = file.read()
            return content

    def write_text(self, data: str, encoding: Any = None, errors: Any = None, newline: Any = None) -> int:
        """Write the text; it goes back when the cell has succeeded."""
        with self.open("w", -1, encoding, errors, newline) as file:
            return int(file.write(data))

    def write_bytes(self, data: Any) -> int:
        """Write the bytes; they go back when the cell has succeeded."""
        with self.open("wb") as file:
            return int(file.write(memoryview(data)))

    def touch(self, mode: int = 0o666, exist_ok: bool = True) -> None:
        """Make an empty file, if there is none."""
        here = _needed(self)
        if _staged(here).look(here.path) is None or not exist_ok:
            self.open("xb").close()

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Make a folder; one that stays empty does not go back."""
        here = _needed(self)
        staged = _staged(here)
        found = staged.look(here.path)
        if found is not None:
            if not (exist_ok and found.folder):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), staged.address(here.path))
            return
        if parents and self.parent != self:
            self.parent.mkdir(parents=True, exist_ok=True)
        os.mkdir(staged.make_room(here.path))

    def unlink(self, missing_ok: bool = False) -> None:
        """Take the file away; that goes back when the cell has succeeded."""
        here = _needed(self)
        try:
            _staged(here).take_away(here.path)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def rmdir(self) -> None:
        """Take an empty folder away."""
        here = _needed(self)
        if _staged(here).names(here.path):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), here.mounted.address(here.path))
        if os.path.isdir(plain(self)):
            os.rmdir(plain(self))

    def rename(self, target: Any) -> Any:
        """Move the file within its mount, in place of what stands there."""
        return self.replace(target)

    def replace(self, target: Any) -> Any:
        """Move the file within its mount, in place of what stands there."""
        here = _needed(self)
        there = target if isinstance(target, MountPath) else type(self)(target)
        goal = spot(there)
        staged = _staged(here)
        if goal is None or goal.mounted is not staged:
            raise OSError(errno.EXDEV, "a file can be moved within its mount only", staged.address(here.path))
        source = staged.place(here.path)
        staged.seen(here.path)
        os.replace(source, staged.make_room(goal.path))
        staged.forget(here.path)
        return there

    def chmod(self, mode: int, *, follow_symlinks: bool = True) -> None:
        """Do nothing in a mount that may be written: there are no modes where it goes."""
        _staged(_needed(self))

    def symlink_to(self, target: Any, target_is_directory: bool = False) -> None:
        """Refuse: links cannot go back."""
        raise OSError(errno.EPERM, "a mount holds no links", repr(self))

    def hardlink_to(self, target: Any) -> None:
        """Refuse: links cannot go back."""
        self.symlink_to(target)


def _needed(path: PurePath) -> Spot:
    here = spot(path)
    if here is None:
        raise MountError(f"{plain(path)} lies in no mount")
    return here


def _staged(here: Spot) -> Staged:
    mounted = here.mounted
    if not isinstance(mounted, Staged):
        text = f"the mount is read-only: `# @mount {mounted.mount.name} {mounted.mount.uri} rw` lets the cell write"
        raise PermissionError(errno.EROFS, text, mounted.address(here.path))
    return mounted


def keep_kind() -> None:
    """Let `Path(path)` of a mount's path be one again: libraries that make sure of a path must not lose the mount."""
    for kind in (pathlib.PurePath, pathlib.Path):
        original = kind.__dict__["__new__"]
        original = getattr(original, "__func__", original)
        if getattr(original, "of_mounts", False):
            continue

        def made(cls: type, *args: Any, _original: Any = original, **options: Any) -> Any:
            if cls in _PLAIN and any(type(a) is MountPath for a in args):
                cls = MountPath
            return _original(cls, *args, **options)

        made.of_mounts = True  # type: ignore[attr-defined]
        kind.__new__ = made  # type: ignore[method-assign]


_PLAIN = frozenset({PurePath, PurePosixPath, Path, PosixPath})
