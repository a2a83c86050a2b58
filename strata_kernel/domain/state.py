"""The symbolic namespace: which version of which unit stands at a place of the document."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from strata_kernel.domain.analysis import Analysis
from strata_kernel.domain.cell import Reason
from strata_kernel.domain.manifest import Artifact, Chain, Manifest, Unit

ABSENT = ""
BUILTIN = frozenset(dir(builtins)) | {"get_ipython", "display", "exit", "quit", "__name__", "__doc__", "__file__"}
#: Hidden units that every run may depend on without naming them.
AMBIENT = ("proc:", "env:", "effect:")
#: Hidden units that can be set to any state they had.
RESTORABLE = ("proc:", "env:", "rng:")
#: The folder that relative paths and imports start from, where a cell has changed it.
CURRENT_FOLDER = "proc:cwd"
#: Hidden units that a run is known to depend on only once it has run.
OBSERVED = ("rng:",)
#: Names whose values IPython keeps for the last results; only the last one is modelled.
LAST_RESULT = "out:_"
#: IPython's record of the session, unless the notebook bound the name itself: what it holds depends on the clicks.
HISTORY = re.compile(r"_{2,3}|_i{1,3}|_i?\d+|_dh|_oh|_ih|In|Out|_exit_code|__annotations__")
#: Hidden units for submodules: importing one makes it an attribute of its package.
SUBMODULE = "module:"
#: Hidden units for the variables of the user's own modules.
VARIABLES = "proc:module:"
#: Hidden units for imports of the user's own modules that showed something: who imports them later shows nothing.
IMPORTED = "proc:import:"
#: The unit of the figures that pyplot keeps open, with most backends, from one cell to the next.
FIGURES = VARIABLES + "matplotlib.pyplot"
#: What values share that hold one of them.
OPEN_FIGURES = "a figure that pyplot keeps open"
#: Stand for the runs of cells that a cell follows without reading them, and for what it takes from lanes.
AFTER = "proc:after:"
LANES = AFTER + "lanes"
#: What the test between two passes of a loop leaves behind.
VERDICT = "until:"

#: What a person calls a hidden unit, by the beginning of its name.
_WORDS = {
    LANES: "what stands on its lanes",
    AFTER: "cell {}",
    VARIABLES: "what the notebook did to the module `{}`",
    IMPORTED: "the first import of the module `{}`",
    CURRENT_FOLDER: "the working folder",
    "proc:": "the state of {}",
    "env:": "environment variable {}",
    "rng:": "the state of the generator {}",
    "effect:": "what a cell above does to the process",
}


class Slot(msgspec.Struct, frozen=True):
    """A name's unit as it stands, and the cell that wrote it."""

    unit: Unit
    by: str

    @property
    def version(self) -> str:
        """The unit's version."""
        return self.unit.version


State = Mapping[str, Slot]
#: The state of a fresh kernel; one object, so that walks from the top know it by identity.
START: State = {}


def hidden(name: str) -> bool:
    """Tell whether a name of the state is a hidden unit, not a variable."""
    return ":" in name


def in_words(name: str) -> str:
    """Return what a person calls a variable or a hidden unit."""
    for prefix, text in _WORDS.items():
        if name.startswith(prefix):
            return text.format(name.removeprefix(prefix))
    return f"`{name}`"


class Closure(msgspec.Struct, frozen=True):
    """What a run can reach: `slots` by name (None: absent), and the effects that code in reach may have.

    `always` are the reasons for which nothing that is recorded can stand for it.
    """

    slots: dict[str, Slot | None]
    effects: tuple[Chain, ...]
    opaque: bool
    always: tuple[Reason, ...] = ()

    def versions(self) -> dict[str, str]:
        """Return the version in place of every name, "" where absent."""
        return {name: slot.unit.version if slot else ABSENT for name, slot in self.slots.items()}


