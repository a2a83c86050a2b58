"""Cells on a Dask cluster: its scheduler places them, and moves what was scattered once to where it is needed."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import importlib
import json
import secrets
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from strata_kernel.domain.cell import Reason
from strata_kernel.domain.dispatch import Away, Dispatch, blobs_of_run
from strata_kernel.domain.manifest import Blob, Fact
from strata_kernel.errors import StoreError, WorkerError
from strata_kernel.executors.following import Events, Lost
from strata_kernel.executors.remote import End
from strata_kernel.executors.report import Health, Report, normal
from strata_kernel.ports import Show, Store
from strata_kernel.transfer import Tell, Transfer

#: Runs where the cells run: these are the two processes' only common words.
_TASKS = "strata_kernel.worker.tasks"
#: Seconds to connect, for workers to appear, and for an interrupted cell to end.
CONNECT, APPEAR, PATIENCE = 10.0, 15.0, 10.0
#: Bytes that come back at a time of what a cell left.
PIECE = 8 << 20
#: Seconds for which what the scheduler said of its workers is taken to hold.
FRESH = 1.0
#: Times that a cell is sent again when what it needs was lost with a worker.
AGAIN = 3
#: Cells sent for each thread of the workers: while one runs, the next is there already.
QUEUED = 2
#: Bytes of inputs that stay on the cluster for cells to come.
HELD = 4 << 30
_LOCAL = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    options = {"n_workers": int(sys.argv[1])} if int(sys.argv[1]) else {}
    with LocalCluster(**options, threads_per_worker=1, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


class Cluster(NamedTuple):
    """Where a scheduler is, or `local` with how many workers; and what each cell takes of the workers' resources."""

    scheduler: str
    workers: int = 0
    resources: Mapping[str, float] = {}


def call(name: str, *args: Any) -> Any:
    """Call a task where the cells run."""
    return getattr(importlib.import_module(_TASKS), name)(*args)


