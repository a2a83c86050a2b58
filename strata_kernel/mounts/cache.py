"""What mounts have fetched, kept once per machine by content, within a bound.

Below the root: `cas/ab/cdef…` holds files by the BLAKE3 of their bytes; `ID/tree` shows them under their names, as
further links to the same files; `ID/index/…` tells which sign each of them had where it comes from.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from strata_kernel.domain.digest import digest
from strata_kernel.errors import MountError
from strata_kernel.mounts.places import Found, Place, content_of
from strata_kernel.transfer import Tell, Transfer

#: Seconds for which what was used stays, whatever the bound: another kernel may be reading it.
FRESH = 3600.0
#: Files up to which each is asked for alone.
FEW = 4


class Kept(msgspec.Struct, frozen=True):
    """What was fetched of one path: the sign it had, its bytes' digest, and the stat of the file that holds them."""

    path: str
    sign: str
    content: str
    size: int
    time: int


class Held(msgspec.Struct, frozen=True):
    """What is kept here of a mount: files, bytes, and when the last of them came, in seconds since the epoch."""

    files: int = 0
    size: int = 0
    fetched: float | None = None


class Cache:
    """The files of all mounts on this machine."""

    def __init__(self, root: Path, limit: int) -> None:
        self.root, self._limit = root, limit
        self._fetched = False
        #: Told how far what is fetched or written has come.
        self.tell: Tell = lambda moved: None

    def of(self, mount: str) -> Path:
        """Return the folder of a mount, by its id."""
        return self.root / mount

    def tree(self, mount: str) -> str:
        """Return the folder in which a mount's files have their names."""
        return str(self.root / mount / "tree")

    def kept(self, mount: str, path: str) -> Kept | None:
        """Return what is known of a path as it was fetched last."""
        try:
            found = msgspec.json.decode(self._index(mount, path).read_bytes(), type=Kept)
        except (OSError, msgspec.MsgspecError):
            return None
        return found if found.path == path else None

    def _index(self, mount: str, path: str) -> Path:
        name = digest(path)
        return self.root / mount / "index" / name[:2] / f"{name[2:]}.json"

    def _blob(self, content: str) -> Path:
        return self.root / "cas" / content[:2] / content[2:]

    def bring(self, mount: str, place: Place, wanted: Sequence[tuple[str, Found]]) -> dict[str, Kept]:
        """Have these files here, fetching those that are not or are others by now; raise MountError."""
        found: dict[str, Kept] = {}
        missing: list[tuple[str, Found]] = []
        for path, here in wanted:
            kept = self.kept(mount, path)
            if kept is not None and kept.sign == here.sign and self._is_whole(kept):
                found[path] = kept
            else:
                missing.append((path, here))
        if missing:
            for kept in self._fetch(mount, place, missing):
                found[kept.path] = kept
        return found

    def _is_whole(self, kept: Kept) -> bool:
        try:
            stat = self._blob(kept.content).stat()
        except OSError:
            return False
        return (stat.st_size, stat.st_mtime_ns) == (kept.size, kept.time)

    def _fetch(self, mount: str, place: Place, wanted: Sequence[tuple[str, Found]]) -> Iterator[Kept]:
        self._fetched = True
        folder = self.root / "tmp" / secrets.token_hex(8)
        folder.mkdir(parents=True, mode=0o700)
        try:
            targets = [(path, str(folder / str(number))) for number, (path, _) in enumerate(wanted)]
            with Transfer(self.tell, "fetching", sum(found.size for _, found in wanted)) as transfer:
                place.fetch(targets, transfer.add)
            now = _look(place, [path for path, _ in wanted])
            for (path, target), (_, before) in zip(targets, wanted, strict=True):
                after = now.get(path)
                size = os.stat(target).st_size
                same = after is not None and _plain(after.sign) == _plain(before.sign)
                if not same or size != before.size:
                    raise MountError(f"{path} changed while it was fetched: run the cell again")
                kept = self._take(path, target, before.sign)
                index = self._index(mount, path)
                index.parent.mkdir(parents=True, exist_ok=True)
                _write(index, msgspec.json.encode(kept))
                yield kept
        except OSError as error:
            if isinstance(error, MountError):
                raise
            raise MountError(f"cannot keep what a mount fetched in {self.root}: {error.strerror}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _take(self, path: str, file: str, sign: str) -> Kept:
        content = content_of(file)
        blob = self._blob(content)
        # One that was damaged stands there too.
        if not blob.exists() or content_of(str(blob)) != content:
            blob.parent.mkdir(parents=True, exist_ok=True)
            os.chmod(file, 0o444)
            os.replace(file, blob)
        stat = blob.stat()
        return Kept(path, sign, content, stat.st_size, stat.st_mtime_ns)

    def held(self, mount: str) -> Held:
        """Count what is kept of a mount."""
        files, size, fetched = 0, 0, None
        for index in (self.root / mount / "index").glob("*/*.json"):
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                files, size = files + 1, size + msgspec.json.decode(index.read_bytes(), type=Kept).size
                fetched = max(fetched or 0.0, index.stat().st_mtime)
        return Held(files, size, fetched)

    def show(self, mount: str, kept: Kept) -> tuple[int, int]:
        """Let a file stand under its name in the mount's tree; return what tells that it still is that one."""
        blob, target = self._blob(kept.content), os.path.join(self.tree(mount), kept.path)
        with contextlib.suppress(OSError):
            os.utime(blob, ns=(time.time_ns(), kept.time))
        try:
            stat = blob.stat()
            with contextlib.suppress(OSError):
                here = os.lstat(target)
                if (here.st_dev, here.st_ino) == (stat.st_dev, stat.st_ino):
                    return here.st_ino, here.st_mtime_ns
            make_folder(os.path.dirname(target), self.tree(mount))
            if os.path.isdir(target) and not os.path.islink(target):
                shutil.rmtree(target)
            temporary = f"{self.root / 'tmp' / secrets.token_hex(8)}"
            os.makedirs(os.path.dirname(temporary), exist_ok=True)
            os.link(blob, temporary)
            os.replace(temporary, target)
            # Where both are links to one file, the system takes the renaming for done.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            here = os.lstat(target)
        except OSError as error:
            raise MountError(f"cannot show {kept.path} of a mount in {self.root}: {error.strerror}") from error
        return here.st_ino, here.st_mtime_ns

    def prune(self, mount: str, folder: str, keep: set[str]) -> None:
        """Take away what stands below a folder of a tree and no longer where it comes from."""
        tree = self.tree(mount)
        for here, _, names in os.walk(os.path.join(tree, folder), topdown=False):
            for name in names:
                if os.path.relpath(os.path.join(here, name), tree) not in keep:
                    os.unlink(os.path.join(here, name))
            if here != tree:
                with contextlib.suppress(OSError):
                    os.rmdir(here)  # refused while something is in it

    def stands(self, mount: str, path: str, shown: tuple[int, int]) -> bool:
        """Tell whether a file still is the one that was shown."""
        try:
            here = os.lstat(os.path.join(self.tree(mount), path))
        except OSError:
            return False
        return (here.st_ino, here.st_mtime_ns) == shown

    def copy(self, kept: Kept, target: str) -> None:
        """Copy a file's bytes to where they may be written over."""
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(self._blob(kept.content), target)

    def collect(self) -> None:
        """Let go of what was used the longest ago, while there is more than the limit; only after something came."""
        if not self._fetched:
            return
        self._fetched = False
        found = []
        for path in (self.root / "cas").glob("*/*"):
            with contextlib.suppress(OSError):
                stat = path.stat()
                found.append((stat.st_atime, stat.st_size, path))
        total = sum(size for _, size, _ in found)
        gone: set[str] = set()
        for used, size, path in sorted(found):
            if total <= self._limit or time.time() - used < FRESH:
                break
            total -= size
            path.unlink(missing_ok=True)
            gone.add(path.parent.name + path.name)
        if gone:
            self._forget(gone)

    def _forget(self, gone: set[str]) -> None:
        for index in self.root.glob("*/index/*/*.json"):
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                kept = msgspec.json.decode(index.read_bytes(), type=Kept)
                if kept.content in gone:
                    (index.parents[2] / "tree" / kept.path).unlink(missing_ok=True)
                    index.unlink(missing_ok=True)


def _look(place: Place, paths: list[str]) -> dict[str, Found | None]:
    if len(paths) <= FEW:
        return {path: place.look(path) for path in paths}
    # One list instead of a question for each.
    return dict(place.below(os.path.commonpath([os.path.dirname(path) for path in paths])))


def make_folder(path: str, root: str) -> None:
    """Make a folder below a root, in the place of files that stand where folders are to be."""
    here = path
    while len(here) > len(root):
        if os.path.lexists(here) and not os.path.isdir(here):
            os.unlink(here)
        here = os.path.dirname(here)
    os.makedirs(path, exist_ok=True)


def _plain(sign: str) -> str:
    """Return a sign without what makes that of a young file like no other."""
    stat = sign.split(":")
    return ":".join(stat[:4]) if len(stat) == 5 and all(part.isdigit() for part in stat) else sign


def same(one: Found | None, other: Found | None) -> bool:
    """Tell whether two looks at a path have seen the same file."""
    if one is None or other is None:
        return one is other
    return one.folder == other.folder and _plain(one.sign) == _plain(other.sign)


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    temporary.write_bytes(content)
    os.replace(temporary, path)
