"""The Python call behind `strata run`, `why`, `dag` and `status`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from strata_kernel.domain.cell import Cell, Gather
from strata_kernel.domain.diagnostic import Diagnostic
from strata_kernel.domain.report import CellRecord, LargeArtifact, RunReport, Standing, large_artifacts, summarize
from strata_kernel.domain.state import START, State
from strata_kernel.domain.variants import ALL, choose, groups
from strata_kernel.engine.session import Entry, Session
from strata_kernel.errors import InvocationError, StoreError
from strata_kernel.protocol import Graph, Progress
from strata_kernel.runner.inspection import Inspection
from strata_kernel.runner.kernelspec import same_interpreter
from strata_kernel.runner.notebook import Notebook, read
from strata_kernel.wiring import Parts, build

if TYPE_CHECKING:
    from strata_kernel.runner.client import KernelPool as Pool

OnCell = Callable[[CellRecord], None]
#: Gets the label of the cell that runs, and how far it has come where that can be counted.
OnProgress = Callable[[str, Progress | None], None]


def transform(source: str) -> str:
    """Turn a cell with magics into Python, for who is no kernel."""
    from strata_kernel.kernel.transform import transform as turn

    return turn(source)


class KernelPool:
    """Kernels that stay up between runs, one for each folder and kernel name; `close` ends them."""

    def __init__(self) -> None:
        self._pool: Pool | None = None

    def pool(self) -> Pool:
        """Return the pool itself; it is made when the first kernel is needed."""
        if self._pool is None:
            from strata_kernel.runner.client import KernelPool as Pool

            self._pool = Pool()
        return self._pool

    def close(self) -> None:
        """End every kernel."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None


class Runner:
    """Runs notebooks of a project; `kernel_pool` keeps kernels across runs.

    `project` is the folder in which kernels start; by default that of each notebook. `variants` are active by group
    instead of those that the notebook has active, `*` being all of them; `sweep` makes all active where none is named.
    """

    def __init__(
        self,
        project: str | Path | None = None,
        kernel_pool: KernelPool | None = None,
        variants: Mapping[str, str] | None = None,
        *,
        sweep: bool = False,
    ) -> None:
        self.project = Path(project) if project is not None else None
        self._own = kernel_pool is None
        #: Follows a cell while it runs: the passes of a loop, the bytes that it waits for.
        self.on_progress: OnProgress = lambda label, progress: None
        self.variants, self.sweep = dict(variants or {}), sweep
        self.kernels = kernel_pool or KernelPool()

    def close(self) -> None:
        """End the kernels that this runner started."""
        if self._own:
            self.kernels.close()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def run(
        self,
        path: str | Path,
        force: bool = False,
        kernel_name: str | None = None,
        *,
        timeout: float | None = None,
        cells: Iterable[str] | None = None,
        on_cell: OnCell | None = None,
        output: Path | None = None,
    ) -> RunReport:
        """Run a notebook top to bottom and return the report; `timeout` in seconds holds for each cell.

        `cells` names the cells to run (with all above them); `output` is where the notebook is written with its
        outputs. Raises InvocationError for a bad path, notebook, kernel or store.
        """
        start = time.perf_counter()
        notebook = read(Path(path))
        parts = self._parts(notebook)
        listener = on_cell or (lambda record: None)
        name = kernel_name or "strata"
        run = _Run(notebook, parts, listener, output)
        run.on_progress = self.on_progress
        wanted = _wanted(notebook, [c.id for c in run.session.cells], cells)
        served = not force and same_interpreter(name) and run.serve(wanted)
        complete = True
        if not served:
            client = self.kernels.pool()
            complete = client.run(
                run, folder=self._folder(notebook), name=name, timeout=timeout, force=force, wanted=wanted
            )
        return summarize(
            str(path),
            run.records,
            (time.perf_counter() - start) * 1000,
            complete=complete,
            large=run.large,
            diagnostics=[*parts.diagnostics, *run.diagnostics()],
        )

    def _folder(self, notebook: Notebook) -> Path:
        return (self.project or notebook.path.parent).absolute()

    def _parts(self, notebook: Notebook) -> Parts:
        folder = self._folder(notebook)
        # As the kernel would tell it: without links.
        cwd = Path(os.path.realpath(folder))
        swept = dict.fromkeys(groups(notebook.cells), ALL) if self.sweep else {}
        active = {**swept, **self.variants}
        flags = {"variants": active} if active else None
        return build(folder, dict(os.environ), transform, metadata=notebook.metadata, flags=flags, check=True, cwd=cwd)

    def inspect(self, path: str | Path) -> Inspection:
        """Return what is known of a notebook, without running any cell; raise InvocationError or StoreError."""
        notebook = read(Path(path))
        return Inspection(notebook, self._parts(notebook))

    def status(self, path: str | Path) -> list[Standing]:
        """Return how every cell stands, without running any."""
        return self.inspect(path).status()

    def why(self, path: str | Path, cell: str) -> Standing:
        """Return how a cell, named by id, label or position, stands and why; raise InvocationError for no such cell."""
        return self.inspect(path).why(cell)

    def graph(self, path: str | Path) -> Graph:
        """Return the graph of the notebook."""
        return self.inspect(path).graph()


