"""The only module that names concrete classes: it puts the parts together."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strata_kernel.cells.kind import Identity, Kind, Reading
from strata_kernel.cells.python import PythonKind, Transform
from strata_kernel.domain.cell import Cell
from strata_kernel.domain.diagnostic import Diagnostic
from strata_kernel.domain.terms import LOCAL, Terms
from strata_kernel.engine.session import Session
from strata_kernel.settings import Settings, load_settings
from strata_kernel.store import open_store
from strata_kernel.world.places import local_roots
from strata_kernel.world.world import LocalWorld
from strata_kernel.world.written import LocalFiles

if TYPE_CHECKING:
    from strata_kernel.engine.pipeline import Pipeline
    from strata_kernel.ports import Host


class Parts:
    """The adapters of one notebook's folder, and what is built from them."""

    def __init__(
        self,
        settings: Settings,
        diagnostics: list[Diagnostic],
        start: Path,
        environ: Mapping[str, str],
        transform: Transform,
        *,
        check: bool,
        cwd: Path | None,
    ) -> None:
        self.settings, self.diagnostics = settings, diagnostics
        self.store = open_store(Path(settings.cache.store), settings.cache.remote, check=check)
        #: What the settings add to the environment that kernels start with.
        self.environ = settings.environ(environ)
        self.world = LocalWorld(
            local_roots(str(start)), {**environ, **self.environ}, start=None if cwd is None else str(cwd)
        )
        self.files = LocalFiles(self.world.files)
        #: Kinds in the order in which they are asked; the last one claims everything.
        self.kinds: list[Kind] = [PythonKind(transform)]
        version = sys.version_info
        self.identity = Identity(
            python=f"{version.major}.{version.minor}",
            session=secrets.token_hex(8),
            defaults=Terms(worker=settings.worker or LOCAL, timeout=settings.timeout),
            workers=(),
        )

    def read(self, cell: Cell) -> Reading:
        """Read a cell by the kind that claims it."""
        kind = next(k for k in self.kinds if k.claims(cell.source))
        return kind.read(cell, self.identity)

    def session(self) -> Session:
        """Return a session with no document yet."""
        return Session(self.read, self.store, self.world, self.files)

    def pipeline(self, host: Host, warn: Callable[[str], None], exempt: Callable[[], None]) -> Pipeline:
        """Return what runs cells in a process."""
        from strata_kernel.codecs.values import LiveValues
        from strata_kernel.engine.pipeline import Options, Pipeline
        from strata_kernel.engine.publish import Publisher

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
        values.restore = pipeline.resolver.definition
        return pipeline


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
    settings, diagnostics = load_settings(start, environ, metadata, flags)
    return Parts(settings, diagnostics, start, environ, transform, check=check, cwd=cwd)
