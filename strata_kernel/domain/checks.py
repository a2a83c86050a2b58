"""What is wrong with a document as a whole: references between cells, and names that the settings must know."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import msgspec

from strata_kernel.domain.cell import Cell
from strata_kernel.domain.diagnostic import Diagnostic, Severity, nearest
from strata_kernel.domain.directives import Directives, parse


class _Head(NamedTuple):
    cell: Cell
    found: Directives

    def report(
        self, directive: str, code: str, message: str, suggestion: str | None = None, severity: Severity = "warning"
    ) -> Diagnostic:
        """Make a diagnostic at the last directive of that name."""
        item = [i for i in self.found.items if i.name == directive][-1]
        return Diagnostic(code, message, severity, item.line, item.column, item.end, self.cell.id, suggestion)


def check(cells: Iterable[Cell], workers: Collection[str] = (), mounts: Collection[str] = ()) -> list[Diagnostic]:
    """Return the diagnostics of all code cells, in document order; the names are those that the settings declare."""
    heads = [_Head(cell, parse(cell.source)) for cell in cells if cell.kind == "code"]
    known = {"local", *workers}
    order = _order(heads)
    taken: dict[tuple[str, str], str] = {}
    result: list[Diagnostic] = []
    for head in heads:
        result += [msgspec.structs.replace(d, cell=head.cell.id) for d in head.found.diagnostics]
        result += _references(head, order)
        worker = head.found.worker
        if worker is not None and worker not in known:
            result.append(head.report("worker", "worker_unknown", *unknown_worker(worker, known)))
        for mount in head.found.mounts:
            if mount.name in mounts:
                text = f"{mount.name!r} hides the notebook's mount of that name"
                result.append(head.report("mount", "mount_shadows_notebook", text, mount.name + "_here", "info"))
        if (variant := head.found.variant) is not None:
            if variant in taken:
                text = f"variant {' '.join(variant)!r} is cell {taken[variant]} already"
                fix = f"@variant {variant[0]} {variant[1]}_2"
                result.append(head.report("variant", "variant_duplicate", text, fix, "error"))
            taken.setdefault(variant, head.cell.id)
    return result


def unknown_worker(name: str, known: Collection[str]) -> tuple[str, str | None]:
    """Return what to say of a worker that is not declared, and the name that was probably meant."""
    guess = nearest(name, known)
    hint = f"did you mean {guess}?" if guess else f"declared are {', '.join(sorted(known))}"
    return f"no worker is named {name!r}; {hint}", guess


def _order(heads: list[_Head]) -> dict[str, int]:
    """Map ids and names of cells to their places; ids win, then the first of a name."""
    order: dict[str, int] = {}
    for place, head in enumerate(heads):
        if head.found.name:
            order.setdefault(head.found.name, place)
    order.update((head.cell.id, place) for place, head in enumerate(heads))
    return order


def _references(head: _Head, order: Mapping[str, int]) -> Iterable[Diagnostic]:
    """Yield what is wrong with `@after`: document order is the order of runs, so it can only point upwards."""
    for name in head.found.after:
        if name not in order:
            guess = nearest(name, order)
            hint = f"; did you mean {guess}?" if guess else ""
            yield head.report("after", "after_unknown", f"no cell has the id or name {name!r}{hint}", guess)
        elif order[name] >= order[head.cell.id]:
            text = f"{name!r} does not stand above this cell, so the order is circular: move it up"
            yield head.report("after", "cycle", text, severity="error")
