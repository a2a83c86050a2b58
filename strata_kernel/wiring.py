"""The only module that names concrete classes: it puts the parts together."""

from __future__ import annotations

import asyncio
import json
import keyword
import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from strata_kernel.cells.kind import Identity, Kind, Reading
from strata_kernel.cells.loop import LoopKind
from strata_kernel.cells.prompt import PromptKind
from strata_kernel.cells.proofread import proofread
from strata_kernel.cells.python import PythonKind, Transform
from strata_kernel.cells.spread import spread
from strata_kernel.cells.sql import SqlKind, driver, unknown
from strata_kernel.domain.cell import Aside, Cell, Spread
from strata_kernel.domain.checks import check, unknown_worker
from strata_kernel.domain.diagnostic import Diagnostic
from strata_kernel.domain.digest import digest
from strata_kernel.domain.directive_grammar import MOUNT_SCHEMES, incomplete
from strata_kernel.domain.directive_values import Mount
from strata_kernel.domain.dispatch import Away
from strata_kernel.domain.manifest import Unit
from strata_kernel.domain.terms import LOCAL, Terms
from strata_kernel.domain.variants import ALL, findings
from strata_kernel.engine.journey import Origin
from strata_kernel.engine.session import Session
from strata_kernel.errors import CellError, WorkerError
from strata_kernel.executors.answers import Answers
from strata_kernel.executors.prompt import Prompts
from strata_kernel.executors.report import Report, Reports
from strata_kernel.executors.sql import Databases
from strata_kernel.mounts.mounts import Mounts, beside
from strata_kernel.saving import is_secret
from strata_kernel.settings import Settings, WorkerSettings, load_settings, unreadable
from strata_kernel.store import open_store
from strata_kernel.world.places import local_roots
from strata_kernel.world.world import LocalWorld
from strata_kernel.world.written import LocalFiles

if TYPE_CHECKING:
    from strata_kernel.domain.dispatch import Dispatch
    from strata_kernel.domain.manifest import Manifest
    from strata_kernel.engine.pipeline import Pipeline
    from strata_kernel.executors.far import Ask
    from strata_kernel.executors.published import Perform
    from strata_kernel.ports import Executor, Host, Performer, Show, Store


#: Settings that parts take while they are in use.
DECLARED = ("worker", "timeout", "workers", "mounts", "connections")
#: Engines that are asked over a network.
SERVERS = ("postgresql", "snowflake")
#: How long a server may take to let somebody look at it.
LOOK_SECONDS = 10


