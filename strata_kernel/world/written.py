"""The files that cells write: digested, kept in the store, and put back as they were."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator

from blake3 import blake3

from strata_kernel.domain.manifest import FOLDER, Blob, FileOutput
from strata_kernel.errors import StoreError
from strata_kernel.ports import Blobs

PIECE = 4 << 20


class LocalFiles:
    """The `Files` port on this machine; digests are kept by stat, except of very young files."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, ...], str]] = {}

    def digest(self, path: str) -> str | None:
        """Return the BLAKE3 of the bytes, None when there is no regular file."""
        try:
            found = os.stat(path)
        except OSError:
            return None
        if stat.S_ISDIR(found.st_mode):
            return FOLDER
        if not stat.S_ISREG(found.st_mode):
            return None
        sign = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        known = self._known.get(path)
        if known is not None and known[0] == sign:
            return known[1]
        digest = self._hash(path)
        # A file changed within the clock's grain keeps its stat, so a young one is hashed every time.
        if _settled(found.st_ctime_ns):
            self._known[path] = (sign, digest)
        return digest

    @staticmethod
    def _hash(path: str) -> str:
        hasher = blake3()
        with open(path, "rb") as file:
            while piece := file.read(PIECE):
                hasher.update(piece)
        return str(hasher.hexdigest())

    def save(self, path: str, blobs: Blobs, limit: int) -> FileOutput:
        """Store what stands at the path; over `limit` bytes only its digest is recorded."""
        digest = self.digest(path)
        if digest is None or digest == FOLDER:
            return FileOutput(path, digest)
        found = os.stat(path)
        blob: Blob | None = None
        if found.st_size <= limit:
            with open(path, "rb") as file:
                blob = blobs.put(_pieces(file))
            digest = blob.hash
        return FileOutput(path, digest, blob, stat.S_IMODE(found.st_mode))

    def restore(self, output: FileOutput, blobs: Blobs) -> None:
        """Put the file back as it was, or take it away when the run had deleted it; raise StoreError."""
        try:
            if output.digest is None:
                _take_away(output.path)
                return
            if output.digest == FOLDER:
                os.makedirs(output.path, exist_ok=True)
                return
            if output.blob is None:
                raise StoreError(f"{output.path} was too large to be kept")
            self._write(output, blobs.get(output.blob))
        except OSError as error:
            raise StoreError(f"cannot restore {output.path}: {error.strerror}") from error

    @staticmethod
    def _write(output: FileOutput, content: memoryview) -> None:
        folder = os.path.dirname(output.path)
        os.makedirs(folder, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".strata-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(temporary, output.mode)
            os.replace(temporary, output.path)
        except BaseException:
            os.unlink(temporary)
            raise


def _take_away(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if os.path.isdir(path) and not os.path.islink(path):
            # A folder that holds something by now holds something of the user's.
            with contextlib.suppress(OSError):
                os.rmdir(path)
        else:
            os.unlink(path)


def _settled(changed_ns: int) -> bool:
    import time

    return time.time_ns() - changed_ns > 2_000_000_000


def _pieces(file: object) -> Iterator[bytes]:
    read = file.read  # type: ignore[attr-defined]
    while piece := read(PIECE):
        yield piece
