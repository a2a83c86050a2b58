"""What every kind of cell gives the engine: a pure reading of its source."""

from __future__ import annotations

from typing import Protocol

import msgspec

from strata_kernel.domain.analysis import Analysis
from strata_kernel.domain.cell import Cell, Task
from strata_kernel.domain.directives import Directives
from strata_kernel.domain.terms import Terms


class Policy(msgspec.Struct, frozen=True):
    """What the cell's `@cache` directive asks: off, frozen, forever, session, ttl (in seconds), or nothing."""

    name: str = ""
    ttl: float | None = None


class Reading(msgspec.Struct, frozen=True):
    """A cell as it was read: its analysis, its program P, its policy, and what its directives add.

    `deps` are (kind, name) pairs of facts that observation could not see; `terms` are what holds for its runs.
    `part` is set for a piece of the cell that has a key of its own, such as one pass of a loop; then `source` is what
    is executed for it, else the cell's. `portable` are cells that other places know how to run. What an `aside` cell
    leaves is not seen by those below, but only by cells that take it.
    """

    cell: Cell
    analysis: Analysis
    program: str
    policy: Policy
    directives: Directives
    deps: tuple[tuple[str, str], ...] = ()
    terms: Terms = Terms()
    portable: bool = False
    kind: str = "python"
    part: str = ""
    source: str | None = None
    loop: Loop | None = None
    spread: Spread | None = None
    aside: bool = False

    @property
    def task(self) -> Task:
        """What is executed for it."""
        return Task(self.cell, self.cell.source if self.source is None else self.source, self.kind, self.part)

    @property
    def label(self) -> str:
        """The name that people know the cell by."""
        return self.directives.name or (self.analysis.labels[0] if self.analysis.labels else self.cell.id)


class Loop(msgspec.Struct, frozen=True):
    """A cell that is run in passes: `body` is read as one of them, `until` as the test that may end them."""

    max_iter: int
    carry: tuple[str, ...]
    start_from: tuple[str, int] | None
    body: Reading
    until: Reading | None = None


class Taken(msgspec.Struct, frozen=True):
    """Names as a cell, or a `part` of it, left them aside: `names`, or all that the cell `instead` has written."""

    cell: str
    part: str = ""
    names: frozenset[str] = frozenset()
    instead: str = ""


class Path(msgspec.Struct, frozen=True):
    """One lane of a cell: its name, what is taken there before, and the names bound on it, some of them `unsure`.

    `imports` are the statements by which modules come to all cells below.
    """

    name: str
    taken: tuple[Taken, ...]
    names: frozenset[str]
    unsure: frozenset[str]
    imports: tuple[str, ...] = ()


class Spread(msgspec.Struct, frozen=True):
    """A cell whose results stand by lane: `body` is read as the run on one of them, None where others have run.

    `source` are statements that bind the `names` in the end; `after` are cells whose runs it follows from.
    """

    paths: tuple[Path, ...]
    body: Reading | None
    source: str
    names: frozenset[str]
    after: tuple[str, ...] = ()


class Kind(Protocol):
    """A kind of cell, chosen by the first line of its source."""

    name: str

    def claims(self, source: str) -> bool:
        """Tell whether the source is of this kind."""
        ...

    def read(self, cell: Cell, identity: Identity) -> Reading:
        """Parse and analyse; never raises."""
        ...


class Identity(msgspec.Struct, frozen=True):
    """What of the place where cells run belongs to every program: Python's minor version, session, default terms.

    `workers` are (name, identity) pairs of those that are declared; one that is not is its own identity.
    """

    python: str
    session: str = ""
    defaults: Terms = Terms()
    workers: tuple[tuple[str, str], ...] = ()

    def of_worker(self, name: str) -> str:
        """Return what a worker is known by in every key."""
        return dict(self.workers).get(name, name)