class Parts:
    """The adapters of one notebook's folder, and what is built from them."""

    def __init__(
        self,
        load: Callable[[], tuple[Settings, list[Diagnostic]]],
        start: Path,
        environ: Mapping[str, str],
        transform: Transform,
        *,
        check: bool,
        cwd: Path | None,
    ) -> None:
        #: Reads the settings as they are now; what it returned first holds until some of it is taken.
        self.load, self.start = load, start
        self.settings, self.diagnostics = settings, _ = load()
        self.store = open_store(Path(settings.cache.store), settings.cache.remote, check=check)
        #: What the settings add to the environment that kernels start with.
        self.environ = settings.environ(environ)
        self.world = LocalWorld(
            local_roots(str(start)), {**environ, **self.environ}, start=None if cwd is None else str(cwd)
        )
        self.files = LocalFiles(self.world.files)
        self._python = PythonKind(transform)
        self.databases = Databases(connections(settings, start), start, settings.sql.frame, self.world)
        self.world.witnesses["table"] = self.databases
        #: What stands for `[[mounts]]` and `# @mount`; nothing is fetched before a cell asks.
        self.mounts = Mounts(
            beside(Path(settings.cache.store)),
            declared(settings),
            {**environ, **self.environ},
            settings.cache.mounts_max_bytes,
        )
        self.world.witnesses["mount"] = self.mounts
        self._environ = environ
        self._session = secrets.token_hex(8)
        self._spread: dict[str, Reading] = {}
        self._executors: dict[str, Executor] = {}
        self._reports = Reports(Path(settings.cache.store) / "workers")
        self.world.elsewhere = lambda name, worker: self._reports.version(self.identity.of_worker(worker), name)
        self._settle()

    def _settle(self) -> None:
        """Make what follows from the declarations: the kinds of cells, and what their programs are known by."""
        settings, version = self.settings, sys.version_info
        #: Kinds in the order in which they are asked; the last one claims everything.
        self.kinds: list[Kind] = [
            SqlKind(connections(settings, self.start), settings.sql.frame),
            PromptKind(_answering(settings)),
            LoopKind(self._python),
            self._python,
        ]
        self.identity = Identity(
            python=f"{version.major}.{version.minor}",
            session=self._session,
            defaults=Terms(worker=settings.worker or LOCAL, timeout=settings.timeout, mounts=declared(settings)),
            workers=tuple((w.name, identify(w)) for w in settings.workers),
        )
        self.origin = Origin(self.world.start, self.environ, self.identity)
        self._spread.clear()

    def take(self, settings: Settings) -> list[Executor] | None:
        """Take what settings declare now, and leave the rest as it was when the parts were made.

        Returns the executors that nobody asks any more, for the caller to close; None when nothing is declared anew.
        """
        former = {w.name: w for w in self.settings.workers}
        taken = msgspec.structs.replace(self.settings, **{name: getattr(settings, name) for name in DECLARED})
        if taken == self.settings:
            return None
        self.settings = taken
        self.databases.declare(connections(taken, self.start))
        self.mounts.declared = declared(taken)
        self._settle()
        standing = {w.name: w for w in taken.workers}
        gone = [name for name in self._executors if standing.get(name) != former.get(name)]
        return [self._executors.pop(name) for name in gone]

    def looking(self) -> Databases:
        """Return what speaks to the connections that are declared at this moment, apart from that which cells use.

        Raises CellError where a settings file cannot be read.
        """
        settings, diagnostics = self.load()
        if (trouble := unreadable(diagnostics)) is not None:
            raise CellError(trouble)
        tables = {
            # Who looks does not wait for minutes, as libpq does.
            name: {"connect_timeout": LOOK_SECONDS, **table} if driver(table) in SERVERS else table
            for name, table in connections(settings, self.start).items()
        }
        return Databases(tables, self.start, settings.sql.frame, self.world)

    def read(self, cell: Cell) -> Reading:
        """Read a cell by the kind that claims it."""
        known = self._spread.get(cell.id)
        if known is not None and known.cell == cell:
            return known
        if isinstance(cell, Spread):
            found = self._spread[cell.id] = spread(cell, self._alone, self.identity)
            return found
        reading = self._alone(cell)
        return msgspec.structs.replace(reading, aside=True) if isinstance(cell, Aside) else reading

    def _alone(self, cell: Cell) -> Reading:
        return next(k for k in self.kinds if k.claims(cell.source)).read(cell, self.identity)

    def active(self) -> dict[str, str]:
        """Return the variants that the settings name active, by group."""
        tables = self.settings.variant_group
        active = {
            str(t["group"]): ALL if t.get("mode") == "sweep" else t.get("active") for t in tables if t.get("group")
        }
        declared = {group: str(name) for group, name in active.items() if name}
        return declared | self.settings.variants

    def check(self, cells: Sequence[Cell], active: Mapping[str, str]) -> list[Diagnostic]:
        """Return what is wrong with directives, with groups of variants, and with connections that sql cells name."""
        settings = self.settings
        found = check(cells, [w.name for w in settings.workers], [m.name for m in settings.mounts])
        found += findings(cells, active, self._bound)
        return found + [wrong for cell in cells for wrong in unknown(cell, settings.connections)]

    def proofread(self, cells: Sequence[Cell]) -> list[Diagnostic]:
        """Return what the text of queries tells of them, which takes a second to begin."""
        known = self.settings.connections
        return [found for cell in cells for found in proofread(cell, known)]

    def _bound(self, cell: Cell) -> frozenset[str]:
        analysis = self.read(cell).analysis
        return analysis.stores - analysis.imports.keys()

    def performers(self) -> dict[str, Performer]:
        """Return who runs cells that are not Python, by kind."""
        return {"sql": self.databases, "prompt": Prompts(self.settings.ai, Answers(self.store), self.start)}

    def is_away(self, reading: Reading) -> bool:
        """Tell whether a cell runs in another place than this process."""
        name = reading.terms.worker
        declared = {worker.name: worker.backend for worker in self.settings.workers}
        return declared.get(name, LOCAL if name == LOCAL else "unknown") != LOCAL

    def executor(self, reading: Reading) -> Executor:
        """Return where a cell runs that is away; raise WorkerError for a worker that is not declared."""
        name = reading.terms.worker
        declared = {worker.name: worker for worker in self.settings.workers}
        if name not in declared:
            raise WorkerError("unknown", unknown_worker(name, {LOCAL, *declared})[0])
        if name not in self._executors:
            keep = partial(self._reports.keep, self.identity.of_worker(name))
            self._executors[name] = connect(declared[name], self._environ, keep, self._perform)
        return self._executors[name]

    async def _perform(self, name: str, dispatch: Dispatch, ask: Ask, show: Show, store: Store) -> Away:
        """Run a cell by the steps that all cells go through, in a process that is an executor of others."""
        from strata_kernel.codecs.published import read
        from strata_kernel.codecs.values import LiveValues
        from strata_kernel.engine.keeping import Options
        from strata_kernel.engine.pipeline import Failed, Pipeline
        from strata_kernel.engine.publish import Publisher
        from strata_kernel.executors.far import FarHost
        from strata_kernel.store.visiting import VisitingStore

        kept = VisitingStore(store, dispatch.twins)
        session = Session(self.read, kept, self.world, self.files)
        session.cells = [dispatch.cell]
        host = FarHost(name, dispatch, self.read(dispatch.cell), ask, show, read)
        host.check()
        values = host.values = LiveValues(host.namespace)
        published: list[Manifest] = []
        publisher = Publisher(kept, values, lambda text: None, lambda: None)
        publisher.published = published.append
        pipeline = Pipeline(session, host, values, publisher, self.files, Options(min_runtime_ms=0))
        values.restore = pipeline.resolver.definition
        outcome = await pipeline._execute(0, host.state, "client")
        if isinstance(outcome, Failed):
            return Away(error=outcome.error, seconds=outcome.seconds)
        await asyncio.to_thread(publisher.drain)
        manifest = host.settled(published[0] if published else outcome.manifest)
        return Away(manifest=manifest, seconds=manifest.seconds)

    def session(self) -> Session:
        """Return a session with no document yet."""
        return Session(self.read, self.store, self.world, self.files)

    def values(self, unit: Unit) -> dict[str, Any]:
        """Return the values of a saved unit, {} for one that is not saved; raise StoreError or CodecError."""
        from strata_kernel.codecs.values import LiveValues

        return LiveValues({}).load(unit.artifact, unit.names, self.store) if unit.artifact is not None else {}

    def pipeline(self, host: Host, warn: Callable[[str], None], exempt: Callable[[], None]) -> Pipeline:
        """Return what runs cells in a process."""
        from strata_kernel.codecs.values import LiveValues
        from strata_kernel.engine.keeping import Options
        from strata_kernel.engine.pipeline import Pipeline
        from strata_kernel.engine.publish import Publisher
        from strata_kernel.engine.restore import held

        values = LiveValues(host.namespace)
        cache = self.settings.cache
        options = Options(
            min_runtime_ms=cache.min_runtime_ms,
            file_limit=cache.file_limit_bytes,
            value_limit=cache.max_artifact_bytes,
            cascade=cache.cascade,
            ask_above_seconds=cache.ask_above_seconds,
        )
        publisher = Publisher(self.store, values, warn, exempt)
        pipeline = Pipeline(self.session(), host, values, publisher, self.files, options)
        pipeline.is_away, pipeline.executor, pipeline.origin = self.is_away, self.executor, self.origin
        values.restore, values.held = pipeline.resolver.definition, partial(held, pipeline.placement)
        return pipeline


