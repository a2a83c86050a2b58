"""The one mutable object: a document, what is known of each of its cells, and what stands in the process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

import msgspec

from strata_kernel.cells.expand import Fault
from strata_kernel.cells.kind import Reading
from strata_kernel.domain import provenance
from strata_kernel.domain.cell import Cell, Reason
from strata_kernel.domain.digest import digest
from strata_kernel.domain.manifest import Fact, Manifest, Unit
from strata_kernel.domain.state import (
    AFTER,
    AMBIENT,
    LANES,
    START,
    SUBMODULE,
    Closure,
    Slot,
    State,
    advance,
    closure,
    hidden,
)
from strata_kernel.domain.terms import unit_of
from strata_kernel.engine import apart
from strata_kernel.engine.lookup import NOT_PUBLISHED, Hit, Miss, Moment, broken, find, quotes, restorable
from strata_kernel.engine.passes import named, seed, taken_version
from strata_kernel.errors import StoreError
from strata_kernel.ports import Files, Store, World


class Entry(msgspec.Struct):
    """What is known of a cell at its place: the state before, the run that stands for it, and the state after.

    `manifest` is None when the cell must run (or failed, with `error`); then `after` is a guess in which
    whatever it may write has a version that nothing knows.
    """

    reading: Reading
    before: State
    manifest: Manifest | None
    after: State
    reasons: tuple[Reason, ...] = ()
    error: tuple[str, str] | None = None
    closure: Closure | None = None
    #: What a failed run saw of the world: when that changes, the cell may do better.
    facts: tuple[Fact, ...] = ()
    #: What stands where facts no longer hold because the notebook itself wrote there since, by kind and name.
    excused: dict[tuple[str, str], str] = {}
    #: The turn in which the run's facts were last found to hold.
    turn: int = 0
    #: The states after its parts, and how those failed that did, by part.
    parts: dict[str, State] = {}
    faults: dict[str, Fault] = {}
    #: The versions of what it follows without reading it, by hidden unit.
    ahead: dict[str, tuple[str, str]] = {}

    @property
    def saw(self) -> tuple[Fact, ...]:
        """What its last run saw of the world."""
        return self.manifest.facts if self.manifest is not None else self.facts

    @property
    def below(self) -> State:
        """The state that the cells below start in."""
        return self.before if self.reading.aside else self.after


Reader = Callable[[Cell], Reading]


class Session:
    """The document in order, walked symbolically: no value is loaded and nothing runs here."""

    def __init__(self, read: Reader, store: Store, world: World, files: Files) -> None:
        self.read, self.store, self.world, self.files = read, store, world, files
        self._moment = Moment(world)
        self.cells: list[Cell] = []
        self.entries: dict[str, Entry] = {}
        #: The client told the order of the cells; otherwise it is the order of arrival.
        self.ordered = False
        self.revision = 0
        #: Counts the requests to run a cell: what was found to stand in this one has seen the world as it is.
        self.turn = 0

    def look_anew(self) -> None:
        """Verify what is known of the world once more: time has passed, or a cell has run."""
        self._moment = Moment(self.world)

    def document(self, cells: Iterable[Cell]) -> None:
        """Take the cells, in order, as the client shows them."""
        self.cells = [c for c in cells if c.kind == "code"]
        self.ordered = True
        here = {c.id for c in self.cells}
        self.entries = {i: e for i, e in self.entries.items() if i in here}

    def enter(self, entry: Entry) -> None:
        """Take the entry as what is known of its cell."""
        entry.ahead = self.ahead(entry.reading)
        self.entries[entry.reading.cell.id] = entry

    def state_before(self, index: int) -> State:
        """Return the state that document order prescribes before a cell, as far as it is known."""
        for cell in reversed(self.cells[:index]):
            if (entry := self.entries.get(cell.id)) is not None:
                return entry.below
        return START

    def readvance(self) -> None:
        """Derive the states again from the runs, when one of them was replaced."""
        if self.ordered:
            return
        state: State = START
        for cell in self.cells:
            entry = self.entries.get(cell.id)
            if entry is not None and entry.manifest is not None:
                entry.before, entry.after = state, advance(state, entry.manifest, cell.id)
                state = entry.below

    def walk(self, stop: int | None = None) -> list[Entry]:
        """Look up every cell in order from the top, without running any.

        What is known of a cell is kept when nothing that it can reach has changed above it; `changed` are the names
        whose versions differ from those that the former walk left there.
        """
        self.look_anew()
        state: State = START
        former: State | None = state
        changed: set[str] = set()
        found = []
        for cell in self.cells[:stop]:
            old = self.entries.get(cell.id)
            left = old.below if old else None
            if old is not None and old.before is not former:
                changed = differing(old.before, state)
            entry = self._kept(old, cell, state, changed) if old is not None else None
            if entry is None:
                entry = self.current(cell, state)
                changed = differing(left, entry.below) if left is not None else set()
            elif changed:
                changed = {n for n in changed if _version(entry.below, n) != _version(left or {}, n)}
            former = left
            found.append(entry)
            state = entry.below
        return found

    def _kept(self, old: Entry, cell: Cell, state: State, changed: set[str]) -> Entry | None:
        """Return the entry moved to this state, None when it must be looked up again."""
        if old.manifest is None or old.closure is None or old.reading.cell != cell:
            return None
        if changed and _reaches(old, changed):
            return None
        if not self._stands(old, state) or old.ahead != self.ahead(old.reading):
            return None
        if changed or old.before is not state:
            old.before = state
            if changed:
                old.after = advance(state, old.manifest, cell.id)
        return old

    def current(
        self, cell: Cell, state: State, prepare: Callable[[State], object] = lambda _: None, until: int | None = None
    ) -> Entry:
        """Return what stands for the cell after this state, kept from the last time when nothing has changed.

        `prepare` is called before the cell is looked up: it can bring the files of the notebook to the state. `until`
        is the place of the cell that this is asked for, which sees what the cells from there on wrote as it stands.
        """
        old = self.entries.get(cell.id)
        known = old is not None and old.reading.cell == cell and same(old.before, state)
        if old is not None and known and old.ahead == self.ahead(old.reading) and self._stands(old, state, until):
            if old.before is not state:
                old.before = state
                old.after = advance(state, old.manifest, cell.id) if old.manifest else old.after
            return old
        prepare(state)
        entry = self.look(cell, state)
        self.enter(entry)
        return entry

    def _stands(self, entry: Entry, state: State, until: int | None = None) -> bool:
        if entry.manifest is None:
            return entry.error is not None and all(self._moment.holds(f) for f in entry.facts)
        if entry.reading.policy.ttl is not None:
            return False  # its time may be up: looking it up tells
        # What the notebook wrote since is no change of the world: the cell did run before it.
        if entry.manifest.facts and any(
            entry.excused.get((f.kind, f.name)) != self.world.sight(f) or _is_new_to(self, f, until)
            for f in broken(entry.manifest, state, self._moment)
        ):
            return False
        entry.turn = self.turn
        return True

    def settle(self, paths: Iterable[str]) -> None:
        """Note that the notebook itself has just changed these paths, for the cells that were found to stand before."""
        changed = set(paths)
        folders = {path.rpartition("/")[0] for path in changed}
        for entry in self.entries.values():
            if entry.manifest is None or entry.turn != self.turn:
                continue
            for fact in entry.manifest.facts:
                # What is in a folder shows also where a folder that was not there is looked at.
                touched = fact.name in changed or fact.name in folders
                if touched and fact.kind in ("file", "absent", "dir") and not self.world.holds(fact):
                    entry.excused[fact.kind, fact.name] = self.world.sight(fact)

    def look(self, cell: Cell, state: State) -> Entry:
        """Look the cell up in the store."""
        return self.look_at(self.read(cell), state)

    def look_at(self, reading: Reading, state: State) -> Entry:
        """Look up what was read: a cell, or a part of one."""
        cell = reading.cell
        if reading.analysis.error is not None:
            return Entry(reading, state, None, state, (reading.analysis.error,), closure=None)
        here = self.with_order(reading, state)
        reach = closure(reading.analysis, here)
        outcome = self._find(reading, reach, here)
        if isinstance(outcome, Hit):
            after = advance(state, outcome.manifest, cell.id)
            return Entry(reading, state, outcome.manifest, after, closure=reach, turn=self.turn)
        return Entry(reading, state, None, _guess(reading, reach, state), outcome.reasons, closure=reach)

    def with_order(self, reading: Reading, state: State) -> State:
        """Make what the cell follows without reading it inputs: its effect counts although no variable flows."""
        if reading.terms.mounts:
            # The path of a mount hides what stands under its name above.
            paths = {m.name: Slot(unit_of(m), reading.cell.id) for m in reading.terms.mounts}
            state = {**state, **paths}
        ahead = self.ahead(reading)
        if lanes := taken_version(self, reading, state):
            ahead = {**ahead, LANES: (reading.cell.id, lanes)}
        if not ahead and (reading.loop is None or reading.loop.start_from is None):
            return state
        extra = {name: Slot(Unit((name,), version, "hidden"), by) for name, (by, version) in ahead.items()}
        return {**state, **extra, **seed(self, reading)}

    def ahead(self, reading: Reading) -> dict[str, tuple[str, str]]:
        """Return by hidden unit the cells that a cell follows without reading them, and the versions of their runs."""
        found: dict[str, tuple[str, str]] = {}
        if reading.part or not (reading.directives.after or reading.spread):
            return found
        wanted = (*reading.directives.after, *(reading.spread.after if reading.spread is not None else ()))
        for name in wanted:
            entry = named(self, name)
            if entry is not None and (version := _ran(entry)) is not None:
                found[AFTER + name] = (entry.reading.cell.id, version)
        return found

    def _find(self, reading: Reading, reach: Closure, state: State) -> Hit | Miss:
        try:
            entries = _with_latest(self.entries.get(reading.cell.id), reading, self.store.entries(reading.program))
        except StoreError as error:
            return Miss((Reason("store", str(error)),))
        always = reading.analysis.always + reach.always
        if always and reading.policy.name not in ("frozen", "forever", "ttl"):
            return Miss(always)
        if reading.analysis.definitions:
            entries = apart.in_order(entries)
        while True:
            outcome = find(entries, reach, state, self._moment, reading.policy, time.time())
            if isinstance(outcome, Miss):
                return outcome
            reason = self._unfit(outcome.manifest, reading, state)
            if reason is None:
                return outcome
            entries = [m for m in entries if m is not outcome.manifest]
            if not entries:
                return Miss((reason,))

    def _unfit(self, manifest: Manifest, reading: Reading, state: State) -> Reason | None:
        """Return why a run whose dependencies are all in place cannot stand for the cell nevertheless."""
        shown = isinstance(manifest.outputs, list) or self.store.has(manifest.outputs)
        if not shown or self.files_to_restore(manifest) is None:
            return Reason("file", "what it showed or wrote is gone and was not kept")
        if not apart.fits(manifest, state):
            return Reason("input", "another definition of the same text is in use")
        if not apart.is_own(self, reading, manifest):
            return Reason("new", "its answer is that of a cell above")
        if quotes(manifest, reading.cell.source):
            return Reason("new", "its output quotes its text, which was edited")
        return None

    def files_to_restore(self, manifest: Manifest) -> list[str] | None:
        """Return the paths that must be written again, None when that is impossible."""
        if not manifest.files:
            return []
        here = {f.path: self.files.digest(f.path) for f in manifest.files}
        missing = restorable(manifest, self.store, here)
        return None if missing is None else [f.path for f in missing]

    def estimate(self, entry: Entry) -> float:
        """Return how many seconds the cell took the last time, 0 when that is not known."""
        try:
            entries = self.store.entries(entry.reading.program)
        except StoreError:
            return 0.0
        return entries[0].seconds if entries else 0.0

    def versions(self) -> set[str]:
        """Return every version that some place of the document prescribes."""
        return {s.version for e in self.entries.values() for s in e.after.values()}


def _is_new_to(session: Session, fact: Fact, until: int | None) -> bool:
    """Tell whether only cells from a place on have written what a fact looked at."""
    known = [session.entries.get(cell.id) for cell in session.cells]
    wrote = [entry.manifest.files if entry is not None and entry.manifest is not None else () for entry in known]
    here = [any(fact.name in (file.path, file.path.rpartition("/")[0]) for file in files) for files in wrote]
    return any(here) and not any(here[:until])


def _guess(reading: Reading, reach: Closure, state: State) -> State:
    """Return a state in which all that the cell may write has an unknown version."""
    unknown = provenance.version(
        key=digest("pending", reading.program, reach.versions()), names=sorted(reading.analysis.stores)
    )
    after = dict(state)
    # Only a guess for what is shown below: functions that are called and modules hardly ever change by it.
    changeable = {n for n in reading.analysis.mutates if n in state and state[n].unit.kind == "value"}
    touched = reading.analysis.stores | changeable
    if reading.analysis.opaque:
        touched = touched | {n for n in state if not hidden(n)}
    for name in touched:
        old = state.get(name)
        names = old.unit.names if old else (name,)
        unit = Unit(names, unknown, reach=old.unit.reach if old else Unit((name,), "").reach)
        after[name] = Slot(unit, reading.cell.id)
    for name in reading.analysis.deletes:
        after.pop(name, None)
    return after


def related(upper: Reading, needed: Mapping[str, object]) -> bool:
    """Tell whether a cell may write something that is needed."""
    # What is done with the path of a mount changes no variable.
    mutates = upper.analysis.mutates - {m.name for m in upper.terms.mounts}
    touched = upper.analysis.stores | mutates | upper.analysis.deletes
    return bool(upper.analysis.opaque) or bool(touched & needed.keys())


def _ran(entry: Entry) -> str | None:
    if entry.manifest is not None:
        return digest("after", entry.manifest.key, entry.manifest.nonce)
    return digest("failed", entry.reading.program, list(entry.error)) if entry.error is not None else None


def _with_latest(last: Entry | None, reading: Reading, entries: list[Manifest]) -> list[Manifest]:
    """Put the cell's own last run first while it is still on its way to the store."""
    run = last.manifest if last is not None else None
    if run is None or run.program != reading.program or any(r.code in NOT_PUBLISHED for r in run.reasons):
        return entries
    return entries if any(m.key == run.key for m in entries) else [run, *entries]


