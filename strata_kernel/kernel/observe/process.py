"""The state of the process as hidden units that can be compared, saved and set again."""

from __future__ import annotations

import io
import os
import pickle
import threading
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from strata_kernel.domain.cell import Reason
from strata_kernel.domain.digest import digest
from strata_kernel.domain.state import FIGURES, VARIABLES
from strata_kernel.kernel.observe import active, figures, generators, lasting
from strata_kernel.kernel.observe.generators import GENERATORS, states
from strata_kernel.kernel.observe.packing import Packer
from strata_kernel.kernel.observe.probes import ABSENT, PROBES, Probe, Values

if TYPE_CHECKING:
    from strata_kernel.kernel.observe.imports import ImportHooks

State = Any
Before = tuple[dict[str, Values], lasting.Seen, dict[str, Any]]
#: Variables by which debuggers and test runners talk to their own processes.
_NOT_OURS = ("PYDEVD", "DEBUGPY", "JPY_", "PYTEST_CURRENT_TEST")
_ENV = "env:"


class Snapshot(dict[str, State]):
    """The units that differ from the start of the process, generators always; `seen` holds what cannot be set again."""

    seen: lasting.Seen


class Pristine:
    """The marker for a unit that is as it was at the start."""

    def __repr__(self) -> str:
        return "PRISTINE"


PRISTINE = Pristine()


class ProcessState:
    """Compares the process with how it stood at the start, or for a library right after its first import."""

    def __init__(self) -> None:
        self._start: dict[str, Values] = {}
        #: The generators' states at the start, and those to which imports moved them since.
        self._unseeded: dict[str, list[Any]] = {}
        self._probes: dict[str, Probe] = {}
        #: States set while their library was not loaded: it gets them when it is.
        self._deferred: dict[str, bytes] = {}
        self._excused: lasting.Seen = {}
        self._seen: lasting.Seen = {}
        #: Whether any cell has left something that cannot be set again.
        self._touched = False

    def install(self, hooks: ImportHooks) -> None:
        """Take the state of the process for its start."""
        self._seen = lasting.seen()
        for probe in (*PROBES, figures.PROBE):
            hooks.after(probe.module, partial(self._adopt, probe))
        for unit, module in (("rng:random", "random"), ("rng:numpy", "numpy.random"), ("rng:torch", "torch")):
            hooks.after(module, partial(self._adopt_generator, unit))
        hooks.around = (self._before_import, self._after_import)

    def adopt(self, probe: Probe) -> None:
        """Take the present state of a unit for its start."""
        self._start[probe.unit] = probe.read()
        self._probes[probe.unit] = probe
        if (state := self._deferred.pop(probe.unit, None)) is not None:
            self.apply(probe.unit, state)

    def forget(self, unit: str) -> None:
        """Take a unit out that is no more."""
        self._probes.pop(unit, None)
        self._start.pop(unit, None)
        self._deferred.pop(unit, None)

    def _adopt(self, probe: Probe, module: ModuleType) -> None:
        self.adopt(probe)

    def _adopt_generator(self, unit: str, module: ModuleType) -> None:
        state = GENERATORS[unit][0]()
        if state is not None:
            self._unseeded[unit] = [state]
        if (deferred := self._deferred.pop(unit, None)) is not None:
            self.apply(unit, deferred)
            generators.loaded(unit)

    def _before_import(self) -> Before:
        libraries = {unit: probe.read() for unit, probe in self._probes.items() if not unit.startswith(VARIABLES)}
        return libraries, lasting.seen(), states()

    def _after_import(self, before: Before | None) -> None:
        """Count what an import of a library changed as its start: whoever imports it has that too."""
        if before is None:
            return
        # Meanwhile a cell may run and change the same: what cannot be told apart is the cell's.
        aside = active.recording is not None and threading.current_thread() is not threading.main_thread()
        for unit, old in before[0].items() if not aside else ():
            start, new = self._start[unit], self._probes[unit].read()
            if new == old:
                continue
            if unit == "proc:warnings":
                start["filters"] = _merged(start["filters"], old["filters"], new["filters"])
                continue
            for key in old.keys() | new.keys():
                was, now = old.get(key, ABSENT), new.get(key, ABSENT)
                if was != now and start.get(key, ABSENT) == was:
                    if now == ABSENT:
                        start.pop(key, None)
                    else:
                        start[key] = now
        for unit, was in before[2].items():
            # Not seeded yet: no cell can count on a state that the import has moved on from.
            if was in self._unseeded.get(unit, ()) and (now := GENERATORS[unit][0]()) != was:
                self._unseeded[unit].append(now)
        if not aside:
            lasting.excuse(before[1], self._excused)

    def snapshot(self) -> Snapshot:
        """Return the units that differ from the start, with their states."""
        found = Snapshot()
        for unit, (read, _) in GENERATORS.items():
            state = read()
            if state is not None:
                found[unit] = state
        for unit, probe in self._probes.items():
            start, now = self._start[unit], probe.read()
            if _same(start, now):
                continue
            if unit == _ENV:
                changes = _difference(start, now)
                found.update({_ENV + k: v for k, v in changes if not k.startswith(_NOT_OURS)})
            elif unit == "proc:warnings":
                found[unit] = _of_filters(start["filters"], now["filters"])
            elif changes := _difference(start, now):
                found[unit] = changes
        for unit, state in self._deferred.items():
            found.setdefault(unit, pickle.loads(state))
        found.seen = lasting.seen()
        return found

    def changes(self, before: Snapshot, after: Snapshot) -> dict[str, State | Pristine]:
        """Return the units that differ between two snapshots and can be set again, with their states after."""
        found: dict[str, State | Pristine] = {}
        for unit in sorted(before.keys() | after.keys()):
            if unit not in after:
                found[unit] = PRISTINE
            elif unit in GENERATORS:
                # One that came with its library counts once it has moved from where the import left it.
                unseeded = self._unseeded.get(unit, [])
                moved = before.get(unit) != after[unit]
                if moved and not (after[unit] in unseeded and before.get(unit, after[unit]) in unseeded):
                    found[unit] = after[unit]
            elif unit not in before or before[unit] != after[unit]:
                packed = _packed(after[unit])
                # Values that compare by identity, as bound methods do, may still be the same.
                if packed is not None and (unit not in before or packed != _packed(before[unit])):
                    found[unit] = after[unit]
        return found

    def effects(self, before: Snapshot, after: Snapshot) -> list[Reason]:
        """Return what changed between two snapshots and cannot be set again."""
        found = lasting.differences(before.seen, after.seen, self._excused)
        self._touched = self._touched or bool(found)
        for unit, state in after.items():
            if before.get(unit) != state and unit not in GENERATORS and _packed(state) is None:
                what = unit.replace(VARIABLES, "a variable of the module ").removeprefix("proc:")
                text = "leaves figures open in pyplot" if unit == FIGURES else f"sets {what} to what cannot be saved"
                found.append(Reason("effect", text, name=unit))
        return found

    def installed(self) -> dict[str, Any]:
        """Return what cells have put where the process calls it or writes to it, by what a person calls the place."""
        return lasting.installed({**self._seen, **self._excused}) if self._touched else {}

    @staticmethod
    def pack(state: State | Pristine) -> bytes | None:
        """Return a state from `changes` as bytes, None for the start."""
        return None if isinstance(state, Pristine) else _packed(state)

    def capture(self, unit: str) -> bytes | None:
        """Return the present state of a unit as bytes, None when it is as at the start or cannot be saved."""
        snapshot = self.snapshot()
        return _packed(snapshot[unit]) if unit in snapshot else None

    @staticmethod
    def digest(state: bytes | None) -> str:
        """Return the digest of a packed state."""
        return digest("state", state)

    def apply(self, unit: str, state: bytes | None) -> None:
        """Set a unit; None is the state at the start of the process."""
        if unit in GENERATORS:
            self._apply_generator(unit, state)
            return
        if unit.startswith(_ENV):
            key = unit.removeprefix(_ENV)
            value = self._start[_ENV].get(key, ABSENT) if state is None else pickle.loads(state)
            if os.environ._data.get(os.fsencode(key)) != (None if value == ABSENT else os.fsencode(value)):  # type: ignore[attr-defined]
                self._probes[_ENV].write({key: value})
            return
        probe = self._probes.get(unit)
        if probe is None:
            if state is None:
                self._deferred.pop(unit, None)
            else:
                self._deferred[unit] = state
            return
        start, now = self._start[unit], probe.read()
        wanted = dict(start)
        if unit == "proc:warnings":
            wanted["filters"] = (
                start["filters"] if state is None else _to_filters(start["filters"], pickle.loads(state))
            )
        elif state is not None:
            wanted.update(pickle.loads(state))
        changes = dict(_difference(now, wanted))
        if changes:
            probe.write(changes)

    def _apply_generator(self, unit: str, state: bytes | None) -> None:
        if unit != "rng:random" and unit not in self._unseeded:
            # Its library is not loaded, and should not be for this.
            if state is None:
                self._deferred.pop(unit, None)
            else:
                self._deferred[unit] = state
            return
        GENERATORS[unit][1](self._unseeded[unit][-1] if state is None else pickle.loads(state))