def closure(analysis: Analysis, state: State) -> Closure:
    """Follow what the cell reads through the functions, classes and strings in its values."""
    found: dict[str, Slot | None] = {}
    effects = list(analysis.effects)
    # Whether an unsure name is rebound shows only afterwards, so the run depends on what stood there. So it does where
    # a name is let go of, be it the one of an exception: the value goes with it, and may have a finalizer.
    pending = [*analysis.reads, *analysis.unsure, *analysis.deletes]
    opaque = bool(analysis.opaque)
    if opaque:
        pending.extend(n for n in state if not hidden(n))
    pending.extend(m for m in analysis.mentions if m in state)
    concealed = [n for n in state if ":" in n]
    pending.extend(n for n in concealed if n.startswith(AMBIENT))
    submodules = [n for n in concealed if n.startswith(SUBMODULE)]
    while True:
        if not pending:
            pending.extend(_stored_to(effects, found, state) - found.keys())
        if not pending and not opaque and any(_remakes(c, analysis, state) for c in effects):
            # Any value above may hold a part of the module as it was, and none can come into place afterwards.
            opaque = True
            pending.extend(n for n in state if not hidden(n))
        if not pending:
            break
        name = pending.pop()
        if name in found:
            continue
        slot = state.get(name)
        if slot is None:
            if name == "_":
                pending.append(LAST_RESULT)
            if name not in BUILTIN:
                found[name] = None
            continue
        found[name] = slot
        if slot.unit.kind == "module":
            pending.extend(submodules)
        # Names that share the unit's state: a write through one of them is a write of all that are there.
        pending.extend(n for n in slot.unit.names if n != name and n in state and state[n].version == slot.version)
        reach = slot.unit.reach
        effects.extend(reach.effects)
        pending.extend(reach.names)
        pending.extend(m for m in reach.mentions if m in state)
        pending.extend(n for definition in reach.definitions for n in holders(*definition, state))
        if reach.opaque and not opaque:
            opaque = True
            pending.extend(n for n in state if not hidden(n))
    # A hidden unit that only observation can prove to be read is no part of the static closure.
    kept = {n: s for n, s in found.items() if not n.startswith((*OBSERVED, "file:"))}
    return Closure(kept, tuple(effects), opaque, tuple(_history(n for n, s in kept.items() if s is None)))


def _stored_to(effects: Iterable[Chain], slots: Mapping[str, Slot | None], state: State) -> frozenset[str]:
    """Return the variables that refer to a definition to which attributes are set."""
    roots = {chain.root for chain in effects if chain.path.endswith("=")}
    return referring({slot.unit.lineage for r in roots if (slot := slots.get(r)) is not None}, state)


def _history(absent: Iterable[str]) -> Iterator[Reason]:
    for name in absent:
        if HISTORY.fullmatch(name):
            yield Reason("introspection", f"`{name}` is a record of the session", name=name)


def _remakes(chain: Chain, analysis: Analysis, state: State) -> bool:
    """Tell whether a call or store may put other objects in the place of what modules hold."""
    imported, slot = analysis.imports.get(chain.root), state.get(chain.root)
    if imported is not None:
        target = imported.module + (f".{imported.attribute}" if imported.attribute else "")
    else:
        target = slot.unit.summary.get(chain.root, chain.root) if slot is not None else chain.root
    dotted = f"{target}.{chain.path}" if chain.path else target
    return dotted == "importlib.reload" or dotted.startswith(("sys.modules.", "sys.modules["))


def holders(name: str, lineage: str, state: State) -> list[str]:
    """Return the names that a definition stands under: its own, or where that was given away, any other."""
    slot = state.get(name)
    if slot is not None and slot.unit.lineage == lineage:
        return [name]
    return [n for n, s in state.items() if s.unit.lineage == lineage]


def referring(lineages: Iterable[str | None], state: State) -> frozenset[str]:
    """Return the variables whose values refer to definitions of these lineages: they change with them."""
    wanted = {lineage for lineage in lineages if lineage}
    if not wanted:
        return frozenset()
    return frozenset(n for n, s in state.items() if any(lineage in wanted for _, lineage in s.unit.reach.definitions))


def with_definitions(names: Iterable[str], state: State) -> set[str]:
    """Return the names with the definitions that their values refer to: what shows of a value depends on them."""
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        slot = state.get(name)
        if name in found or slot is None:
            continue
        found.add(name)
        pending.extend(n for definition in slot.unit.reach.definitions for n in holders(*definition, state))
    return found


def in_reach(slots: Iterable[Slot | None], state: State) -> dict[str, Slot]:
    """Return the variables that share a unit with these slots: what a run that has them can change."""
    reached: dict[str, Slot] = {}
    for slot in slots:
        if slot is None:
            continue
        for name in slot.unit.names:
            if not hidden(name) and (here := state.get(name)) is not None and here.version == slot.version:
                reached[name] = here
    return reached


def held_apart(made: Iterable[tuple[str, str]], state: State, written: Iterable[str]) -> bool:
    """Tell whether a definition, by name and lineage, was made before and is still in use under names not written.

    An instance of the one is none of the other, so the two must not go by the same lineage.
    """
    anew, gone = set(made), set(written)
    return bool(anew) and any(
        not anew.isdisjoint(slot.unit.reach.definitions) for name, slot in state.items() if name not in gone
    )


def advance(state: State, manifest: Manifest, by: str) -> dict[str, Slot]:
    """Return the state after a run: its units and files written, its deletions gone."""
    after = dict(state)
    for name in manifest.deletes:
        after.pop(name, None)
    for unit in manifest.units:
        if unit.artifact is None and unit.names[0].startswith(RESTORABLE):
            # Back at the state of a fresh process, which is the absence of the unit.
            after.pop(unit.names[0], None)
            continue
        slot = Slot(unit, by)
        for name in unit.names:
            after[name] = slot
    for file in manifest.files:
        name = "file:" + file.path
        artifact = Artifact("file", stream=file.blob) if file.blob else None
        after[name] = Slot(Unit((name,), file.digest or ABSENT, "hidden", artifact=artifact), by)
    return after