def connections(settings: Settings, start: Path) -> dict[str, dict[str, Any]]:
    """Return the declared connections, files by absolute paths: those of another folder are others."""
    return {name: _anchored(table, start) for name, table in settings.connections.items()}


def declared(settings: Settings) -> tuple[Mount, ...]:
    """Return the mounts that the settings declare, those left out that cannot be."""
    return tuple(
        Mount(m.name, m.uri, m.mode, m.pin, json.dumps(m.options, sort_keys=True, default=str) if m.options else "")
        for m in settings.mounts
        if m.uri.partition("://")[0].lower() in MOUNT_SCHEMES
        and incomplete(m.uri) is None
        and not keyword.iskeyword(m.name)
    )


def _answering(settings: Settings) -> dict[str, Any]:
    """Return the settings that change what a model answers."""
    ai = settings.ai
    return {"model": ai.model, "base_url": ai.base_url, "max_tokens": ai.max_tokens}


def _anchored(table: Mapping[str, Any], start: Path) -> dict[str, Any]:
    path = table.get("path")
    if not isinstance(path, str) or path == ":memory:":
        return dict(table)
    return {**table, "path": os.path.abspath(start / os.path.expanduser(path))}


def identify(worker: WorkerSettings) -> str:
    """Return what a worker is known by in every key: what it runs, where that is named, else where it is."""
    if worker.runtime_id:
        return f"{worker.backend}:{worker.runtime_id}"
    config = {k: v for k, v in worker.config.items() if not is_secret(k)}
    return digest("worker", worker.backend, worker.name, repr(sorted(config.items())))