def _same(old: Values, new: Values) -> bool:
    try:
        return bool(old == new)
    except (ValueError, TypeError):
        return False


def _difference(old: Values, new: Values) -> tuple[tuple[str, Any], ...]:
    """Return the keys, sorted, at which the new values differ, ABSENT for those that are gone."""
    found = []
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key, ABSENT), new.get(key, ABSENT)
        if was is not now and was != now:
            found.append((key, now))
    return tuple(found)


def _merged(start: tuple[Any, ...], old: tuple[Any, ...], new: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the filters of the start with what an import added in front or behind, and without what it removed."""
    gone = [f for f in old if f not in new]
    first = next((i for i, f in enumerate(new) if f in old), len(new))
    front = [f for f in new[:first] if f not in start]
    back = [f for f in new[first:] if f not in old and f not in start]
    return (*front, *(f for f in start if f not in gone), *back)


def _of_filters(start: tuple[Any, ...], now: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the filters that are new or were moved to the front, and those of the start that are gone."""
    kept = [f for f in now if f in start]
    still = [f for f in start if f in now]
    common = 0
    while common < min(len(still), len(kept)) and still[-1 - common] == kept[-1 - common]:
        common += 1
    settled = kept[len(kept) - common :]
    return tuple(f for f in now if f not in settled), tuple(f for f in start if f not in now)


def _to_filters(start: tuple[Any, ...], state: tuple[tuple[Any, ...], tuple[Any, ...]]) -> tuple[Any, ...]:
    front, gone = state
    return (*front, *(f for f in start if f not in front and f not in gone))


def _packed(state: State) -> bytes | None:
    """Return a pickle that depends on the value alone, None when there is none that a fresh process can load."""
    buffer = io.BytesIO()
    try:
        Packer(buffer).dump(state)
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError, ValueError):
        return None
    return buffer.getvalue()
