"""The file systems that mounts lie on, asked for no more than names, signs and bytes."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import stat as modes
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec
from blake3 import blake3

from strata_kernel.domain.digest import digest
from strata_kernel.domain.directive_values import Mount
from strata_kernel.errors import MountError
from strata_kernel.mounts.loop import Loop
from strata_kernel.saving import expand, is_secret, secrets_in

#: A change within this time of the last one may leave no trace in a file's stat.
YOUNG_NS = 2_000_000_000
#: Files that are fetched at a time.
TOGETHER = 32
#: Bytes that are copied here in one go; that travel in one go, so that they can be told of; and the grain of these.
_PIECE, _SMALL, _GRAIN = 1 << 20, 8 << 20, 1 << 18
#: Pieces that a store takes of one file, with room to spare.
_PIECES = 9000
_PROTOCOLS = {"s3": "s3", "gs": "gs", "gcs": "gs", "az": "abfs", "azure": "abfs"}
_EXTRAS = {"s3": ("s3fs", "s3"), "gs": ("gcsfs", "gs"), "abfs": ("adlfs", "az")}


#: Told the number of bytes that passed.
Moved = Callable[[int], None]


class Found(msgspec.Struct, frozen=True):
    """A file or a folder: `sign` is what tells that a file is another one; `time` in seconds."""

    folder: bool
    size: int = 0
    sign: str = ""
    time: float = 0.0


class Place(Protocol):
    """A folder somewhere; paths are relative to it, with `/` between their parts, and "" is the folder itself."""

    #: Whether the bytes are at hand, so that they decide what is the same.
    near: bool

    def look(self, path: str) -> Found | None:
        """Return what stands there, None for nothing; raise MountError."""
        ...

    def names(self, folder: str) -> dict[str, Found]:
        """Return what stands in a folder, by name; raise MountError."""
        ...

    def below(self, folder: str) -> dict[str, Found]:
        """Return all files below a folder, at any depth, by path below the place; raise MountError."""
        ...

    def fetch(self, wanted: Sequence[tuple[str, str]], moved: Moved) -> None:
        """Write what stands at each path into a file, telling the bytes as they come; raise MountError."""
        ...

    def put(self, path: str, file: str, moved: Moved) -> None:
        """Write a file there, in one step, telling the bytes as they go; raise MountError."""
        ...

    def remove(self, path: str) -> None:
        """Take a file away; raise MountError."""
        ...


def identity(mount: Mount) -> str:
    """Return what tells apart two mounts of one address: all of their options but the secret ones."""
    options = json.loads(mount.options or "{}")
    return digest("options", json.dumps(_without_secrets(options), sort_keys=True)) if options else ""


def _without_secrets(options: Any) -> Any:
    if isinstance(options, Mapping):
        return {k: _without_secrets(v) for k, v in options.items() if not is_secret(str(k))}
    return options


def is_safe(path: str) -> bool:
    """Tell whether a path from a listing names something below its folder that a file system here can hold."""
    parts = path.split("/")
    return "\0" not in path and all(p not in ("", ".", "..") and len(p.encode("utf-8", "replace")) < 256 for p in parts)


def open_place(mount: Mount, environ: Mapping[str, str], loop: Loop) -> Place:
    """Return the place of a mount; raise MountError for one that cannot be."""
    scheme, _, rest = mount.uri.partition("://")
    if scheme.lower() == "file":
        return Near(mount.uri, rest.rstrip("/") or "/")
    options = json.loads(mount.options or "{}")
    if named := list(secrets_in(options)):
        raise MountError(
            f"mount {mount.uri}: the option {named[0]!r} holds a secret: write '${{VARIABLE}}' and set that variable"
        )
    try:
        options = expand(options, environ)
    except KeyError as error:
        raise MountError(
            f"mount {mount.uri}: its options name the variable {error.args[0]}, which is not set"
        ) from None
    return Far(mount.uri, _PROTOCOLS[scheme.lower()], rest.strip("/"), options, loop)


class Near:
    """A folder of this machine; what leads out of it through a link is not there."""

    near = True

    def __init__(self, uri: str, root: str) -> None:
        self.uri, self.root, self._real = uri, root, os.path.realpath(root)

    def _path(self, path: str) -> str:
        found = os.path.join(self.root, path) if path else self.root
        real = os.path.realpath(found)
        if real != self._real and not real.startswith(self._real.rstrip("/") + "/"):
            raise MountError(f"{self.uri}/{path} lies outside of the mount: a link leads there")
        return found

    def look(self, path: str) -> Found | None:
        """Return what stands there."""
        try:
            found = os.stat(self._path(path))
        except (OSError, ValueError):
            return None
        if modes.S_ISDIR(found.st_mode):
            return Found(True, time=found.st_mtime)
        if not modes.S_ISREG(found.st_mode):
            return None
        return Found(False, found.st_size, _sign(found), found.st_mtime)

    def names(self, folder: str) -> dict[str, Found]:
        """Return what stands in a folder."""
        try:
            listed = sorted(os.listdir(self._path(folder)))
        except OSError as error:
            raise MountError(f"mount {self.uri}: cannot list {folder or 'it'}: {error.strerror}") from None
        found = {name: self.look(f"{folder}/{name}" if folder else name) for name in listed if is_safe(name)}
        return {name: each for name, each in found.items() if each is not None}

    def below(self, folder: str) -> dict[str, Found]:
        """Return all files below a folder."""
        found: dict[str, Found] = {}
        pending, seen = [folder], set[str]()
        while pending:
            here = pending.pop()
            real = os.path.realpath(os.path.join(self.root, here))
            if real in seen:  # a link to a folder above it
                continue
            seen.add(real)
            for name, each in self.names(here).items():
                path = f"{here}/{name}" if here else name
                if each.folder:
                    pending.append(path)
                else:
                    found[path] = each
        return dict(sorted(found.items()))

    def fetch(self, wanted: Sequence[tuple[str, str]], moved: Moved) -> None:
        """Copy what stands at each path into a file."""
        for path, target in wanted:
            try:
                _copy(self._path(path), target, moved)
            except OSError as error:
                raise MountError(f"cannot read {self.uri}/{path}: {error.strerror}") from None

    def put(self, path: str, file: str, moved: Moved) -> None:
        """Write a file there."""
        try:
            target = self._path(path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            self._path(path)
            temporary = os.path.join(os.path.dirname(target), f".{os.path.basename(target)[:200]}.strata")
            try:
                _copy(file, temporary, moved)
                os.replace(temporary, target)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
        except OSError as error:
            raise _as_mount_error(f"cannot write {self.uri}/{path}", error) from None

    def remove(self, path: str) -> None:
        """Take a file away."""
        try:
            os.unlink(self._path(path))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise _as_mount_error(f"cannot remove {self.uri}/{path}", error) from None


def _copy(source: str, target: str, moved: Moved) -> None:
    buffer = memoryview(bytearray(_PIECE))
    with open(source, "rb", buffering=0) as read, open(target, "wb", buffering=0) as written:
        while size := read.readinto(buffer):
            piece = buffer[:size]
            while piece:
                piece = piece[written.write(piece) :]
            moved(size)


def _as_mount_error(text: str, error: OSError) -> MountError:
    return error if isinstance(error, MountError) else MountError(f"{text}: {error.strerror}")


def _sign(found: os.stat_result) -> str:
    sign = f"{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}:{found.st_ino}"
    young = time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < YOUNG_NS
    # A second change may come within the clock's grain: such a sign is like no other.
    return f"{sign}:{time.time_ns()}" if young else sign


def stat_behind(sign: str) -> tuple[int, ...]:
    """Return the (size, mtime_ns, ctime_ns, inode) of a file here, () where they prove nothing."""
    parts = sign.split(":")
    return tuple(map(int, parts)) if len(parts) == 4 else ()


def content_of(path: str) -> str:
    """Return the BLAKE3 digest of a file's bytes; raise OSError."""
    hasher = blake3()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(1 << 20):
            hasher.update(chunk)
    return str(hasher.hexdigest())


