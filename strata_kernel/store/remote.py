"""The same tree on any file system that fsspec reaches: s3, gs, az, sftp, memory, file."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from types import TracebackType
from typing import Any

from blake3 import blake3

from strata_kernel.domain.manifest import Blob, Manifest
from strata_kernel.errors import ClearedError, StoreError
from strata_kernel.store.blobs import flat, hash_of, slices
from strata_kernel.store.layout import SUFFIX, TMP, blob_path, manifest_path, program_path
from strata_kernel.store.record import blobs_of, pack, unpack
from strata_kernel.store.trust import Trust

#: Above this a blob goes through a file on the way out, and comes in by ranges.
WHOLE = 16 << 20
#: Whether a blob is there is not asked again for so many seconds.
KNOWN = 600.0
#: Where a file can be seen half written and renaming is cheap; object stores show whole objects only.
STAGED = {"file", "local", "sftp", "ssh", "smb", "hdfs", "arrow_hdfs", "webhdfs", "dask"}


class RemoteDown(StoreError):
    """The other side could not be reached, or refused; what is there is not known."""


class Crossing:
    """Turns whatever a remote call raises into RemoteDown, with `absent` a file that is not there aside.

    The clients of fsspec (botocore, aiohttp, azure, google) share no base class, and none of their failures may reach
    a user's cell.
    """

    def __init__(self, action: str, path: str, absent: bool = False) -> None:
        self._action, self._path = action, path
        self._passes = (StoreError, FileNotFoundError) if absent else (StoreError,)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, Exception) and not isinstance(error, self._passes):
            text = " ".join(str(error).split())[:200] or type(error).__name__
            raise RemoteDown(f"cannot {self._action} {self._path}: {text}") from error


class RemoteStore:
    """A store behind an fsspec URL. Every byte that comes back is hashed, every manifest must bear the user's MAC."""

    def __init__(self, url: str, trust: Trust | None = None, options: dict[str, Any] | None = None) -> None:
        self.url, self.trust = url, trust or Trust()
        self._options = options or {}
        self._fs: Any = None
        self._root = ""
        self._known: dict[str, float] = {}
        self._parsed: dict[str, tuple[tuple[Any, ...], Manifest | None]] = {}

    def check(self) -> None:
        """Raise StoreError when the other side cannot be reached."""
        with Crossing("reach", self.url):
            self._files().exists(self._root)

    def put(self, chunks: Iterable[bytes | memoryview]) -> Blob:
        """Store the concatenated chunks; raise StoreError."""
        import tempfile

        hasher, size = blake3(), 0
        # The name must be known before the first byte leaves, and the bytes must not change after.
        with Crossing("write a blob to", self.url), tempfile.SpooledTemporaryFile(WHOLE) as spool:
            for piece in slices(chunks):
                hasher.update(piece)
                spool.write(piece)
                size += piece.nbytes
            blob = Blob(str(hasher.hexdigest()), size)
            if not self.has(blob):
                spool.seek(0)
                self._send_blob(blob, spool)
        return blob

    def upload(self, blob: Blob, content: memoryview) -> None:
        """Store bytes that are known to be the blob and do not change; raise StoreError."""
        with Crossing("write a blob to", self.url):
            if not self.has(blob):
                self._send_blob(blob, _Reader(content))

    def get(self, blob: Blob) -> memoryview:
        """Download the blob into memory; raise StoreError when absent, short or corrupt."""
        content = bytearray(blob.size)
        filled = 0
        for piece in self.stream(blob):
            content[filled : filled + len(piece)] = piece
            filled += len(piece)
        if filled != blob.size or hash_of(content, blake3.AUTO) != blob.hash:
            self.drop(blob)
            raise StoreError(f"blob {blob.hash[:12]}… at {self.url} is corrupt: removed")
        return memoryview(content)

    def stream(self, blob: Blob) -> Iterator[bytes]:
        """Yield the bytes as they come, not verified; raise StoreError when absent or of another size."""
        path = self._path(blob_path(blob.hash))
        try:
            with Crossing("read", path, absent=True):
                if blob.size <= WHOLE:
                    content = self._files().cat_file(path)
                    size = len(content)
                else:
                    size = self._files().info(path)["size"]
            if size != blob.size:
                self.drop(blob)
                raise StoreError(f"{path} has {size} bytes instead of {blob.size}: removed")
            if blob.size <= WHOLE:
                yield content
                return
            for start in range(0, blob.size, WHOLE):
                with Crossing("read", path, absent=True):
                    content = self._files().cat_file(path, start=start, end=min(start + WHOLE, blob.size))
                yield content
        except FileNotFoundError:
            self._known.pop(blob.hash, None)
            raise StoreError(f"no blob {blob.hash[:12]}… at {self.url}") from None

    def has(self, blob: Blob) -> bool:
        """Tell whether the blob is there with its full size; False when the other side does not answer."""
        if time.monotonic() - self._known.get(blob.hash, -KNOWN) < KNOWN:
            return True
        try:
            path = self._path(blob_path(blob.hash))
            with Crossing("read", path, absent=True):
                found = self._files().info(path)["size"] == blob.size
        except (FileNotFoundError, StoreError):
            return False
        if found:
            self._known[blob.hash] = time.monotonic()
        return bool(found)

    def entries(self, program: str) -> list[Manifest]:
        """Return the manifests of a program that this user signed, newest first; raise StoreError when unreachable."""
        try:
            relative = program_path(program)
        except StoreError:
            return []
        path = self._path(relative)
        try:
            with Crossing("list", path, absent=True):
                seen = {i["name"]: i for i in self._files().ls(path, detail=True) if i["name"].endswith(SUFFIX)}
                signs = {name: _sign(entry) for name, entry in seen.items()}
                new = [name for name, sign in signs.items() if self._parsed.get(name, (None,))[0] != sign]
                for name, raw in (self._files().cat(new, on_error="omit") if new else {}).items():
                    self._parsed[name] = (signs.get(name, ()), self._judge(program, name, raw))
        except FileNotFoundError:
            return []
        found = [manifest for name in seen if (manifest := self._parsed.get(name, ((), None))[1]) is not None]
        return sorted(found, key=lambda manifest: (manifest.created, manifest.key), reverse=True)

    def publish(self, manifest: Manifest) -> None:
        """Write the manifest, replacing one of the same key; raise StoreError when a blob it names is missing."""
        path = self._path(manifest_path(manifest.program, manifest.key))
        for blob in blobs_of(manifest):
            if not self.has(blob):
                raise ClearedError(f"not published: blob {blob.hash[:12]}… is not at {self.url}")
        raw = pack(manifest, self.trust)
        with Crossing("write", path):
            self._send(path, io.BytesIO(raw), len(raw), create=False)
        self._parsed.pop(path, None)

    def discard(self, manifest: Manifest) -> None:
        """Remove the manifest, if it is there; raise StoreError."""
        self._remove(self._path(manifest_path(manifest.program, manifest.key)))

    def drop(self, blob: Blob) -> None:
        """Remove a blob that is not what its name says, so that it can be stored again; never raise."""
        self._known.pop(blob.hash, None)
        # Who may only read leaves it; each reader finds out by the hash.
        with suppress(StoreError):
            self._remove(self._path(blob_path(blob.hash)))

    def _files(self) -> Any:
        if self._fs is None:
            fsspec: Any = import_module("fsspec.core")
            # A cached listing would hide what others have published.
            options = {"use_listings_cache": False, **self._options}
            self._fs, self._root = fsspec.url_to_fs(self.url, **options)
            self._root = self._root.rstrip("/")
        return self._fs

    def _path(self, relative: str) -> str:
        with Crossing("reach", self.url):
            self._files()
        return f"{self._root}/{relative}"

    def _staged(self) -> bool:
        protocol = self._files().protocol
        return not STAGED.isdisjoint({protocol} if isinstance(protocol, str) else protocol)

    def _send_blob(self, blob: Blob, content: Any) -> None:
        path = self._path(blob_path(blob.hash))
        # Another writer may be first; a broken object would have been dropped when it was read.
        with suppress(FileExistsError):
            self._send(path, content, blob.size, create=True)
        self._known[blob.hash] = time.monotonic()

    def _send(self, path: str, content: Any, size: int, create: bool) -> None:
        """Write `content`, a binary file, so that nobody sees half of it; `create` asks not to replace."""
        files = self._files()
        target = path
        if self._staged():
            target = f"{self._root}/{TMP}/{os.getpid()}-{os.urandom(8).hex()}"
            files.makedirs(f"{self._root}/{TMP}", exist_ok=True)
            files.makedirs(path.rpartition("/")[0], exist_ok=True)
        if size <= WHOLE:
            self._pipe(target, content.read(), create and target == path)
        else:
            self._copy(target, content)
        if target != path:
            files.mv(target, path)

    def _pipe(self, path: str, content: bytes, create: bool) -> None:
        if create:
            try:
                self._files().pipe_file(path, content, mode="create")
                return
            except (NotImplementedError, TypeError, ValueError):
                # Not every file system knows conditional writes.
                pass
        self._files().pipe_file(path, content)

    def _copy(self, path: str, content: Any) -> None:
        import tempfile

        # `put_file` completes a multipart upload only after its last byte, which closing a file on an error would not.
        with tempfile.NamedTemporaryFile() as file:
            while piece := content.read(WHOLE):
                file.write(piece)
            file.flush()
            self._files().put_file(file.name, path)

    def _judge(self, program: str, name: str, raw: bytes) -> Manifest | None:
        try:
            manifest = unpack(raw, self.trust)
        except StoreError:
            return None
        same = (manifest.program, manifest.key + SUFFIX) == (program, name.rpartition("/")[2])
        return manifest if same else None

    def _remove(self, path: str) -> None:
        try:
            with Crossing("remove", path, absent=True):
                self._files().rm_file(path)
        except FileNotFoundError:
            pass


class _Reader:
    """A binary file over a memoryview, so that a mapped blob is not copied whole."""

    def __init__(self, content: memoryview) -> None:
        self._content, self._at = flat(content), 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        end = len(self._content) if size < 0 else self._at + size
        piece = bytes(self._content[self._at : end])
        self._at += len(piece)
        return piece


def _sign(entry: dict[str, Any]) -> tuple[Any, ...]:
    """Return what changes when a listed file does."""
    # Without any of these the file is read each time: a new object equals no other.
    stamp = next((entry[name] for name in ("ETag", "etag", "md5Hash", "mtime", "created") if entry.get(name)), object())
    return (entry.get("size"), stamp)
