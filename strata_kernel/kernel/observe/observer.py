"""Records what one cell does to the world and what it learns from it."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Iterable
from typing import Any

from strata_kernel.domain.manifest import Fact
from strata_kernel.kernel.observe import (
    active,
    audit,
    clocks,
    draws,
    environment,
    figures,
    frames,
    generators,
    installed,
    lookups,
    paths,
    pools,
    readers,
)
from strata_kernel.kernel.observe.imports import ImportHooks
from strata_kernel.kernel.observe.observed import Observed, digested
from strata_kernel.kernel.observe.recording import AT_ONCE, Recording
from strata_kernel.world import handles
from strata_kernel.world.files import Files, Stat, is_young, read_digest, stat_of
from strata_kernel.world.places import is_library

#: Threads that libraries keep for their own purposes.
_HARMLESS = (
    "TMonitor",
    "pymon",
    "QueueFeederThread",
    "ExecutorManagerThread",
    "IPythonHistorySavingThread",
    "IOPub",
    "Heartbeat",
    "Control",
    "strata-",
)

#: Packages whose threads serve the kernel, and start at any time.
_KERNELS = frozenset({"ipykernel", "IPython", "zmq", "tornado", "jupyter_client", "strata_kernel", "asyncio"})


def _is_kernels(thread: threading.Thread) -> bool:
    target = getattr(thread, "_target", None)
    code = getattr(target, "__func__", target)
    modules = (type(thread).__module__, getattr(code, "__module__", None) or "")
    return any(module.partition(".")[0] in _KERNELS for module in modules)


#: Bytes of a mapped file up to which it is read before and after each run.
_READABLE = 256 << 20
_UNKNOWN = object()

_hooks: ImportHooks | None = None


def import_hooks() -> ImportHooks:
    """Return the import hooks of this process."""
    global _hooks
    if _hooks is None:
        _hooks = ImportHooks(lambda origin: not frames.is_library_code(origin))
    return _hooks


class Observer:
    """One per process: a Python audit hook, once added, stays."""

    _installed = False

    def __init__(self, files: Files | None = None, ignored: Iterable[str] = (), roots: Iterable[str] = ()) -> None:
        self.files = files or Files()
        self.roots = tuple(os.path.abspath(root) for root in roots)
        self.relevance = paths.Relevance(ignored, self.roots)
        self._threads: frozenset[threading.Thread] = frozenset()
        #: Files that earlier cells left open for writing, with how they are written to, and as they stood at the start.
        self._held: dict[str, str] = {}
        self._began: dict[str, object] = {}

    def install(self) -> None:
        """Wrap what must be wrapped; nothing is recorded until `start`."""
        active.exempt_others()
        if Observer._installed:
            return
        Observer._installed = True
        hooks = import_hooks()
        hooks.install()
        lookups.install()
        environment.install()
        clocks.install()
        generators.install(hooks)
        readers.install(hooks)
        draws.install(hooks)
        installed.install(hooks)
        pools.install(hooks)
        figures.install(hooks)
        sys.addaudithook(audit.hook)

    def start(self, namespace: dict[str, Any], drawn_from: dict[str, Any] | None = None) -> None:
        """Begin to record; `namespace` holds the globals of the notebook's code.

        `drawn_from`: the generators' states, as a snapshot of the process has them, to save reading them again.
        """
        active.forget_finished()
        recording = Recording(namespace, self.files, self.relevance)
        recording.generators = generators.states() if drawn_from is None else drawn_from
        self._threads = frozenset(threading.enumerate())
        self._began = {path: self._stamp(path) for path in self._held}
        while active.troubles:
            recording.miss(active.troubles.pop())
        active.recording = recording

    def stop(self) -> Observed:
        """End the recording and return what it holds."""
        recording, active.recording = active.recording, None
        if recording is None:
            return Observed()
        with active.exempt():
            self._watch_held(recording)
            self._note_threads(recording)
            self._note_processes(recording)
            self._note_tasks(recording)
            return self._summed(recording)

    def _watch_held(self, recording: Recording) -> None:
        for path, before in self._began.items():
            if path in recording.written or (before is not _UNKNOWN and self._stamp(path) == before):
                continue
            recording.reads.pop(path, None)
            recording.written[path] = before is not None
            self.files.forget(path)
            if self._held[path] != handles.APPENDS:
                # What another run writes depends on where this one stopped, which no value shows.
                recording.miss(f"{path} was written through what an earlier cell opened")
        if not recording.written:
            return
        found = {**handles.held(), **dict.fromkeys(recording.held, handles.WRITES)}
        for path in recording.written:
            # A mapping keeps its file open too.
            if recording.maps or self._held.get(path) == handles.MAPS:
                self._held[path] = handles.MAPS
            elif path in found:
                self._held[path] = found[path]

    def _stamp(self, path: str) -> object:
        """Return what differs once the file has been written; what is mapped has to be read for it."""
        found = stat_of(path)
        if found is None or self._held[path] != handles.MAPS:
            return found
        return read_digest(path) if found[0] <= _READABLE else _UNKNOWN

    @staticmethod
    def _note_processes(recording: Recording) -> None:
        if any(code == "subprocess" for code, _, _ in recording.reasons):
            for name in handles.children():
                recording.reason("threads", f"leaves the process {name!r} running", name=name)

    def _note_threads(self, recording: Recording) -> None:
        for thread in threading.enumerate():
            if thread in self._threads or active.is_outsider(thread) or not thread.is_alive():
                continue
            if thread is threading.current_thread() or type(thread).__name__ in _HARMLESS:
                continue
            if not thread.name.startswith(_HARMLESS) and not _is_kernels(thread):
                recording.reason("threads", f"leaves the thread {thread.name!r} running", name=thread.name)

    @staticmethod
    def _note_tasks(recording: Recording) -> None:
        """Note the notebook's own coroutines that go on whenever a later cell lets the event loop run."""
        try:
            tasks = asyncio.all_tasks()
        except RuntimeError:
            return
        for task in tasks - {asyncio.current_task()}:
            frame = getattr(task.get_coro(), "cr_frame", None)
            if frame is not None and frame.f_globals is recording.namespace:
                name = frame.f_code.co_name
                recording.reason("threads", f"leaves the task {name!r} running", name=name)

    def _summed(self, recording: Recording) -> Observed:
        reads, pending = self._settle_reads(recording)
        for path in recording.grown:
            if os.path.isdir(path):
                for file in recording.below(path):
                    if recording.reads.get(file) != stat_of(file):
                        recording.written.setdefault(file, file in recording.reads)
        written = [path for path in recording.written if os.path.isfile(path) and not self._untouched(recording, path)]
        # A file that came and went leaves an empty place, whatever may stand there by the time the run is served.
        gone = recording.deleted | recording.written.keys()
        deleted = [path for path in gone if not os.path.lexists(path) and not recording.is_passing(path)]
        return Observed(
            reads=reads,
            absent=tuple(Fact("absent", path) for path in sorted(recording.absent)),
            exists=tuple(fact for (_, path), fact in sorted(recording.exists.items()) if self._adds(fact, path, reads)),
            dirs=tuple(fact for _, fact in sorted(recording.dirs.items())),
            env=tuple(fact for _, fact in sorted(recording.env.items())),
            written=tuple(sorted(written)),
            deleted=tuple(sorted(deleted)),
            made=tuple(sorted(path for path in recording.made if os.path.isdir(path))),
            removed=tuple(sorted(path for path in recording.removed if not os.path.lexists(path))),
            modules=self._new_modules(recording),
            distributions=frozenset(recording.distributions),
            changed=tuple(sorted(recording.changed)),
            reseeded=frozenset(recording.reseeded),
            set_generators=frozenset(recording.set_generators),
            asked=frozenset(recording.asked),
            reasons=tuple(recording.reasons.values()),
            pending=pending,
            relative=recording.relative,
        )

    def _settle_reads(self, recording: Recording) -> tuple[dict[str, Fact], dict[str, Stat]]:
        reads: dict[str, Fact] = {}
        pending: dict[str, Stat] = {}
        left = AT_ONCE
        for path, found in recording.reads.items():
            early = recording.early.get(path)
            if early is not None:
                reads[path] = early
                continue
            if path in recording.changed:
                continue
            if stat_of(path) != found:
                recording.changed.add(path)
            elif self.files.known(path, found) is None and found[0] > left:
                pending[path] = found
                reads[path] = Fact("file", path, "", found)
            else:
                fact = digested(path, found, self.files)
                if fact is None:
                    recording.changed.add(path)
                else:
                    # A small file costs its opening more than its bytes.
                    left -= found[0] + 20_000
                    reads[path] = fact
        return dict(sorted(reads.items())), pending

    @staticmethod
    def _untouched(recording: Recording, path: str) -> bool:
        """Tell whether a file opened for update was left as it was."""
        found = recording.reads.get(path)
        return found is not None and not is_young(found) and stat_of(path) == found

    @staticmethod
    def _adds(fact: Fact, path: str, reads: dict[str, Fact]) -> bool:
        return fact.digest != "exists" or path not in reads

    def _new_modules(self, recording: Recording) -> frozenset[str]:
        found: set[str] = set()
        for name in recording.modules:
            first = name.partition(".")[0]
            module = sys.modules.get(name)
            if module is None:
                # Asked for in vain: what matters is that the user's own code would find it, were it there.
                if name in recording.sought:
                    found.add(name)
                continue
            origin = getattr(module, "__file__", None)
            if isinstance(origin, str) and not is_library(origin) and first != "strata_kernel":
                found.add(name)
            elif first not in sys.stdlib_module_names and first != "strata_kernel":
                found.add(first)
        return frozenset(found)

    def mentioned(self, texts: Iterable[str], cwd: str | None = None) -> list[Fact]:
        """Return facts about those of the texts that name an existing file or directory."""
        with active.exempt():
            return paths.mentioned(texts, cwd or os.getcwd(), self.relevance, self.files)