def _known(function: Any, **options: int) -> dict[str, int]:
    """Return those of the options that this client's function has: not all have them, nor in all versions."""
    names = inspect.signature(function).parameters
    return {name: value for name, value in options.items() if name in names}


class Far:
    """A prefix in a bucket, through fsspec."""

    near = False

    def __init__(self, uri: str, protocol: str, base: str, options: dict[str, Any], loop: Loop) -> None:
        self.uri, self.base, self._protocol, self._loop = uri, base, protocol, loop
        self._options = options
        self._fs: Any = None

    def _files(self) -> Any:
        if self._fs is None:
            import fsspec

            module, extra = _EXTRAS[self._protocol]
            try:
                kind = fsspec.get_filesystem_class(self._protocol)
            except ImportError:
                raise MountError(f"mount {self.uri} needs {module}: pip install 'strata-jupyter[{extra}]'") from None
            with self._crossing("reach", self.uri):
                self._fs = kind(
                    **self._options, loop=self._loop.running(), use_listings_cache=False, skip_instance_cache=True
                )
        return self._fs

    @contextlib.contextmanager
    def _crossing(self, action: str, what: str) -> Iterator[None]:
        """Turn whatever the clients raise, which share no base class, into a MountError."""
        try:
            yield
        except (MountError, FileNotFoundError):
            raise
        except Exception as error:
            text = " ".join(str(error).split())[:300] or type(error).__name__
            cure = f"check the address, the network and the credentials ({type(error).__name__})"
            raise MountError(f"cannot {action} {what}: {text}: {cure}") from error

    def _full(self, path: str) -> str:
        return f"{self.base}/{path}" if path else self.base

    def look(self, path: str) -> Found | None:
        """Return what stands there."""
        fs = self._files()
        with contextlib.suppress(FileNotFoundError), self._crossing("look at", f"{self.uri}/{path}"):
            return _found(fs.info(self._full(path)))
        return None

    def names(self, folder: str) -> dict[str, Found]:
        """Return what stands in a folder."""
        full = self._full(folder)
        listed: list[dict[str, Any]] = []
        with contextlib.suppress(FileNotFoundError), self._crossing("list", f"{self.uri}/{folder}"):
            listed = self._files().ls(full, detail=True)
        found: dict[str, Found] = {}
        for entry in listed:
            name = self._below(entry, full)
            if name is None or "/" in name or (name in found and found[name].folder):
                continue
            found[name] = _found(entry)
        return dict(sorted(found.items()))

    def below(self, folder: str) -> dict[str, Found]:
        """Return all files below a folder."""
        full = self._full(folder)
        listed: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(FileNotFoundError), self._crossing("list", f"{self.uri}/{folder}"):
            listed = self._files().find(full, detail=True)
        found: dict[str, Found] = {}
        for entry in listed.values():
            name = self._below(entry, full)
            if name is not None and entry.get("type") != "directory":
                found[f"{folder}/{name}" if folder else name] = _found(entry)
        folders = {path[:at] for path in found for at in range(len(path)) if path[at] == "/"}
        # Where an object and a prefix have one name, a file system can show the folder alone.
        return {path: each for path, each in sorted(found.items()) if path not in folders}

    @staticmethod
    def _below(entry: Mapping[str, Any], full: str) -> str | None:
        """Return the path below the folder, None for what does not lie there or cannot be shown."""
        name = str(entry.get("name", "")).rstrip("/") if entry.get("type") == "directory" else str(entry.get("name"))
        if not name.startswith(full + "/"):
            return None
        name = name[len(full) + 1 :]
        return name if is_safe(name) else None

    def fetch(self, wanted: Sequence[tuple[str, str]], moved: Moved) -> None:
        """Write what stands at each path into a file."""
        from strata_kernel.mounts.counted import Files

        fs, counted = self._files(), Files(moved)
        pieces = _known(fs._get_file, chunksize=_SMALL, max_concurrency=4)
        for start in range(0, len(wanted), TOGETHER):
            some = wanted[start : start + TOGETHER]
            try:
                with self._crossing("fetch", f"{self.uri}/{some[0][0]}"):
                    paths, targets = [self._full(path) for path, _ in some], [target for _, target in some]
                    fs.get(paths, targets, callback=counted, **pieces)
            except FileNotFoundError:
                raise MountError(
                    f"a file of {self.uri} was taken away while it was fetched: run the cell again"
                ) from None

    def put(self, path: str, file: str, moved: Moved) -> None:
        """Write a file there."""
        from strata_kernel.mounts.counted import Bytes

        fs, size = self._files(), max(_SMALL, (os.stat(file).st_size // _PIECES // _GRAIN + 1) * _GRAIN)
        with self._crossing("write", f"{self.uri}/{path}"):
            fs.put_file(file, self._full(path), callback=Bytes(moved), **_known(fs._put_file, chunksize=size))

    def remove(self, path: str) -> None:
        """Take a file away."""
        with contextlib.suppress(FileNotFoundError), self._crossing("remove", f"{self.uri}/{path}"):
            self._files().rm_file(self._full(path))


#: What the clients call the moment of the last change.
_STAMPS = ("LastModified", "updated", "last_modified")


def _found(entry: Mapping[str, Any]) -> Found:
    if entry.get("type") == "directory":
        return Found(True)
    size = int(entry.get("size") or 0)
    stamp = next((entry[k] for k in (*_STAMPS, "mtime") if entry.get(k)), "")
    sign = next((f"{k.lower()}:{entry[k]}" for k in ("generation", "ETag", "etag") if entry.get(k)), f"time:{stamp}")
    # Google's client has its moments as texts too.
    moments = (entry.get(k) for k in ("mtime", *_STAMPS))
    moment = next((m.timestamp() for m in moments if isinstance(m, datetime)), 0.0)
    return Found(False, size, f"{size}:{sign}", moment)
