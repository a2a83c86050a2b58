"""A small world for the engine's tests: fakes behind the ports, and runs that are recorded by hand."""

from __future__ import annotations

from strata_kernel.cells.kind import Identity
from strata_kernel.cells.python import PythonKind
from strata_kernel.domain import provenance
from strata_kernel.domain.cell import Cell
from strata_kernel.domain.manifest import Dependency, Fact, Manifest, Unit
from strata_kernel.domain.state import closure
from strata_kernel.engine.session import Session


class FakeStore:
    """A store in memory."""

    def __init__(self):
        self.manifests = {}
        self.asked = 0

    def entries(self, program):
        self.asked += 1
        return sorted((m for m in self.manifests.values() if m.program == program), key=lambda m: -m.created)

    def publish(self, manifest):
        self.manifests[manifest.program, manifest.key] = manifest

    def has(self, blob):
        return True

    def used(self, manifest):
        pass


class FakeWorld:
    """Facts hold unless the test says otherwise."""

    def __init__(self):
        self.broken = set()
        self.seen = {}

    def look_anew(self):
        pass

    def holds(self, fact):
        return fact.name not in self.broken

    def sight(self, fact):
        return self.seen.get(fact.name, "")

    def observe(self, kind, name):
        return Fact(kind, name, "0")

    def facts_of(self, modules):
        return ()

    def behind(self, modules):
        return set()

    def sources_of(self, modules):
        return {}


class FakeFiles:
    """Files by path: their digest."""

    def __init__(self):
        self.here = {}

    def digest(self, path):
        return self.here.get(path)


def session(*sources):
    """Return a session over cells c0, c1, … with nothing recorded."""
    kind = PythonKind(lambda source: source)
    identity = Identity("3.11")
    made = Session(lambda cell: kind.read(cell, identity), FakeStore(), FakeWorld(), FakeFiles())
    made.document([Cell(f"c{i}", s) for i, s in enumerate(sources)])
    return made


def record(made, index, contents=None, **fields):
    """Record a run of the cell at its place: it binds what it stores; `contents` are digests by name."""
    state = made.walk(index)[-1].after if index else {}
    reading = made.read(made.cells[index])
    slots = closure(reading.analysis, made.with_order(reading, state)).slots
    reads = {n: Dependency(s.version, s.unit.content) if s else Dependency("") for n, s in slots.items()}
    key = provenance.key(
        program=reading.program, reads={n: d.version for n, d in reads.items()}, facts=fields.get("facts", ())
    )
    units = tuple(
        Unit((n,), provenance.version(key=key, names=[n]), content=(contents or {}).get(n))
        for n in sorted(reading.analysis.stores)
    )
    manifest = Manifest(reading.program, key, reads, units=units, created=len(made.store.manifests), **fields)
    made.store.publish(manifest)
    return manifest


def record_all(made):
    """Record a run of every cell."""
    for index in range(len(made.cells)):
        record(made, index)


def served(made):
    """Return which cells an entry stands for, in order."""
    return [entry.manifest is not None for entry in made.walk()]


def edit(made, index, source):
    """Change a cell's source."""
    cells = list(made.cells)
    cells[index] = Cell(cells[index].id, source)
    made.document(cells)
