"""The files that cells write: digested, kept in the store, and put back as they were."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator

from strata_kernel.domain.manifest import FOLDER, Blob, FileOutput
from strata_kernel.errors import StoreError
from strata_kernel.ports import Blobs
from strata_kernel.world.files import Files, stat_of
from strata_kernel.world.handles import held

PIECE = 4 << 20


class LocalFiles:
    """The `Files` port on this machine; digests come from the world's `files`, so that no file is hashed twice."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def digest(self, path: str) -> str | None:
        """Return the BLAKE3 of the bytes, FOLDER for a folder, None when there is neither."""
        found = stat_of(path)
        if found is not None:
            return self._files.digest(path, found)
        return FOLDER if os.path.isdir(path) else None

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
        return FileOutput(path, digest, blob, stat.S_IMODE(found.st_mode), 0 if blob else found.st_size)

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
        if output.path in held():
            # Another file in its place would take it from those that still write to it.
            with open(output.path, "wb") as file:
                file.write(content)
            return
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


def _pieces(file: object) -> Iterator[bytes]:
    read = file.read  # type: ignore[attr-defined]
    while piece := read(PIECE):
        yield piece
