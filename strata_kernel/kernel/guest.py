"""A kernel without a frontend: one process that runs one cell for a worker and tells what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
from jupyter_client.session import Session as Wire

from strata_kernel.cells.kind import Identity
from strata_kernel.cells.python import PythonKind
from strata_kernel.codecs.values import LiveValues
from strata_kernel.domain.dispatch import Dispatch, unpack
from strata_kernel.domain.manifest import Fact, FileOutput, Manifest
from strata_kernel.domain.published import Job
from strata_kernel.domain.state import Slot, advance, closure
from strata_kernel.engine.keeping import Options
from strata_kernel.engine.pipeline import Failed, Outcome, Pipeline
from strata_kernel.engine.publish import Publisher
from strata_kernel.engine.session import Entry, Session
from strata_kernel.errors import StrataError
from strata_kernel.kernel.host import IPythonHost
from strata_kernel.kernel.interrupt import Interrupts
from strata_kernel.kernel.looking import LookingKernel
from strata_kernel.kernel.mounting import Mounting
from strata_kernel.kernel.observe.watch import Watch
from strata_kernel.kernel.piped import Stream
from strata_kernel.kernel.transform import transform
from strata_kernel.mounts.mounts import Mounts, beside
from strata_kernel.ports import Observed
from strata_kernel.store import LocalStore
from strata_kernel.store.visiting import VisitingStore
from strata_kernel.world.dists import Distributions
from strata_kernel.world.places import local_roots
from strata_kernel.world.world import LocalWorld
from strata_kernel.world.written import LocalFiles

#: What is installed: looked up once for all the processes that are forked from one.
_DISTRIBUTIONS = Distributions()

Emit = Callable[[dict[str, Any]], None]


class _Wire(Wire):
    """A session whose messages go to whoever started the process."""

    emit: Emit

    def send(self, stream: Any, message: Any, content: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Pass on what is shown; the rest of the protocol has no reader."""
        kind = message["header"]["msg_type"] if isinstance(message, dict) else message
        body = message["content"] if isinstance(message, dict) else content
        self.emit({"t": "show", "kind": kind, "content": body})


class GuestKernel(LookingKernel):
    """ipykernel's shell with no sockets behind it."""

    implementation = "strata"

    def __init__(self, **kwargs: Any) -> None:
        wire = _Wire()
        wire.emit = self._drop
        super().__init__(session=wire, **kwargs)
        self.wire = wire
        self.log = logging.getLogger("strata.guest")
        self.interrupts = Interrupts()
        self.bridge: Any = SimpleNamespace(engaged=False, warnings=[], load=lambda names: None, virtual=lambda text: [])
        self.plain_reply: dict[str, Any] = {}
        self.shell_channel_thread = SimpleNamespace(parent_thread=threading.main_thread())

    @staticmethod
    def _drop(event: dict[str, Any]) -> None:
        """Say nothing before there is someone to hear it."""

    def listen(self, emit: Emit) -> None:
        """Tell all that is shown from now on."""
        self.wire.emit = emit

    async def execute_plainly(self, code: str, **request: Any) -> dict[str, Any]:
        """Run code as ipykernel does."""
        reply: dict[str, Any] = await super().do_execute(code, **request)
        return reply

    def wake(self) -> None:
        """Let the event loop look at what was left for it."""
        self.loop.call_soon_threadsafe(lambda: None)

    def ready(self) -> None:
        """Take the loop that is running for the kernel's."""
        from tornado.ioloop import IOLoop

        self.loop = asyncio.get_running_loop()
        self.io_loop = IOLoop.current()


class GuestHost(IPythonHost):
    """The process of the cell: `here` stands for the notebook's folder `there`."""

    def __init__(self, kernel: Any, watch: Watch, here: str, there: str) -> None:
        super().__init__(kernel, watch)
        self.here, self.there = here, there

    def observed(self, candidates: Iterable[Any]) -> Observed:
        """Stop recording and return what was seen, with the notebook's own paths."""
        seen = super().observed(candidates)
        seen.facts = tuple(self._home(fact) for fact in seen.facts)
        return seen

    def _home(self, fact: Fact) -> Fact:
        if fact.kind == "cwd" and fact.digest == self.here:
            return msgspec.structs.replace(fact, digest=self.there)
        if fact.kind in ("file", "absent", "dir"):
            # Its stat is this machine's.
            return msgspec.structs.replace(fact, name=mapped(fact.name, self.here, self.there), stat=())
        return fact


def mapped(path: str, start: str, target: str) -> str:
    """Return the path below another folder, when it lies below the one."""
    if path == start or path.startswith(start + "/"):
        return target + path[len(start) :]
    return path


