"""The line magic `%strata`: what was decided of a cell and why, without touching anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strata_kernel.errors import CellError
from strata_kernel.kernel.explaining import explain

if TYPE_CHECKING:
    from strata_kernel.kernel.bridge import Bridge

USAGE = """\
%strata why [cell|name]   explain the last decision on a cell (its id, label or place; default: the one run before)
%strata explain [cell]    how the database would run the query of a sql cell
%strata status            the state of every cell
%strata variant GROUP=NAME  let that variant stand for its group
%strata refresh [cell]    run the cell anew the next time it is run, whatever is cached"""


def register(shell: Any, bridge: Bridge) -> None:
    """Make `%strata` known to the shell."""

    def strata(line: str) -> None:
        print(answer(bridge, line.split()))

    strata.__doc__ = USAGE
    shell.register_magic_function(strata, "line", "strata")


def answer(bridge: Bridge, words: list[str]) -> str:
    """Return the answer to the words behind `%strata`."""
    verb, target = (words[0] if words else ""), " ".join(words[1:])
    if verb == "status":
        return bridge.view.table()
    if verb == "variant" and "=" in target:
        group, _, name = target.partition("=")
        bridge.order.activate({**bridge.order.variants, group.strip(): name.strip()})
        return f"variant {name.strip()!r} of {group.strip()!r} is active"
    if verb not in ("why", "refresh", "explain"):
        return USAGE
    target = target or bridge.recent
    entry = bridge.view.find(target) if target else None
    if entry is None:
        return f"there is no cell or name {target!r}" if target else "no cell has run yet"
    if verb == "why":
        return bridge.view.why(entry)
    if verb == "explain":
        try:
            return explain(bridge, entry)
        except CellError as error:
            return str(error)
    bridge.refresh.add(entry.reading.cell.id)
    return f"cell {entry.reading.label} will run anew the next time"