class _Run:
    """One run of one notebook: what was asked, and what became of each cell."""

    def __init__(self, notebook: Notebook, parts: Parts, on_cell: OnCell, output: Path | None) -> None:
        self.notebook, self.parts, self.on_cell, self.output = notebook, parts, on_cell, output
        self.session: Session = parts.session()
        self.session.document(choose(notebook.cells, parts.active()).standing)
        self.on_progress: OnProgress = lambda label, progress: None
        self.records: list[CellRecord] = []
        self.large: list[LargeArtifact] = []
        self.interrupted = False

    def record(self, record: CellRecord) -> None:
        """Keep a record and pass it on."""
        self.records.append(record)
        self.on_cell(record)

    def serve(self, wanted: set[str]) -> bool:
        """Serve every wanted cell from the store; False, with nothing said or written, when one of them must run."""
        state: State = START
        entries: list[tuple[Entry, float]] = []
        for cell in _read(self.session.cells, wanted):
            begun = time.perf_counter()
            if not cell.source.strip():
                continue
            entry = self.session.look(cell, state)
            if entry.manifest is None:
                return False
            try:
                self._restore_files(entry)
            except StoreError:
                return False
            self.session.enter(entry)
            state = entry.below
            if not isinstance(cell, Gather):
                entries.append((entry, time.perf_counter() - begun))
        if self.output is not None:
            from strata_kernel.runner.writing import write_served

            write_served(self.notebook, [e for e, _ in entries], self.parts.store, self.output)
        cache = self.parts.settings.cache
        for entry, seconds in entries:
            assert entry.manifest is not None
            self.large += large_artifacts(
                entry.manifest,
                value_limit=cache.max_artifact_bytes,
                file_limit=cache.file_limit_bytes,
                cell_id=entry.reading.cell.id,
                cell_name=entry.reading.label,
            )
            self.record(served_record(entry, seconds))
        return True

    def _restore_files(self, entry: Entry) -> None:
        assert entry.manifest is not None
        for file in entry.manifest.files:
            if self.parts.files.digest(file.path) != file.digest:
                self.parts.files.restore(file, self.parts.store)

    def diagnostics(self) -> list[Diagnostic]:
        """Return the findings on the directives of all cells, those that concern several of them too."""
        return self.parts.check(self.notebook.cells, self.parts.active())


def served_record(entry: Entry, seconds: float) -> CellRecord:
    """Return the record of a cell that was served."""
    manifest = entry.manifest
    assert manifest is not None
    return CellRecord(
        cell_id=entry.reading.cell.id,
        cell_name=entry.reading.label,
        status="cached",
        cache_key=manifest.key,
        duration_ms=seconds * 1000,
        saved_ms=manifest.seconds * 1000,
        worker=entry.reading.terms.worker,
        reasons=list(manifest.reasons),
    )


def _read(cells: list[Cell], wanted: set[str]) -> list[Cell]:
    """Return the cells down to the last that is wanted: what only gathers counts where something stands below it."""
    end = max((place + 1 for place, c in enumerate(cells) if c.id in wanted and not isinstance(c, Gather)), default=0)
    return cells[:end]


def _wanted(notebook: Notebook, code: list[str], cells: Iterable[str] | None) -> set[str]:
    """Return the ids of the cells to run: all that stand, or those named and every one above."""
    if cells is None:
        return set(code)
    named = set(cells)
    if unknown := named - set(code):
        raise InvocationError(f"{notebook.path}: there is no cell {sorted(unknown)[0]!r}")
    last = max(code.index(c) for c in named)
    return set(code[: last + 1])