def _version(state: State, name: str) -> str | None:
    slot = state.get(name)
    return slot.version if slot else None


def differing(one: State, other: State) -> set[str]:
    """Return the names that stand at different versions in two states."""
    if one is other:
        return set()
    found = set(one.keys() ^ other.keys())
    found.update(
        n for n, slot in one.items() if n in other and slot is not other[n] and slot.version != other[n].version
    )
    return found


def same(one: State, other: State) -> bool:
    """Tell whether two states prescribe the same versions."""
    if one is other:
        return True
    if one.keys() != other.keys():
        return False
    return all(slot is other[name] or slot.version == other[name].version for name, slot in one.items())


def _reaches(entry: Entry, changed: set[str]) -> bool:
    assert entry.closure is not None
    assert entry.manifest is not None
    if entry.closure.opaque or entry.reading.directives.after or entry.manifest.alters:
        return True
    known = entry.closure.slots.keys() | entry.manifest.reads.keys()
    if not known.isdisjoint(changed) or any(n.startswith((*AMBIENT, "file:", SUBMODULE)) for n in changed):
        return True
    mentions = set(entry.reading.analysis.mentions)
    for slot in entry.closure.slots.values():
        if slot is not None:
            mentions.update(slot.unit.reach.mentions)
    return not mentions.isdisjoint(changed)
