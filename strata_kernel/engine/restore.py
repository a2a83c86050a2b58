"""What stands in the process, and how names are brought to the versions that a place of the document prescribes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from typing import Any

import msgspec

from strata_kernel.domain.digest import digest
from strata_kernel.domain.manifest import Artifact, Unit
from strata_kernel.domain.state import IMPORTED, LAST_RESULT, RESTORABLE, SUBMODULE, VARIABLES, State, hidden, referring
from strata_kernel.engine.altered import Definition, Noted
from strata_kernel.errors import CodecError, StoreError
from strata_kernel.ports import Blobs, Host, Patch, Values

#: Values on the shelf and digests in memory from which on those that no place of the document prescribes are dropped.
KEPT = 64
#: How the versions begin that no place of the document prescribes: what a run that failed, or none of ours, left.
DOUBT = "doubt:"


class Source(msgspec.Struct, frozen=True):
    """A definition's stored form: its statement, and the versions of what executing it evaluates."""

    text: str
    line: int
    evaluates: dict[str, str]


class Placement:
    """The versions in place: of the variables in the namespace and of the hidden units of the process.

    Variables that the current place of the document does not have are taken out of the namespace and kept on a shelf
    by version, so that going back and forth costs nothing.
    """

    def __init__(self, host: Host, values: Values, blobs: Blobs) -> None:
        self.host, self.values, self.blobs = host, values, blobs
        self.names: dict[str, str] = {}
        self.hidden: dict[str, str] = {}
        #: The versions of the results that cells of this process have shown.
        self.shown: set[str] = set()
        self.shelf: dict[str, dict[str, Any]] = {}
        self._doubted = ""
        self._bound = KEPT
        #: By version, the definitions that a unit refers to, and the definition that it is.
        self._refers: dict[str, tuple[frozenset[tuple[str, str]], tuple[str, str] | None]] = {}
        #: What stood where an effect of this process patched something, by effect; only where patches are all it did.
        self.patches: dict[str, list[Patch]] = {}
        #: What effects were given to hold, by effect: names with their versions then.
        self.given: dict[str, set[tuple[str, str]]] = {}
        #: Effects on the user's own modules, which can be made anew, and whether they did nothing else.
        self.reloads: dict[str, bool] = {}
        #: The state that names are being brought to.
        self.state: State = {}
        #: Digest of a unit's live names by (version, names), as it was when the version came into place.
        self.contents: dict[tuple[str, tuple[str, ...]], str | None] = {}
        #: Tells whether cells can run again for what is taken away.
        self.can_repeat: Callable[[], bool] = lambda: False
        #: Where units that were saved after their run was recorded are to be found; waits for one being saved.
        self.saved: Callable[[str], Artifact | None] = lambda version: None

    def has(self, name: str, version: str) -> bool:
        """Tell whether the name stands at the version."""
        return self.names.get(name) == version and name in self.host.namespace

    def clear_to(self, state: State) -> None:
        """Take every variable out of the namespace that does not stand at its version in the state."""
        for name in self.host.names():
            slot = state.get(name)
            if slot is None or self.names.get(name) != slot.version:
                self.shelve(name)

    def shelve(self, name: str) -> None:
        """Take one name out of the namespace and remember its value by its version."""
        value = self.host.namespace.pop(name)
        version = self.names.pop(name, None)
        if version is not None:
            self.shelf.setdefault(version, {})[name] = value

    def collect(self, wanted: Callable[[], set[str]]) -> None:
        """Drop from the shelf and the digests all but the wanted versions, once many have come together."""
        if len(self.shelf) + len(self.contents) <= self._bound:
            return
        keep = wanted()
        self.shelf = {v: values for v, values in self.shelf.items() if v in keep}
        self.contents = {k: c for k, c in self.contents.items() if k[0] in keep}
        keep = keep | set(self.names.values())
        self._refers = {v: r for v, r in self._refers.items() if v in keep}
        # To look through all states at every cell would cost the square of their number.
        self._bound = max(KEPT, 2 * (len(self.shelf) + len(self.contents)))

    def place(self, name: str, value: Any, version: str) -> None:
        """Bind the name and record the version in place; what stood there goes on the shelf."""
        if name in self.host.namespace and self.names.get(name, version) != version:
            self.shelve(name)
        self.host.namespace[name] = value
        self.names[name] = version

    def note(self, unit: Unit) -> None:
        """Record which definitions a unit in place or on the shelf refers to."""
        own = (unit.names[0], unit.lineage) if unit.lineage else None
        if own or unit.reach.definitions:
            self._refers[unit.version] = (frozenset(unit.reach.definitions), own)

    def retire(self, replaced: Iterable[tuple[str, str]], keep: Iterable[str]) -> None:
        """Take away what was made of definitions that others now stand for, but for the versions to keep."""
        anew, kept = set(replaced), set(keep)
        if anew:
            # What lies there is the object that was replaced, or may refer to it.
            self.shelf = {v: values for v, values in self.shelf.items() if v not in kept and not v.startswith(DOUBT)}
        if anew and self.can_repeat():
            for name in [n for n, v in self.names.items() if v.startswith(DOUBT)]:
                del self.names[name]
                self.host.namespace.pop(name, None)
        pending = list(anew)
        while pending:
            definition = pending.pop()
            old = [v for v, (refers, own) in self._refers.items() if definition in refers or definition == own]
            for version in [v for v in old if v not in kept]:
                _, own = self._refers.pop(version)
                self.shelf.pop(version, None)
                for name in [n for n, v in self.names.items() if v == version]:
                    del self.names[name]
                    self.host.namespace.pop(name, None)
                # The object that now stands for it is not the one that goes.
                if own is not None and own not in anew:
                    self.values.retire(*own)
                    pending.append(own)

    def load(self, name: str, state: State) -> bool:
        """Bring a variable's unit to its version in the state without running anything; tell whether it could be."""
        self.state = state
        if self.has(name, state[name].version):
            return True
        with self.host.quietly():
            return self._load(name, state)

    def _load(self, name: str, state: State) -> bool:
        slot = state[name]
        shelved = self.shelf.get(slot.version, {})
        kept = name in shelved
        values = shelved if kept else self._values(name, slot.unit, state)
        if values is None:
            return False
        # What is on the shelf still shares its state with what stands; what is made anew shares nothing with either.
        self.shelf.pop(slot.version, None)
        if slot.unit.kind == "module":
            for each in state:
                if each.startswith(SUBMODULE):
                    self.host.modules.load(each.removeprefix(SUBMODULE))
        if not kept:
            # Imports and values load modules, out of sight of any run.
            self.host.modules.note()
        for each, value in values.items():
            here = state.get(each)
            stands = kept and self.has(each, slot.version)
            if here is not None and here.version == slot.version and not stands:
                self.place(each, value, slot.version)
                self._register(value, each, slot.unit)
                if not kept:
                    take_from(self, each, slot.version)
        return self.has(name, slot.version)

    def _register(self, value: Any, name: str, unit: Unit) -> None:
        self.note(unit)
        if unit.lineage:
            former = self.values.live(name, unit.lineage)
            self.values.register(value, name, unit.lineage)
            if former is not None and former is not value:
                self.retire([(name, unit.lineage)], [unit.version])

    def _values(self, name: str, unit: Unit, state: State) -> dict[str, Any] | None:
        artifact = unit.artifact or self.saved(unit.version)
        if artifact is None:
            return None
        try:
            if artifact.codec == "source":
                return self._define(name, unit, msgspec.json.decode(artifact.inline or b"", type=Source), state)
            return self.values.load(artifact, unit.names, self.blobs)
        except (CodecError, StoreError):
            return None

    def _define(self, name: str, unit: Unit, source: Source, state: State) -> dict[str, Any] | None:
        # A definition can be made again only where everything its statement evaluates is as it was.
        for each, version in source.evaluates.items():
            slot = state.get(each)
            if slot is None or slot.version != version or not self.load(each, state):
                return None
        former = self.values.live(name, unit.lineage) if unit.lineage else None
        if (
            former is not None
            and unit.content is not None
            and self.values.group({name: former})[0].content == unit.content
        ):
            return {name: former}
        return {name: self.values.define(source.text, name, source.line)}

    def settle_hidden(self, state: State, start: Iterable[str] = ()) -> list[str]:
        """Set the hidden units of the process to the state; return those that only running their cells can set."""
        self.undo(state)
        pending: list[str] = []
        for unit in {*self.hidden, *(n for n in state if hidden(n)), *start}:
            slot = state.get(unit)
            if unit.startswith(("file:", SUBMODULE)) or (slot is not None and unit == LAST_RESULT):
                continue  # a result comes only from its cell, and only where it is asked for
            wanted = slot.version if slot else None
            if self.hidden.get(unit) == wanted:
                continue
            if unit.startswith("effect:"):
                if slot is not None:
                    pending.append(unit)
                continue
            artifact = slot.unit.artifact if slot else None
            self.host.apply(unit, artifact.inline if artifact else None)
            if slot is None:
                self.hidden.pop(unit, None)
            else:
                self.hidden[unit] = slot.version
        return pending

    def doubt(self, names: set[str], unique: str) -> dict[str, str]:
        """Give up the versions of names and of all settable units until a run that could change them is recorded.

        Whatever ends the run, nothing is then taken for what it may no longer be. Returns the versions as they stood.
        """
        standing, version = dict(self.names), DOUBT + unique
        # What effects hold can change by any run, also where it lies aside.
        held = {v for effect, given in self.given.items() if effect in self.hidden for _, v in given}
        self.shelf = {v: values for v, values in self.shelf.items() if v not in held}
        for name in names:
            self.names[name] = version
        self._doubted = version
        return standing

    def settle_names(self, state: State, changed: Iterable[str], noted: Noted, altered: Set[Definition]) -> set[str]:
        """After a run that is not recorded, which changed these units: return the names at no version of the state.

        Of the definitions noted before it, only the altered ones may be other than they were.
        """
        here = set(self.host.names())
        changed_in_place(self, altered)
        for name, lineage in noted.keys() - altered:
            slot = state.get(name)
            if slot and slot.unit.lineage == lineage and self.host.namespace.get(name) is noted[name, lineage][0]:
                self.names[name] = slot.version
        self.names.update(dict.fromkeys(referring((x for _, x in altered), state) & self.names.keys(), self._doubted))
        self.names = {n: v for n, v in self.names.items() if n in here}
        for name in here - self.names.keys():
            self.names[name] = self._doubted
        for unit in {*self.hidden, *changed, "rng:random", "rng:numpy", "rng:torch"}:
            if not unit.startswith("effect:"):
                self.hidden[unit] = self._doubted
        return {n for n in here if self.names[n] == self._doubted}

    def note_hidden(self, name: str, unit: Unit) -> None:
        """Record that a run has left a hidden unit of the process at this version."""
        if unit.artifact is None and name.startswith(RESTORABLE):
            self.hidden.pop(name, None)
        else:
            self.hidden[name] = unit.version
        if name == LAST_RESULT:
            self.shown.add(unit.version)

    def undo(self, state: State) -> None:
        """Take back the effects that the state has not, the latest first, where they are nothing but patches."""
        for unit in [u for u in reversed(self.hidden) if u.startswith("effect:") and u not in state]:
            patches = self.patches.get(unit)
            if patches is not None:
                for patch in reversed(patches):
                    self.host.unpatch(patch)
                del self.hidden[unit], self.patches[unit]
        left = self.tainted(state)
        # Where an effect did other things too, its part in the modules cannot be made again without these.
        if left and all(map(self.reloads.get, left)) and all(self.reloads.get(u, True) for u in self.hidden):
            start_over(self)

    def tainted(self, state: State) -> list[str]:
        """Return the effects that the process has and the state has not: they cannot be undone here."""
        return [u for u in self.hidden if u.startswith("effect:") and u not in state]

    def content(self, names: tuple[str, ...], version: str) -> str | None:
        """Return the digest of live names of one unit as they stood when their version came into place."""
        at = (version, names)
        if at not in self.contents:
            groups = self.values.group({n: self.host.namespace[n] for n in names})
            self.contents[at] = groups[0].content if len(groups) == 1 else None
        return self.contents[at]


