"""Groups of cells that share one place in the notebook: which of each group stands, and what is wrong with any."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from strata_kernel.domain.cell import Aside, Cell, Gather, Lane, Spread
from strata_kernel.domain.diagnostic import Diagnostic, nearest
from strata_kernel.domain.directives import Directives, parse

#: Active in place of one variant: all of them, side by side.
ALL = "*"


class Choice(msgspec.Struct, frozen=True):
    """The cells that stand, in order, and for each of the others why it does not, by id."""

    standing: list[Cell]
    left_out: dict[str, str]


def choose(cells: Sequence[Cell], active: Mapping[str, str], *, whole: bool = True) -> Choice:
    """Choose one cell of each group: the active one, else the first; all of them where ALL is active.

    Those are gathered behind the last of them. A document that is not known as a `whole` may still get the cell that
    is named active: it is waited for.
    """
    named = {c.id: variant for c in cells if (variant := variant_of(c)) is not None}
    if not named:
        return Choice(list(cells), {})
    members: dict[str, list[str]] = {}
    for group, name in named.values():
        members.setdefault(group, []).append(name)
    swept = {g: members[g] for g in members if active.get(g) == ALL}
    chosen = {g: active[g] if g in active and (active[g] in m or not whole) else m[0] for g, m in members.items()}
    standing: list[Cell] = []
    left_out: dict[str, str] = {}
    taken: set[str] = set()
    sweeps = {g: _Sweep(g) for g in swept}
    for cell in cells:
        variant = named.get(cell.id)
        if variant is not None and variant[0] in swept:
            standing += sweeps[variant[0]].take(cell, variant[1], left_out)
            swept[variant[0]].remove(variant[1])
            if not swept[variant[0]]:
                standing.append(sweeps[variant[0]].gather())
        elif variant is None and (sweep := _sweep_of(cell, sweeps)) is not None:
            standing.append(sweep.fan(cell))
        elif variant is None or (chosen[variant[0]] == variant[1] and variant[0] not in taken):
            standing.append(cell)
            taken.update(variant[:1] if variant else ())
        else:
            group, name = variant
            left_out[cell.id] = f"variant {name!r} of {group!r} is not active: {chosen[group]!r} is"
    return Choice(standing, left_out)


class _Sweep:
    """A group whose variants all run: the lanes as they have come so far."""

    def __init__(self, group: str) -> None:
        self.group = group
        self.members: dict[str, Cell] = {}
        self.lanes: dict[str, list[str]] = {}
        self.done = False

    def take(self, cell: Cell, name: str, left_out: dict[str, str]) -> list[Cell]:
        if name in self.members:
            left_out[cell.id] = f"variant {name!r} of {self.group!r} is cell {self.members[name].id} already"
            return []
        self.members[name] = Aside(cell.id, cell.source, cell.kind)
        self.lanes[name] = [cell.id]
        return [self.members[name]]

    def gather(self) -> Gather:
        self.done = True
        place, source = f"gather:{self.group}", f"# @name {self.group}"
        for cells in self.lanes.values():
            cells.append(place)
        lanes = tuple(Lane(name, (member.id,)) for name, member in self.members.items())
        return Gather(place, source, "code", lanes, tuple(self.members.values()))

    def fan(self, cell: Cell) -> Spread:
        lanes = tuple(Lane(name, tuple(cells)) for name, cells in self.lanes.items())
        for cells in self.lanes.values():
            cells.append(cell.id)
        return Spread(cell.id, cell.source, cell.kind, lanes)


def _sweep_of(cell: Cell, sweeps: Mapping[str, _Sweep]) -> _Sweep | None:
    """Return the sweep on whose lanes a cell is to run: the one that it names, else the only one above."""
    asked = per_variant(cell)
    above = [s for s in sweeps.values() if s.done and asked in ("", s.group)]
    return above[0] if len(above) == 1 else None


def per_variant(cell: Cell) -> str | None:
    """Return the group on whose variants a cell wants to run, "" where it leaves that open, None where it does not."""
    return parse(cell.source).per_variant if cell.kind == "code" and "@per_variant" in cell.source else None


def groups(cells: Iterable[Cell]) -> list[str]:
    """Return the names of all groups, in order."""
    return list(dict.fromkeys(variant[0] for cell in cells if (variant := variant_of(cell)) is not None))


def variant_of(cell: Cell) -> tuple[str, str] | None:
    """Return the group and the name that a cell gives itself."""
    return parse(cell.source).variant if cell.kind == "code" and "@variant" in cell.source else None


def findings(
    cells: Iterable[Cell], active: Mapping[str, str], binds: Callable[[Cell], frozenset[str]]
) -> Iterator[Diagnostic]:
    """Yield what is wrong with groups: active variants that are none, members that bind different names, lost lanes."""
    found: dict[str, list[tuple[Cell, str, Directives]]] = {}
    swept: list[str] = []
    for cell in cells:
        if (variant := variant_of(cell)) is not None:
            found.setdefault(variant[0], []).append((cell, variant[1], parse(cell.source)))
            swept += [variant[0]] * (active.get(variant[0]) == ALL and variant[0] not in swept)
        if (asked := per_variant(cell)) is not None:
            yield from _lanes(cell, asked, variant is not None, list(found), swept)
    for group, members in found.items():
        names = [name for _, name, _ in members]
        if group in active and active[group] not in (ALL, *names):
            guess = nearest(active[group], names)
            text = f"the active variant of {group!r} is {active[group]!r}, which no cell is: {names[0]!r} stands for it"
            yield _at(members[0], "variant_active_unknown", text, guess)
        first = binds(members[0][0])
        for member in members[1:]:
            mine = binds(member[0])
            if mine != first:
                text = f"variants of {group!r} should bind the same names: {_differing(first, mine, names[0])}"
                yield _at(member, "variant_contract_mismatch", text)


def _differing(first: frozenset[str], mine: frozenset[str], name: str) -> str:
    parts = [f"{name!r} binds {', '.join(sorted(first - mine))}"] if first - mine else []
    parts += [f"this one binds {', '.join(sorted(mine - first))}"] if mine - first else []
    return " and ".join(parts)


def _lanes(cell: Cell, asked: str, member: bool, known: list[str], swept: list[str]) -> Iterator[Diagnostic]:
    """Yield what is wrong with a cell that wants to run once for each variant."""
    at = (cell, "", parse(cell.source))
    if member:
        yield _at(at, "per_variant_on_variant_member", "a variant runs once, so @per_variant does nothing", on=_FAN)
    elif asked and asked not in known:
        text = f"no cell above is a variant of {asked!r}"
        yield _at(at, "per_variant_unknown_group", text, nearest(asked, known), on=_FAN)
    elif not asked and len(swept) > 1:
        text = f"several groups are swept above ({', '.join(swept)}): name one, or the cell runs once"
        yield _at(at, "per_variant_ambiguous_group", text, f"@per_variant {swept[0]}", on=_FAN)
    elif not known:
        yield _at(at, "per_variant_no_sweep_source", "no cell above is a variant, so the cell runs once", on=_FAN)


_FAN = "per_variant"


def _at(
    member: tuple[Cell, str, Directives], code: str, text: str, suggestion: str | None = None, on: str = "variant"
) -> Diagnostic:
    cell, _, directives = member
    item = [i for i in directives.items if i.name == on][-1]
    return Diagnostic(code, text, "warning", item.line, item.column, item.end, cell.id, suggestion)