def connect(
    worker: WorkerSettings, environ: Mapping[str, str], keep: Callable[[Report], None], perform: Perform | None = None
) -> Executor:
    """Return the executor of a declared worker; raise WorkerError for a declaration that does not do.

    `perform` runs cells on executors that speak the published protocol alone; without it, they can only be asked.
    """
    from strata_kernel.executors.caller import Caller, Place
    from strata_kernel.executors.published import PublishedExecutor
    from strata_kernel.executors.remote import HttpExecutor

    if worker.backend == "dask":
        return _cluster(worker, keep)
    url, variable = worker.config.get("url"), worker.config.get("token_env")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise WorkerError("unknown", f'worker {worker.name} needs `config = {{ url = "http://…" }}` in strata.toml')
    token = environ.get(str(variable), "") if variable else str(worker.config.get("token", ""))
    place = Place(url.rstrip("/").removesuffix("/v1/execute"), token, str(variable or ""))
    caller = Caller(worker.name, place)
    return HttpExecutor(caller, keep, PublishedExecutor(caller, perform) if perform is not None else None)


def _cluster(worker: WorkerSettings, keep: Callable[[Report], None]) -> Executor:
    from strata_kernel.executors.dask import Cluster, DaskExecutor

    scheduler, workers = worker.config.get("scheduler"), worker.config.get("workers", 0)
    resources = worker.config.get("resources", {})
    if not isinstance(scheduler, str) or not scheduler:
        text = f'worker {worker.name} needs `config = {{ scheduler = "tcp://…" }}`, or "local", in strata.toml'
        raise WorkerError("unknown", text)
    if not isinstance(resources, dict) or not all(isinstance(v, int | float) for v in resources.values()):
        text = f"worker {worker.name}: `resources` are numbers by name, as in {{ GPU = 1 }}"
        raise WorkerError("unknown", text)
    return DaskExecutor(worker.name, Cluster(scheduler, int(workers), resources), keep)


def build(
    start: Path,
    environ: Mapping[str, str],
    transform: Transform,
    *,
    metadata: Mapping[str, Any] | None = None,
    flags: Mapping[str, Any] | None = None,
    check: bool = False,
    cwd: Path | None = None,
) -> Parts:
    """Load the settings that hold in a folder and put the parts together; `check`: raise for a store that is no use.

    `cwd` is where the kernel would start, for who looks without being one.
    """
    load = partial(load_settings, start, environ, metadata, flags)
    return Parts(load, start, environ, transform, check=check, cwd=cwd)
