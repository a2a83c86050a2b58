"""Groups of cells that share one place in the notebook: which of each group stands, and what is wrong with any."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from strata_kernel.domain.cell import Cell
from strata_kernel.domain.diagnostic import Diagnostic, nearest
from strata_kernel.domain.directives import Directives, parse


class Choice(msgspec.Struct, frozen=True):
    """The cells that stand, in order, and for each of the others why it does not, by id."""

    standing: list[Cell]
    left_out: dict[str, str]


def choose(cells: Sequence[Cell], active: Mapping[str, str], *, whole: bool = True) -> Choice:
    """Choose one cell of each group: the active one, else the first.

    A document that is not known as a `whole` may still get the cell that is named active: it is waited for.
    """
    named = {c.id: variant for c in cells if (variant := variant_of(c)) is not None}
    if not named:
        return Choice(list(cells), {})
    members: dict[str, list[str]] = {}
    for group, name in named.values():
        members.setdefault(group, []).append(name)
    chosen = {g: active[g] if g in active and (active[g] in m or not whole) else m[0] for g, m in members.items()}
    standing: list[Cell] = []
    left_out: dict[str, str] = {}
    taken: set[str] = set()
    for cell in cells:
        variant = named.get(cell.id)
        if variant is None or (chosen[variant[0]] == variant[1] and variant[0] not in taken):
            standing.append(cell)
            taken.update(variant[:1] if variant else ())
        else:
            group, name = variant
            left_out[cell.id] = f"variant {name!r} of {group!r} is not active: {chosen[group]!r} is"
    return Choice(standing, left_out)


def variant_of(cell: Cell) -> tuple[str, str] | None:
    """Return the group and the name that a cell gives itself."""
    return parse(cell.source).variant if cell.kind == "code" and "@variant" in cell.source else None


def findings(
    cells: Iterable[Cell], active: Mapping[str, str], binds: Callable[[Cell], frozenset[str]]
) -> Iterator[Diagnostic]:
    """Yield what is wrong with groups: an active variant that is none, and members that bind different names."""
    groups: dict[str, list[tuple[Cell, str, Directives]]] = {}
    for cell in cells:
        if (variant := variant_of(cell)) is not None:
            groups.setdefault(variant[0], []).append((cell, variant[1], parse(cell.source)))
    for group, members in groups.items():
        names = [name for _, name, _ in members]
        if group in active and active[group] not in names:
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


def _at(member: tuple[Cell, str, Directives], code: str, text: str, suggestion: str | None = None) -> Diagnostic:
    cell, _, directives = member
    item = [i for i in directives.items if i.name == "variant"][-1]
    return Diagnostic(code, text, "warning", item.line, item.column, item.end, cell.id, suggestion)
