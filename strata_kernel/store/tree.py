"""The files of a local store: directories made when they are needed, writes that are whole or absent."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from strata_kernel.errors import StoreError
from strata_kernel.store.layout import TMP

#: Seconds between the attempts to write into a store that somebody is emptying.
PAUSES = (0.0, 0.01, 0.05)


def refused(action: str, path: str | Path, error: OSError) -> StoreError:
    """Return the one-line StoreError for a failed call of the system."""
    return StoreError(f"cannot {action} {path}: {error.strerror or error}")


class Tree:
    """A directory whose sub-directories may vanish at any time; paths are relative to it, with slashes."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)

    def path(self, relative: str) -> str:
        """Return the path in the file system."""
        return f"{self.root}/{relative}"

    def check(self) -> None:
        """Raise StoreError when the store exists and cannot be read."""
        try:
            for name in os.listdir(self.root):
                if name in ("ac", "cas"):
                    os.listdir(self.path(name))
        except FileNotFoundError:
            return
        except OSError as error:
            raise refused("read the store", self.root, error) from error

    def temporary(self) -> tuple[int, str]:
        """Create a file under tmp/ and return its descriptor and path; raise OSError."""
        path = self.path(f"{TMP}/{os.getpid()}-{os.urandom(8).hex()}")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            return os.open(path, flags, 0o600), path
        except FileNotFoundError:
            self.directory(TMP)
            return os.open(path, flags, 0o600), path

    def directory(self, relative: str) -> None:
        """Make the directory and those above it, none of them open to other users; raise OSError."""
        os.makedirs(self.root, mode=0o700, exist_ok=True)
        path = self.root
        for part in relative.split("/"):
            path = f"{path}/{part}"
            with suppress(FileExistsError):
                os.mkdir(path, 0o700)

    def write(self, relative: str, content: bytes) -> None:
        """Write a small file whole, replacing the one that is there; raise StoreError."""
        try:
            for pause in PAUSES:
                # Where the store was emptied between the temporary file and its name, everything is made once more.
                with suppress(FileNotFoundError):
                    return self._write(relative, content)
                time.sleep(pause)
            self._write(relative, content)
        except OSError as error:
            raise refused("write", self.path(relative), error) from error

    def _write(self, relative: str, content: bytes) -> None:
        descriptor, temporary = self.temporary()
        try:
            try:
                write_all(descriptor, content)
            finally:
                os.close(descriptor)
            self.rename(temporary, relative)
        except BaseException:
            discard(temporary)
            raise

    def rename(self, temporary: str, relative: str) -> None:
        """Move the temporary file into place, replacing; raise OSError."""
        try:
            os.replace(temporary, self.path(relative))
        except FileNotFoundError:
            self.directory(relative.rpartition("/")[0])
            os.replace(temporary, self.path(relative))

    def link(self, temporary: str, relative: str) -> bool:
        """Move the temporary file into place unless there is one already, and tell; raise OSError."""
        final = self.path(relative)
        try:
            try:
                os.link(temporary, final)
            except FileNotFoundError:
                self.directory(relative.rpartition("/")[0])
                os.link(temporary, final)
        except (FileExistsError, FileNotFoundError):
            if not os.path.exists(final):
                raise
            return False
        except OSError:
            # A file system without hard links: renaming may replace a blob by the same bytes, which harms nobody.
            if os.path.exists(final):
                return False
            self.rename(temporary, relative)
            return True
        discard(temporary)
        return True

    def scan(self, relative: str, depth: int = 0) -> Iterator[os.DirEntry[str]]:
        """Yield the files that lie `depth` directories below; raise StoreError for a directory that cannot be read."""
        try:
            with os.scandir(self.path(relative)) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise refused("read", self.path(relative), error) from error
        for entry in entries:
            if depth and entry.is_dir(follow_symlinks=False):
                yield from self.scan(f"{relative}/{entry.name}", depth - 1)
            elif not depth and entry.is_file(follow_symlinks=False):
                yield entry


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """Write all of it; raise OSError."""
    view = memoryview(content)
    while view.nbytes:
        view = view[os.write(descriptor, view) :]


def discard(path: str) -> bool:
    """Remove the file if possible and tell; never raise."""
    try:
        os.unlink(path)
    except OSError:
        return False
    return True
