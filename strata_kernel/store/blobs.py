"""Blobs on a local disk: hashed as they are written, proved right before they are used."""

from __future__ import annotations

import mmap
import os
import sys
import time
import weakref
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain

from blake3 import blake3

from strata_kernel.domain.manifest import Blob
from strata_kernel.errors import StoreError
from strata_kernel.store.layout import blob_path, seal_path
from strata_kernel.store.tree import Tree, discard, refused, write_all
from strata_kernel.store.trust import Trust

#: Above this a blob is mapped instead of read, and its proof is remembered instead of repeated.
LARGE = 1 << 20
SLICE = 4 << 20
#: A blob that is stored again after this many seconds looks new again, so that no collection takes it meanwhile.
FRESH = 600.0
#: Before Python 3.13 every mapping holds a descriptor; beyond this many, blobs are read into memory.
MAPPINGS = 200

Chunk = bytes | bytearray | memoryview
Look = tuple[int, int, int, int]


class LocalBlobs:
    """The content-addressed half of a local store.

    A small blob is hashed each time it is read. A large one is mapped, and hashing it would cost a hundred times the
    mapping; so a signed record (a *seal*) keeps how its file looked (size, mtime, ctime, inode) when its bytes were
    last known to be right. Nobody changes a file without changing its ctime, so an equal look is trusted, and anything
    else is hashed. The seal is written only with time stamps finer than a second, where two changes look different.
    """

    def __init__(self, tree: Tree, trust: Trust) -> None:
        self._tree, self._trust = tree, trust
        self._proved: dict[str, Look] = {}
        self._mapped: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()

    def put(self, chunks: Iterable[bytes | memoryview]) -> Blob:
        """Store the concatenated chunks, which other threads may be changing; raise StoreError."""
        whole = chunks if isinstance(chunks, list | tuple) else None
        head: list[Chunk] = []
        size = 0
        rest = iter(chunks)
        for chunk in rest:
            view = flat(chunk)
            size += view.nbytes
            # An iterator may reuse its buffer for the next chunk.
            head.append(view if whole is not None or size >= LARGE else bytes(view))
            if size >= LARGE:
                break
        else:
            return self._put_small(b"".join(head))
        if whole is not None:
            known = measure(whole)
            if self._keep(known):
                return known
        return self._put_stream(chain(head, rest))

    def get(self, blob: Blob) -> memoryview:
        """Return the bytes, writable and private; raise StoreError when absent, short or corrupt."""
        path = self._tree.path(blob_path(blob.hash))
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            raise StoreError(f"no blob {blob.hash[:12]}… in {self._tree.root}") from None
        except OSError as error:
            raise refused("read", path, error) from error
        try:
            return self._get(descriptor, path, blob)
        except OSError as error:
            raise refused("read", path, error) from error
        finally:
            os.close(descriptor)

    def has(self, blob: Blob) -> bool:
        """Tell whether the blob is there with its full size."""
        try:
            return os.stat(self._tree.path(blob_path(blob.hash))).st_size == blob.size
        except (OSError, StoreError):
            return False

    def freshen(self, blob: Blob) -> bool:
        """Make the blob look new to a collection, and tell whether it is there with its full size."""
        path = self._tree.path(blob_path(blob.hash))
        try:
            status = os.stat(path)
            if status.st_size != blob.size:
                return False
            if time.time() - status.st_mtime > FRESH:
                sealed = blob.size > LARGE and self._is_proved(blob, look(status))
                os.utime(path)
                if sealed:
                    self._prove(blob, look(os.stat(path)))
        except FileNotFoundError:
            return False
        except OSError:
            # A store that cannot be written can still be named in a manifest elsewhere.
            return True
        return True

    def _get(self, descriptor: int, path: str, blob: Blob) -> memoryview:
        status = os.fstat(descriptor)
        if status.st_size != blob.size:
            self._drop(path, status)
            raise StoreError(f"{path} has {status.st_size} bytes instead of {blob.size}: removed")
        if blob.size <= LARGE:
            view = memoryview(read_all(descriptor, blob.size))
            right = hash_of(view) == blob.hash
        else:
            view = self._map(descriptor, blob.size)
            right = self._is_proved(blob, look(status))
            if not right and (right := hash_of(view, threads=blake3.AUTO) == blob.hash):
                self._prove(blob, look(status))
        if not right:
            self._drop(path, status)
            raise StoreError(f"{path} is corrupt: removed")
        return view

    def _map(self, descriptor: int, size: int) -> memoryview:
        if sys.version_info >= (3, 13):
            return memoryview(mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY, trackfd=False))
        if len(self._mapped) >= MAPPINGS:
            return memoryview(read_all(descriptor, size))
        mapped = mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY)
        self._mapped.add(mapped)
        return memoryview(mapped)

    def _put_small(self, content: bytes) -> Blob:
        blob = Blob(hash_of(content), len(content))
        return blob if self._keep(blob) else self._put_stream([content])

    def _put_stream(self, chunks: Iterable[Chunk]) -> Blob:
        """Write what is hashed: both see one private copy of each slice."""
        path = self._tree.root
        try:
            descriptor, path = self._tree.temporary()
            try:
                hasher, size = blake3(), 0
                for piece in slices(chunks):
                    hasher.update(piece)
                    write_all(descriptor, piece)
                    size += piece.nbytes
                blob = Blob(str(hasher.hexdigest()), size)
                os.chmod(path, 0o444)
                self._settle(descriptor, path, blob)
            except BaseException:
                discard(path)
                raise
            finally:
                os.close(descriptor)
        except OSError as error:
            raise refused("write a blob to", path, error) from error
        return blob

    def _settle(self, descriptor: int, temporary: str, blob: Blob) -> None:
        relative = blob_path(blob.hash)
        if not self._tree.link(temporary, relative):
            if self._keep(blob):
                discard(temporary)
                return
            # What bears the name is not what the name says.
            self._tree.rename(temporary, relative)
        if blob.size > LARGE:
            self._prove(blob, look(os.fstat(descriptor)))

    def _keep(self, blob: Blob) -> bool:
        """Tell whether the blob is stored and right, and make it look new; a broken one is removed."""
        if not self.has(blob):
            return False
        try:
            self.get(blob).release()
        except StoreError:
            return False
        return self.freshen(blob)

    def _is_proved(self, blob: Blob, seen: Look) -> bool:
        if self._proved.get(blob.hash) == seen:
            return True
        try:
            with open(self._tree.path(seal_path(blob.hash)), "rb") as file:
                record, _, mac = file.read(512).rpartition(b" ")
        except OSError:
            return False
        try:
            signed = self._trust.valid(record, mac.decode("ascii", "replace"), "seal")
            genuine = signed and record == _record(blob, seen)
        except StoreError:
            return False
        if genuine:
            self._proved[blob.hash] = seen
        return genuine

    def _prove(self, blob: Blob, seen: Look) -> None:
        _outwait(seen[2])
        self._proved[blob.hash] = seen
        if seen[2] % 1_000_000_000 == 0:
            return
        record = _record(blob, seen)
        # Without the record the next process hashes the blob again.
        with suppress(StoreError):
            self._tree.write(seal_path(blob.hash), b"%b %b" % (record, self._trust.sign(record, "seal").encode()))

    def _drop(self, path: str, seen: os.stat_result) -> None:
        """Remove the broken file, unless another process has put a whole one in its place."""
        with suppress(OSError):
            if look(os.stat(path)) == look(seen):
                os.unlink(path)