def held(placement: Placement) -> dict[str, Any]:
    """Return what cells have put into the process, by what a person calls the place."""
    patched = [patch for patches in placement.patches.values() for patch in patches]
    return {**{f"`{p.name}`": p.standing() for p in patched}, **placement.host.installed()}


def of_state(name: str, state: bytes | None) -> Unit:
    """Return the unit of a hidden state of the process, None being that of its start; what it holds is its version."""
    content = digest(name, state)
    artifact = Artifact("state", inline=state) if state is not None else None
    return Unit((name,), content, "hidden", content, artifact)


def holds(placement: Placement, name: str, version: str) -> bool:
    """Tell whether the value of this version is in the process, under its name or laid aside."""
    return placement.has(name, version) or name in placement.shelf.get(version, {})


def take_from(placement: Placement, name: str, version: str) -> None:
    """Take back the effects that hold the value for which another object now stands: their cells give them that."""
    for effect in [e for e, given in placement.given.items() if (name, version) in given]:
        del placement.given[effect]
        if effect in placement.patches:
            for patch in reversed(placement.patches.pop(effect)):
                placement.host.unpatch(patch)
        elif effect in placement.hidden:
            placement.hidden[effect + ":former"] = effect  # and can be taken back by nothing but a restart
        placement.hidden.pop(effect, None)


def changed_in_place(placement: Placement, altered: Iterable[tuple[str, str]]) -> None:
    """Note that a run has changed definitions where they stand, and with them what refers to them."""
    changed = set(altered)
    for version in [v for v, (refers, own) in placement._refers.items() if own in changed or changed & refers]:
        placement.shelf.pop(version, None)


def start_over(placement: Placement, keep: Set[str] = frozenset()) -> None:
    """Unload the user's modules and let go of all that may hold a part of them, which is all but these versions."""
    placement.host.modules.unload()
    for unit in [u for u in placement.hidden if u in placement.reloads or u.startswith((VARIABLES, IMPORTED))]:
        del placement.hidden[unit]
    for name in placement.host.names():
        if placement.names.get(name) not in keep:
            del placement.host.namespace[name]
    placement.names = {n: v for n, v in placement.names.items() if v in keep}
    placement.shelf = {v: values for v, values in placement.shelf.items() if v in keep}
    placement.contents = {k: c for k, c in placement.contents.items() if k[0] in keep}
    for version, (_, own) in placement._refers.items():
        if own is not None and version not in keep:
            placement.values.retire(*own)
    placement._refers = {v: r for v, r in placement._refers.items() if v in keep}