class DaskExecutor:
    """One cluster; the connection to it is kept between cells."""

    def __init__(self, name: str, cluster: Cluster, reported: Callable[[Report], None] = lambda report: None) -> None:
        self.name, self.cluster, self.reported = name, cluster, reported
        self.capacity = 1
        #: Several cells may be the first.
        self._connecting, self._scattering = asyncio.Lock(), asyncio.Lock()
        self._client: Any = None
        self._process: asyncio.subprocess.Process | None = None
        self._topic = "strata-" + secrets.token_hex(8)
        self._events: dict[str, Events] = {}
        #: The workers that were asked what is installed there, what they said, and when they were last counted.
        self._asked: frozenset[tuple[str, Any]] = frozenset()
        self._known: list[Report] = []
        self._there: list[dict[str, str]] = []
        self._counted = 0.0
        #: What was scattered, the last used last.
        self._held: OrderedDict[str, tuple[Any, int]] = OrderedDict()

    async def differences(self, facts: Iterable[Fact]) -> tuple[Reason, ...]:
        """Return which distributions have other versions on some worker; raise WorkerError."""
        found = {}
        await self._reports()
        for there in self._there:
            for fact in facts:
                if fact.kind == "dist" and (version := there.get(normal(fact.name), "")) != fact.digest:
                    text = f"{fact.name} is {version or 'missing'} on {self.name} and {fact.digest or 'missing'} here"
                    found[fact.name] = Reason("environment", text, name=fact.name)
        return tuple(found.values())

    async def execute(self, dispatch: Dispatch, show: Show, store: Store) -> Away:
        """Run the cell on some worker; raise WorkerError."""
        for report in await self._reports():
            self._check_python(report.python, dispatch)
        events = self._events[dispatch.id] = Events(show, self._whole)
        following = asyncio.ensure_future(events.follow())
        try:
            for attempt in range(AGAIN):
                with contextlib.suppress(Lost):
                    return await self._attempt(dispatch, f"strata-{dispatch.id}-{attempt}", events, store)
            raise self._died(f"its inputs were lost {AGAIN} times")
        finally:
            following.cancel()
            del self._events[dispatch.id]

    async def health(self) -> Health:
        """Return how the cluster is now; raise WorkerError. One of this machine's own is not started for it."""
        if self.cluster.scheduler == "local":
            return Health("ok", "starts on this machine with the first cell", capacity=self.cluster.workers or None)
        client = await self._connected()
        began = time.perf_counter()
        workers = (await client.scheduler.identity(n_workers=-1))["workers"].values()
        latency = 1000 * (time.perf_counter() - began)
        self._check_resources(workers)
        return Health(
            "ok",
            latency=round(latency, 1),
            active=sum(w.get("metrics", {}).get("executing", 0) for w in workers),
            capacity=sum(w["nthreads"] for w in workers),
        )

    async def close(self) -> None:
        """Let go of the cluster, and end one that was started here."""
        if self._client is not None:
            await self._client.close()
            self._client = None
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            await self._process.wait()

    # The cluster

    async def _connected(self) -> Any:
        async with self._connecting:
            if self._client is None or self._client.status != "running":
                await self._connect()
        return self._client

    async def _connect(self) -> None:
        try:
            from distributed import Client
        except ImportError:
            text = f"worker {self.name} needs distributed\npip install 'strata-jupyter[dask]'"
            raise WorkerError("unknown", text) from None
        address = await self._started() if self.cluster.scheduler == "local" else self.cluster.scheduler
        self._held.clear()
        self._counted = 0.0
        client = None
        try:
            client = await Client(address, asynchronous=True, set_as_default=False, timeout=CONNECT)
            await client.wait_for_workers(1, timeout=APPEAR)
        except BaseException as error:
            if client is not None:
                await client.close()
            if not isinstance(error, OSError | ValueError):
                raise
            raise WorkerError(
                "unreachable",
                f"the Dask cluster {self.name} cannot be reached at {address}, or has no workers: {error}\n"
                "Start `dask scheduler` and `dask worker`, correct `scheduler` in strata.toml, or run the cell here "
                "(`# @worker local`).",
            ) from error
        client.subscribe_topic(self._topic, self._take)
        self._client = client

    async def _started(self) -> str:
        """Start a cluster in a process of its own, which ends with this one."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _LOCAL, str(self.cluster.workers),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode().strip()

    async def _reports(self) -> list[Report]:
        """Return what is installed on each worker, asked for when there are others than before; raise WorkerError."""
        client = await self._connected()
        if self._known and time.monotonic() - self._counted < FRESH:
            return self._known  # a worker that came since looks at the cell's Python itself
        workers = (await client.scheduler.identity(n_workers=-1))["workers"]
        self._check_resources(workers.values())
        self._counted = time.monotonic()
        self.capacity = QUEUED * max(1, sum(worker["nthreads"] for worker in workers.values()))
        here = frozenset((address, worker["id"]) for address, worker in workers.items())
        if here != self._asked:
            try:
                found = await client.run(call, "environment")
            except Exception as error:  # whatever a worker without our package raises when it is asked
                raise WorkerError(
                    "version",
                    f"a worker of {self.name} cannot tell what is installed there: {error}\n"
                    "Install strata-jupyter in the environment of the cluster's workers.",
                ) from error
            self._known, self._asked = [msgspec.convert(each, Report) for each in found.values()], here
            self._there = [{normal(n): version for n, version in r.distributions.items()} for r in self._known]
            for report in self._known[:1]:
                self.reported(report)
        if not self._known:
            raise WorkerError("unreachable", f"{self.name} has no workers now\nStart `dask worker` for its scheduler.")
        return self._known

    def _check_resources(self, workers: Iterable[Mapping[str, Any]]) -> None:
        wanted = self.cluster.resources
        if wanted and not any(all(w["resources"].get(k, 0) >= v for k, v in wanted.items()) for w in workers):
            text = " ".join(f"{name}={value:g}" for name, value in wanted.items())
            raise WorkerError(
                "unreachable",
                f"no worker of {self.name} offers {text}\nStart one with `dask worker --resources '{text}'`.",
            )

    def _check_python(self, there: str, dispatch: Dispatch) -> None:
        if there != dispatch.python:
            raise WorkerError(
                "version",
                f"{self.name} runs Python {there}, this kernel {dispatch.python}: values do not travel "
                "between the two\nStart its workers with the Python of this notebook's environment.",
            )

    def _take(self, event: tuple[float, dict[str, Any]]) -> None:
        message = event[1]
        if (events := self._events.get(message["run"])) is not None:
            events.take(message)

    # One run

    async def _attempt(self, dispatch: Dispatch, key: str, events: Events, store: Store) -> Away:
        client = await self._connected()
        blobs, events.last = dispatch.blobs(), None
        async with self._scattering:
            inputs = await self._scattered(client, blobs, store, partial(events.show, "progress"))
        task = client.submit(
            call, "run", msgspec.json.encode(dispatch), self._topic, [b.hash for b in blobs], *inputs,
            key=key, pure=False, resources=dict(self.cluster.resources) or None,
        )  # fmt: skip
        waiting = asyncio.ensure_future(events.result(task))
        interrupted = False
        while True:
            try:
                result = await asyncio.wait_for(asyncio.shield(waiting), PATIENCE if interrupted else None)
                break
            except TimeoutError:
                await task.cancel()
                return Away(error=("KeyboardInterrupt", f"{self.name} was told to end the cell", []))
            except concurrent.futures.CancelledError:
                if interrupted:
                    return Away(error=("KeyboardInterrupt", "", []))
                raise Lost from None
            except asyncio.CancelledError:
                if interrupted:
                    raise
                interrupted = True
                await self._interrupt(client, dispatch.id, task, events)
            except Exception as error:  # KilledWorker, and what else ends a task from outside
                raise self._died(f"{type(error).__name__}: {error}") from error
        # Else the cell would run again by itself when the worker is lost that holds what it returned.
        task.release()
        if python := result.get("python"):
            self._check_python(python, dispatch)
        await events.all(result["token"], result["count"])
        return await self._arrived(result, store, partial(events.show, "progress"))

    async def _interrupt(self, client: Any, run: str, task: Any, events: Events) -> None:
        with contextlib.suppress(Exception):  # whatever it says, the wait for its end is bounded
            if events.worker:
                await client.run(call, "interrupt", run, workers=[events.worker])
            else:
                await task.cancel()

    async def _scattered(self, client: Any, blobs: Sequence[Blob], store: Store, tell: Tell) -> list[Any]:
        """Return what stands for the blobs on the cluster, sent there where it is not."""

        def is_there(blob: Blob) -> bool:
            held = self._held.get(blob.hash)
            return held is not None and held[0].status == "finished"

        with Transfer(tell, "sending", sum(blob.size for blob in blobs if not is_there(blob))) as transfer:
            for blob in blobs:
                if not is_there(blob):
                    content = bytes(await asyncio.to_thread(store.get, blob))
                    key = f"strata-{blob.hash}"
                    self._held[blob.hash] = ((await client.scatter({key: content}, hash=False))[key], blob.size)
                    transfer.add(blob.size)
                self._held.move_to_end(blob.hash)
        wanted = {blob.hash for blob in blobs}
        total = sum(size for _, size in self._held.values())
        for name in [n for n in self._held if n not in wanted]:
            if total <= HELD:
                break
            total -= self._held.pop(name)[1]
        return [self._held[blob.hash][0] for blob in blobs]

    async def _arrived(self, result: dict[str, Any], store: Store, tell: Tell) -> Away:
        """Bring what the run left into the store: what is small came along, the rest is fetched from its worker."""
        event = json.loads(result["end"] or b'{"t":"died"}')
        if event["t"] == "died":
            if event.get("status") == "timeout":
                text = f"the cell on {self.name} was ended: it was over its time\nRaise `# @timeout`."
                raise WorkerError("timeout", text)
            raise self._died(str(event.get("status", "")))
        end = msgspec.json.decode(result["end"], type=End)
        if end.manifest is None:
            return Away(error=end.error, seconds=end.seconds)
        lacking = [blob for blob in blobs_of_run(end.manifest) if not store.has(blob)]
        with Transfer(tell, "receiving", sum(blob.size for blob in lacking)) as transfer:
            for blob in lacking:
                small = result["blobs"].get(blob.hash)
                pieces = [small] if small is not None else await self._fetched(blob, result["worker"], transfer)
                try:
                    stored = await asyncio.to_thread(store.put, pieces)
                except StoreError as error:
                    raise WorkerError("store", f"what {self.name} made cannot be kept here: {error}") from error
                if stored != blob:
                    raise self._died("what came back is not what it said it would be")
        return Away(manifest=end.manifest, seconds=end.seconds)

    async def _fetched(self, blob: Blob, worker: str, transfer: Transfer) -> list[bytes]:
        """Return what a cell left on a worker, piece by piece; raise Lost."""
        client = await self._connected()
        # To ask one that is gone takes half a minute.
        if worker not in (await client.scheduler.identity(n_workers=-1))["workers"]:
            raise Lost
        pieces: list[bytes] = []
        for start in range(0, blob.size, PIECE):
            try:
                found = await client.run(call, "piece", blob.hash, blob.size, start, PIECE, workers=[worker])
            except Exception as error:  # whatever became of the worker, what the cell left is gone with it
                raise Lost from error
            pieces.append(found[worker])
            transfer.add(len(pieces[-1]))
        return pieces

    async def _whole(self, blob: Blob, worker: str) -> bytes:
        with Transfer(lambda moved: None, "receiving", blob.size) as transfer:
            return b"".join(await self._fetched(blob, worker, transfer))

    def _died(self, why: str) -> WorkerError:
        return WorkerError(
            "died",
            f"the cell ended on {self.name} before it was done ({why})\n"
            "Nothing of the run was kept. Run the cell again; if this happens each time, it may need more memory.",
        )