def _record(blob: Blob, seen: Look) -> bytes:
    return b"%b %d %d %d %d" % (blob.hash.encode(), *seen)


def look(status: os.stat_result) -> Look:
    """Return (size, mtime_ns, ctime_ns, inode)."""
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _outwait(ctime: int) -> None:
    """Sleep until the clock of the file system has moved on, so that a later change cannot look like this one."""
    coarse = getattr(time, "CLOCK_REALTIME_COARSE", None)
    for _ in range(20):
        if coarse is None or time.clock_gettime_ns(coarse) > ctime:
            return
        time.sleep(0.001)


def hash_of(content: Chunk, threads: int = 1) -> str:
    """Return the BLAKE3 of the bytes as 64 hexadecimal characters."""
    return str(blake3(content, max_threads=threads).hexdigest())


def measure(chunks: Iterable[Chunk]) -> Blob:
    """Return the blob that the concatenated chunks are at this moment, without copying them."""
    hasher, size = blake3(), 0
    for chunk in chunks:
        view = flat(chunk)
        hasher.update(view)
        size += view.nbytes
    return Blob(str(hasher.hexdigest()), size)


def flat(chunk: Chunk) -> memoryview:
    """Return the chunk as a memoryview of bytes, copied only when it is not contiguous."""
    view = memoryview(chunk)
    if view.nbytes == 0:
        return memoryview(b"")
    return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())


def slices(chunks: Iterable[Chunk]) -> Iterator[memoryview]:
    """Yield copies of at most SLICE bytes; each is valid until the next one is asked for."""
    buffer = memoryview(b"")
    for chunk in chunks:
        if isinstance(chunk, bytes) and len(chunk) <= SLICE:
            yield memoryview(chunk)
            continue
        view = flat(chunk)
        buffer = buffer or memoryview(bytearray(SLICE))
        for start in range(0, view.nbytes, SLICE):
            piece = view[start : start + SLICE]
            buffer[: piece.nbytes] = piece
            yield buffer[: piece.nbytes].toreadonly()


def read_all(descriptor: int, size: int) -> bytearray:
    """Return `size` bytes, fewer when the file is shorter; raise OSError."""
    content = bytearray(size)
    view, filled = memoryview(content), 0
    while filled < size:
        with view[filled:] as room:
            count = os.readv(descriptor, [room]) if hasattr(os, "readv") else _read_into(descriptor, room)
        if not count:
            break
        filled += count
    view.release()
    if filled < size:
        del content[filled:]
    return content


def _read_into(descriptor: int, room: memoryview) -> int:
    piece = os.read(descriptor, min(room.nbytes, SLICE))
    room[: len(piece)] = piece
    return len(piece)
