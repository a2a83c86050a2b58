"""Python's audit events, turned into what they mean for a recording."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any
from urllib.parse import unquote, urlsplit

from strata_kernel.kernel.observe import active, frames, paths
from strata_kernel.kernel.observe.recording import Recording

Handler = Callable[[Recording, tuple[Any, ...], "FrameType | None"], None]
HANDLERS: dict[str, Handler] = {}
#: Modules that start programs to learn about the machine, and threads of work that is not the cell's.
_ASKING = frozenset({
    "platform", "ctypes.util", "uuid", "matplotlib.font_manager", "multiprocessing.resource_tracker",
    "IPython.core.page",
    "joblib.externals.loky.backend.context", "joblib.externals.loky.backend.resource_tracker", "webbrowser",
    "sysconfig",
})  # fmt: skip
#: Events that tell of a path whose text may have been handed on by a mount.
_PATHS = frozenset({"open", "os.listdir", "os.scandir"})


def hook(event: str, args: tuple[Any, ...]) -> None:
    """Take one audit event: what `sys.addaudithook` is given."""
    if active.recording is None:
        return
    handler = HANDLERS.get(event)
    if handler is not None:
        if event in _PATHS and active.ahead is not None and type(args[0]) is str and active.listening():
            active.ahead(event, args[0])
        active.note(handler, args, active.caller(1))


def _on(*events: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        for event in events:
            HANDLERS[event] = handler
        return handler

    return register


@_on("open")
def _open(recording: Recording, args: tuple[Any, ...], frame: FrameType | None) -> None:
    raw, mode, flags = args
    if isinstance(raw, int) or frames.is_machinery_open(frame, raw):
        return
    if mode is None and frame is not None and frames.module_of(frame) in ("shutil", "os"):
        # rmtree and fwalk open folders relative to a descriptor that the event does not tell.
        return
    path = recording.place(raw)
    if path is None:
        return
    flags = flags if isinstance(flags, int) else 0
    writes = (flags & os.O_ACCMODE) != os.O_RDONLY
    if not writes and not flags & os.O_TRUNC:
        recording.read(path)
        return
    if os.path.isdir(path):
        return
    if flags & os.O_EXCL and flags & os.O_CREAT:
        named = frames.beyond(frame, frames.THROUGH)
        if named is None or frames.module_of(named) != "tempfile":
            recording.look(path)
        else:
            recording.fresh.add(path)
        recording.write(path)
    elif not flags & os.O_CREAT and not os.path.lexists(path):
        recording.lack(path)
    else:
        update = not flags & os.O_TRUNC
        if update and not os.path.lexists(path):
            recording.lack(path)
        recording.write(path, update=update)


@_on("os.listdir", "os.scandir")
def _list(recording: Recording, args: tuple[Any, ...], frame: FrameType | None) -> None:
    if isinstance(args[0], int) or frames.is_machinery(frames.beyond(frame, frames.THROUGH)):
        return
    path = recording.place("." if args[0] is None else args[0])
    if path is not None and not _is_removing(frame):
        recording.names(path)


def _is_removing(frame: FrameType | None) -> bool:
    return frame is not None and frames.module_of(frame) == "shutil" and "rmtree" in frame.f_code.co_name


def _at(recording: Recording, raw: Any, descriptor: Any) -> str | None:
    folder = paths.folder_behind(descriptor) if isinstance(descriptor, int) and descriptor >= 0 else None
    return recording.place(raw, folder)


@_on("os.remove")
def _remove(recording: Recording, args: tuple[Any, ...], frame: FrameType | None) -> None:
    if (path := _at(recording, args[0], args[1])) is not None:
        recording.delete(path)


@_on("os.rename")
def _rename(recording: Recording, args: tuple[Any, ...], frame: FrameType | None) -> None:
    source, target = _at(recording, args[0], args[2]), _at(recording, args[1], args[3])
    recording.rename(source, target)


@_on("os.link", "os.symlink")
def _link(recording: Recording, args: tuple[Any, ...], frame: FrameType | None) -> None:
    target = _at(recording, args[1], args[-1])
    if target is None:
        return
    source = recording.place(args[0], os.path.dirname(target) if len(args) == 3 else None)
    if source is not None:
        recording.read(source)
    recording.write(target)


@_on("os.mkdir")
def _mkdir(recording: Recording, args: tuple[Any, ...], frame: FrameType | None) -> None:
    path = _at(recording, args[0], args[2])
    if path is None:
        return
    tolerant = False
    asked = frame
    while asked is not None and frames.module_of(asked) in frames.THROUGH:
        if asked.f_code.co_name in ("makedirs", "mkdir"):
            tolerant = tolerant or bool(asked.f_locals.get("exist_ok"))
        asked = asked.f_back
    if asked is not None and frames.module_of(asked) == "tempfile":
        tolerant = True
        recording.fresh.add(path)
    recording.make_folder(path, tolerant)


@_on("os.rmdir")
def _rmdir(recording: Recording, args: tuple[Any, ...], frame: FrameType | None) -> None:
    if (path := _at(recording, args[0], args[1])) is not None:
        recording.drop_folder(path)


@_on("os.truncate", "os.chmod", "os.utime", "os.chown")
def _alter(recording: Recording, args: tuple[Any, ...], frame: FrameType | None) -> None:
    path = recording.place(args[0])
    if path is not None and not os.path.isdir(path):
        recording.write(path, update=True)


@_on("sqlite3.connect")
def _sqlite(recording: Recording, args: tuple[Any, ...], frame: FrameType | None) -> None:
    raw = args[0]
    if frames.is_machinery(frame) or raw in (":memory:", "", b":memory:", b""):
        return
    writable = True
    if isinstance(raw, str) and raw.startswith("file:"):
        parts = urlsplit(raw)
        raw = unquote(parts.path)
        if "mode=memory" in parts.query or ":memory:" in raw:
            return
        writable = not ("mode=ro" in parts.query or "immutable=1" in parts.query)
    path = recording.place(raw)
    if path is None:
        return
    if os.path.exists(path + "-wal"):
        recording.read(path + "-wal")
    recording.read(path)
    if writable:
        recording.write(path, update=True)
        recording.held.add(path)


@_on("mmap.__new__")
def _map(recording: Recording, args: tuple[Any, ...], frame: FrameType | None) -> None:
    recording.maps = True


@_on("socket.connect", "socket.sendto", "socket.bind")
def _connect(recording: Recording, args: tuple[Any, ...], frame: FrameType | None) -> None:
    sock, address = args
    if sock.family == getattr(socket, "AF_UNIX", None) or not isinstance(address, tuple):
        return
    if frames.is_machinery(frames.beyond(frame, ("socket", "ssl", "selectors"))):
        outer: FrameType | None = frame
        while outer is not None and not frames.is_users(outer, recording.namespace):
            outer = outer.f_back
        if outer is None:
            return
    _network(recording, address[0], address[1])


@_on("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
def _resolve(recording: Recording, args: tuple[Any, ...], frame: FrameType | None) -> None:
    host = args[0]
    _network(recording, host.decode("ascii", "replace") if isinstance(host, bytes) else host)


def _network(recording: Recording, host: Any, port: Any = None) -> None:
    name = str(host or "localhost")
    where = f"{name}:{port}" if port is not None else name
    if not any(code == "network" and known == name for code, known, _ in recording.reasons):
        recording.reason("network", f"connects to {where}", name=name)


@_on("subprocess.Popen", "os.posix_spawn", "os.spawn", "os.exec", "os.system", "os.fork", "os.forkpty", "pty.spawn")
def _spawn(recording: Recording, args: tuple[Any, ...], frame: FrameType | None) -> None:
    inner = frame
    for _ in range(12):
        if inner is None or frames.is_users(inner, recording.namespace):
            break
        name = frames.module_of(inner)
        if name in _ASKING:
            return
        if name == "subprocess" and inner is frame and not args:
            return
        inner = inner.f_back
    if not args:
        recording.reason("subprocess", "starts worker processes", name="fork")
        return
    command = args[1] if len(args) > 1 and args[1] else args[0]
    if isinstance(command, bytes | str | os.PathLike):
        text = os.fsdecode(command)
    else:
        text = " ".join(os.fsdecode(part) for part in command)
    executable = os.fsdecode(args[0]) if isinstance(args[0], bytes | str | os.PathLike) else text
    recording.reason("subprocess", f"runs `{text[:200]}`", name=os.path.basename(executable.split(" ")[0]))


@_on("os.putenv", "os.unsetenv")
def _putenv(recording: Recording, args: tuple[Any, ...], frame: FrameType | None) -> None:
    recording.env_written.add(os.fsdecode(args[0]))


@_on("import")
def _import(recording: Recording, args: tuple[Any, ...], frame: FrameType | None) -> None:
    name = args[0]
    outer = frame
    while outer is not None and frames.is_importing(outer):
        outer = outer.f_back
    if frames.is_kernels_import(outer, name):
        return
    recording.modules.add(name)
    if frames.is_users(outer, recording.namespace):
        recording.sought.add(name)
