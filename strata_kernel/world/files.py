"""Facts about files, directories and absent paths."""

from __future__ import annotations

import os
import stat as modes
import time
from collections.abc import Iterator

from blake3 import blake3

from strata_kernel.domain.digest import digest
from strata_kernel.domain.manifest import Fact

#: A change within this time of the last one may leave no trace in a file's stat.
YOUNG_NS = 2_000_000_000
#: The digest of a fact that claims no more than that the path is there.
EXISTS = "exists"
#: Opens the digest of a fact about a file's size and times, which a program asked for without its content.
STAT = "stat:"
_CHUNK = 1 << 20
_MANY = 1 << 24

Stat = tuple[int, ...]


def stat_of(path: str) -> Stat | None:
    """Return (size, mtime_ns, ctime_ns, inode) of a regular file, None for anything else."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    if not modes.S_ISREG(found.st_mode):
        return None
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def is_young(stat: Stat, now: int | None = None) -> bool:
    """Tell whether the file may change again without a change of its stat."""
    return (time.time_ns() if now is None else now) - max(stat[1], stat[2]) < YOUNG_NS


def read_digest(path: str) -> str:
    """Return the BLAKE3 digest of the bytes as 64 hexadecimal characters; raise OSError."""
    # Not update_mmap: a file that shrinks under a mapping kills the process.
    with open(path, "rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size < _MANY:
            hasher = blake3()
            while chunk := file.read(_CHUNK):
                hasher.update(chunk)
            return str(hasher.hexdigest())
        hasher = blake3(max_threads=blake3.AUTO)
        buffer = memoryview(bytearray(_MANY))
        while count := file.readinto(buffer):
            hasher.update(buffer[:count])
        return str(hasher.hexdigest())


def read_listing(path: str) -> str:
    """Return the digest of the sorted listing of a directory; raise OSError."""
    with os.scandir(path) as entries:
        return digest("dir", sorted((entry.name, _is_dir(entry)) for entry in entries))


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def of_stat(stat: Stat) -> str:
    """Return the digest of a fact about the size and modification time alone."""
    return f"{STAT}{stat[0]}:{stat[1]}"


def agrees(fact: Fact, content: str | None) -> bool:
    """Tell whether a fact holds once the file has this content digest, None when it is deleted."""
    if fact.kind == "absent":
        return content is None
    if fact.kind != "file" or content is None:
        return False
    return fact.digest in (EXISTS, content)


class Files:
    """The files of this machine; digests are kept in memory under the stat that proves them."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Stat, str]] = {}

    def known(self, path: str, stat: Stat) -> str | None:
        """Return the digest of the file with this stat if that costs no reading."""
        kept = self._known.get(path)
        return kept[1] if kept is not None and kept[0] == stat else None

    def forget(self, path: str) -> None:
        """Take no stat for a proof of what the file holds any more."""
        self._known.pop(path, None)

    def digest(self, path: str, stat: Stat) -> str:
        """Return the digest of the bytes; raise OSError."""
        found = self.known(path, stat)
        if found is None:
            started = time.time_ns()
            found = read_digest(path)
            if not is_young(stat, started) and stat_of(path) == stat:
                self._known[path] = (stat, found)
        return found

    def observe_file(self, path: str) -> Fact | None:
        """Return the fact about the content, None when there is no regular file or it does not hold still."""
        for _ in range(3):
            started = time.time_ns()
            stat = stat_of(path)
            if stat is None:
                return None
            try:
                content = self.digest(path, stat)
            except OSError:
                return None
            if stat_of(path) == stat:
                return Fact("file", path, content, () if is_young(stat, started) else stat)
        return None

    def holds_file(self, fact: Fact) -> bool:
        """Tell whether the file is as the fact has it."""
        if fact.digest == EXISTS:
            return os.path.lexists(fact.name) and not os.path.isdir(fact.name)
        stat = stat_of(fact.name)
        if stat is None:
            return False
        if fact.digest.startswith(STAT):
            return of_stat(stat) == fact.digest
        if fact.stat and stat == tuple(fact.stat):
            return True
        try:
            return self.digest(fact.name, stat) == fact.digest
        except OSError:
            return False

    @staticmethod
    def observe_dir(path: str) -> Fact | None:
        """Return the fact about the listing, None when there is no readable directory."""
        try:
            return Fact("dir", path, read_listing(path))
        except (OSError, ValueError):
            return None

    def holds_dir(self, fact: Fact) -> bool:
        """Tell whether the directory is there and lists the same names."""
        if fact.digest == EXISTS:
            return os.path.isdir(fact.name)
        found = self.observe_dir(fact.name)
        return found is not None and found.digest == fact.digest


def files_below(path: str, limit: int) -> Iterator[str]:
    """Yield the files of a directory tree in a fixed order, at most `limit` of them."""
    left = limit
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            if not left:
                return
            left -= 1
            yield os.path.join(folder, name)