class Guest:
    """One dispatch in this process."""

    def __init__(self, kernel: GuestKernel, dispatch: Dispatch, store: LocalStore, emit: Emit) -> None:
        self.kernel, self.dispatch, self.emit = kernel, dispatch, emit
        self.here = os.getcwd()
        os.environ.update(dispatch.environ)
        for path, content in dispatch.modules.items():
            target = Path(self.here, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        world = LocalWorld(local_roots(self.here), start=self.here)
        world.distributions = _DISTRIBUTIONS
        watch = Watch(world, [str(store.path)])
        watch.install()
        self.host = GuestHost(kernel, watch, self.here, dispatch.folder)
        mounts = world.witnesses["mount"] = Mounts(beside(store.path), dispatch.terms.mounts, os.environ)
        self.host.mounting = Mounting(kernel, mounts, lambda moved: emit({"t": "progress", "moved": moved}))
        kernel.listen(emit)
        values = LiveValues(self.host.namespace)
        kept = VisitingStore(store, dispatch.twins)
        self.publisher = Publisher(kept, values, self._warn, watch.exempt)
        files = LocalFiles(world.files)
        worker = dispatch.terms.worker
        identity = Identity(dispatch.python, dispatch.session, dispatch.defaults, ((worker, dispatch.identity),))
        kind = PythonKind(transform)
        self.session = Session(lambda cell: kind.read(cell, identity), kept, world, files)
        options = Options(min_runtime_ms=0)
        self.pipeline = Pipeline(self.session, self.host, values, self.publisher, files, options)
        values.restore = self.pipeline.resolver.definition
        self._published: Manifest | None = None
        self.publisher.published = self._take

    def _take(self, manifest: Manifest) -> None:
        self._published = manifest

    def _warn(self, text: str) -> None:
        self.emit({"t": "show", "kind": "stream", "content": {"name": "stderr", "text": f"strata: {text}\n"}})

    async def run(self) -> None:
        """Run the cell and tell the end."""
        self.kernel.ready()
        begun = time.perf_counter()
        try:
            outcome = await self._run()
        except StrataError as error:
            self._end(error=(type(error).__name__, str(error), []), begun=begun)
            return
        if isinstance(outcome, Failed):
            self._end(error=outcome.error, begun=begun)
            return
        self.publisher.drain()
        assert outcome.entry.manifest is not None
        manifest = self._published or outcome.entry.manifest
        files = tuple(self._home(file) for file in manifest.files)
        self._end(manifest=msgspec.structs.replace(manifest, files=files), begun=begun)

    async def _run(self) -> Outcome:
        dispatch = self.dispatch
        cells = [p.cell for p in dispatch.producers]
        self.session.cells = [*cells, dispatch.cell]
        for producer in dispatch.producers:
            before = self._state(unpack(producer.before, dispatch.units))
            reading = self.session.read(producer.cell)
            self.session.entries[producer.cell.id] = Entry(
                reading,
                before,
                producer.manifest,
                advance(before, producer.manifest, producer.cell.id),
                closure=closure(reading.analysis, before),
            )
        state = self._state(unpack(dispatch.state, dispatch.units))
        self.emit({"t": "running"})
        return await self.pipeline._execute(len(cells), state, "client")

    def _state(self, slots: dict[str, Slot]) -> dict[str, Slot]:
        """Return the state with the notebook's files where this process has them; others are not its to write."""
        found = {}
        for name, slot in slots.items():
            if not name.startswith("file:"):
                found[name] = slot
            elif (path := name.removeprefix("file:")).startswith(self.dispatch.folder + "/") and ".." not in path:
                found["file:" + mapped(path, self.dispatch.folder, self.here)] = slot
        return found

    def _home(self, file: FileOutput) -> FileOutput:
        return msgspec.structs.replace(file, path=mapped(file.path, self.here, self.dispatch.folder))

    def _end(self, *, begun: float, manifest: Manifest | None = None, error: Any = None) -> None:
        seconds = time.perf_counter() - begun
        self.emit({"t": "end", "manifest": manifest, "error": error, "seconds": seconds})


def serve(kernel: GuestKernel, folder: Path, store: LocalStore, memory: int) -> None:
    """Wait for the one dispatch of this process, run it, and end the process."""
    code = 1
    try:
        with (folder / "job").open("rb") as file:
            body = file.read()
        if not body:  # it is no longer wanted
            os._exit(0)
        lock = threading.Lock()
        events = os.open(folder / "events", os.O_WRONLY | os.O_CLOEXEC)

        def emit(event: dict[str, Any]) -> None:
            line = msgspec.json.encode(event, enc_hook=_plainly) + b"\n"
            with lock:
                _write(events, line)

        _redirect(kernel)
        if memory:
            import resource

            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        try:
            job = msgspec.json.decode(body, type=Job)
            if job.errand is not None:
                from strata_kernel.kernel.errand import ErrandGuest

                asyncio.run(ErrandGuest(kernel, job.errand, store, emit).run())
            elif job.dispatch is not None:
                asyncio.run(Guest(kernel, job.dispatch, store, emit).run())
            code = 0
        except BaseException as error:  # a fault of ours, told to whoever waits for the cell
            emit({"t": "end", "error": (type(error).__name__, str(error), []), "manifest": None, "seconds": 0.0})
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(code)


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _plainly(value: Any) -> Any:
    return repr(value)


def _redirect(kernel: GuestKernel) -> None:
    """Show what is written to the standard streams, by Python or by the programs that it starts."""

    def send(kind: str, content: dict[str, Any]) -> None:
        kernel.session.send(None, kind, content)

    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        setattr(sys, name, Stream(name, descriptor, send))


def restore_signals() -> None:
    """Let interrupts through as any Python process does."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
