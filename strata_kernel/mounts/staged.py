"""A mount that a cell may write: what it writes stands apart until the cell has succeeded, and goes back in one go."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from strata_kernel.errors import MountError
from strata_kernel.mounts.cache import Kept, make_folder, same
from strata_kernel.mounts.mounted import Mounted
from strata_kernel.mounts.places import Found
from strata_kernel.transfer import Transfer

Stamp = tuple[int, int, int]


class Staged(Mounted):
    """A mount in mode rw."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.root = str(self.cache.of(self.key) / f"rw-{os.getpid()}" / "tree")
        self._copied: dict[str, Stamp] = {}
        self._gone: set[str] = set()

    def begin(self) -> None:
        """Start with nothing written."""
        super().begin()
        self._copied, self._gone = {}, set()
        shutil.rmtree(self.root, ignore_errors=True)
        os.makedirs(self.root)

    def _note(self, fact: Any) -> None:
        """Remember nothing: the cell runs each time."""

    def _here(self, path: str) -> str:
        return os.path.join(self.root, path) if path else self.root

    # Looking: first at what was written

    def look(self, path: str) -> Found | None:
        """Return what stands at a path, with what the cell has written so far."""
        if path == "":
            return Found(True)
        try:
            here = os.lstat(self._here(path))
        except OSError:
            here = None
        if here is not None:
            folder = os.path.isdir(self._here(path))
            return Found(folder, here.st_size, "", here.st_mtime)
        if path in self._gone or path in self._copied:
            return None
        return self.seen(path)

    def names(self, folder: str) -> dict[str, Found]:
        """Return what stands in a folder, with what the cell has written so far."""
        start = f"{folder}/" if folder else ""
        names = {*super().names(folder)}
        if os.path.isdir(self._here(folder)):
            names |= set(os.listdir(self._here(folder)))
        found = {name: self.look(start + name) for name in sorted(names)}
        return {name: each for name, each in found.items() if each is not None}

    def below(self, folder: str) -> dict[str, Found]:
        """Return all files below a folder, with what the cell has written so far."""
        paths = {*super().below(folder), *(p for p in self._written() if p.startswith(f"{folder}/" if folder else ""))}
        found = {path: self.look(path) for path in sorted(paths)}
        return {path: each for path, each in found.items() if each is not None and not each.folder}

    def _show_all(self, folder: str, files: dict[str, Found]) -> None:
        lacking = {p: f for p, f in files.items() if not os.path.lexists(self._here(p))}
        for path, kept in self._bring(lacking).items():
            self._copy(path, kept)
        self._whole.discard(folder)

    def _leave_all(self, folder: str) -> None:
        super()._leave_all(folder)
        self._whole.clear()  # what the cell takes away or writes changes it

    def leave(self, path: str) -> None:
        """Have here what a path stands for, or the folder in which it is about to be written."""
        super().leave(path)
        parent = self.look(os.path.dirname(path))
        if parent is not None and parent.folder:
            make_folder(os.path.dirname(self._here(path)) if path else self.root, self.root)

    def place(self, path: str) -> str:
        """Return the path of a file here that has its bytes, free to be written."""
        found = self.look(path)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.address(path))
        if not found.folder and not os.path.lexists(self._here(path)):
            with self.at_work():
                self._copy(path, self._bring({path: found})[path])
        return self._here(path)

    def _copy(self, path: str, kept: Kept) -> None:
        self.cache.copy(kept, self._here(path))
        self._copied[path] = _stamp(self._here(path))

    # Writing

    def make_room(self, path: str) -> str:
        """Return the path here of a file that is about to be written; raise FileNotFoundError for want of a folder."""
        parent = self.look(os.path.dirname(path))
        if parent is None or not parent.folder:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.address(path))
        self.seen(path)  # as it stood before: whoever changes it meanwhile is told apart
        with self.at_work():
            make_folder(os.path.dirname(self._here(path)), self.root)
        return self._here(path)

    def take_away(self, path: str) -> None:
        """Let a file be gone; raise FileNotFoundError."""
        found = self.look(path)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.address(path))
        if found.folder:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self.address(path))
        self.seen(path)
        with self.at_work():
            if os.path.lexists(self._here(path)):
                os.unlink(self._here(path))
        self._gone.add(path)

    def forget(self, path: str) -> None:
        """Note that a file that stood there was moved."""
        self._gone.add(path)

    def _written(self) -> Iterator[str]:
        for here, folders, names in os.walk(self.root):
            for name in (*names, *(f for f in folders if os.path.islink(os.path.join(here, f)))):
                yield os.path.relpath(os.path.join(here, name), self.root)

    def changes(self) -> tuple[list[str], list[str]]:
        """Return the paths that the cell wrote and those that it took away."""
        here = set(self._written())
        wrote = [p for p in sorted(here) if self._copied.get(p) != _stamp(self._here(p))]
        took = [p for p in sorted({*self._copied, *self._gone} - here) if self.seen(p) is not None]
        return wrote, took

    def commit(self) -> None:
        """Write back what the cell wrote; raise MountError, with nothing lost, when something else wrote there too."""
        with self._apart():
            wrote, took = self.changes()
            done: list[str] = []
            try:
                for path in wrote:
                    if os.path.islink(self._here(path)) or not os.path.isfile(self._here(path)):
                        raise MountError(f"{self.address(path)} is no plain file, so it cannot be written there")
                place = self._place()
                for path in (*wrote, *took):
                    if not same(place.look(path), self._looked.get(path)):
                        raise MountError(f"{self.address(path)} was changed by someone else while the cell ran")
                size = sum(os.path.getsize(self._here(p)) for p in wrote)
                with Transfer(self.cache.tell, "writing", size) as transfer:
                    for path in wrote:
                        place.put(path, self._here(path), transfer.add)
                        done.append(path)
                for path in took:
                    place.remove(path)
            except MountError as error:
                told = f"{len(done)} of {len(wrote)} files were written back before" if done else "nothing was written"
                raise MountError(f"{error}; {told}. What the cell wrote is kept in {self.keep()}") from error

    def keep(self) -> str:
        """Put what the cell wrote where nothing takes it away, and return the folder."""
        kept = (
            Path(self.cache.root)
            / "kept"
            / f"{self.mount.name}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
        )
        kept.parent.mkdir(parents=True, exist_ok=True)
        for path, stamp in self._copied.items():
            if os.path.lexists(self._here(path)) and _stamp(self._here(path)) == stamp:
                os.unlink(self._here(path))  # only what it wrote
        os.replace(self.root, kept)
        return str(kept)

    def discard(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(os.path.dirname(self.root), ignore_errors=True)


def _stamp(path: str) -> Stamp:
    found = os.lstat(path)
    return found.st_ino, found.st_size, found.st_mtime_ns
