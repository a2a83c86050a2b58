"""Saves runs behind the reader's back: blobs first, manifest last, with a bound on the bytes in flight."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

import msgspec

from strata_kernel.domain.cell import Reason
from strata_kernel.domain.manifest import Artifact, Blob, Manifest, Unit
from strata_kernel.errors import ClearedError, StoreError
from strata_kernel.ports import Group, Store, Values

IN_FLIGHT = 1 << 30
INLINE = 2048
OUTPUTS_INLINE = 16384
#: Seconds that a job waits at most for a reply to be made first.
GIVE_WAY = 0.03
#: Jobs that wait from which on none gives way any more.
BACKLOG = 4


class Job(msgspec.Struct):
    """A manifest to publish, with the groups of live values that its units stand for, by index."""

    manifest: Manifest
    groups: dict[int, Group]
    size: int = 0


class Publisher:
    """One background thread that writes to the store; its failures are misses and one warning.

    `warn` is called once with one line. `exempt` marks the thread as not the user's.
    """

    def __init__(self, store: Store, values: Values, warn: Callable[[str], None], exempt: Callable[[], None]) -> None:
        self._store, self._values, self._warn, self._exempt = store, values, warn, exempt
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._pending: dict[str, int] = {}
        self._bytes, self._unsettled = 0, 0
        self._artifacts: dict[str, Artifact | None] = {}
        self._thread: threading.Thread | None = None
        self._warned = False
        self._awaited = 0
        self.published: Callable[[Manifest], None] = lambda manifest: None
        #: Whether a reply is being made, which writing would hold up.
        self.hurried: Callable[[], bool] = lambda: False

    def submit(self, manifest: Manifest, groups: dict[int, Group]) -> None:
        """Queue a manifest; wait while more than the bound of live bytes is on its way."""
        size = sum(b.nbytes for g in groups.values() for b in g.buffers)
        with self._changed:
            self._until(lambda: not self._bytes or self._bytes + size <= IN_FLIGHT)
            self._unsettled += 1
            self._bytes += size
            for index in groups:
                version = manifest.units[index].version
                self._pending[version] = self._pending.get(version, 0) + 1
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="strata-publisher", daemon=True)
            self._thread.start()
        self._jobs.put(Job(manifest, groups, size))

    def artifact(self, version: str) -> Artifact | None:
        """Return where a unit of this session was saved, waiting for it while it is under way."""
        self.wait([version])
        return self._artifacts.get(version)

    def wait(self, versions: list[str]) -> None:
        """Wait until none of these units is being saved."""
        with self._changed:
            self._until(lambda: not any(v in self._pending for v in versions))

    def catch_up(self) -> None:
        """Wait until all that was submitted so far can be looked up."""
        with self._changed:
            self._until(lambda: not self._unsettled or not self._alive())

    def _alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _until(self, predicate: Callable[[], bool]) -> None:
        self._awaited += 1
        try:
            self._changed.wait_for(predicate)
        finally:
            self._awaited -= 1

    def drain(self) -> None:
        """Wait until all that was submitted is in the store, or given up."""
        if self._thread is not None and self._thread.is_alive():
            self._awaited += 1
            self._jobs.put(None)
            self._thread.join()
            self._thread = None
            self._awaited -= 1

    def _serve(self) -> None:
        self._exempt()
        while (job := self._jobs.get()) is not None:
            if self._jobs.qsize() < BACKLOG:
                self._give_way()
            try:
                manifest = self._store_units(job)
                self._store.publish(self._with_outputs(manifest))
                self.published(manifest)
            except ClearedError:
                pass  # the user did it, and the next run saves all of it
            except StoreError as error:
                self._complain(error)
            finally:
                self._done(job)

    def _give_way(self) -> None:
        deadline = time.monotonic() + GIVE_WAY
        while self.hurried() and not self._awaited and time.monotonic() < deadline:
            time.sleep(0.001)

    def _complain(self, error: StoreError) -> None:
        if not self._warned:
            self._warned = True
            self._warn(f"{error}; results are not kept")

    def _done(self, job: Job) -> None:
        with self._changed:
            self._unsettled -= 1
            self._bytes -= job.size
            for index in job.groups:
                version = job.manifest.units[index].version
                self._pending[version] -= 1
                if not self._pending[version]:
                    del self._pending[version]
            self._changed.notify_all()
        job.groups.clear()

    def _store_units(self, job: Job) -> Manifest:
        # The record of a cell of several parts names values that were saved with these.
        units = [self._saved_before(unit) for unit in job.manifest.units]
        for index, group in job.groups.items():
            units[index] = self._store_unit(units[index], group)
            self._artifacts[units[index].version] = units[index].artifact
        return msgspec.structs.replace(job.manifest, units=tuple(units))

    def _saved_before(self, unit: Unit) -> Unit:
        if unit.artifact is not None or unit.reason is not None:
            return unit
        return msgspec.structs.replace(unit, artifact=self._artifacts.get(unit.version))

    def _store_unit(self, unit: Unit, group: Group) -> Unit:
        if not group.buffers and len(group.stream) <= INLINE:
            return msgspec.structs.replace(unit, artifact=Artifact("pickle", inline=group.stream))
        stream = self._store.put([group.stream])
        buffers: list[Blob] = [self._store.put([b]) for b in group.buffers]
        if not self._values.intact(group):
            # The blobs are named by what was written, so they harm no one; but they are not what the run left.
            reason = Reason("changed", "changed while it was saved")
            return msgspec.structs.replace(unit, reason=reason)
        return msgspec.structs.replace(unit, artifact=Artifact("pickle", stream, tuple(buffers)))

    def _with_outputs(self, manifest: Manifest) -> Manifest:
        encoded = msgspec.json.encode(manifest.outputs)
        if len(encoded) <= OUTPUTS_INLINE:
            return manifest
        return msgspec.structs.replace(manifest, outputs=self._store.put([encoded]))
