"""What a run may have changed beside its names: definitions after their statements, and the user's own modules."""

from __future__ import annotations

import ast
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from strata_kernel.cells.kind import Reading
from strata_kernel.domain import provenance
from strata_kernel.domain.manifest import Unit
from strata_kernel.domain.state import ABSENT, VARIABLES, Slot
from strata_kernel.engine.before import Before, undoable
from strata_kernel.engine.effects import lasting
from strata_kernel.engine.restore import Placement, of_state
from strata_kernel.ports import Host, Observed, Patch, Ran, Step, Values

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINING = (*_FUNCTIONS, ast.ClassDef)


class Made:
    """The definitions of a cell as their statements made them: what else the cell does may change them."""

    def __init__(self, reading: Reading, namespace: Mapping[str, Any], values: Values) -> None:
        self._names = reading.analysis.definitions.keys()
        self._certain = not self._names or _only_defines(reading.cell.source)
        self._namespace, self._values = namespace, values
        self._found: dict[str, tuple[object, tuple[object, ...] | str]] = {}

    @property
    def step(self) -> Step | None:
        """What has to be told of each statement that has run, if anything has."""
        return None if self._certain else self._note

    def _note(self, statement: ast.stmt) -> None:
        if isinstance(statement, _DEFINING) and statement.name in self._names:
            value = self._namespace.get(statement.name)
            self._found[statement.name] = value, self._values.sign(value)

    def changed(self, name: str, value: Any) -> bool:
        """Tell whether the definition may be another than its statement made it."""
        made, sign = self._found.get(name, (None, ""))
        return not self._certain and (made is not value or not self._values.stands(value, sign))


def _only_defines(source: str) -> bool:
    """Tell whether no statement of a cell can change what one above it defines; in other syntax it is taken to."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    rest = [statement for statement in body if not isinstance(statement, ast.Import | ast.ImportFrom)]
    return all(isinstance(each, _DEFINING) for each in rest[:1]) and all(map(_runs_nothing, rest[1:]))


def _runs_nothing(statement: ast.stmt) -> bool:
    """Tell whether a statement calls nothing: no decorator, base or metaclass, and no default that is worked out."""
    if isinstance(statement, _FUNCTIONS):
        given = statement.args
        annotations = [
            a.annotation for a in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg) if a
        ]
        parts = [*given.defaults, *given.kw_defaults, *annotations, statement.returns]
        return not statement.decorator_list and all(p is None or isinstance(p, ast.Constant | ast.Name) for p in parts)
    if isinstance(statement, ast.ClassDef):
        plain = not (statement.decorator_list or statement.bases or statement.keywords)
        return plain and all(map(_runs_nothing, statement.body))
    if isinstance(statement, ast.Assign):
        return all(isinstance(t, ast.Name) for t in statement.targets) and isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def reloads(before: Before, seen: Observed, units: list[Unit], host: Host) -> bool | None:
    """Tell whether the run may have had effects on nothing but modules of the user's; None if on none of these."""
    alone, found = True, any(u.reason is not None and u.reason.code == "module state" for u in units)
    roots = {n: u for u in units if u.kind == "module" for n in u.names}
    for chain in before.closure.effects:
        slot = before.closure.slots.get(chain.root)
        unit = roots.get(chain.root) or (slot.unit if slot else None)
        if unit is None or not lasting(chain, unit):
            continue
        target = f"{unit.summary.get(chain.root, chain.root)}.{chain.path}"
        users = target == "importlib.reload" or host.modules.are_users(target.partition(".")[0])
        alone, found = alone and users, found or users
    effects = [(r.name or "").startswith(VARIABLES) for r in seen.reasons if r.code == "effect"]
    return alone and all(effects) if found or any(effects) else None


def keep_modules(live: dict[str, Slot], seen: Observed, placement: Placement, by: str) -> None:
    """Put the variables of the user's modules into the state that a failed run leaves, as they stand after it."""
    unknown = {r.name for r in seen.reasons if r.code == "effect"}
    for name in [n for n in {*placement.hidden, *seen.hidden} if n.startswith(VARIABLES)]:
        if name in unknown:
            live[name] = Slot(Unit((name,), placement.hidden.get(name, ABSENT), "hidden"), by)
            continue
        if name in seen.hidden:
            live[name] = Slot(of_state(name, seen.hidden[name]), by)
        if name in live and live[name].unit.artifact is not None:
            placement.hidden[name] = live[name].version
        else:
            live.pop(name, None)
            placement.hidden.pop(name, None)


def note_effect(placement: Placement, unit: Unit, patches: Sequence[Patch | None], reload: bool | None) -> None:
    """Record what an effect that stands may hold, and how it is taken back: with the user's modules, or by patches."""
    (name,) = unit.names
    if not name.startswith("effect:"):
        return
    standing = placement.names
    placement.given[name] = {(n, standing[n]) for n in unit.reach.names if n in standing}
    if reload is not None:
        placement.reloads[name] = reload
    if patches and None not in patches:
        placement.patches[name] = [p for p in patches if p is not None]


def left_in_process(before: Before, ran: Ran, seen: Observed, placement: Placement, *, undo: bool) -> dict[str, Slot]:
    """Return the effect of a run that failed: taken back where that can be, else nothing is recorded after it.

    With `undo` its patches are taken back once another cell runs.
    """
    assert ran.error is not None
    reload = reloads(before, seen, [], placement.host)
    patches = [p for p in undoable(before, seen, _reached(before, ran.line)) if p is None or _differs(p)]
    if not reload and not patches:
        return {}
    name = "effect:failed:" + secrets.token_hex(4)
    placement.hidden[name] = name
    unit = Unit((name,), name, "hidden")
    note_effect(placement, unit, patches if undo else (), reload)
    return {name: Slot(unit, before.reading.cell.id)}


def _differs(patch: Patch) -> bool:
    return patch.standing(ABSENT) is not patch.value


def _reached(before: Before, line: int) -> int:
    """Return the last line of the statement in which a run failed, 0 when it cannot be told."""
    if not line:
        return 0
    try:
        body = ast.parse(before.reading.cell.source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return 0
    return next((s.end_lineno or 0 for s in body if s.lineno <= line <= (s.end_lineno or 0)), 0)


def left_behind(before: Before, host: Host, key: str, written: set[str]) -> list[Unit]:
    """Return the imports from the user's modules that no longer are what an import gives: only runs bring them."""
    found = []
    # Only cells that can reach everything put other objects in the place of what modules hold.
    for name, slot in before.closure.slots.items() if before.closure.opaque else ():
        if slot is None or slot.unit.kind != "module" or name in written or name not in host.namespace:
            continue
        record = slot.unit.artifact.inline if slot.unit.artifact else None
        of = msgspec.json.decode(record, type=dict[str, str | None]) if record else {}
        module, attribute = of.get("module"), of.get("attribute")
        if module and attribute and outdated(host, module, attribute, name):
            found.append(Unit((name,), provenance.version(key=key, names=[name]), "module", summary=slot.unit.summary))
    return found


def outdated(host: Host, module: str, attribute: str, name: str) -> bool:
    """Tell whether a name holds what a module of the user's no longer has under the attribute."""
    if not host.modules.are_users(module):
        return False
    now = host.patch(module, attribute)
    return now is not None and now.value is not host.namespace[name]
